"""What a decision may look at: the newest state of a store, durable or on its way to the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.fork import make_branch
from sheaf_protocol.limits import MAX_UNSIGNED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_node.store.effects import Effects
    from sheaf_node.store.model import NewFault, NewPayload, StoredEntry
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
        self.filling: dict[int, NewPayload] = {}
        """By arrival number, missing payloads that are on their way to the disk."""
        self._judged: dict[int, NewFault] = {}

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

    def entries_between(self, log: LogId, first: int, last: int) -> Iterator[StoredEntry]:
        """Yield entries `first` to `last` of a log, as what was decided so far leaves them."""
        for at in range(first, last + 1):
            entry = self._store.planned_entry(log, at)
            if entry is not None:
                yield self._as_decided(entry)

    def note(self, effects: Effects) -> None:
        """Take it that these effects are on their way to the disk."""
        self.filling.update((new.entry.arrival, new) for new in effects.payloads)
        self._judged.update((judged.entry.arrival, judged) for judged in effects.faults)

    def forget(self, effects: Effects) -> None:
        """Take it that these effects are durable; another may have taken their place meanwhile."""
        for new in effects.payloads:
            self.filling.pop(new.entry.arrival, None)
        for judged in effects.faults:
            if self._judged[judged.entry.arrival] is judged:
                del self._judged[judged.entry.arrival]

    def _as_decided(self, entry: StoredEntry) -> StoredEntry:
        new, judged = self.filling.get(entry.arrival), self._judged.get(entry.arrival)
        if new is not None:
            old = entry.envelope
            envelope = Envelope(old.header, old.signature, new.payload)
            entry = replace(entry, envelope=envelope, fault=new.fault, absence=None)
        return entry if judged is None else replace(entry, fault=judged.fault)

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
