"""One log while a batch is decided: who writes it, and how far it has come.

What is looked up here does not move while a decision is made, so it is looked up once for a log and
not once for an entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.ingest.fence import is_open
from sheaf_node.ingest.judge import Judge
from sheaf_node.store.model import FORKED, LEFT
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.log import EMPTY, Head, require_next, require_writer

if TYPE_CHECKING:
    from sheaf_node.ingest.model import Opened
    from sheaf_node.store import State
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.charter.effect import AuthorFault
    from sheaf_protocol.identity import Cut
    from sheaf_protocol.proof import Run


class LogProgress:
    """The head of a log as the entries decided so far leave it, and what its author may."""

    def __init__(
        self,
        state: State,
        federation: Federation | None,
        first: Opened,
        fence: int | None = None,
    ) -> None:
        header = first.header
        held = state.logs.get(first.log)
        head = EMPTY if held is None else held.head
        self.seq, self._id, self._time_ms = head.seq, head.id, head.time_ms
        self.forked_at = None if held is None else held.forked_at
        self._federation = federation
        self._keys = state.key_logs.get(header.cid)
        writer = None if self._keys is None else self._keys.writers.get(header.wid)
        self._free_until_ms = -1
        """Until when an entry's time alone says that the writer may write it."""
        if writer is not None and not writer.is_closed:
            self._free_until_ms = MAX_INT if writer.expires_ms is None else writer.expires_ms
        # RST-6: a promise holds until the key log says where the log ends.
        self._fence = fence if is_open(self._keys, header.wid) else None
        self._left: Cut | None = None
        self._is_member = federation is not None and federation.was_member(header.cid)
        if federation is not None:
            self._left = federation.cut_of(header.cid, header.wid)
            self._judge = Judge(federation, header.cid, header.wid)
        self._kept: list[tuple[int, int, Run]] = []

    def require_author(self, item: Opened) -> None:
        """Return if the author may write in this federation at this place, else raise."""
        header = item.header
        if self._federation is None:
            raise not_yet("charter.unknown_federation", f"federation {short(header.fid)}")
        if self._keys is None:
            raise not_yet("key.unknown", f"the key log of co-op {short(header.cid)}")
        if header.time_ms > self._free_until_ms:
            require_writer(self._keys, header, item.id)
        if not self._is_member:
            raise not_yet("charter.not_member", f"co-op {short(header.cid)} to be a member")
        if self._left is not None and self._left.is_void(header.seq, item.id):
            raise self._beyond(self._left, item)

    def require_not_forked(self, item: Opened) -> None:
        """Return if the entry lies below the place at which its log is known to fork."""
        if self.forked_at is not None and item.header.seq >= self.forked_at:
            detail = f"writer {short(item.header.wid)} forked its log at {self.forked_at}"
            raise RemoteProtocolError(FORKED, f"{detail}, got {item.header.seq}")

    def require_not_promised(self, item: Opened) -> None:
        """Return if we did not promise to take no more of the log, else raise `log.lost`."""
        if self._fence is not None and item.header.seq > self._fence:
            detail = f"the lost writer {short(item.header.wid)} to be closed, having promised"
            raise not_yet("log.lost", f"{detail} to take nothing beyond entry {self._fence}")

    def require_next(self, item: Opened) -> None:
        """Return if the entry continues the log, else raise as the log rule does."""
        header = item.header
        if header.seq != self.seq + 1 or header.prev != self._id or header.time_ms < self._time_ms:
            require_next(Head(seq=self.seq, id=self._id, time_ms=self._time_ms), header)

    @property
    def is_known(self) -> bool:
        """Whether the log is one of a federation of ours, so that its entries can be judged."""
        return self._federation is not None

    def fault(self, item: Opened) -> AuthorFault | None:
        """Return the author's fault that leaves an entry of a known log without effect, or None.

        Raises RemoteProtocolError `enc.*`.
        """
        return self._judge.fault(item.header, item.envelope.payload)

    def _beyond(self, left: Cut, item: Opened) -> RemoteProtocolError:
        header = item.header
        expected = f"expected the log of {short(header.cid)} to end with entry {left.seq}"
        detail = f"{expected}, {short(left.head)}, where it left"
        detail = f"{detail}; got {header.seq}, {short(item.id)}"
        return RemoteProtocolError(LEFT, detail, Fault.AUTHOR)

    def advance(self, item: Opened) -> None:
        """Move the head on to an entry that was accepted."""
        self.seq, self._id, self._time_ms = item.header.seq, item.id, item.header.time_ms

    def keep(self, run: Run, first: int) -> None:
        """Note that entries of a run were accepted, beginning at this place of it."""
        self._kept.append((run.entries[first].header.seq, first, run))

    def kept_at(self, seq: int) -> tuple[Run, int] | None:
        """Return where in this batch the entry of a number was accepted, or None."""
        for start, first, run in reversed(self._kept):
            if start <= seq:
                return run, first + seq - start
        return None


def not_yet(code: str, expected: str) -> RemoteProtocolError:
    """Return the refusal of what may be right later."""
    return RemoteProtocolError(code, f"expected {expected}", Fault.NOT_YET)
