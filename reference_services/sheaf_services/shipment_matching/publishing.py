"""Records to publish, made from files, from JSON and from accepted orders.

Each carries a reference of its own. What this node has published under a reference already is not
made again, so every import may be repeated after a lost answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import UNSET, Meta

from sheaf_protocol.codec import encode
from sheaf_protocol.digest import digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import (
    Capacity,
    Place,
    Tariff,
    TransportRequest,
    TravelTable,
    Vector,
    Visit,
    Window,
)
from sheaf_services.shipment_matching import pdptw
from sheaf_services.shipment_matching.translate import build_problem, split_rows, table_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_node.plugins import Call
    from sheaf_protocol.digest import CoopId, WriterId
    from sheaf_protocol.records import OrderResponse
    from sheaf_services.shipment_matching.ledger import Ledger, SeenOrder
    from sheaf_services.shipment_matching.problem import Visit as ProblemVisit

UNLOAD_S = 900
"""A quarter of an hour to load or unload an order by hand and pallet truck."""

New = Capacity | TravelTable | TransportRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What an import makes: how many lines it read and the records not published before."""

    lines: int
    new: list[New]


class _Fleet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A carrier's vehicles and roads as posted in JSON."""

    ref: str
    provider: str
    places: Annotated[list[Place], Meta(min_length=1, max_length=1_000)]
    seconds: list[Annotated[int, Meta(ge=0, le=2**32 - 1)]]
    depot: Annotated[int, Meta(ge=0, le=999)]
    vehicles: Annotated[int, Meta(ge=1, le=10_000)]
    vehicle: Vector
    tariff: Tariff
    window: Window


def from_json(body: bytes, line: WriterId, ledger: Ledger) -> Batch:
    """Return a carrier's table and capacity.

    Raises Refusal `match.json`, `match.ref_used`, and `match.*` for roads that make no problem.
    """
    try:
        fleet = msgspec.json.decode(body, type=_Fleet)
    except (msgspec.DecodeError, ValueError) as exc:
        raise Refusal("match.json", f"expected a fleet as JSON: {exc}") from exc
    if len(fleet.seconds) != len(fleet.places) ** 2:
        cells = len(fleet.places) ** 2
        raise Refusal("match.json", f"expected {cells} seconds, got {len(fleet.seconds)}")
    return _carrier_batch(fleet, line, ledger)


def from_pdptw(call: Call, line: WriterId, ledger: Ledger, cid: CoopId) -> Batch:
    """Return the part of a PDPTW file that one node publishes.

    Options: `as` is `carrier` or `buyer`; a buyer's `of` and `is` pick the requests whose number
    leaves the rest `is` when divided by `of`; `day_ms` is when minute 0 is.
    Raises Refusal `pdptw.*`, `match.option`.
    """
    instance = pdptw.parse(call.body)
    day_ms = _option(call, "day_ms", 0, most=2**52)
    part = call.options.get("as", "buyer")
    if part == "carrier":
        return _carrier_batch(_pdptw_fleet(instance, day_ms), line, ledger)
    if part != "buyer":
        raise Refusal("match.option", f"expected as=carrier or as=buyer, got {part!r}")
    of = _option(call, "of", 1, least=1)
    mine = _option(call, "is", 0)
    known = {r.record.ref for r in ledger.requests.values() if r.cid == cid}
    requests = [
        _pdptw_request(instance, request, day_ms)
        for request in instance.requests
        if request.index % of == mine
    ]
    return Batch(lines=len(requests), new=[r for r in requests if r.ref not in known])


def requests_for_orders(
    ledger: Ledger, cid: CoopId, place_name: str | None
) -> Iterator[TransportRequest]:
    """Yield a request for each own accepted order that lies between known places.

    The request names the order, so no order is ever carried twice.
    """
    known = {r.record.order for r in ledger.requests.values() if r.cid == cid}
    for seen in ledger.orders.values():
        answer = ledger.response(seen) if seen.cid == cid and seen.id not in known else None
        if answer is not None and answer.code == "AP":
            request = _request_for(ledger, seen, answer, place_name)
            if request is not None:
                yield request


def _request_for(
    ledger: Ledger, seen: SeenOrder, answer: OrderResponse, place_name: str | None
) -> TransportRequest | None:
    """Return the request for an order, or None while where, when or how much is not known."""
    window, origin, weight = seen.record.window, answer.ship_from, answer.weight_g
    if window is UNSET or origin is UNSET or weight is UNSET or not weight:
        return None
    table = _table_with(ledger, origin.name, place_name)
    if table is None:
        return None
    table_ref, pickup, delivery = table
    return TransportRequest(
        delivery=Visit(place=delivery, service_s=UNLOAD_S, window=window),
        load=Vector(weight_g=weight),
        order=seen.id,
        pickup=Visit(place=pickup, service_s=UNLOAD_S, window=window),
        # Requests are planned in the order of their references: place and item first, so that the
        # same goods for the same places make the same trips whatever the entries' ids are.
        ref=f"{delivery:04d}/{seen.record.item.code[:24]}/{seen.id.hex()[:32]}",
        table_ref=table_ref,
    )


def _table_with(ledger: Ledger, origin: str, target: str | None) -> tuple[str, int, int] | None:
    """Return the table of a capacity on which both places stand, with their indexes."""
    for capacity in ledger.capacities.values():
        parts = ledger.table(capacity.owner, capacity.table_ref)
        if not parts or parts[0].places is UNSET:
            continue
        names = [place.name for place in parts[0].places[: parts[0].size]]
        if target is not None and origin in names and target in names:
            return capacity.table_ref, names.index(origin), names.index(target)
    return None


def _carrier_batch(fleet: _Fleet, line: WriterId, ledger: Ledger) -> Batch:
    """Return the table's parts and the capacity on it, or nothing where they are published."""
    tables = _tables(fleet)
    capacity = Capacity(
        depot=fleet.depot,
        owner=line,
        ref=fleet.ref,
        resource=Vector(vehicles=fleet.vehicles),
        table=table_hash(len(fleet.places), b"".join(part.seconds for part in tables)),
        table_ref=fleet.ref,
        tariff=fleet.tariff,
        vehicle=fleet.vehicle,
        window=fleet.window,
    )
    lines = len(tables) + 1
    for known in ledger.own_capacities().values():
        if known.ref == fleet.ref and known != capacity:
            raise Refusal("match.ref_used", f"expected another ref than {fleet.ref} for a change")
        if known == capacity:
            return Batch(lines=lines, new=[])
    build_problem(capacity, tables, [])  # what no node could plan on is not published
    return Batch(lines=lines, new=[*tables, capacity])


def _tables(fleet: _Fleet) -> list[TravelTable]:
    """Return the table in parts; the first carries the places."""
    size = len(fleet.places)
    beside = sum(len(encode(place)) for place in fleet.places)
    parts = split_rows(size, fleet.seconds, beside=beside)
    return [
        TravelTable(
            first_row=first,
            places=fleet.places if first == 0 else UNSET,
            provider=fleet.provider,
            ref=fleet.ref,
            rows=len(cells) // (4 * size),
            seconds=cells,
            size=size,
        )
        for first, cells in parts
    ]


def _pdptw_fleet(instance: pdptw.Instance, day_ms: int) -> _Fleet:
    """Return the file's vehicles, one for each request, at one minor unit a minute."""
    places = [
        Place(lat_udeg=node.latitude_udeg, lon_udeg=node.longitude_udeg, name="")
        for node in instance.nodes
    ]
    depot = instance.nodes[0]
    tariff = Tariff(amount=1, base_s=60, currency="XXX", per_trip=0)
    return _Fleet(
        ref=_table_ref(instance),
        provider="pdptw",
        places=places,
        seconds=list(instance.travel.seconds),
        depot=0,
        vehicles=max(1, len(instance.requests)),
        vehicle=Vector(load=instance.capacity),
        tariff=tariff,
        window=_window(day_ms, depot.visit.earliest_s, depot.visit.latest_s),
    )


def _table_ref(instance: pdptw.Instance) -> str:
    return f"pdptw-{digest('table', instance.travel.seconds.tobytes()).hex()[:32]}"


def _pdptw_request(
    instance: pdptw.Instance, request: pdptw.Request, day_ms: int
) -> TransportRequest:
    return TransportRequest(
        delivery=_visit(request.delivery, day_ms),
        load=Vector(load=request.load),
        pickup=_visit(request.pickup, day_ms),
        ref=f"{_table_ref(instance)[:20]}/{request.index:04d}",
        table_ref=_table_ref(instance),
    )


def _visit(visit: ProblemVisit, day_ms: int) -> Visit:
    return Visit(
        place=visit.place,
        service_s=visit.service_s,
        window=_window(day_ms, visit.earliest_s, visit.latest_s),
    )


def _window(day_ms: int, earliest_s: int, latest_s: int) -> Window:
    return Window(from_ms=day_ms + 1000 * earliest_s, to_ms=day_ms + 1000 * latest_s)


def _option(call: Call, name: str, default: int, *, least: int = 0, most: int = 1_000) -> int:
    text = call.options.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise Refusal("match.option", f"expected {name} from {least} to {most}, got {text!r}")
    return int(text)
