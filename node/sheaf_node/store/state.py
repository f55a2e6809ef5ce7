"""What a store knows without reading the disk, and what a change does to it.

There are two of these in a store: one of what is durable, which everybody sees, and one ahead of it
of what was decided, on which the next decision builds while the disk is still busy. Both absorb the
same effects in the same order. Entries themselves stay on disk: a million of them would not fit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sheaf_node.store.model import CLOSED, FORKED, HeldLog, NewEntry, StoredEntry
from sheaf_protocol.codec import decode
from sheaf_protocol.envelope import Header
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.identity import append_op, fold_key_log
from sheaf_protocol.limits import MAX_HEADER
from sheaf_protocol.log import Head, Place, place

if TYPE_CHECKING:
    from sheaf_node.store.model import Change
    from sheaf_protocol.charter import Certificate
    from sheaf_protocol.digest import CoopId, Digest, FederationId, LogId
    from sheaf_protocol.identity import Cut, KeyLog, KeyOp, Writer
    from sheaf_protocol.log import ForkProof


@dataclass(kw_only=True, slots=True)
class Effects:
    """What one change does: the values it sets, and the places from which entries lose effect."""

    entries: list[StoredEntry] = field(default_factory=list)
    heads: dict[LogId, Head] = field(default_factory=dict)
    """Heads that move on, while the change is being planned."""
    logs: dict[LogId, HeldLog] = field(default_factory=dict)
    """Logs that are new, moved on or were found forked, as they are afterwards."""
    log_rows: list[HeldLog] = field(default_factory=list)
    """Those of them whose row changes: new ones and forked ones. Heads are not stored apart."""
    key_logs: dict[CoopId, KeyLog] = field(default_factory=dict)
    key_ops: list[tuple[CoopId, int, KeyOp]] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    fork_proofs: dict[LogId, ForkProof] = field(default_factory=dict)
    closed_at: list[tuple[LogId, Cut]] = field(default_factory=list)
    forked_from: list[tuple[LogId, int]] = field(default_factory=list)
    voids: int = 0
    """Marks above that reach entries stored before."""

    @property
    def has_control(self) -> bool:
        """Whether key logs, certificates or fork proofs change."""
        return bool(self.key_ops or self.certificates or self.fork_proofs)


@dataclass(kw_only=True, slots=True)
class State:
    """Heads, key logs, certificates and fork proofs at one point of the store's history."""

    arrival: int = 0
    voids: int = 0
    logs: dict[LogId, HeldLog] = field(default_factory=dict)
    key_logs: dict[CoopId, KeyLog] = field(default_factory=dict)
    key_ops: dict[CoopId, list[KeyOp]] = field(default_factory=dict)
    certificates: dict[FederationId, Certificate] = field(default_factory=dict)
    fork_proofs: dict[Digest, ForkProof] = field(default_factory=dict)
    proof_of: dict[LogId, ForkProof] = field(default_factory=dict)

    def plan(self, change: Change) -> Effects:
        """Return the effects of a change on this state, which stays as it is.

        Raises LocalProtocolError `store.conflict` where the change does not follow this state; it
        then has no effect at all.
        """
        effects = Effects()
        for cid, op in change.key_ops:
            self._plan_key_op(effects, cid, op)
        for new in change.entries:
            self._plan_entry(effects, new)
        for certificate in change.certificates:
            held = {*self.certificates, *(planned.fid for planned in effects.certificates)}
            if certificate.fid in held:
                raise _conflict("a certificate not held yet")
            effects.certificates.append(certificate)
        for log, head in effects.heads.items():
            effects.logs[log] = replace(effects.logs[log], head=head)
        for proof in change.fork_proofs:
            self._plan_fork_proof(effects, proof)
        effects.entries = [self._judged(effects, entry) for entry in effects.entries]
        effects.log_rows = [
            held
            for log, held in effects.logs.items()
            if log not in self.logs or log in effects.fork_proofs
        ]
        return effects

    def absorb(self, effects: Effects) -> None:
        """Move on by effects that were planned on this state, or on one equal to it."""
        self.arrival += len(effects.entries)
        self.voids += effects.voids
        self.logs.update(effects.logs)
        self.key_logs.update(effects.key_logs)
        for cid, _, op in effects.key_ops:
            self.key_ops.setdefault(cid, []).append(op)
        for certificate in effects.certificates:
            self.certificates[certificate.fid] = certificate
        for log_id, proof in effects.fork_proofs.items():
            self._absorb_fork_proof(log_id, proof)

    def copy(self) -> State:
        """Return a state that moves on by itself."""
        return replace(
            self,
            logs=dict(self.logs),
            key_logs=dict(self.key_logs),
            key_ops={cid: list(ops) for cid, ops in self.key_ops.items()},
            certificates=dict(self.certificates),
            fork_proofs=dict(self.fork_proofs),
            proof_of=dict(self.proof_of),
        )

    def _absorb_fork_proof(self, log: LogId, proof: ForkProof) -> None:
        replaced = self.proof_of.get(log)
        if replaced is not None:
            del self.fork_proofs[replaced.id]
        self.proof_of[log] = self.fork_proofs[proof.id] = proof

    def _plan_entry(self, effects: Effects, new: NewEntry) -> None:
        log = new.header.log
        head = effects.heads.get(log)
        if head is None:
            effects.logs[log] = self._held(effects, log, new.header)
            head = effects.logs[log].head
        if place(head, new.header) is not Place.NEXT:
            raise _conflict(f"entry {head.seq + 1} on our head, got {new.header.seq}")
        if not new.envelope.signature and new.proven_by_seq is None:
            raise _conflict("an entry with a signature, or with a later one that proves it")
        effects.heads[log] = Head(seq=new.header.seq, id=new.id, time_ms=new.header.time_ms)
        stored = StoredEntry(
            arrival=self.arrival + len(effects.entries) + 1,
            id=new.id,
            envelope=new.envelope,
            header=new.header,
            kind=new.kind,
            no_effect=new.no_effect,
            proven_by_seq=new.proven_by_seq,
        )
        effects.entries.append(stored)

    def _plan_key_op(self, effects: Effects, cid: CoopId, op: KeyOp) -> None:
        before = effects.key_logs.get(cid) or self.key_logs.get(cid)
        after = fold_key_log([op]) if before is None else append_op(before, op)
        if after.cid != cid:
            raise _conflict("an operation of the key log named")
        effects.key_logs[cid] = after
        effects.key_ops.append((cid, after.size - 1, op))
        for wid, writer in after.writers.items():
            known = None if before is None else before.writers.get(wid)
            if known is not None and not known.is_closed:
                self._plan_cuts(effects, cid, writer)

    def _plan_cuts(self, effects: Effects, cid: CoopId, writer: Writer) -> None:
        """Plan the cuts of a writer that was open before, each log at the number of its own."""
        for log, held in self.logs.items():
            cut = writer.cut_in(held.fid)
            if cut is not None and (held.cid, held.wid) == (cid, writer.wid):
                effects.closed_at.append((log, cut))
                effects.voids += cut.is_void(held.head.seq, held.head.id)

    def _plan_fork_proof(self, effects: Effects, proof: ForkProof) -> None:
        header = header_of(proof.first.header)
        held = self._held(effects, header.log, header)
        if not is_lower(
            proof, effects.fork_proofs.get(header.log) or self.proof_of.get(header.log)
        ):
            raise _conflict(f"a proof lower than place {held.forked_at}, got {header.seq}")
        effects.logs[header.log] = replace(held, forked_at=header.seq)
        effects.fork_proofs[header.log] = proof
        effects.forked_from.append((header.log, header.seq))
        effects.voids += held.head.seq >= header.seq

    def _held(self, effects: Effects, log: LogId, header: Header) -> HeldLog:
        held = effects.logs.get(log) or self.logs.get(log)
        if held is not None:
            return held
        added = sum(1 for known in effects.logs if known not in self.logs)
        number = len(self.logs) + added + 1
        return HeldLog(fid=header.fid, cid=header.cid, wid=header.wid, number=number)

    def _judged(self, effects: Effects, entry: StoredEntry) -> StoredEntry:
        """Return the entry without effect where a fork or a cut takes it (LOG-9, IDN-21)."""
        header = entry.header
        forked_at = effects.logs[header.log].forked_at
        if forked_at is not None and header.seq >= forked_at:
            return replace(entry, no_effect=FORKED)
        keys = effects.key_logs.get(header.cid) or self.key_logs.get(header.cid)
        writer = keys.writers.get(header.wid) if keys is not None else None
        cut = None if writer is None else writer.cut_in(header.fid)
        if cut is not None and cut.is_void(header.seq, entry.id):
            return replace(entry, no_effect=CLOSED)
        return entry


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


def _conflict(expected: str) -> LocalProtocolError:
    return LocalProtocolError("store.conflict", f"expected {expected}")
