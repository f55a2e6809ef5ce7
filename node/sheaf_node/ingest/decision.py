"""The rules an entry passes, in their order, as a decision without any waiting.

The order is by cost and by blame: form, then what is known already, then whether its author may
write at all, then its place in the log, and only then the signature, which costs more than all the
rest; an attacker without keys never makes a node check more than one. Effect comes last and never
stops storage, else one bad record would stall its author's log on every replica for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_node.ingest.effect import effect_fault
from sheaf_node.ingest.model import Opened, Outcome
from sheaf_node.store import NewEntry
from sheaf_node.store.model import FORKED
from sheaf_protocol.digest import short
from sheaf_protocol.envelope import verify_signature
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.limits import MAX_CLOCK_AHEAD_MS
from sheaf_protocol.log import EMPTY, Head, make_fork_proof, require_next, require_writer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.store.store import Planned
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import EntryId, FederationId, LogId
    from sheaf_protocol.envelope import Envelope, Header
    from sheaf_protocol.log import ForkProof


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is to be done with one entry."""

    outcome: Outcome
    code: str | None = None
    detail: str = ""
    entry: NewEntry | None = None
    proof: ForkProof | None = None


def refused(exc: RemoteProtocolError) -> Verdict:
    """Return the verdict of a broken rule: held where it may be right later, else rejected."""
    outcome = Outcome.HELD if exc.fault is Fault.NOT_YET else Outcome.REJECTED
    return Verdict(outcome=outcome, code=exc.code, detail=exc.detail)


class Decider:
    """Decides a batch entry by entry, each on the outcome of those before it."""

    def __init__(
        self,
        planned: Planned,
        federations: Mapping[FederationId, Federation],
        *,
        now_ms: int,
    ) -> None:
        self._planned = planned
        self._federations = federations
        self._now_ms = now_ms
        self._heads: dict[LogId, Head] = {}
        self._accepted: dict[tuple[LogId, int], Opened] = {}
        self._forked_at: dict[LogId, int] = {}

    def decide(self, item: Opened) -> Verdict:
        """Return the verdict on the next entry of the batch."""
        try:
            return self._decide(item)
        except RemoteProtocolError as exc:
            return refused(exc)

    def _decide(self, item: Opened) -> Verdict:
        head = self._head(item.log)
        is_past = item.header.seq <= head.seq
        if is_past and self._held_at(item.log, item.header.seq)[0] == item.id:
            return Verdict(outcome=Outcome.KNOWN)
        federation = self._require_author(item)
        self._require_not_forked(item)
        if is_past:
            return self._fork(item)
        # On `log.bad_prev` one of us holds a branch somewhere below: the link searches back for it.
        require_next(head, item.header)
        # LOG-6: its own, and no later one's that follows it. Who holds an unsigned entry could show
        # nobody that its author signed another there, and the two branches would stay for ever.
        verify_signature(item.envelope, item.header)
        self._require_time(item.header)
        _require_payload(item)
        fault = effect_fault(item.header, item.envelope.payload, federation)
        return self._accept(item, fault)

    def _require_author(self, item: Opened) -> Federation:
        header = item.header
        federation = self._federations.get(header.fid)
        if federation is None:
            raise _not_yet("charter.unknown_federation", f"federation {short(header.fid)}")
        keys = self._planned.state.key_logs.get(header.cid)
        if keys is None:
            raise _not_yet("key.unknown", f"the key log of co-op {short(header.cid)}")
        require_writer(keys, header, item.id)
        if not federation.is_member(header.cid):
            raise _not_yet("charter.not_member", f"co-op {short(header.cid)} to be a member")
        return federation

    def _require_not_forked(self, item: Opened) -> None:
        held = self._planned.state.logs.get(item.log)
        known = None if held is None else held.forked_at
        forked_at = self._forked_at.get(item.log, known)
        if forked_at is not None and item.header.seq >= forked_at:
            detail = f"writer {short(item.header.wid)} forked its log at {forked_at}"
            raise RemoteProtocolError(FORKED, f"{detail}, got {item.header.seq}")

    def _require_time(self, header: Header) -> None:
        ahead_ms = header.time_ms - self._now_ms
        if ahead_ms > MAX_CLOCK_AHEAD_MS:
            detail = f"a time at most {MAX_CLOCK_AHEAD_MS} ms ahead of our clock, got {ahead_ms}"
            raise _not_yet("clock.ahead", detail)

    def _fork(self, item: Opened) -> Verdict:
        """Return the verdict on a second entry for a place that is taken: a proof, if signed."""
        verify_signature(item.envelope, item.header)
        _, ours = self._held_at(item.log, item.header.seq)
        if ours is None:
            raise LocalProtocolError("store.conflict", f"expected an entry {item.header.seq}")
        proof = make_fork_proof(ours, item.envelope)
        self._forked_at[item.log] = item.header.seq
        detail = f"writer {short(item.header.wid)} signed two entries {item.header.seq}"
        return Verdict(outcome=Outcome.FORK, code=FORKED, detail=detail, proof=proof)

    def _accept(self, item: Opened, fault: str | None) -> Verdict:
        header = item.header
        self._heads[item.log] = Head(seq=header.seq, id=item.id, time_ms=header.time_ms)
        self._accepted[item.log, header.seq] = item
        entry = NewEntry(
            id=item.id,
            envelope=item.envelope,
            header=header,
            kind=header.kind,
            no_effect=fault,
        )
        outcome = Outcome.NEW if fault is None else Outcome.NO_EFFECT
        return Verdict(outcome=outcome, code=fault, entry=entry)

    def _head(self, log: LogId) -> Head:
        held = self._planned.state.logs.get(log)
        return self._heads.get(log) or (EMPTY if held is None else held.head)

    def _held_at(self, log: LogId, seq: int) -> tuple[EntryId | None, Envelope | None]:
        accepted = self._accepted.get((log, seq))
        if accepted is not None:
            return accepted.id, accepted.envelope
        stored = self._planned.entry_at(log, seq)
        return (None, None) if stored is None else (stored.id, stored.envelope)


def _require_payload(item: Opened) -> None:
    """Return if the entry is whole. A relay that leaves the payload out must not settle the entry:

    without its payload an entry has no effect, and once stored it would never be asked for again.
    """
    if not item.envelope.payload:
        raise _not_yet("env.withheld", f"the payload of entry {short(item.id)}")


def _not_yet(code: str, expected: str) -> RemoteProtocolError:
    return RemoteProtocolError(code, f"expected {expected}", Fault.NOT_YET)
