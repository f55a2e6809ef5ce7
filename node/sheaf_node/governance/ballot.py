"""Ballots as our own node sees them: what was proposed, who said what, what it comes to."""

from __future__ import annotations

import enum
from bisect import insort
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

from sheaf_protocol.charter import next_charter, touched
from sheaf_protocol.digest import EntryId
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.governance import Cast, bar_of, count, require_proposal, tally
from sheaf_protocol.limits import BALLOT_KEPT_MS
from sheaf_protocol.records.governance import CoopLines, Leave, Proposal, Vote

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sheaf_node.governance.epoch import Epoch
    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.charter import Charter, Federation
    from sheaf_protocol.digest import CoopId, Digest, WriterId
    from sheaf_protocol.governance import Counted, Result, Tally
    from sheaf_protocol.identity import KeyHistory
    from sheaf_protocol.records.governance import Change


MOST_LIVE: Final = 32
"""Open ballots of one co-op that are looked after; those that close later wait (BAL-17)."""
MOST_ADMISSIONS: Final = 8
"""Candidates that one co-op may bring in at a time (BAL-18)."""
MOST_CANDIDATES: Final = 128
"""Candidates of a federation at a time."""


class Stage(enum.Enum):
    """How far a ballot has come."""

    OPEN = "open"
    PASSED = "passed"
    """Its certificate is on the way."""
    CERTIFIED = "certified"
    FAILED = "failed"
    MOOT = "moot"
    """Passed, and yet too late, or its change no longer fits the charter."""
    REFUSED = "refused"
    """No ballot is held on it: it breaks a rule."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A ballot at one moment."""

    seen: SeenRecord
    stage: Stage
    why: str | None = None
    """The rule under which it was refused, waits or is moot."""
    result: Result | None = None
    counted: Counted | None = None
    electorate: frozenset[CoopId] = frozenset()
    epoch: Epoch | None = None
    """The certificate that it led to."""

    @property
    def proposal(self) -> Proposal:
        """What was proposed."""
        return cast("Proposal", self.seen.record)

    @property
    def is_live(self) -> bool:
        """Whether it is being voted on, or its certificate is on the way."""
        return self.stage in {Stage.OPEN, Stage.PASSED}


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What ballots are judged by."""

    federation: Federation
    epochs: Mapping[Digest, Epoch]
    enacted: Mapping[EntryId, Epoch]
    tallies: Mapping[str, Tally]
    histories: Mapping[CoopId, KeyHistory]
    now_ms: int


class Ballots:
    """Proposals, votes and leaves, folded from the log."""

    def __init__(self) -> None:
        self.proposals: dict[EntryId, SeenRecord] = {}
        self._by_coop: dict[CoopId, list[tuple[int, EntryId]]] = {}
        self.leaves: dict[CoopId, list[SeenRecord]] = {}
        self._votes: dict[EntryId, list[SeenRecord]] = {}
        self._ballot_of: dict[EntryId, EntryId] = {}
        self._held: dict[EntryId, tuple[tuple[Digest, int, int], Held]] = {}

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        match seen.record:
            case Proposal(closes_at_ms=closes_at_ms):
                if seen.id not in self.proposals:
                    insort(self._by_coop.setdefault(seen.cid, []), (closes_at_ms, seen.id))
                self.proposals[seen.id] = seen
            case Vote(proposal=proposal):
                self._votes.setdefault(EntryId(proposal), []).append(seen)
                self._ballot_of[seen.id] = EntryId(proposal)
            case Leave():
                self.leaves.setdefault(seen.cid, []).append(seen)
            case _:
                return

    def casts(self, id_: EntryId, histories: Mapping[CoopId, KeyHistory]) -> list[Cast]:
        """Return the votes on a proposal, each at its place among its co-op's."""
        return [
            Cast(
                entry=seen.id,
                cid=seen.cid,
                writer=_place(histories[seen.cid], seen.wid),
                seq=seen.seq,
                time_ms=seen.time_ms,
                vote=cast("Vote", seen.record),
            )
            for seen in self._votes.get(id_, ())
        ]

    def held(self, id_: EntryId, bench: Bench) -> Held:
        """Return how far a ballot has come; counted again only where something may be new."""
        seen, votes = self.proposals[id_], self._votes.get(id_, ())
        past_ms = bench.now_ms - cast("Proposal", seen.record).closes_at_ms
        state = (bench.federation.id, len(votes), (past_ms >= 0) + (past_ms > BALLOT_KEPT_MS))
        known = self._held.get(id_)
        if known is None or known[0] != state:
            held = _judge(seen, self.casts(id_, bench.histories), bench)
            known = self._held[id_] = (state, held)
        return known[1]

    def ballot_of(self, id_: EntryId) -> EntryId | None:
        """Return the proposal that an entry is, or votes on; None where it is neither."""
        return id_ if id_ in self.proposals else self._ballot_of.get(id_)

    def all(self, bench: Bench) -> list[Held]:
        """Return every ballot, the first to close first."""
        found = [self.held(id_, bench) for id_ in self.proposals]
        return sorted(found, key=_by_close)

    def live(self, bench: Bench) -> list[Held]:
        """Return the ballots that are open or passed, the first to close first.

        Of each co-op those that close first, up to a number: the others wait their turn.
        """
        found: list[Held] = []
        for of_coop in self._by_coop.values():
            held = (self.held(id_, bench) for _, id_ in of_coop)
            found += islice((each for each in held if each.is_live), MOST_LIVE)
        return sorted(found, key=_by_close)

    def shown(self, bench: Bench) -> list[Held]:
        """Return every ballot, those that wait for others of their author with that as reason."""
        live = self.live(bench)
        looked_after = {h.seen.id for h in live if h.proposal.change.action != "admit"}
        looked_after |= {held.seen.id for held in welcome(live)}
        return [
            replace(held, why=held.why or "ballot.waits")
            if held.is_live and held.seen.id not in looked_after
            else held
            for held in self.all(bench)
        ]


def welcome(live: Iterable[Held]) -> list[Held]:
    """Return the admissions whose candidates' key logs are let in.

    What passed comes first, and every co-op has its first one before any has its second: nobody
    fills the room of others.
    """
    places: dict[CoopId, int] = {}
    ranked = []
    admissions = (h for h in live if h.proposal.change.action == "admit" and h.proposal.change.cid)
    for held in sorted(admissions, key=lambda h: (h.stage is not Stage.PASSED, *_by_close(h))):
        place = places[held.seen.cid] = places.get(held.seen.cid, 0) + 1
        if place <= MOST_ADMISSIONS:
            ranked.append((place, *_by_close(held), held))
    ranked.sort(key=lambda each: each[:3])
    return [held for *_, held in ranked[:MOST_CANDIDATES]]


def electorate_of(id_: EntryId, bench: Bench) -> frozenset[CoopId]:
    """Return who may vote: the voters of the certificate that the ballot's is to follow on."""
    led_to = bench.enacted.get(id_)
    before = None if led_to is None else bench.epochs.get(led_to.prev)
    return frozenset(bench.federation.voters if before is None else before.voters)


def result_of(
    seen: SeenRecord, casts: Iterable[Cast], bench: Bench, *, is_closed: bool
) -> tuple[Counted, Result]:
    """Return which votes count and what they come to. Raises as `tally` does."""
    proposal = cast("Proposal", seen.record)
    electorate = electorate_of(seen.id, bench)
    policy = bench.federation.charter.policy
    counted = count(proposal, electorate, casts)
    bar = bar_of(policy, proposal.change, is_closed=is_closed)
    return counted, tally(policy.tally, counted.choices, electorate, bar, bench.tallies)


def moot_code(before: Charter, federation: Federation, change: Change) -> str | None:
    """Return the rule under which a change does not fit a charter, or None where it does."""
    try:
        lines = [CoopLines(cid=cid, logs=[]) for cid in touched(before, change)]
        next_charter(before, federation.id, federation.fid, change, lines=lines)
    except RemoteProtocolError as exc:
        return exc.code
    return None


def _by_close(held: Held) -> tuple[int, EntryId]:
    return held.proposal.closes_at_ms, held.seen.id


def _place(history: KeyHistory, wid: WriterId) -> int:
    writers = list(history.state.writers)
    return writers.index(wid) if wid in writers else len(writers)


def _judge(seen: SeenRecord, casts: Collection[Cast], bench: Bench) -> Held:
    proposal = cast("Proposal", seen.record)
    federation = bench.federation
    policy = federation.charter.policy
    epoch = bench.enacted.get(seen.id)
    try:
        if epoch is None:
            require_proposal(proposal, seen.time_ms, policy, bench.epochs)
        is_closed = epoch is not None or bench.now_ms >= proposal.closes_at_ms
        counted, result = result_of(seen, casts, bench, is_closed=is_closed)
    except RemoteProtocolError as exc:
        stage = Stage.OPEN if exc.fault is Fault.NOT_YET else Stage.REFUSED
        return Held(seen=seen, stage=stage, why=exc.code)
    why = None
    if epoch is not None:
        stage = Stage.CERTIFIED
    else:
        stage = Stage(result.outcome)
        why = moot_code(federation.charter, federation, proposal.change)
        if bench.now_ms > proposal.closes_at_ms + BALLOT_KEPT_MS:
            # BAL-16: those who leave would lower the bar of a ballot that failed long ago.
            why = "ballot.expired"
        if why is not None and stage is Stage.PASSED:
            stage = Stage.MOOT
    return Held(
        seen=seen,
        stage=stage,
        why=why,
        result=result,
        counted=counted,
        electorate=electorate_of(seen.id, bench),
        epoch=epoch,
    )
