"""The matcher's part: plan trips for open requests, propose them, hold and book the vehicles.

A proposal that comes to nothing is answered with another one only when `match` is asked again, and
a request is planned a few times at most. So nothing goes round by itself, and `why` says of every
request that is left what keeps it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sheaf_protocol.codec import encode
from sheaf_protocol.digest import digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.lifecycle.hold import Hold
from sheaf_protocol.limits import MAX_PAYLOAD, SALT_BYTES
from sheaf_protocol.records import (
    HoldConfirm,
    HoldRelease,
    HoldRequest,
    ShipmentBooking,
    Vector,
)
from sheaf_services.shipment_matching.attempt import Failed, attempt_matching
from sheaf_services.shipment_matching.check import unservable_tasks
from sheaf_services.shipment_matching.deal import HOLD_MS, Status, group_of, hold_ids
from sheaf_services.shipment_matching.proposal import Inputs, make_proposal, verify_proposal
from sheaf_services.shipment_matching.solve import OWN_BUDGET, POOLED_BUDGET, Matching
from sheaf_services.shipment_matching.translate import in_order, task_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sheaf_node.plugins import ServiceContext
    from sheaf_protocol.digest import CoopId, Digest, EntryId
    from sheaf_protocol.records import Capacity, MatchProposal
    from sheaf_services.shipment_matching.holds import HoldState
    from sheaf_services.shipment_matching.ledger import Ledger, Proposal
    from sheaf_services.shipment_matching.problem import Problem
    from sheaf_services.shipment_matching.solve import Budget
    from sheaf_services.shipment_matching.translate import SeenRequest

MOST_REQUESTS: Final = 500
"""Requests of one plan, co-ops in turns: the largest published instances have as many."""

MOST_ATTEMPTS: Final = 5
"""Proposals of ours that name one request; after so many in vain a person must look."""

ONE: Final = Vector(vehicles=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Budgets:
    """How long to search for the pooled trips, and for each party's own."""

    pooled: Budget = POOLED_BUDGET
    own: Budget = OWN_BUDGET


class Planner:
    """Plans, proposes and books for a matcher."""

    def __init__(self, context: ServiceContext, ledger: Ledger, budgets: Budgets) -> None:
        self._context = context
        self._ledger = ledger
        self._budgets = budgets
        self._running: dict[str, Inputs] = {}
        self._planned: list[tuple[str, Inputs, Matching]] = []
        self._no_plan: dict[str, str] = {}
        self.why: dict[EntryId, str] = {}
        """What keeps each request out of a plan, by the last `match`."""

    # --- planning ---------------------------------------------------------------------------

    def match(self) -> str:
        """Plan the open requests on each capacity; return how matching stands.

        `planning`, `proposed` (a proposal is under way), `stuck` (`why` says what keeps the
        requests that are left) or `idle` (nothing is left).
        """
        self.why.clear()
        busy = self._reserved()
        states = set()
        for capacity_id, capacity in self._ledger.capacities.items():
            if capacity.window.to_ms < self._context.now_ms():
                continue
            found = self._ledger.open_requests(capacity, self._context.now_ms())
            left = [request for request in found if request.id not in busy]
            states.add(self._match_on(capacity_id, left, busy))
        if self._running or self._planned:
            states.add("planning")
        if self._live():
            states.add("proposed")
        return next((s for s in ("planning", "proposed", "stuck") if s in states), "idle")

    def finish(self, key: str, result: object) -> None:
        """Take a solver's trips, or why there are none."""
        inputs = self._running.pop(key, None)
        if inputs is not None and isinstance(result, Matching):
            self._planned.append((key, inputs, result))
        elif inputs is not None:
            code = result.code if isinstance(result, Failed) else "match.solver_failed"
            self._no_plan[key] = code

    def decide(self) -> None:
        """Propose what was planned; hold, confirm and book what was accepted."""
        for key, inputs, matching in self._planned:
            self._propose(key, inputs, matching)
        self._planned.clear()
        for proposal in self._own():
            if self._ledger.is_accepted(proposal):
                self._book(proposal)

    def _match_on(self, capacity_id: EntryId, left: list[SeenRequest], busy: set[EntryId]) -> str:
        """Plan requests on one capacity, and reserve them from the next."""
        vehicles = self._ledger.free_vehicles(capacity_id)
        servable = self._servable(capacity_id, left)
        chosen = _in_turns(self._best_behaved(servable))[:MOST_REQUESTS]
        inputs = self._ledger.inputs(capacity_id, sorted(r.id for r in chosen))
        if not chosen or inputs is None:
            return "stuck" if left else "idle"
        inputs = replace(inputs, requests=in_order(inputs.requests))
        ids = [request.id for request in inputs.requests]
        attempt = sum(proposal.record.requests == ids for proposal in self._own())
        job = digest("match-job", capacity_id, bytes([attempt]), vehicles.to_bytes(8, "big"), *ids)
        key = f"match:{job.hex()}"
        code = self._no_plan.get(key) if vehicles else "match.no_vehicle"
        if code is not None:
            self.why.update(dict.fromkeys(ids, code))
            return "stuck"
        busy.update(ids)
        problem, budgets = inputs.problem(), self._budgets
        self._running[key] = inputs
        self._context.run(key, attempt_matching, problem, vehicles, budgets.pooled, budgets.own)
        return "planning"

    def _servable(self, capacity_id: EntryId, left: Sequence[SeenRequest]) -> list[SeenRequest]:
        """Return the requests that fit the capacity, each on a trip of its own.

        One that does not, by mistake or on purpose, would leave all the others without a plan.
        """
        empty = self._ledger.inputs(capacity_id, [])
        if empty is None:
            self.why.update((request.id, "match.table") for request in left)
            return []
        try:
            base = empty.problem()
        except Refusal as refusal:
            self.why.update((request.id, refusal.code) for request in left)
            return []
        codes = {request.id: _unfit(base, empty.capacity, request) for request in left}
        self.why.update((id_, code) for id_, code in codes.items() if code is not None)
        return [request for request in left if codes[request.id] is None]

    def _best_behaved(self, requests: Sequence[SeenRequest]) -> list[SeenRequest]:
        """Return the requests that were least often proposed in vain.

        A co-op that refuses whatever it is part of is planned apart from the others, so that it
        keeps nobody from a vehicle, and in the end not at all.
        """
        attempts = Counter(id_ for p in self._own() for id_ in p.record.requests)
        refused = Counter(
            id_
            for proposal in self._own()
            for cid in self._ledger.refusals(proposal)
            for id_ in proposal.record.requests
            if self._ledger.requests[id_].cid == cid
        )
        left = [r for r in requests if attempts[r.id] < MOST_ATTEMPTS]
        for request in requests:
            if attempts[request.id] >= MOST_ATTEMPTS:
                self.why[request.id] = "match.given_up"
        fewest = min((refused[r.id] for r in left), default=0)
        return [r for r in left if refused[r.id] == fewest]

    # --- proposing and booking ----------------------------------------------------------------

    def _own(self) -> list[Proposal]:
        line = self._context.line
        return [proposal for proposal in self._ledger.proposals.values() if proposal.line == line]

    def _live(self) -> list[Proposal]:
        now_ms = self._context.now_ms()
        return [p for p in self._own() if self._ledger.status(p, now_ms).is_live]

    def _reserved(self) -> set[EntryId]:
        """Return the requests that we are planning or that a proposal of ours may still serve."""
        proposed = {id_ for proposal in self._live() for id_ in proposal.record.requests}
        inputs = [*self._running.values(), *(planned for _, planned, _ in self._planned)]
        return proposed | {request.id for known in inputs for request in known.requests}

    def _propose(self, key: str, inputs: Inputs, matching: Matching) -> None:
        """Publish a plan that stands our own check; the others would refuse what does not."""
        try:
            proposal = make_proposal(inputs, matching)
            verify_proposal(inputs, proposal)
            require_size(proposal)
        except Refusal as refusal:
            self._no_plan[key] = refusal.code
        else:
            self._context.publish(proposal, refs=[inputs.capacity_id])

    def _book(self, proposal: Proposal) -> None:
        """Hold a vehicle for each trip, confirm when all are held, book when all are confirmed."""
        status = self._ledger.status(proposal, self._context.now_ms())
        known = {hold.request.hold: hold for hold in self._ledger.holds_of(proposal)}
        if status is Status.FAILED:
            self._release(known.values())
        if status is not Status.ACCEPTED:
            return
        ids = hold_ids(proposal.id, len(proposal.record.trips))
        missing = [hold_id for hold_id in ids if hold_id not in known]
        if missing:
            self._request_holds(proposal, missing)
        else:
            self._advance(proposal, [known[hold_id] for hold_id in ids])

    def _request_holds(self, proposal: Proposal, ids: Sequence[Digest]) -> None:
        capacity = proposal.record.capacity
        for hold_id in ids:
            request = HoldRequest(
                capacity=capacity,
                group=group_of(proposal.id),
                hold=hold_id,
                hold_for_ms=HOLD_MS,
                max=ONE,
                min=ONE,
            )
            self._context.publish(request, refs=[capacity, proposal.id])

    def _advance(self, proposal: Proposal, holds: Sequence[HoldState]) -> None:
        """Confirm when every leg is held; book when every leg is confirmed."""
        states = {hold.state for hold in holds}
        if states == {Hold.CONFIRMED}:
            ids = [hold.request.hold for hold in holds]
            booking = ShipmentBooking(holds=ids, proposal=proposal.id)
            self._context.publish(booking, refs=[proposal.id])
        elif states <= {Hold.HELD, Hold.CONFIRMED}:
            for hold in holds:
                if hold.state is Hold.HELD and hold.confirm_id is None and hold.grant_id:
                    confirm = HoldConfirm(grant=hold.grant_id, hold=hold.request.hold)
                    self._context.publish(confirm, refs=[hold.grant_id])

    def _release(self, holds: Iterable[HoldState]) -> None:
        """Give back what is held of a proposal of which another leg will never be."""
        for hold in holds:
            if hold.state is Hold.HELD and hold.grant_id:
                release = HoldRelease(grant=hold.grant_id, hold=hold.request.hold)
                self._context.publish(release, refs=[hold.grant_id])


def _unfit(base: Problem, capacity: Capacity, request: SeenRequest) -> str | None:
    """Return the code of what keeps a request from being carried alone, or None."""
    try:
        alone = replace(base, tasks=(task_of(capacity, 0, request),))
    except Refusal as refusal:
        return refusal.code
    reason = unservable_tasks(alone).get(0)
    return None if reason is None else reason.code


def _in_turns(requests: Sequence[SeenRequest]) -> list[SeenRequest]:
    """Return requests as co-ops take turns, so that none crowds the others out of a plan."""
    turns: Counter[CoopId] = Counter()
    ranked = []
    for number, request in enumerate(requests):
        ranked.append((turns[request.cid], number, request))
        turns[request.cid] += 1
    return [request for _, _, request in sorted(ranked, key=lambda ranked_one: ranked_one[:2])]


def require_size(proposal: MatchProposal) -> None:
    """Return if a proposal fits one entry. Raises Refusal `match.too_large`."""
    size = len(encode(proposal))
    if size > MAX_PAYLOAD - SALT_BYTES:
        raise Refusal(
            "match.too_large", f"expected a proposal that fits an entry, got {size} bytes"
        )
