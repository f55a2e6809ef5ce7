"""Blobs on one link: carries out what `BlobSync` and `BlobAnswers` decide, over the blobs held.

As in `exchange.py` the reader of the link calls the `hear_*` methods and `take`, and the writer
calls `pump`, which alone sends: one piece at a time, and only where a full batch of entries would
find credit after it. So blobs travel in the room that entries leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.peering.policy import ANSWER_MS
from sheaf_protocol.blob import piece_count
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import BLOB_PIECE, MAX_BATCH_BYTES
from sheaf_protocol.link import BlobAnswers, Stretch
from sheaf_protocol.link.messages import BlobEnd, BlobPiece, BlobWant

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_node.blobs import Fetching
    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.link import Link

OK: Final = "ok"
UNKNOWN: Final = "blob.unknown"
_ROOM: Final = MAX_BATCH_BYTES + BLOB_PIECE + 8 * 32
"""Credit before a piece: for itself, its path, and a batch of entries after it."""


class BlobExchange:
    """What both sides of one link want of each other's blobs, in all common federations."""

    def __init__(self, link: Link, fetching: Fetching, stir: Callable[[], None]) -> None:
        # `stir` has the link's writer and the peering's ticks run.
        self._link, self._fetching, self._stir = link, fetching, stir
        self._answers = BlobAnswers()
        self._is_ask_due = False

    def join(self) -> None:
        """Let the peer be asked, now that it may stay."""
        self._fetching.join(self, lambda: self._link.common, self.wake)
        self._is_ask_due = True

    def wake(self) -> None:
        """Ask the peer for what is wanted, as soon as it may be asked."""
        self._is_ask_due = True
        self._stir()

    def hear_want(self, message: BlobWant, fid: FederationId) -> bool:
        """Owe the peer pieces; return whether we hold the blob for this federation's members.

        Raises RemoteProtocolError `blob.wants`.
        """
        self._answers.hear(Stretch(fid=fid, id=message.id, first=message.first, last=message.last))
        return self._fetching.held.is_registered(message.id, fid)

    async def take(self, message: BlobPiece, fid: FederationId) -> None:
        """Take a piece. Raises RemoteProtocolError `blob.piece`."""
        await self._fetching.take(self, fid, message)

    def hear_end(self, message: BlobEnd, fid: FederationId, now_ms: int) -> bool:
        """Close a question; return whether the peer sent all that it says it sent.

        Raises RemoteProtocolError `blob.piece`.
        """
        self._is_ask_due = True
        return self._fetching.sync.end(self, fid, message.id, message.code, now_ms)

    def hear_other(self, now_ms: int) -> None:
        """Note that the peer is busy with entries, which go first."""
        self._fetching.sync.hear(self, now_ms)

    def tick(self, now_ms: int) -> bool:
        """Return whether the peer owes an answer. Raises RemoteProtocolError `link.stalled`."""
        if self._fetching.sync.is_stalled(self, now_ms, ANSWER_MS):
            raise RemoteProtocolError("link.stalled", f"expected a piece within {ANSWER_MS} ms")
        self._is_ask_due = True  # others may have been asked in vain for long enough
        return self._fetching.sync.is_asking(self)

    def pump(self, now_ms: int) -> bool:
        """Send what is due, at most one piece; return whether there is more to send now."""
        if self._is_ask_due:
            self._is_ask_due = False
            for wanted in self._fetching.sync.ask(self, self._link.common, now_ms):
                scope = self._link.blind(wanted.fid)
                self._link.send(BlobWant(scope, wanted.id, wanted.first, wanted.last))
                self._stir()
        return self._answer()

    def withdraw(self) -> None:
        """Let go of what both sides asked in federations that are not common any more."""
        self._answers.withdraw(self._link.common)
        self._fetching.sync.withdraw(self, self._link.common)

    def end(self) -> None:
        """Let go of what was asked of this peer."""
        self._fetching.leave(self)

    def _answer(self) -> bool:
        left = self._answers.next()
        if left is None or self._link.credit < _ROOM:
            return False
        piece = self._piece(left)
        if isinstance(piece, BlobEnd):
            self._link.send(piece)
            self._answers.close()
            return True
        self._link.send(piece)
        self._answers.sent()
        return True

    def _piece(self, left: Stretch) -> BlobPiece | BlobEnd:
        """Return the next piece of an answer, or its end."""
        scope, held = self._link.blind(left.fid), self._fetching.held
        size = held.size_of(left.id)
        if size is None or not held.is_registered(left.id, left.fid):
            return BlobEnd(scope, left.id, UNKNOWN)
        if left.first > min(left.last, piece_count(size) - 1):
            return BlobEnd(scope, left.id, OK)
        found = held.piece(left.id, left.first)
        if found is None:
            return BlobEnd(scope, left.id, UNKNOWN)
        _, path, data = found
        return BlobPiece(scope, left.id, size, left.first, path, data)
