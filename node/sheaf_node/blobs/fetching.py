"""Fetching blobs: wanted by this node's own people and programs, brought by linked peers.

Nobody can push a blob. What is fetched is a draft until its last piece is here; a draft outlives
the process, and is removed when nobody has asked for it for a while.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.blob import piece_count
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.link import BlobSync, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sheaf_node.blobs.holding import Blobs
    from sheaf_node.clock import Clock
    from sheaf_protocol.blob import BlobId, BlobRef
    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.link.messages import BlobPiece

LAPSE_MS: Final = 86_400_000
"""A day after it was last asked for, a draft is removed."""
EMPTY_LAPSE_MS: Final = 600_000
"""Ten minutes, where no piece of it has come: nobody holds it, or the id was wrong."""
MAX_FAILURES: Final = 64
"""Reasons kept for who asks again; older ones go."""
_LOG = logging.getLogger("sheaf.blobs")


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a blob is that is being fetched."""

    size: int | None
    pieces: int
    of: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    common: Callable[[], Collection[FederationId]]
    wake: Callable[[], None]


class Fetching:
    """What a node wants of blobs, over all its links."""

    def __init__(self, blobs: Blobs, clock: Clock) -> None:
        self.held = blobs
        self.sync = BlobSync()
        self._clock = clock
        self._sources: dict[object, _Source] = {}
        self._failures: dict[BlobId, Refusal] = {}
        for id_, row in blobs.drafts.items():
            self.sync.want(id_, row.uses, size=row.size, held=row.pieces)

    def join(
        self,
        link: object,
        common: Callable[[], Collection[FederationId]],
        wake: Callable[[], None],
    ) -> None:
        """Count a link in: what federations it has in common, and how its writer is woken."""
        self._sources[link] = _Source(common=common, wake=wake)

    def leave(self, link: object) -> None:
        """Count a link out, and let the others be asked for what it owed."""
        self._sources.pop(link, None)
        self.sync.leave(link)
        self._wake()

    async def add(self, data: bytes, fid: FederationId) -> BlobRef:
        """Store a blob of ours. Raises what `Blobs.add` does."""
        ref = await self.held.add(data, fid, self._clock.now_ms())
        self.sync.drop(ref.id)
        return ref

    async def get(
        self, id_: BlobId, fid: FederationId, *, size: int | None = None
    ) -> bytes | Progress:
        """Return a blob, or how far it is: it is being fetched from then on.

        Raises Refusal: `blob.unknown` once all linked members of the federation said no,
        `blob.size` where it has another size, `blob.busy`, `blob.quota`, `quota.disk`,
        `blob.write`.
        """
        if self.sync.is_whole(id_):  # its last piece came with the end of a link
            await self._finish(id_)
        self._require_size(id_, self.held.size_of(id_) or self.sync.size_of(id_), size)
        data = await self.held.read(id_)
        if data is not None:
            return data
        failure = self._failures.pop(id_, None)
        if failure is not None:
            raise failure
        await self._want(id_, fid, size)
        members = [link for link, source in self._sources.items() if fid in source.common()]
        # Where none is linked, none has said no: a link that broke for a moment is no answer.
        if members and self.sync.is_denied(id_, members, self._clock.now_ms()):
            detail = f"expected one of {len(members)} linked peers to hold blob {id_.hex()}"
            raise Refusal("blob.unknown", detail)
        return self._progress(id_)

    async def take(self, link: object, fid: FederationId, piece: BlobPiece) -> None:
        """Take a piece from a peer. Raises RemoteProtocolError `blob.piece`."""
        receipt = self.sync.receive(link, fid, piece, self._clock.now_ms())
        try:
            if receipt is Receipt.OTHER_SIZE:
                self._require_size(piece.id, piece.size, self.sync.size_of(piece.id))
            if receipt is Receipt.STORE:
                await self.held.write_piece(piece.id, piece.size, piece.index, piece.data)
            if self.sync.is_whole(piece.id):
                await self._finish(piece.id)
        except Refusal as refusal:
            await self._fail(piece.id, refusal)

    async def forget_lapsed(self) -> None:
        """Remove the drafts that nobody has asked for lately; let others be asked for again."""
        now_ms = self._clock.now_ms()
        self.sync.retry()
        for id_, row in self.held.drafts.items():
            if now_ms - row.asked_ms >= (LAPSE_MS if row.pieces else EMPTY_LAPSE_MS):
                self.sync.drop(id_)
                await self._forget(id_)
        self._wake()

    async def _want(self, id_: BlobId, fid: FederationId, size: int | None) -> None:
        if not self.sync.wants(id_):
            if self.sync.is_full:
                await self.forget_lapsed()
            if self.sync.is_full:
                raise Refusal("blob.busy", "expected fewer blobs to be fetched at a time")
        row = await self.held.want(id_, fid, size, self._clock.now_ms())
        self.sync.want(id_, [fid], size=row.size, held=row.pieces)
        self._wake()

    async def _finish(self, id_: BlobId) -> None:
        self.sync.drop(id_)
        await self.held.finish(id_)

    async def _fail(self, id_: BlobId, refusal: Refusal) -> None:
        """Give a blob up, and keep the reason for who asks for it next."""
        self.sync.drop(id_)
        self._failures[id_] = refusal
        if len(self._failures) > MAX_FAILURES:
            del self._failures[next(iter(self._failures))]
        await self._forget(id_)

    async def _forget(self, id_: BlobId) -> None:
        try:
            await self.held.forget(id_)
        except Refusal as refusal:
            _LOG.warning("%s", refusal)

    def _progress(self, id_: BlobId) -> Progress:
        row = self.held.drafts.get(id_)
        size = self.sync.size_of(id_)
        pieces = 0 if row is None else len(row.pieces)
        return Progress(size=size, pieces=pieces, of=None if size is None else piece_count(size))

    def _require_size(self, id_: BlobId, known: int | None, asked: int | None) -> None:
        if known is not None and asked is not None and known != asked:
            detail = f"expected {known} bytes, the size of blob {short(id_)}, got {asked}"
            raise Refusal("blob.size", detail)

    def _wake(self) -> None:
        for source in self._sources.values():
            source.wake()
