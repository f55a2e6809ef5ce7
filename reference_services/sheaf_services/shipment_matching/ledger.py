"""What a node has learned of transport: capacities, tables, requests, proposals and their fate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
from sheaf_services.shipment_matching.holds import HoldBook
from sheaf_services.shipment_matching.proposal import Inputs
from sheaf_services.shipment_matching.translate import SeenRequest, in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.digest import CoopId, EntryId, WriterId


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenOrder:
    """An order that was sealed to us or by us, with the co-op that placed it."""

    cid: CoopId
    record: Order


@dataclass(kw_only=True, slots=True)
class Ledger:
    """Facts by entry id, in no order that matters."""

    capacities: dict[EntryId, SeenRecord] = field(default_factory=dict)
    tables: dict[tuple[WriterId, str], dict[int, TravelTable]] = field(default_factory=dict)
    requests: dict[EntryId, SeenRequest] = field(default_factory=dict)
    proposals: dict[EntryId, SeenRecord] = field(default_factory=dict)
    verdicts: dict[tuple[EntryId, WriterId], str] = field(default_factory=dict)
    accepts: dict[EntryId, set[CoopId]] = field(default_factory=dict)
    bookings: dict[EntryId, SeenRecord] = field(default_factory=dict)
    orders: dict[EntryId, SeenOrder] = field(default_factory=dict)
    responses: dict[EntryId, OrderResponse] = field(default_factory=dict)
    holds: HoldBook = field(default_factory=HoldBook)

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        match seen.record:
            case Capacity(owner=owner):
                # A capacity names its owning writer; another cannot offer it in the owner's name.
                if owner == seen.wid:
                    self.capacities[seen.id] = seen
            case TravelTable() as table:
                rows = self.tables.setdefault((seen.wid, table.ref), {})
                rows.setdefault(table.first_row, table)
            case TransportRequest() as request:
                self.requests[seen.id] = SeenRequest(id=seen.id, cid=seen.cid, record=request)
            case MatchProposal():
                self.proposals[seen.id] = seen
            case Verdict(subject=subject, code=code):
                self.verdicts.setdefault((subject, seen.wid), code)
            case MatchAccept(proposal=proposal):
                self.accepts.setdefault(proposal, set()).add(seen.cid)
            case ShipmentBooking(proposal=proposal):
                self.bookings[proposal] = seen
            case Order() as order:
                self.orders[seen.id] = SeenOrder(cid=seen.cid, record=order)
            case OrderResponse(order=order_id) as response:
                self.responses[order_id] = response
            case _:
                self.holds.fold(seen)

    def capacity(self, id_: EntryId) -> Capacity | None:
        """Return a capacity by its id."""
        seen = self.capacities.get(id_)
        return seen.record if seen is not None and isinstance(seen.record, Capacity) else None

    def table(self, owner: WriterId, ref: str) -> list[TravelTable] | None:
        """Return the parts of a table in order, or None while rows are missing."""
        rows = self.tables.get((owner, ref), {})
        parts = [rows[first] for first in sorted(rows)]
        is_whole = bool(parts) and sum(part.rows for part in parts) == parts[0].size
        return parts if is_whole else None

    def inputs(self, capacity_id: EntryId, requests: Sequence[EntryId]) -> Inputs | None:
        """Return a plan's inputs, or None while part of them has not arrived."""
        capacity = self.capacity(capacity_id)
        parts = None if capacity is None else self.table(capacity.owner, capacity.table_ref)
        if capacity is None or parts is None:
            return None
        found = [self.requests[id_] for id_ in requests if id_ in self.requests]
        if len(found) != len(requests):
            return None
        return Inputs(
            capacity_id=capacity_id,
            capacity=capacity,
            table=parts,
            requests=found,
        )

    def open_requests(self, capacity: Capacity) -> list[SeenRequest]:
        """Return the requests on this capacity's table that no booked proposal serves."""
        taken: set[EntryId] = set()
        for proposal_id in self.bookings:
            seen = self.proposals.get(proposal_id)
            if seen is not None and isinstance(seen.record, MatchProposal):
                taken.update(seen.record.requests)
        return in_order(
            [
                request
                for request in self.requests.values()
                if request.record.table_ref == capacity.table_ref and request.id not in taken
            ]
        )

    def is_verified(self, proposal_id: EntryId, wid: WriterId) -> bool:
        """Return whether a writer found nothing wrong with a proposal."""
        return self.verdicts.get((proposal_id, wid)) == OK
