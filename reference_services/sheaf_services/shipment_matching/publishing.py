"""Records to publish, made from files, from JSON and from accepted orders.

Each carries a reference of its own. What this node has published under a reference already is not
made again, so every import may be repeated after a lost answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from sheaf_protocol.digest import EntryId, digest
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
from sheaf_services.shipment_matching.translate import split_rows, table_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_node.plugins import Call
    from sheaf_protocol.digest import CoopId, WriterId
    from sheaf_services.shipment_matching.ledger import Ledger
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
    depot: int
    vehicles: Annotated[int, Meta(ge=1, le=10_000)]
    vehicle: Vector
    tariff: Tariff
    window: Window


def from_json(body: bytes, wid: WriterId, ledger: Ledger) -> Batch:
    """Return a carrier's table and capacity. Raises Refusal `match.json`."""
    try:
        fleet = msgspec.json.decode(body, type=_Fleet)
    except (msgspec.DecodeError, ValueError) as exc:
        raise Refusal("match.json", f"expected a fleet as JSON: {exc}") from exc
    if len(fleet.seconds) != len(fleet.places) ** 2:
        cells = len(fleet.places) ** 2
        raise Refusal("match.json", f"expected {cells} seconds, got {len(fleet.seconds)}")
    return _carrier_batch(fleet, wid, ledger)


def from_pdptw(call: Call, wid: WriterId, ledger: Ledger, cid: CoopId) -> Batch:
    """Return the part of a PDPTW file that one node publishes.

    Options: `as` is `carrier` or `buyer`; a buyer's `of` and `is` pick the requests whose number
    leaves the rest `is` when divided by `of`; `day_ms` is when minute 0 is.
    Raises Refusal `pdptw.*`, `match.option`.
    """
    instance = pdptw.parse(call.body)
    day_ms = _option(call, "day_ms", 0, 2**52)
    part = call.options.get("as", "buyer")
    if part == "carrier":
        return _carrier_batch(_pdptw_fleet(instance, day_ms), wid, ledger)
    if part != "buyer":
        raise Refusal("match.option", f"expected as=carrier or as=buyer, got {part!r}")
    of = _option(call, "of", 1, 1_000)
    mine = _option(call, "is", 0, 1_000)
    known = {r.record.ref for r in ledger.requests.values() if r.cid == cid}
    requests = [
        _pdptw_request(instance, request, day_ms)
        for request in instance.requests
        if request.index % of == mine
    ]
    return Batch(lines=len(requests), new=[r for r in requests if r.ref not in known])


def requests_for_orders(
    ledger: Ledger, cid: CoopId, place_name: object
) -> Iterator[tuple[TransportRequest, Sequence[EntryId]]]:
    """Yield a request for each own accepted order that lies between known places.

    The reference is the order's id, so no order is ever carried twice.
    """
    known = {r.record.ref for r in ledger.requests.values() if r.cid == cid}
    for order_id, response in ledger.responses.items():
        seen = ledger.orders.get(order_id)
        ref = f"order-{order_id.hex()[:40]}"
        if seen is None or seen.cid != cid or response.code != "AP" or ref in known:
            continue
        order = seen.record
        if order.window is msgspec.UNSET or response.ship_from is msgspec.UNSET:
            continue
        if response.weight_g is msgspec.UNSET or not response.weight_g:
            continue
        table = _table_with(ledger, response.ship_from.name, place_name)
        if table is None:
            continue
        table_ref, pickup, delivery = table
        yield (
            TransportRequest(
                delivery=Visit(place=delivery, service_s=UNLOAD_S, window=order.window),
                load=Vector(weight_g=response.weight_g),
                order=order_id,
                pickup=Visit(place=pickup, service_s=UNLOAD_S, window=order.window),
                ref=ref,
                table_ref=table_ref,
            ),
            [],
        )


def _table_with(ledger: Ledger, origin: str, target: object) -> tuple[str, int, int] | None:
    """Return a travel table on which both places stand, with their indexes."""
    for rows in ledger.tables.values():
        table = rows.get(0)
        if table is None or table.places is msgspec.UNSET:
            continue
        names = [place.name for place in table.places]
        if origin in names and target in names:
            return table.ref, names.index(origin), names.index(str(target))
    return None


def _carrier_batch(fleet: _Fleet, wid: WriterId, ledger: Ledger) -> Batch:
    """Return the table's parts and the capacity on it."""
    size = len(fleet.places)
    parts = split_rows(size, fleet.seconds)
    known = ledger.tables.get((wid, fleet.ref), {})
    tables: list[New] = [
        TravelTable(
            first_row=first,
            places=fleet.places if first == 0 else msgspec.UNSET,
            provider=fleet.provider,
            ref=fleet.ref,
            rows=len(cells) // (4 * size),
            seconds=cells,
            size=size,
        )
        for first, cells in parts
        if first not in known
    ]
    capacity = Capacity(
        depot=fleet.depot,
        owner=wid,
        ref=fleet.ref,
        resource=Vector(vehicles=fleet.vehicles),
        table=table_hash(size, b"".join(cells for _, cells in parts)),
        table_ref=fleet.ref,
        tariff=fleet.tariff,
        vehicle=fleet.vehicle,
        window=fleet.window,
    )
    published = [ledger.capacity(id_) for id_ in ledger.capacities]
    is_published = any(c is not None and (c.owner, c.ref) == (wid, fleet.ref) for c in published)
    new = tables if is_published else [*tables, capacity]
    return Batch(lines=len(parts) + 1, new=new)


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


def _option(call: Call, name: str, default: int, ceiling: int) -> int:
    text = call.options.get(name, str(default))
    if not text.isdecimal() or int(text) > ceiling:
        raise Refusal("match.option", f"expected {name} from 0 to {ceiling}, got {text!r}")
    return int(text)
