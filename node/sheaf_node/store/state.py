"""What a store knows without reading the disk, and what a change does to it.

There are two of these in a store: one of what is durable, which everybody sees, and one ahead of it
of what was decided, on which the next decision builds while the disk is still busy. Both absorb the
same effects in the same order. Entries themselves stay on disk: a million of them would not fit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from msgspec.structs import replace as moved

from sheaf_node.store.effects import Effects
from sheaf_node.store.histories import Histories, KeyLogs
from sheaf_node.store.line import Line, line_of
from sheaf_node.store.model import ERASED, HeldLog, StoredEntry, Usage
from sheaf_protocol.codec import decode
from sheaf_protocol.envelope import Header
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.limits import MAX_HEADER
from sheaf_protocol.log import EMPTY, Head

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sheaf_node.store.model import Change, NewEntry
    from sheaf_protocol.charter import Chain, Federation
    from sheaf_protocol.digest import CoopId, Digest, FederationId, LogId, WriterId
    from sheaf_protocol.fork import ForkProof
    from sheaf_protocol.identity import KeyHistory, KeyLog, KeyOp
    from sheaf_protocol.link import Cursor


@dataclass(kw_only=True, slots=True)
class State:
    """Heads, key logs, certificates and fork proofs at one point of the store's history."""

    arrival: int = 0
    voids: Counter[FederationId] = field(default_factory=Counter)
    logs: dict[LogId, HeldLog] = field(default_factory=dict)
    key_histories: Histories = field(default_factory=Histories)
    chains: dict[FederationId, Chain] = field(default_factory=dict)
    fork_proofs: dict[Digest, ForkProof] = field(default_factory=dict)
    proof_of: dict[LogId, ForkProof] = field(default_factory=dict)
    cursors: dict[tuple[WriterId, FederationId], Cursor] = field(default_factory=dict)
    usage: dict[tuple[FederationId, CoopId], Usage] = field(default_factory=dict)
    """What each co-op's entries take up in each federation."""
    anchors: dict[CoopId, frozenset[Digest]] = field(default_factory=dict)
    """The heads of key logs that certificates name: what no other branch undoes."""
    receipt_bytes: int = 0
    """What the receipts take up."""

    @property
    def key_logs(self) -> Mapping[CoopId, KeyLog]:
        """Of each key history the state in force."""
        return KeyLogs(self.key_histories)

    def anchors_of(self, cid: CoopId) -> frozenset[Digest]:
        """Return the heads of a co-op's key log that certificates name."""
        return self.anchors.get(cid, frozenset())

    def federation(self, fid: FederationId) -> Federation | None:
        """Return what is in force in a federation, or None where no certificate of it is held."""
        chain = self.chains.get(fid)
        return None if chain is None else chain.federation

    def line(self, held: HeldLog) -> Line:
        """Return where a log stops counting."""
        return line_of(held, self.key_logs.get(held.cid), self.federation(held.fid))

    def add_chain(self, fid: FederationId, chain: Chain) -> None:
        """Take up a chain of certificates, and what all of them anchor."""
        self.chains[fid] = chain
        for cid, heads in chain.anchors.items():
            self.anchors[cid] = self.anchors_of(cid) | heads

    def plan(self, change: Change) -> Effects:
        """Return the effects of a change on this state, which stays as it is.

        Raises LocalProtocolError `store.conflict` where the change does not follow this state; it
        then has no effect at all.
        """
        effects = Effects(cursors=dict(change.cursors))
        for cid, history in change.key_histories.items():
            self._plan_history(effects, cid, history)
        for fid, chain in change.chains.items():
            self._plan_chain(effects, fid, chain)
        self._plan_lines(effects)
        for proof in change.fork_proofs:
            self._plan_fork_proof(effects, proof)
        for log, entries in _by_log(change.entries):
            self._plan_entries(effects, log, entries)
        self._plan_payloads(effects, change)
        effects.log_rows = [
            held
            for log, held in effects.logs.items()
            if log not in self.logs or log in effects.fork_proofs
        ]
        effects.dropped_receipts += change.dropped_receipts
        if change.receipt is not None:
            effects.receipt = change.receipt.kept(effects)  # last: it tells of all the others
        return effects

    def absorb(self, effects: Effects) -> None:
        """Move on by effects that were planned on this state, or on one equal to it."""
        self.arrival += len(effects.entries)
        self.voids.update(effects.voids)
        self.logs.update(effects.logs)
        self.cursors.update(effects.cursors)
        self._absorb_sizes(effects)
        if effects.receipt is not None:
            self.receipt_bytes += effects.receipt.size
        self.receipt_bytes -= sum(receipt.size for receipt in effects.dropped_receipts)
        for cid, history in effects.key_histories.items():
            self.key_histories[cid] = history
        for fid, chain in effects.chains.items():
            self.add_chain(fid, chain)
        for log, proof in effects.fork_proofs.items():
            replaced = self.proof_of.get(log)
            if replaced is not None:
                del self.fork_proofs[replaced.id]
            self.proof_of[log] = self.fork_proofs[proof.id] = proof

    def add_log(self, log: LogId, held: HeldLog) -> None:
        """Add a log as it was found on disk."""
        self.logs[log] = held
        self._use(held.fid, held.cid, held.head.seq, held.size)

    def copy(self) -> State:
        """Return a state that moves on by itself."""
        return replace(
            self,
            voids=self.voids.copy(),
            logs=dict(self.logs),
            key_histories=self.key_histories.copy(),
            anchors=dict(self.anchors),
            chains=dict(self.chains),
            fork_proofs=dict(self.fork_proofs),
            proof_of=dict(self.proof_of),
            cursors=dict(self.cursors),
            usage=dict(self.usage),
        )

    def _plan_entries(self, effects: Effects, log: LogId, entries: Sequence[NewEntry]) -> None:
        """Plan entries of one log. Its line does not move meanwhile, so it is looked up once."""
        held = self._held(effects, log, entries[0].header)
        line = self._line(effects, held)
        seq, last, time_ms = held.head.seq, held.head.id, held.head.time_ms
        size = effects.sizes.get(log, 0)
        for new in entries:
            header = new.header
            if header.seq != seq + 1 or header.prev != last or header.time_ms < time_ms:
                raise _conflict(f"entry {seq + 1} on our head, got {header.seq}")
            seq, last, time_ms = header.seq, new.id, header.time_ms
            stored = StoredEntry(
                arrival=self.arrival + len(effects.entries) + 1,
                id=last,
                log=log,
                envelope=new.envelope,
                header=header,
                fault=new.fault,
                void=line.void_of(seq, last, time_ms),
                tail=new.tail,
                absence=new.absence,
            )
            effects.entries.append(stored)
            size += new.envelope.size
            if new.mark is not None:
                effects.marks.append((stored, new.mark))
        if not stored.envelope.signature and stored.tail is None:
            raise _conflict("a signature or a tail at the last entry of a log")
        head = Head(seq=seq, id=last, time_ms=time_ms)
        effects.logs[log] = moved(held, head=head, arrival=stored.arrival)
        effects.sizes[log] = size

    def _plan_payloads(self, effects: Effects, change: Change) -> None:
        """Plan what comes or goes of entries stored before."""
        for new in change.payloads:
            effects.payloads.append(new)
            effects.voids[new.entry.header.fid] += new.was_passed_over
            _resize(effects, new.entry.log, len(new.payload))
            if new.mark is not None:
                effects.marks.append((new.entry, new.mark))
        effects.faults += change.faults
        effects.voids.update({fault.entry.header.fid for fault in change.faults})
        for absent in change.absences:
            effects.absences.append(absent)
            size = len(absent.entry.envelope.payload)
            _resize(effects, absent.entry.log, -size)
            # Services let go of it too. What expired is no secret, and goes by at their next start.
            is_let_go = size > 0 and absent.absence == ERASED
            effects.voids[absent.entry.header.fid] += is_let_go
        for log in change.forgotten:
            held = self.logs[log]
            effects.forgotten.append(held)
            effects.logs[log] = moved(held, head=EMPTY, arrival=0, size=0)
            effects.sizes[log] = -held.size
        effects.newest = self.arrival + len(effects.entries)
        effects.voids.update(held.fid for held in effects.forgotten)

    def _absorb_sizes(self, effects: Effects) -> None:
        for held in effects.forgotten:
            self._use(held.fid, held.cid, -held.head.seq, 0)
        for entry in effects.entries:
            self._use(entry.header.fid, entry.header.cid, 1, 0)
        for log, size in effects.sizes.items():
            held = self.logs[log]
            self._use(held.fid, held.cid, 0, size)
            if held.head.seq:
                self.logs[log] = moved(held, size=held.size + size)

    def _use(self, fid: FederationId, cid: CoopId, entries: int, size: int) -> None:
        before = self.usage.get((fid, cid), Usage())
        self.usage[fid, cid] = Usage(before.entries + entries, before.bytes + size)

    def _plan_history(self, effects: Effects, cid: CoopId, history: KeyHistory) -> None:
        if history.state.cid != cid:
            raise _conflict("a history of the co-op named")
        known = self.key_histories.get(cid)
        effects.key_histories[cid] = history
        for branch, ops, held in (
            (0, history.path, () if known is None else known.path),
            (1, history.rival, () if known is None else known.rival),
        ):
            same = _shared(held, ops)
            if same < max(len(ops), len(held)):
                effects.key_rows.append((cid, branch, same, ops[same:]))

    def _plan_chain(self, effects: Effects, fid: FederationId, chain: Chain) -> None:
        known = self.chains.get(fid)
        held = frozenset() if known is None else known.links.keys()
        if chain.federation.fid != fid or not held <= chain.links.keys():
            raise _conflict("a chain of the federation named, with all certificates held")
        effects.chains[fid] = chain
        new = (link.certificate for id_, link in chain.links.items() if id_ not in held)
        effects.certificates += ((fid, certificate) for certificate in new)

    def _plan_lines(self, effects: Effects) -> None:
        """Plan what new key logs and certificates do to the lines of the logs they speak of."""
        if not effects.key_histories and not effects.chains:
            return
        for log, held in self.logs.items():
            if held.cid in effects.key_histories or held.fid in effects.chains:
                self._plan_line(effects, log, held, self.line(held))

    def _plan_fork_proof(self, effects: Effects, proof: ForkProof) -> None:
        header = header_of(proof.first.header)
        log = header.log
        held = self._held(effects, log, header)
        if not is_lower(proof, effects.fork_proofs.get(log) or self.proof_of.get(log)):
            raise _conflict(f"a proof lower than place {held.forked_at}, got {header.seq}")
        before = self._line(effects, held)
        effects.logs[log] = held = moved(held, forked_at=header.seq)
        effects.fork_proofs[log] = proof
        self._plan_line(effects, log, held, before)

    def _plan_line(self, effects: Effects, log: LogId, held: HeldLog, before: Line) -> None:
        """Plan what a log's line does to the entries stored before. They are void from some place
        on or not at all, so where the head counts before and after nothing changes.
        """
        after = self._line(effects, held)
        if after == before or held.head.seq == 0:
            return
        effects.judged.append((log, after, after.moved_from(before)))
        head = (held.head.seq, held.head.id, held.head.time_ms)
        is_void = (before.void_of(*head) or after.void_of(*head)) is not None
        effects.voids[held.fid] += is_void

    def _line(self, effects: Effects, held: HeldLog) -> Line:
        planned = effects.key_histories.get(held.cid)
        keys = self.key_logs.get(held.cid) if planned is None else planned.state
        chain = effects.chains.get(held.fid)
        federation = self.federation(held.fid) if chain is None else chain.federation
        return line_of(held, keys, federation)

    def _held(self, effects: Effects, log: LogId, header: Header) -> HeldLog:
        held = effects.logs.get(log) or self.logs.get(log)
        if held is not None:
            return held
        added = sum(1 for known in effects.logs if known not in self.logs)
        number = len(self.logs) + added + 1
        return HeldLog(fid=header.fid, cid=header.cid, wid=header.wid, number=number)


def is_lower(proof: ForkProof, held: ForkProof | None) -> bool:
    """Return whether a proof takes the place of the one held for its log.

    The lowest place wins, and at one place the lower id: then all nodes end with the same proof,
    and a writer that forks a thousand times costs one row.
    """
    if held is None:
        return True
    return _rank(proof) < _rank(held)


def header_of(data: bytes) -> Header:
    """Return the header of bytes that were verified before."""
    return decode(data, Header, limit=MAX_HEADER)


def _rank(proof: ForkProof) -> tuple[int, bytes]:
    return (header_of(proof.first.header).seq, proof.id)


def _by_log(entries: Sequence[NewEntry]) -> Iterator[tuple[LogId, Sequence[NewEntry]]]:
    """Yield the entries in their order, those of one log that follow each other together."""
    first = 0
    for at, entry in enumerate(entries):
        if entry.log != entries[first].log:
            yield entries[first].log, entries[first:at]
            first = at
    if entries:
        yield entries[first].log, entries[first:]


def _shared(held: Sequence[KeyOp], ops: Sequence[KeyOp]) -> int:
    """Return how many operations two paths begin with together."""
    pairs = enumerate(zip(held, ops, strict=False))
    shorter = min(len(held), len(ops))
    return next((at for at, (one, other) in pairs if one.body != other.body), shorter)


def _resize(effects: Effects, log: LogId, by: int) -> None:
    effects.sizes[log] = effects.sizes.get(log, 0) + by


def _conflict(expected: str) -> LocalProtocolError:
    return LocalProtocolError("store.conflict", f"expected {expected}")
