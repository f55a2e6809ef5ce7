"""Between signed records and the integers that trips are planned and checked on.

Here, and only here, an absolute time becomes seconds from the start of the carrier's window, and a
record's request becomes a solver's task.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_protocol.digest import CoopId, Digest, EntryId, digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import PlannedTrip
from sheaf_services.shipment_matching.problem import (
    Fleet,
    Problem,
    Stop,
    Tariff,
    Task,
    TravelTable,
    Trip,
    Visit,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.records import Capacity, TransportRequest
    from sheaf_protocol.records import TravelTable as TravelTableRecord
    from sheaf_protocol.records import Visit as VisitRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenRequest:
    """A transport request with its entry id and the co-op that asked."""

    id: EntryId
    cid: CoopId
    record: TransportRequest


def in_order(requests: Sequence[SeenRequest]) -> list[SeenRequest]:
    """Return requests as a proposal lists them: by reference, then by id."""
    return sorted(requests, key=lambda request: (request.record.ref, request.id))


def party_of(cid: CoopId) -> str:
    """Return a co-op's key as a party of a problem."""
    return cid.hex()


def inputs_hash(capacity_id: EntryId, requests: Sequence[EntryId]) -> Digest:
    """Return the commitment to all that a plan was made from; the capacity hashes its table."""
    return digest("match-inputs", capacity_id, *requests)


def table_hash(size: int, cells: bytes) -> Digest:
    """Return the hash by which a capacity names its travel table."""
    return digest("travel-table", size.to_bytes(4, "big"), cells)


def build_problem(
    capacity: Capacity, parts: Sequence[TravelTableRecord], requests: Sequence[SeenRequest]
) -> Problem:
    """Return the problem of these records, tasks numbered in the order of the requests.

    Raises Refusal `match.table`, `match.dimension`, `match.problem_invalid`.
    """
    travel = join_table(parts, capacity.table)
    tasks = tuple(task_of(capacity, index, request) for index, request in enumerate(requests))
    return Problem(tasks=tasks, fleet=_fleet(capacity), travel=travel)


def task_of(capacity: Capacity, index: int, request: SeenRequest) -> Task:
    """Return one request as a task for this capacity.

    Raises Refusal `match.dimension`, `match.problem_invalid`.
    """
    dimension, _ = _one_dimension(capacity)
    return _task(index, request, dimension, capacity.window.from_ms)


def _fleet(capacity: Capacity) -> Fleet:
    _, limit = _one_dimension(capacity)
    return Fleet(
        depot_place=capacity.depot,
        vehicles=capacity.resource.amounts().get("vehicles", 0),
        capacity=limit,
        earliest_s=0,
        latest_s=(capacity.window.to_ms - capacity.window.from_ms) // 1000,
        tariff=Tariff(
            amount_minor=capacity.tariff.amount,
            base_s=capacity.tariff.base_s,
            per_trip_minor=capacity.tariff.per_trip,
        ),
    )


def join_table(parts: Sequence[TravelTableRecord], expected: Digest) -> TravelTable:
    """Return the table whose parts these are. Raises Refusal `match.table`."""
    ordered = sorted(parts, key=lambda part: part.first_row)
    if (
        table_hash(ordered[0].size if ordered else 0, b"".join(p.seconds for p in ordered))
        != expected
    ):
        raise Refusal("match.table", "expected the travel table that the capacity names")
    cells = array("I")
    row = 0
    for part in ordered:
        if (part.ref, part.size, part.first_row) != (ordered[0].ref, ordered[0].size, row):
            raise Refusal("match.table", f"expected the part of one table from row {row}")
        cells.frombytes(part.seconds)
        row += part.rows
    if row != ordered[0].size:
        raise Refusal("match.table", f"expected all rows of a travel table, got {row}")
    if array("I", [1]).tobytes()[0] == 1:
        cells.byteswap()  # the wire is big endian
    return TravelTable(size=row, seconds=cells)


def split_rows(
    size: int, seconds: Sequence[int], *, beside: int = 0, limit: int = 64_000
) -> list[tuple[int, bytes]]:
    """Return (first row, big-endian cells) for parts that fit into one payload each.

    The first part leaves `beside` bytes for the places, which travel with it.
    Raises Refusal `match.table` where not even one row fits beside them.
    """
    rows, first = limit // (4 * size), 0
    end = min(size, (limit - beside) // (4 * size))
    if end < 1:
        detail = f"expected places of at most {limit - 4 * size} bytes together, got {beside}"
        raise Refusal("match.table", detail)
    parts = []
    while first < size:
        cells = seconds[first * size : end * size]
        parts.append((first, b"".join(cell.to_bytes(4, "big") for cell in cells)))
        first, end = end, min(size, end + rows)
    return parts


def plan_trips(trips: Sequence[Trip], costs: Sequence[int]) -> list[PlannedTrip]:
    """Return trips as a proposal carries them."""
    return [
        PlannedTrip(cost=cost, stops=[2 * stop.task + stop.is_delivery for stop in trip.stops])
        for trip, cost in zip(trips, costs, strict=True)
    ]


def read_trips(planned: Sequence[PlannedTrip]) -> list[Trip]:
    """Return the trips that a proposal carries."""
    return [
        Trip(stops=tuple(Stop(task=code // 2, is_delivery=bool(code % 2)) for code in trip.stops))
        for trip in planned
    ]


def _one_dimension(capacity: Capacity) -> tuple[str, int]:
    amounts = capacity.vehicle.amounts()
    if len(amounts) != 1:
        detail = f"expected a vehicle limited in one dimension, got {sorted(amounts)}"
        raise Refusal("match.dimension", detail)
    return next(iter(amounts.items()))


def _task(index: int, request: SeenRequest, dimension: str, start_ms: int) -> Task:
    amounts = request.record.load.amounts()
    if set(amounts) != {dimension}:
        detail = f"expected a load in {dimension}, got {sorted(amounts)}"
        raise Refusal("match.dimension", detail)
    return Task(
        index=index,
        party=party_of(request.cid),
        load=amounts[dimension],
        pickup=_visit(request.record.pickup, start_ms),
        delivery=_visit(request.record.delivery, start_ms),
    )


def _visit(visit: VisitRecord, start_ms: int) -> Visit:
    """Return a visit in seconds; a window that began before the carrier's begins with it."""
    return Visit(
        place=visit.place,
        earliest_s=max(0, -(-(visit.window.from_ms - start_ms) // 1000)),
        latest_s=(visit.window.to_ms - start_ms) // 1000,
        service_s=visit.service_s,
    )
