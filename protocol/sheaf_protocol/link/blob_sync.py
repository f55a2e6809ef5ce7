"""Blobs: what pieces to ask of whom, and what a peer is sent (spec chapter 06, section 8).

Pure decisions over what is wanted and what peers said; the owner of the links carries them out.

* A piece is checked when it comes, so that pieces of one blob may come from several peers.
* A stretch of pieces is asked of one peer at a time. What has not come when its link ends, or after
  a while, is asked of another.
* A peer that said no is not asked for that blob again before some time has passed.
* Nobody can push: a piece that was not asked for, or not now, ends the link.

Memory is bounded by `MAX_WANTED` blobs of at most 256 pieces, and by `MAX_ASKED` questions a peer.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sheaf_protocol.blob import piece_count, require_piece
from sheaf_protocol.digest import short
from sheaf_protocol.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sheaf_protocol.blob import BlobId
    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.link.messages import BlobPiece

MAX_ASKED: Final = 4
"""Blobs asked of one peer at a time, over all federations."""

MAX_WANTED: Final = 64
"""Blobs that a node fetches at a time."""

STRETCH: Final = 16
"""Pieces of one question: 1 MiB, half of what a peer may send before more credit is granted."""

CLAIM_MS: Final = 20_000
"""How long a stretch is left to the peer that was asked first: 52 KB a second."""

DENIED_MS: Final = 60_000
"""How long a peer's no stands."""


class Receipt(enum.Enum):
    """What to do with a piece that was asked for and is right."""

    STORE = "store"
    KNOWN = "known"
    """It came from another peer before, or nobody wants the blob any more."""
    OTHER_SIZE = "other_size"
    """The blob is not of the size that we were told: no peer has it so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Pieces `first` to `last` of a blob, asked for in one federation."""

    fid: FederationId
    id: BlobId
    first: int
    last: int


@dataclass(kw_only=True, slots=True)
class _Wanted:
    fids: set[FederationId]
    size: int | None
    missing: set[int]
    denied: dict[object, int] = field(default_factory=dict)
    """Until when the no of each link stands."""


@dataclass(kw_only=True, slots=True)
class _Question:
    fid: FederationId
    next: int
    last: int
    asked_ms: int


@dataclass(kw_only=True, slots=True)
class _Peer:
    heard_ms: int
    questions: dict[BlobId, _Question] = field(default_factory=dict)


class BlobSync:
    """The blobs that a node wants, and what is asked of whom, over all its links."""

    def __init__(self) -> None:
        self._wanted: dict[BlobId, _Wanted] = {}
        self._peers: dict[object, _Peer] = {}

    @property
    def is_full(self) -> bool:
        """Whether no more blobs can be wanted for now."""
        return len(self._wanted) >= MAX_WANTED

    def wants(self, id_: BlobId) -> bool:
        """Return whether a blob is wanted."""
        return id_ in self._wanted

    def want(
        self,
        id_: BlobId,
        fids: Iterable[FederationId],
        *,
        size: int | None = None,
        held: Collection[int] = (),
    ) -> None:
        """Want a blob of the members of these federations; `held` pieces are here already.

        Without a size the first piece tells it. Wanted again, it is asked for in all federations.
        """
        wanted = self._wanted.get(id_)
        if wanted is None:
            missing = {0} if size is None else set(range(piece_count(size))) - set(held)
            wanted = self._wanted[id_] = _Wanted(fids=set(), size=size, missing=missing)
        wanted.fids.update(fids)

    def drop(self, id_: BlobId) -> None:
        """Want a blob no more: it is whole, or nobody waits for it."""
        self._wanted.pop(id_, None)

    def size_of(self, id_: BlobId) -> int | None:
        """Return the size of a wanted blob, once a piece or whoever wants it has told it."""
        wanted = self._wanted.get(id_)
        return None if wanted is None else wanted.size

    def is_whole(self, id_: BlobId) -> bool:
        """Return whether all pieces of a wanted blob have come."""
        wanted = self._wanted.get(id_)
        return wanted is not None and not wanted.missing

    def is_denied(self, id_: BlobId, links: Iterable[object], now_ms: int) -> bool:
        """Return whether each of these links has said no, lately."""
        wanted = self._wanted.get(id_)
        return wanted is not None and all(wanted.denied.get(x, 0) > now_ms for x in links)

    def retry(self) -> None:
        """Let those be asked again that said no: time has passed, or members have changed."""
        for wanted in self._wanted.values():
            wanted.denied.clear()

    def ask(self, link: object, fids: Collection[FederationId], now_ms: int) -> list[Stretch]:
        """Return what to ask a peer for now, in the federations common with it."""
        peer = self._peers.setdefault(link, _Peer(heard_ms=now_ms))
        if not peer.questions:
            peer.heard_ms = now_ms
        asked = []
        for id_, wanted in self._wanted.items():
            if len(peer.questions) >= MAX_ASKED:
                break
            common = wanted.fids.intersection(fids)
            if id_ in peer.questions or not common or wanted.denied.get(link, 0) > now_ms:
                continue
            run = self._next_run(id_, wanted, now_ms)
            if run is not None:
                question = _Question(fid=min(common), next=run[0], last=run[1], asked_ms=now_ms)
                peer.questions[id_] = question
                asked.append(Stretch(fid=question.fid, id=id_, first=run[0], last=run[1]))
        return asked

    def hear(self, link: object, now_ms: int) -> None:
        """Note that a peer sends something, if not yet what it was asked for here."""
        if link in self._peers:
            self._peers[link].heard_ms = now_ms

    def receive(self, link: object, fid: FederationId, piece: BlobPiece, now_ms: int) -> Receipt:
        """Take a piece and return what to do with it.

        Raises RemoteProtocolError `blob.piece` unless it is the next one asked for, and right.
        """
        question = self._question(link, fid, piece.id)
        if question is None or piece.index != question.next or piece.index > question.last:
            detail = f"expected no piece {piece.index} of blob {short(piece.id)} now"
            raise RemoteProtocolError("blob.piece", detail)
        require_piece(piece.id, piece.size, piece.index, piece.data, piece.path)
        question.next += 1
        self.hear(link, now_ms)
        wanted = self._wanted.get(piece.id)
        if wanted is None:
            return Receipt.KNOWN
        if wanted.size is None:
            wanted.size, wanted.missing = piece.size, set(range(piece_count(piece.size)))
        if wanted.size != piece.size:
            return Receipt.OTHER_SIZE
        if piece.index not in wanted.missing:
            return Receipt.KNOWN
        wanted.missing.remove(piece.index)
        return Receipt.STORE

    def end(self, link: object, fid: FederationId, id_: BlobId, code: str, now_ms: int) -> bool:
        """Close a question; return whether the peer sent all that it says it sent.

        Raises RemoteProtocolError `blob.piece` where nothing was asked.
        """
        question = self._question(link, fid, id_)
        if question is None:
            detail = f"expected no end of blob {short(id_)}, which was not asked for"
            raise RemoteProtocolError("blob.piece", detail)
        del self._peers[link].questions[id_]
        self.hear(link, now_ms)
        is_complete = question.next > question.last
        wanted = self._wanted.get(id_)
        if wanted is None:
            return True
        if not is_complete:
            wanted.denied[link] = now_ms + DENIED_MS
        return is_complete or code != "ok"

    def leave(self, link: object) -> None:
        """Forget a link that ended; what it owed may be asked of others."""
        self._peers.pop(link, None)
        for wanted in self._wanted.values():
            wanted.denied.pop(link, None)

    def withdraw(self, link: object, common: Collection[FederationId]) -> None:
        """Forget what a peer was asked in federations that are no longer common with it."""
        peer = self._peers.get(link)
        if peer is not None:
            questions = peer.questions.items()
            peer.questions = {id_: asked for id_, asked in questions if asked.fid in common}

    def is_stalled(self, link: object, now_ms: int, limit_ms: int) -> bool:
        """Return whether a peer has owed an answer and sent nothing for too long."""
        peer = self._peers.get(link)
        return peer is not None and bool(peer.questions) and now_ms - peer.heard_ms > limit_ms

    def is_asking(self, link: object) -> bool:
        """Return whether a peer owes an answer."""
        peer = self._peers.get(link)
        return peer is not None and bool(peer.questions)

    def _question(self, link: object, fid: FederationId, id_: BlobId) -> _Question | None:
        peer = self._peers.get(link)
        question = None if peer is None else peer.questions.get(id_)
        return question if question is not None and question.fid == fid else None

    def _next_run(self, id_: BlobId, wanted: _Wanted, now_ms: int) -> tuple[int, int] | None:
        """Return the first missing pieces that no other peer has been asked for of late."""
        free = wanted.missing - self._claimed(id_, now_ms)
        if not free:
            return None
        first = last = min(free)
        while last + 1 in free and last + 1 < first + STRETCH:
            last += 1
        return first, last

    def _claimed(self, id_: BlobId, now_ms: int) -> set[int]:
        claimed: set[int] = set()
        for peer in self._peers.values():
            question = peer.questions.get(id_)
            if question is not None and now_ms - question.asked_ms < CLAIM_MS:
                claimed.update(range(question.next, question.last + 1))
        return claimed


class BlobAnswers:
    """What one peer has asked for and was not sent yet, the oldest question first."""

    def __init__(self) -> None:
        self._open: deque[Stretch] = deque()

    def hear(self, stretch: Stretch) -> None:
        """Take a question. Raises RemoteProtocolError `blob.wants` where too many are open."""
        if len(self._open) >= MAX_ASKED or any(left.id == stretch.id for left in self._open):
            detail = f"expected at most {MAX_ASKED} questions at a time, each for another blob"
            raise RemoteProtocolError("blob.wants", detail)
        self._open.append(stretch)

    def next(self) -> Stretch | None:
        """Return what is left to be sent of the oldest question, or None."""
        return self._open[0] if self._open else None

    def sent(self) -> None:
        """Note that the next piece of the oldest question was sent."""
        left = self._open[0]
        self._open[0] = Stretch(fid=left.fid, id=left.id, first=left.first + 1, last=left.last)

    def close(self) -> None:
        """Note that the oldest question was answered."""
        self._open.popleft()

    def withdraw(self, common: Collection[FederationId]) -> None:
        """Forget what was asked in federations that are no longer common with the peer."""
        self._open = deque(left for left in self._open if left.fid in common)
