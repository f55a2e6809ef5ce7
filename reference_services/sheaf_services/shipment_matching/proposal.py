"""A match proposal: made from a solver's trips, and checked by whoever did not make it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_protocol.digest import CoopId, Digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Baseline, MatchProposal, Share
from sheaf_services.shipment_matching.check import PlanTotals, check_plan, round_trip_cost
from sheaf_services.shipment_matching.split import RULE, check_split, proportional_shares
from sheaf_services.shipment_matching.translate import (
    build_problem,
    in_order,
    inputs_hash,
    party_of,
    plan_trips,
    read_trips,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.records import Capacity, PlannedTrip, TravelTable
    from sheaf_services.shipment_matching.problem import Problem, Trip
    from sheaf_services.shipment_matching.solve import Matching
    from sheaf_services.shipment_matching.translate import SeenRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """The records that a proposal is about, as a node holds them; requests in proposal order."""

    capacity_id: EntryId
    capacity: Capacity
    table: Sequence[TravelTable]
    requests: Sequence[SeenRequest]

    def problem(self) -> Problem:
        """Return the problem they make. Raises Refusal `match.*`."""
        return build_problem(self.capacity, self.table, self.requests)


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """What a proposal comes to, in the tariff's minor units."""

    round_trips: int
    own_pooled: int
    pooled: int
    shares: Mapping[CoopId, int]
    baselines: Mapping[CoopId, int]


def make_proposal(inputs: Inputs, matching: Matching) -> MatchProposal:
    """Return the proposal of a solver's trips, its costs by our own arithmetic."""
    problem = inputs.problem()
    by_party = {party_of(r.cid): r.cid for r in inputs.requests}
    baselines = {party: _own_totals(problem, party, t) for party, t in matching.own.items()}
    pooled = check_plan(problem, matching.pooled)
    own = {party: totals.cost_minor for party, totals in baselines.items()}
    shares = proportional_shares(pooled.cost_minor, own)
    return MatchProposal(
        baseline="own_pooled",
        baselines=[
            Baseline(cid=by_party[p], trips=_planned(matching.own[p], baselines[p]))
            for p in sorted(baselines)
        ],
        capacity=inputs.capacity_id,
        inputs=_hash(inputs),
        requests=[request.id for request in inputs.requests],
        shares=[Share(amount=shares[p], cid=by_party[p]) for p in sorted(shares)],
        split=RULE,
        trips=_planned(matching.pooled, pooled),
    )


def verify_proposal(inputs: Inputs, proposal: MatchProposal) -> Costs:
    """Return what a proposal comes to, after checking all of it by plain arithmetic.

    Raises Refusal: `match.inputs_hash`, `match.request_twice`, `match.other_table`, `match.order`,
    `match.split_unknown`, `match.party`, `match.cost_wrong` and the codes of `check.py` and
    `split.py`.
    """
    _check_requests(inputs, proposal)
    if proposal.split != RULE:
        raise Refusal("match.split_unknown", f"expected {RULE}, got {proposal.split}")
    problem = inputs.problem()
    pooled = _check_trips(problem, proposal.trips)
    own = _check_baselines(problem, proposal)
    shares = {party_of(share.cid): share.amount for share in proposal.shares}
    if len(shares) != len(proposal.shares):
        raise Refusal("match.party", "expected one share for each party")
    check_split(pooled.cost_minor, own, shares)
    return Costs(
        round_trips=round_trip_cost(problem),
        own_pooled=sum(own.values()),
        pooled=pooled.cost_minor,
        shares={share.cid: share.amount for share in proposal.shares},
        baselines={CoopId(bytes.fromhex(party)): cost for party, cost in own.items()},
    )


def _check_requests(inputs: Inputs, proposal: MatchProposal) -> None:
    """The requests named, each once, in order, and all on the capacity's own roads."""
    if proposal.inputs != _hash(inputs):
        raise Refusal("match.inputs_hash", "expected the hash of the requests and the capacity")
    if len({request.id for request in inputs.requests}) < len(inputs.requests):
        raise Refusal("match.request_twice", "expected each request once, got one twice")
    for request in inputs.requests:
        if request.record.table_ref != inputs.capacity.table_ref:
            detail = f"expected requests on the table {inputs.capacity.table_ref}"
            raise Refusal("match.other_table", f"{detail}, got one on {request.record.table_ref}")
    if list(inputs.requests) != in_order(inputs.requests):
        raise Refusal("match.order", "expected requests by reference, then by id")


def _check_baselines(problem: Problem, proposal: MatchProposal) -> dict[str, int]:
    """Return each party's cost in own trips, which must serve its requests and no others."""
    given = [party_of(baseline.cid) for baseline in proposal.baselines]
    if sorted(given) != list(problem.parties()):
        raise Refusal("match.party", "expected one baseline for each party with a request")
    return {
        party: _check_trips(problem.for_party(party), baseline.trips).cost_minor
        for party, baseline in zip(given, proposal.baselines, strict=True)
    }


def _check_trips(problem: Problem, planned: Sequence[PlannedTrip]) -> PlanTotals:
    totals = check_plan(problem, read_trips(planned))
    for number, (trip, total) in enumerate(zip(planned, totals.trips, strict=True), start=1):
        if trip.cost != total.cost_minor:
            detail = f"expected trip {number} to cost {total.cost_minor}, got {trip.cost}"
            raise Refusal("match.cost_wrong", detail)
    return totals


def _own_totals(problem: Problem, party: str, trips: Sequence[Trip]) -> PlanTotals:
    return check_plan(problem.for_party(party), trips)


def _planned(trips: Sequence[Trip], totals: PlanTotals) -> list[PlannedTrip]:
    return plan_trips(trips, [trip.cost_minor for trip in totals.trips])


def _hash(inputs: Inputs) -> Digest:
    return inputs_hash(inputs.capacity_id, [request.id for request in inputs.requests])
