"""What a decision may look at: the newest state of a store, durable or on its way to the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.fork import make_branch
from sheaf_protocol.limits import MAX_UNSIGNED

if TYPE_CHECKING:
    from sheaf_node.store.model import StoredEntry
    from sheaf_node.store.state import State
    from sheaf_node.store.store import Store
    from sheaf_protocol.digest import CoopId, EntryId, FederationId, LogId
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.fork import Branch


class Planned:
    """What a decision may look at: everything decided so far, durable or on its way."""

    def __init__(self, store: Store, state: State) -> None:
        self._store = store
        self.state = state
        self.filling: set[int] = set()
        """The arrival numbers of entries whose missing payload is on its way to the disk."""

    def logs_of(self, fid: FederationId, cid: CoopId) -> set[LogId]:
        """Return a co-op's logs in a federation, held or known to fork, that are not retired."""
        logs = self.state.logs.items()
        own = {log for log, held in logs if (held.fid, held.cid) == (fid, cid)}
        return own - self._store.retired

    def id_at(self, log: LogId, seq: int) -> EntryId | None:
        """Return the id of the entry at a place of a log, or None."""
        return self._store.planned_id(log, seq)

    def entry_at(self, log: LogId, seq: int) -> StoredEntry | None:
        """Return the entry at a place of a log, or None."""
        return self._store.planned_entry(log, seq)

    def is_erased(self, id_: EntryId, header: Header) -> bool:
        """Return whether an entry is erased by what is durable."""
        return self._store.erasures.is_erased(id_, header)

    def branch_at(self, log: LogId, seq: int) -> Branch:
        """Return the headers from a held entry on up to a signed one: its side of a fork proof."""
        headers = []
        for at in range(seq, seq + MAX_UNSIGNED):
            entry = self._store.planned_entry(log, at)
            if entry is None:
                break
            headers.append(entry.envelope.header)
            proof = entry.envelope.signature or entry.tail
            if proof:
                return make_branch(headers, proof)
        raise LocalProtocolError("store.conflict", f"expected a proof of entry {seq}")
