"""Shipment matching on one node: whatever its co-op's roles make it do.

A carrier publishes capacity and answers holds. A buyer asks for transport, checks that the baseline
it is compared with is no worse than what it can plan itself, and accepts. A matcher plans trips,
proposes them and, once every party has accepted, holds and books the vehicles. Every node checks
every proposal by plain arithmetic and signs what it found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from sheaf_protocol.digest import Digest, digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.lifecycle.hold import Hold
from sheaf_protocol.records import (
    OK,
    HoldConfirm,
    HoldRelease,
    HoldRequest,
    MatchAccept,
    MatchProposal,
    ShipmentBooking,
    Vector,
    Verdict,
)
from sheaf_services.shipment_matching import publishing
from sheaf_services.shipment_matching.check import check_plan
from sheaf_services.shipment_matching.holds import HoldState, decide_holds, next_deadline_ms
from sheaf_services.shipment_matching.ledger import Ledger
from sheaf_services.shipment_matching.proposal import (
    Costs,
    Inputs,
    make_proposal,
    verify_proposal,
)
from sheaf_services.shipment_matching.solve import (
    OWN_BUDGET,
    POOLED_BUDGET,
    Matching,
    solve_matching,
    solve_parties,
)
from sheaf_services.shipment_matching.translate import party_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext
    from sheaf_protocol.digest import EntryId

HOLD_MS: Final = 15 * 60_000
"""A quarter of an hour: the matcher confirms at once when every leg is held."""


class ShipmentMatching:
    """The service `shipment_matching`."""

    follows: ClassVar[frozenset[str]] = frozenset(
        {
            "capacity.publish",
            "travel.table",
            "transport.request",
            "match.propose",
            "verdict",
            "match.accept",
            "hold.request",
            "hold.grant",
            "hold.refuse",
            "hold.confirm",
            "hold.confirmed",
            "hold.release",
            "hold.expired",
            "shipment.book",
            "order.place",
            "order.response",
        }
    )

    def __init__(self, context: ServiceContext, settings: Mapping[str, Any]) -> None:
        self._context = context
        self._place = settings.get("place")
        self._ledger = Ledger()
        self._wanted: dict[str, Inputs] = {}
        self._own_costs: dict[EntryId, int] = {}
        self._checked: dict[EntryId, Costs | Refusal] = {}

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        """What may be asked of the service."""
        return {
            "import_transport": self._import_transport,
            "publish_capacity": self._publish_capacity,
            "match": self._match,
        }

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        """What the service shows."""
        return {"report": self._report}

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        self._ledger.fold(seen)

    def finish(self, key: str, result: object) -> None:
        """Take a solver's trips: a plan to propose, or the own trips to compare a baseline with."""
        if isinstance(result, Matching) and key in self._wanted:
            inputs = self._wanted.pop(key)
            self._context.publish(make_proposal(inputs, result), refs=[inputs.capacity_id])
        elif isinstance(result, dict):
            self._note_own_trips(key, result)

    def decide(self) -> None:
        """Do what is due: check, accept, hold, book, answer holds, ask for transport."""
        for proposal_id, seen in self._ledger.proposals.items():
            if isinstance(seen.record, MatchProposal):
                self._decide_proposal(proposal_id, seen, seen.record)
        self._answer_holds()
        self._request_transport()

    # --- checking and accepting -------------------------------------------------------------

    def _decide_proposal(
        self, proposal_id: EntryId, seen: SeenRecord, proposal: MatchProposal
    ) -> None:
        inputs = self._ledger.inputs(proposal.capacity, proposal.requests)
        if inputs is None:
            return
        me = (proposal_id, self._context.wid)
        if me not in self._ledger.verdicts:
            self._judge(proposal_id, inputs, proposal)
        elif self._ledger.is_verified(*me):
            self._accept(proposal_id, inputs, proposal)
            if seen.wid == self._context.wid:
                self._book(proposal_id, proposal)

    def _judge(self, proposal_id: EntryId, inputs: Inputs, proposal: MatchProposal) -> None:
        """Sign what our own arithmetic finds; a party first plans its own trips to compare."""
        finding = self._check(proposal_id, inputs, proposal)
        if isinstance(finding, Refusal):
            self._sign(proposal_id, finding.code)
            return
        claimed = finding.baselines.get(self._context.cid)
        if claimed is None:
            self._sign(proposal_id, OK)
        elif proposal_id not in self._own_costs:
            own = inputs.problem().for_party(party_of(self._context.cid))
            self._context.run(f"own:{proposal_id.hex()}", solve_parties, own, OWN_BUDGET)
        elif self._own_costs[proposal_id] < claimed:
            # A baseline padded with bad trips would make any share look fair.
            self._sign(proposal_id, "match.baseline_high")
        else:
            self._sign(proposal_id, OK)

    def _check(
        self, proposal_id: EntryId, inputs: Inputs, proposal: MatchProposal
    ) -> Costs | Refusal:
        if proposal_id not in self._checked:
            try:
                self._checked[proposal_id] = verify_proposal(inputs, proposal)
            except Refusal as refusal:
                self._checked[proposal_id] = refusal
        return self._checked[proposal_id]

    def _sign(self, proposal_id: EntryId, code: str) -> None:
        verdict = Verdict(code=code, level="full", subject=proposal_id)
        self._context.publish(verdict, refs=[proposal_id])

    def _note_own_trips(self, key: str, trips: dict[str, Any]) -> None:
        for proposal_id, seen in self._ledger.proposals.items():
            if key != f"own:{proposal_id.hex()}" or not isinstance(seen.record, MatchProposal):
                continue
            inputs = self._ledger.inputs(seen.record.capacity, seen.record.requests)
            if inputs is not None:
                party = party_of(self._context.cid)
                own = inputs.problem().for_party(party)
                self._own_costs[proposal_id] = check_plan(own, trips[party]).cost_minor

    def _accept(self, proposal_id: EntryId, inputs: Inputs, proposal: MatchProposal) -> None:
        mine = any(request.cid == self._context.cid for request in inputs.requests)
        if mine and self._context.cid not in self._ledger.accepts.get(proposal_id, ()):
            self._context.publish(MatchAccept(proposal=proposal_id), refs=[proposal_id])

    # --- holding and booking ----------------------------------------------------------------

    def _book(self, proposal_id: EntryId, proposal: MatchProposal) -> None:
        """Hold a vehicle for each trip, confirm when all are held, book when all are confirmed."""
        parties = {share.cid for share in proposal.shares}
        if proposal_id in self._ledger.bookings or not parties <= self._ledger.accepts.get(
            proposal_id, set()
        ):
            return
        ids = [_hold_id(proposal_id, number) for number in range(len(proposal.trips))]
        known = {hold.request.hold: hold for hold in self._holds(proposal.capacity)}
        missing = [hold_id for hold_id in ids if hold_id not in known]
        if missing:
            self._request_holds(proposal_id, proposal, missing)
            return
        self._advance_holds(proposal_id, [known[hold_id] for hold_id in ids])

    def _request_holds(
        self, proposal_id: EntryId, proposal: MatchProposal, ids: list[Digest]
    ) -> None:
        one = Vector(vehicles=1)
        for hold_id in ids:
            request = HoldRequest(
                capacity=proposal.capacity,
                group=digest("hold-group", proposal_id),
                hold=hold_id,
                hold_for_ms=HOLD_MS,
                max=one,
                min=one,
            )
            self._context.publish(request, refs=[proposal.capacity, proposal_id])

    def _advance_holds(self, proposal_id: EntryId, holds: list[HoldState]) -> None:
        """Commit when every leg is held; release the others when one will never be."""
        states = {hold.state for hold in holds}
        if states == {Hold.CONFIRMED}:
            booking = ShipmentBooking(
                holds=[hold.request.hold for hold in holds], proposal=proposal_id
            )
            self._context.publish(booking, refs=[proposal_id])
        elif states & {Hold.REFUSED, Hold.EXPIRED, Hold.RELEASED, Hold.REVOKED}:
            self._release(holds)
        elif states <= {Hold.HELD, Hold.CONFIRMED}:
            for hold in holds:
                if hold.state is Hold.HELD and hold.confirm_id is None and hold.grant_id:
                    confirm = HoldConfirm(grant=hold.grant_id, hold=hold.request.hold)
                    self._context.publish(confirm, refs=[hold.grant_id])

    def _release(self, holds: list[HoldState]) -> None:
        for hold in holds:
            if hold.state is Hold.HELD and hold.confirm_id is None and hold.grant_id:
                release = HoldRelease(grant=hold.grant_id, hold=hold.request.hold)
                self._context.publish(release, refs=[hold.grant_id])

    def _holds(self, capacity_id: EntryId) -> list[HoldState]:
        capacity = self._ledger.capacity(capacity_id)
        if capacity is None:
            return []
        own = self._ledger.holds.states({capacity_id: capacity})
        return [hold for hold in own if hold.asker == self._context.wid]

    def _answer_holds(self) -> None:
        """As the owner of a capacity, answer what was asked for, by our own clock."""
        own = {
            id_: capacity
            for id_ in self._ledger.capacities
            if (capacity := self._ledger.capacity(id_)) is not None
            and capacity.owner == self._context.wid
        }
        if not own:
            return
        for answer, ref in decide_holds(self._ledger.holds, own, self._context.now_ms()):
            self._context.publish(answer, refs=[ref])
        deadline_ms = next_deadline_ms(self._ledger.holds, own)
        if deadline_ms is not None:
            self._context.wake_at(deadline_ms + 1)

    # --- commands and views -----------------------------------------------------------------

    def _request_transport(self) -> None:
        """Ask for carriage of every order of ours that the supplier accepted."""
        for request, refs in publishing.requests_for_orders(
            self._ledger, self._context.cid, self._place
        ):
            self._context.publish(request, refs=refs)

    def _import_transport(self, call: Call) -> Json:
        """Publish a PDPTW file's part: `as=carrier`, or `as=buyer` with `of` and `is`."""
        records = publishing.from_pdptw(call, self._context.wid, self._ledger, self._context.cid)
        return self._publish_new(records, call)

    def _publish_capacity(self, call: Call) -> Json:
        """Publish a travel table, then vehicles on it, from JSON."""
        records = publishing.from_json(call.body, self._context.wid, self._ledger)
        return self._publish_new(records, call)

    def _publish_new(self, records: publishing.Batch, call: Call) -> Json:
        if "dry_run" not in call.options:
            for record in records.new:
                self._context.publish(record)
        return {"lines": records.lines, "published": len(records.new)}

    def _match(self, call: Call) -> Json:
        """Plan trips for the open requests on each capacity; ask again to see how it stands."""
        if "matcher" not in self._context.federation.roles[self._context.cid]:
            raise Refusal("match.not_matcher", "expected a node with the role matcher")
        state = "idle"
        for capacity_id in self._ledger.capacities:
            capacity = self._ledger.capacity(capacity_id)
            if capacity is None:
                continue
            requests = self._ledger.open_requests(capacity)
            inputs = self._ledger.inputs(capacity_id, [request.id for request in requests])
            if requests and inputs is not None:
                state = self._plan(inputs)
        return {"state": state}

    def _plan(self, inputs: Inputs) -> str:
        ids = [request.id for request in inputs.requests]
        for seen in self._ledger.proposals.values():
            if isinstance(seen.record, MatchProposal) and seen.record.requests == ids:
                return "proposed"
        key = f"match:{digest('match-job', inputs.capacity_id, *ids).hex()}"
        if key not in self._wanted:
            self._wanted[key] = inputs
            problem = inputs.problem()
            self._context.run(key, solve_matching, problem, POOLED_BUDGET, OWN_BUDGET)
        return "planning"

    def _report(self, call: Call) -> Json:
        """Show each proposal, what this node found, and what each party pays."""
        proposals = []
        for proposal_id, seen in self._ledger.proposals.items():
            if not isinstance(seen.record, MatchProposal):
                continue
            inputs = self._ledger.inputs(seen.record.capacity, seen.record.requests)
            finding = None if inputs is None else self._check(proposal_id, inputs, seen.record)
            proposals.append(
                {
                    "id": proposal_id.hex(),
                    "verdict": self._ledger.verdicts.get((proposal_id, self._context.wid)),
                    "is_booked": proposal_id in self._ledger.bookings,
                    "requests": len(seen.record.requests),
                    "trips": len(seen.record.trips),
                    "costs": _costs_json(finding),
                }
            )
        return {
            "proposals": proposals,
            "requests": len(self._ledger.requests),
            "orders": len(self._ledger.orders),
            "capacities": len(self._ledger.capacities),
        }


def _hold_id(proposal_id: EntryId, number: int) -> Digest:
    """Return the id of a trip's hold: derived, so that asking again is the same hold."""
    return digest("hold", proposal_id, number.to_bytes(4, "big"))


def _costs_json(finding: Costs | Refusal | None) -> Json:
    if not isinstance(finding, Costs):
        return None
    return {
        "round_trips": finding.round_trips,
        "own_pooled": finding.own_pooled,
        "pooled": finding.pooled,
        "parties": [
            {"cid": cid.hex(), "share": share, "baseline": finding.baselines[cid]}
            for cid, share in sorted(finding.shares.items())
        ],
    }
