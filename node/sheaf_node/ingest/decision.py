"""The rules an entry passes, in their order, as a decision without any waiting.

The order is by cost and by blame: form, then what is known already, then whether its author may
write at all, then its place in the log, and only then a signature, which costs more than all the
rest; an attacker without keys never makes a node check more than one for each run. Effect comes
last and never stops storage, else one bad record would stall its author's log on every replica for
ever.

Entries are decided run by run, since a signature proves all that it reaches. What is kept of a run
is one piece of it, and is stored with the proof of its last entry: that holds whatever became of
the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from sheaf_node.ingest.absence import absence_of, new_mark
from sheaf_node.ingest.model import Opened, Outcome
from sheaf_node.ingest.progress import LogProgress, not_yet
from sheaf_node.store import NewEntry
from sheaf_node.store.model import FORKED, WITHHELD, NewMark, NewPayload
from sheaf_protocol.digest import short
from sheaf_protocol.envelope import Envelope, open_header
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.fork import Branch, ForkProof, make_branch, make_fork_proof
from sheaf_protocol.limits import MAX_CLOCK_AHEAD_MS
from sheaf_protocol.proof import Run, Tail
from sheaf_protocol.subscription import awaits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sheaf_node.ingest.fence import Fences
    from sheaf_node.ingest.quota import Meter
    from sheaf_node.store.planned import Planned
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import FederationId, LogId
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.subscription import Filter


class Verdict(msgspec.Struct, kw_only=True, gc=False):
    """What is to be done with one entry."""

    outcome: Outcome
    code: str | None = None
    detail: str = ""
    entry: NewEntry | None = None
    proof: ForkProof | None = None
    is_of_bytes: bool = False
    """Whether the fault lies in the entry's own bytes, which need not be looked at again."""
    fault: str | None = None
    """The author's fault, of an entry that is stored."""
    absence: str | None = None
    mark: NewMark | None = None
    payload: NewPayload | None = None
    """What an entry lacked that is held already."""


_KNOWN = Verdict(outcome=Outcome.KNOWN)


def refused(exc: RemoteProtocolError, *, is_of_bytes: bool = False) -> Verdict:
    """Return the verdict of a broken rule: held where it may be right later, else rejected."""
    outcome = Outcome.HELD if exc.fault is Fault.NOT_YET else Outcome.REJECTED
    return Verdict(outcome=outcome, code=exc.code, detail=exc.detail, is_of_bytes=is_of_bytes)


class Decider:
    """Decides a batch run by run, each on the outcome of those before it."""

    def __init__(
        self,
        planned: Planned,
        federation_of: Callable[[FederationId], Federation | None],
        *,
        now_ms: int,
        meter: Meter,
        subscription: Filter,
        fences: Fences,
    ) -> None:
        self._planned, self._subscription = planned, subscription
        self._fences = fences
        self._federation_of = federation_of
        self._now_ms, self._meter = now_ms, meter
        self._latest_ms = now_ms + MAX_CLOCK_AHEAD_MS
        self._logs: dict[LogId, LogProgress] = {}

    def decide(self, run: Run) -> list[Verdict]:
        """Return the verdicts on the entries of the next run."""
        items = cast("Sequence[Opened]", run.entries)  # as `Ingest.take` made the run of them
        log = self._progress(items[0])
        verdicts = [self._decide(log, run, index, item) for index, item in enumerate(items)]
        kept = [index for index, verdict in enumerate(verdicts) if verdict.outcome in _STORED]
        for index in kept:
            verdict = verdicts[index]
            is_last = index == kept[-1]
            verdict.entry = _new_entry(items[index], run, index, verdict, is_last=is_last)
        if kept:
            log.keep(run, kept[0])
        return verdicts

    def fill(self, fid: FederationId, log: LogId, seq: int, payload: bytes) -> NewPayload | None:
        """Return the payload that an entry lacked, or None where it lacks none.

        One for which there is no room is dropped: it is asked for again. Raises
        RemoteProtocolError `env.payload_hash`, `enc.*`.
        """
        held = self._planned.entry_at(log, seq)
        if held is None or held.header.fid != fid:
            return None
        envelope = Envelope(held.envelope.header, b"", payload)
        item = Opened(envelope, held.id, open_header(envelope), log)
        try:
            return self._lacked(self._progress(item), item)
        except RemoteProtocolError as exc:
            if exc.fault is not Fault.NOT_YET:
                raise
            return None

    def _decide(self, log: LogProgress, run: Run, index: int, item: Opened) -> Verdict:
        try:
            if item.fault is not None:
                return refused(item.fault, is_of_bytes=True)
            is_past = item.header.seq <= log.seq
            if is_past and self._is_held(log, item):
                return self._known(log, item)
            log.require_author(item)
            log.require_not_forked(item)
            if is_past:
                return self._fork(log, run, index, item)
            log.require_not_promised(item)
            self._meter.require_room(item.header)
            if log.seq == 0:
                self._meter.require_log(self._planned, item.header)
            # On `log.bad_prev` one of us holds a branch somewhere below: the link searches for it.
            log.require_next(item)
            run.require_proven(index)
            if item.header.time_ms > self._latest_ms:
                raise not_yet("clock.ahead", self._expected_time(item.header))
        except RemoteProtocolError as exc:
            is_own = len(run.entries) == 1 and item.envelope.signature != b""
            return refused(exc, is_of_bytes=is_own and exc.code == "env.signature")
        return self._accept(log, item)

    def _accept(self, log: LogProgress, item: Opened) -> Verdict:
        absence = absence_of(self._planned, item, self._now_ms)
        try:
            fault = None if absence is not None else log.fault(item)
        except RemoteProtocolError as exc:
            return refused(exc, is_of_bytes=True)
        log.advance(item)
        self._meter.count(item.header, item.envelope.size)
        if absence is not None:
            is_withheld = absence == WITHHELD
            outcome = Outcome.NO_EFFECT if is_withheld else Outcome.NEW
            return Verdict(outcome=outcome, code=WITHHELD if is_withheld else None, absence=absence)
        if fault is not None:
            code, detail = fault
            return Verdict(outcome=Outcome.NO_EFFECT, code=code, detail=detail, fault=code)
        return Verdict(outcome=Outcome.NEW, mark=new_mark(item, self._now_ms))

    def _known(self, log: LogProgress, item: Opened) -> Verdict:
        """Return the verdict on an entry that is held, maybe without the payload that came now."""
        try:
            lacked = self._lacked(log, item)
        except RemoteProtocolError as exc:
            return refused(exc, is_of_bytes=True)
        return _KNOWN if lacked is None else Verdict(outcome=Outcome.KNOWN, payload=lacked)

    def _lacked(self, log: LogProgress, item: Opened) -> NewPayload | None:
        """Return the payload that came with an entry which is held without it, or None."""
        payload = item.envelope.payload
        held = self._planned.entry_at(item.log, item.header.seq) if payload else None
        if held is None or held.envelope.payload or held.absence != WITHHELD or not log.is_known:
            return None
        if held.arrival in self._planned.filling:
            return None  # another link brought it a moment ago, and it is counted once
        self._meter.require_room(item.header)
        fault = log.fault(item)
        mark = None if fault is not None else new_mark(item, self._now_ms)
        return NewPayload(
            entry=held,
            payload=payload,
            fault=None if fault is None else fault.code,
            mark=mark,
            was_passed_over=not awaits(self._subscription, held.kind),
        )

    def _fork(self, log: LogProgress, run: Run, index: int, item: Opened) -> Verdict:
        """Return the verdict on a second entry for a place that is taken: a proof, if proven."""
        seq = item.header.seq
        theirs = _branch(run, index)
        ours = log.kept_at(seq)
        held = self._planned.branch_at(item.log, seq) if ours is None else _branch(*ours)
        log.forked_at = seq
        detail = f"writer {short(item.header.wid)} signed two entries {seq}"
        proof = make_fork_proof(held, theirs)
        return Verdict(outcome=Outcome.FORK, code=FORKED, detail=detail, proof=proof)

    def _is_held(self, log: LogProgress, item: Opened) -> bool:
        ours = log.kept_at(item.header.seq)
        if ours is not None:
            run, index = ours
            return run.entries[index].id == item.id
        return self._planned.id_at(item.log, item.header.seq) == item.id

    def _progress(self, first: Opened) -> LogProgress:
        log = self._logs.get(first.log)
        if log is None:
            federation = self._federation_of(first.header.fid)
            log = self._logs[first.log] = LogProgress(
                self._planned.state, federation, first, self._fences.seq_of(first.log)
            )
        return log

    def _expected_time(self, header: Header) -> str:
        ahead_ms = header.time_ms - self._latest_ms + MAX_CLOCK_AHEAD_MS
        return f"a time at most {MAX_CLOCK_AHEAD_MS} ms ahead of our clock, got {ahead_ms}"


_STORED = (Outcome.NEW, Outcome.NO_EFFECT)


def _new_entry(item: Opened, run: Run, index: int, verdict: Verdict, *, is_last: bool) -> NewEntry:
    proof = run.proof(index, is_last=is_last)
    envelope = item.envelope
    signature = proof if isinstance(proof, bytes) else b""
    payload = envelope.payload if verdict.absence is None else b""
    if (envelope.signature, envelope.payload) != (signature, payload):
        # LOG-17: a signature that was not checked is neither kept nor passed on.
        envelope = Envelope(envelope.header, signature, payload)
    return NewEntry(
        id=item.id,
        log=item.log,
        envelope=envelope,
        header=item.header,
        tail=proof if isinstance(proof, Tail) else None,
        fault=verdict.fault,
        absence=verdict.absence,
        mark=verdict.mark,
    )


def _branch(run: Run, index: int) -> Branch:
    """Return an entry of a run and those after it up to a signed one, as one side of a fork."""
    item = run.entries[index]
    if item.envelope.signature:
        # Its own makes the shortest proof, and a fork is rare enough for one more check.
        run, index = Run([item]), 0
    run.require_proven(index)
    return make_branch([item.envelope.header], run.proof(index, is_last=True) or b"")
