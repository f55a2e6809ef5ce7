"""What a decision may look at: the newest state of a store, durable or on its way to the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.fork import make_branch
from sheaf_protocol.limits import MAX_UNSIGNED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sheaf_node.store.effects import Effects
    from sheaf_node.store.model import NewFault, NewPayload, StoredEntry
    from sheaf_node.store.reader import Reader
    from sheaf_node.store.state import State
    from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, LogId
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.fork import Branch


class Planned:
    """What a decision may look at: everything decided so far, durable or on its way."""

    def __init__(
        self,
        state: State,
        durable: State,
        reader: Reader,
        retired: Callable[[], frozenset[LogId]],
    ) -> None:
        self.state = state
        self._durable, self._reader, self._retired = durable, reader, retired
        self._in_flight: dict[tuple[LogId, int], StoredEntry] = {}
        self.filling: dict[int, NewPayload] = {}
        """By arrival number, missing payloads that are on their way to the disk."""
        self._judged: dict[int, NewFault] = {}
        self.receipts: set[Digest] = set()
        """Receipts on their way to the disk."""

    def logs_of(self, fid: FederationId, cid: CoopId) -> set[LogId]:
        """Return a co-op's logs in a federation, held or known to fork, that are not retired."""
        logs = self.state.logs.items()
        own = {log for log, held in logs if (held.fid, held.cid) == (fid, cid)}
        return own - self._retired()

    def id_at(self, log: LogId, seq: int) -> EntryId | None:
        """Return the id of the entry at a place of a log, or None."""
        entry = self._in_flight.get((log, seq))
        held = self._durable.logs.get(log)
        if entry is not None:
            return entry.id
        return None if held is None else self._reader.id_at(held.number, seq)

    def entry_at(self, log: LogId, seq: int) -> StoredEntry | None:
        """Return the entry at a place of a log, or None."""
        entry = self._in_flight.get((log, seq))
        held = self._durable.logs.get(log)
        if entry is not None or held is None:
            return entry
        return self._reader.entry_at(held.number, seq)

    def entries_between(self, log: LogId, first: int, last: int) -> Iterator[StoredEntry]:
        """Yield entries `first` to `last` of a log, as what was decided so far leaves them."""
        for at in range(first, last + 1):
            entry = self.entry_at(log, at)
            if entry is not None:
                yield self._as_decided(entry)

    def note(self, effects: Effects) -> None:
        """Take it that these effects are on their way to the disk."""
        self._in_flight.update(((new.log, new.header.seq), new) for new in effects.entries)
        self.filling.update((new.entry.arrival, new) for new in effects.payloads)
        self._judged.update((judged.entry.arrival, judged) for judged in effects.faults)
        if effects.receipt is not None:
            self.receipts.add(effects.receipt.id)

    def forget(self, effects: Effects) -> None:
        """Take it that these effects are durable; another may have taken their place meanwhile."""
        for entry in effects.entries:
            del self._in_flight[entry.log, entry.header.seq]
        for new in effects.payloads:
            self.filling.pop(new.entry.arrival, None)
        for judged in effects.faults:
            if self._judged[judged.entry.arrival] is judged:
                del self._judged[judged.entry.arrival]
        if effects.receipt is not None:
            self.receipts.discard(effects.receipt.id)

    def _as_decided(self, entry: StoredEntry) -> StoredEntry:
        new, judged = self.filling.get(entry.arrival), self._judged.get(entry.arrival)
        if new is not None:
            old = entry.envelope
            envelope = Envelope(old.header, old.signature, new.payload)
            entry = replace(entry, envelope=envelope, fault=new.fault, absence=None)
        return entry if judged is None else replace(entry, fault=judged.fault)

    def has_receipt(self, id_: Digest) -> bool:
        """Return whether a receipt is held or on its way to the disk."""
        return id_ in self.receipts or self._reader.receipt(id_) is not None

    def is_erased(self, id_: EntryId, header: Header) -> bool:
        """Return whether an entry is erased by what is durable."""
        return self._reader.erasures.is_erased(id_, header)

    def branch_at(self, log: LogId, seq: int) -> Branch:
        """Return the headers from a held entry on up to a signed one: its side of a fork proof."""
        headers = []
        for at in range(seq, seq + MAX_UNSIGNED):
            entry = self.entry_at(log, at)
            if entry is None:
                break
            headers.append(entry.envelope.header)
            proof = entry.envelope.signature or entry.tail
            if proof:
                return make_branch(headers, proof)
        raise LocalProtocolError("store.conflict", f"expected a proof of entry {seq}")
