"""What a node has learned of transport: capacities, tables, requests, proposals and their fate.

Between logs there is no order, so each fact is kept under the entry it is about, by its author, and
put together when asked for.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sheaf_protocol.lifecycle.hold import Hold
from sheaf_protocol.records import (
    OK,
    Capacity,
    MatchAccept,
    MatchProposal,
    Order,
    OrderResponse,
    ShipmentBooking,
    TransportRequest,
    TravelTable,
    Verdict,
)
from sheaf_services.shipment_matching.deal import GIVEN_BACK_MS, Status, group_of, hold_ids
from sheaf_services.shipment_matching.holds import HoldBook, free
from sheaf_services.shipment_matching.proposal import Inputs
from sheaf_services.shipment_matching.translate import SeenRequest, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.digest import CoopId, Digest, EntryId, WriterId
    from sheaf_services.shipment_matching.holds import HoldState

_UNDECIDED = frozenset({"AB", "CA"})
"""Answers to an order that another one follows."""
_LOST = frozenset({Hold.REFUSED, Hold.EXPIRED, Hold.RELEASED, Hold.REVOKED, Hold.CANCELLED})
_TAKEN = frozenset({Hold.CONFIRMED, Hold.CONSUMED})


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenOrder:
    """An order that was sealed to us or by us, with the co-op that placed it."""

    id: EntryId
    cid: CoopId
    record: Order


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A match proposal with its place."""

    id: EntryId
    line: WriterId
    """The line of the writer that made it, which alone holds and books for it."""
    record: MatchProposal
    parties: frozenset[CoopId]
    """The co-ops that are to pay; those with requests, once the proposal is found right."""


class Ledger:
    """Facts by entry id, as the node of one line of writers sees them."""

    def __init__(self, line: WriterId) -> None:
        self.capacities: dict[EntryId, Capacity] = {}
        """The owner of each is the first writer of the line that published it."""
        self.tables: dict[tuple[WriterId, str], dict[int, TravelTable]] = {}
        self.requests: dict[EntryId, SeenRequest] = {}
        self.proposals: dict[EntryId, Proposal] = {}
        self.unjudged: dict[EntryId, Proposal] = {}
        """Proposals without a verdict of ours, in the order in which they came."""
        self.verdicts: defaultdict[EntryId, dict[CoopId, str]] = defaultdict(dict)
        self.accepts: defaultdict[EntryId, dict[CoopId, int]] = defaultdict(dict)
        """By proposal: when each co-op accepted, by its own clock."""
        self.orders: dict[EntryId, SeenOrder] = {}
        self.holds = HoldBook()
        self._line = line
        self._judged: dict[EntryId, str] = {}
        self._newest: dict[tuple[WriterId, str], EntryId] = {}
        self._of_group: dict[tuple[WriterId, Digest], Proposal] = {}
        self._bookings: defaultdict[EntryId, dict[WriterId, ShipmentBooking]] = defaultdict(dict)
        self._responses: defaultdict[EntryId, dict[CoopId, OrderResponse]] = defaultdict(dict)

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        if seen.is_contested:
            self.holds.fold_contested(seen)
            return
        match seen.record:
            case Capacity(owner=owner) as capacity:
                # A capacity names its owner; another line cannot offer it in the owner's name.
                if seen.is_of(owner):
                    self.capacities[seen.id] = replace(capacity, owner=seen.line)
            case TravelTable() as table:
                rows = self.tables.setdefault((seen.line, table.ref), {})
                rows.setdefault(table.first_row, table)
            case TransportRequest() as request:
                self.requests[seen.id] = SeenRequest(id=seen.id, cid=seen.cid, record=request)
                self._newest[seen.line, request.ref] = seen.id
            case MatchProposal() as record:
                self._note_proposal(seen, record)
            case Verdict(subject=subject, code=code):
                self._note_verdict(seen, subject, code)
            case MatchAccept(proposal=proposal):
                self.accepts[proposal].setdefault(seen.cid, seen.time_ms)
            case ShipmentBooking(proposal=proposal) as booking:
                self._bookings[proposal].setdefault(seen.line, booking)
            case Order() as order:
                self.orders[seen.id] = SeenOrder(id=seen.id, cid=seen.cid, record=order)
            case OrderResponse(order=order_id) as response:
                self._note_answer(order_id, seen.cid, response)
            case _:
                self.holds.fold(seen)

    # --- what there is to carry, and with what ------------------------------------------------

    def own_capacities(self) -> dict[EntryId, Capacity]:
        """Return the capacities that our own line owns."""
        return {id_: found for id_, found in self.capacities.items() if found.owner == self._line}

    def table(self, owner: WriterId, ref: str) -> list[TravelTable] | None:
        """Return the parts of a table in order, or None while rows are missing."""
        rows = self.tables.get((owner, ref), {})
        parts = [rows[first] for first in sorted(rows)]
        is_whole = bool(parts) and sum(part.rows for part in parts) == parts[0].size
        return parts if is_whole else None

    def inputs(self, capacity_id: EntryId, requests: Sequence[EntryId]) -> Inputs | None:
        """Return a plan's inputs, or None while part of them has not arrived."""
        capacity = self.capacities.get(capacity_id)
        parts = None if capacity is None else self.table(capacity.owner, capacity.table_ref)
        if capacity is None or parts is None or any(id_ not in self.requests for id_ in requests):
            return None
        return Inputs(
            capacity_id=capacity_id,
            capacity=capacity,
            table=parts,
            requests=[self.requests[id_] for id_ in requests],
        )

    def open_requests(self, capacity: Capacity, now_ms: int) -> list[SeenRequest]:
        """Return the newest requests on this capacity's table that no booked proposal serves."""
        booked = [p for p in self.proposals.values() if self.status(p, now_ms) is Status.BOOKED]
        taken = {request for proposal in booked for request in proposal.record.requests}
        newest = (self.requests[id_] for id_ in self._newest.values() if id_ not in taken)
        return in_order([r for r in newest if r.record.table_ref == capacity.table_ref])

    def free_vehicles(self, capacity_id: EntryId) -> int:
        """Return how many vehicles of a capacity are neither held nor confirmed."""
        capacity = self.capacities[capacity_id]
        return free(self.holds, capacity_id, capacity).get("vehicles", 0)

    def response(self, order: SeenOrder) -> OrderResponse | None:
        """Return the answer of an order's supplier; nobody else's counts."""
        return self._responses.get(order.id, {}).get(order.record.supplier)

    def _note_answer(self, order: EntryId, cid: CoopId, response: OrderResponse) -> None:
        answers = self._responses[order]
        if cid not in answers or answers[cid].code in _UNDECIDED:
            answers[cid] = response

    # --- proposals ----------------------------------------------------------------------------

    def verdict(self, proposal_id: EntryId) -> str | None:
        """Return what our own line found of a proposal, or None so far."""
        return self._judged.get(proposal_id)

    def proposal_of(self, asker: WriterId, group: Digest) -> Proposal | None:
        """Return the asker's own proposal that a group of holds is for."""
        return self._of_group.get((asker, group))

    def holds_of(self, proposal: Proposal) -> Iterator[HoldState]:
        """Yield the holds on a proposal's capacity that its own matcher asked for."""
        capacity = self.capacities.get(proposal.record.capacity)
        known = {} if capacity is None else {proposal.record.capacity: capacity}
        return self.holds.of_group(proposal.line, group_of(proposal.id), known)

    def is_accepted(self, proposal: Proposal) -> bool:
        """Return whether all parties have accepted."""
        return proposal.parties <= self.accepts.get(proposal.id, {}).keys()

    def status(self, proposal: Proposal, now_ms: int) -> Status:
        """Return how far a proposal has come."""
        if self._is_booked(proposal):
            return Status.BOOKED
        verdict, states = self.verdict(proposal.id), [h.state for h in self.holds_of(proposal)]
        refused = self.refusals(proposal)
        if refused or verdict not in {None, OK}:
            return Status.REFUSED
        if _LOST.intersection(states):
            return Status.FAILED
        if self._is_given_back(proposal, now_ms) and not _TAKEN.intersection(states):
            return Status.EXPIRED
        if verdict is None:
            return Status.UNCHECKED
        return Status.ACCEPTED if self.is_accepted(proposal) else Status.OFFERED

    def refusals(self, proposal: Proposal) -> dict[CoopId, str]:
        """Return the parties that found a fault, each with its code."""
        found = self.verdicts.get(proposal.id, {})
        parties = proposal.parties
        return {cid: code for cid, code in found.items() if code != OK and cid in parties}

    def _is_booked(self, proposal: Proposal) -> bool:
        """Return whether a booking is what it says: every trip accepted, held and confirmed.

        Whoever may book could else take anybody's requests off the market with one entry.
        """
        booking = self._bookings.get(proposal.id, {}).get(proposal.line)
        if booking is None or not self.is_accepted(proposal):
            return False
        wanted = hold_ids(proposal.id, len(proposal.record.trips))
        held = {h.request.hold for h in self.holds_of(proposal) if h.state in _TAKEN}
        return booking.holds == wanted and held.issuperset(wanted)

    def _is_given_back(self, proposal: Proposal, now_ms: int) -> bool:
        first = min(self.accepts.get(proposal.id, {}).values(), default=now_ms)
        return now_ms > first + GIVEN_BACK_MS

    def _note_proposal(self, seen: SeenRecord, record: MatchProposal) -> None:
        parties = frozenset(share.cid for share in record.shares)
        proposal = Proposal(id=seen.id, line=seen.line, record=record, parties=parties)
        self.proposals[proposal.id] = proposal
        self._of_group[proposal.line, group_of(proposal.id)] = proposal
        if proposal.id not in self._judged:
            self.unjudged[proposal.id] = proposal

    def _note_verdict(self, seen: SeenRecord, subject: EntryId, code: str) -> None:
        self.verdicts[subject].setdefault(seen.cid, code)
        if seen.line == self._line:
            self._judged.setdefault(subject, code)
            self.unjudged.pop(subject, None)
