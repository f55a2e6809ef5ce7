"""Entries on their way round a ring of three federations, and bridges that cheat on it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs
from tests.federation.conftest import PATIENCE_S
from tests.federation.ring import MEMBERS, STEP_MS, Ring
from tests.node.straits import OFFER
from tests.node.taking import DEMAND

from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId
from sheaf_protocol.envelope import make_payload
from sheaf_protocol.proof import encode_proof
from sheaf_protocol.records import DropLine, Order, OrderResponse
from sheaf_protocol.records.bridge import Bridged, Receipt
from sheaf_protocol.records.curve import CurveTotals
from sheaf_protocol.records.erasure import Erase
from sheaf_protocol.treaty import Shown, Source, Terms, plan_export, treaty_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.federation.conftest import World
    from tests.federation.ring import Member

    from sheaf_protocol.records import Record
    from sheaf_protocol.records.bridge import BridgeExport

SOME = EntryId(bytes(32))
TOTALS = CurveTotals(blinding=bytes(32), close=SOME, curve=SOME, quantities=[40, 30])


@pytest.fixture
async def ring(world: World) -> AsyncIterator[Ring]:
    made = Ring(world)
    await made.open()
    yield made
    await made.stop()


async def asked(member: Member, name: str, record: Record) -> EntryId:
    entry = await member.publish(name, record)
    await member.ask(name, entry)
    return entry


def ids_in(ring: Ring, name: str, entry: EntryId) -> int:
    """How many members' services in a federation saw an entry of another, and that once each."""
    counts = [
        [seen.id for seen in ring.members[each].diary(name) if seen.home is not None].count(entry)
        for each in MEMBERS[name]
    ]
    assert set(counts) <= {0, 1}
    return sum(counts)


async def test_an_aggregate_and_an_offer_travel_on_and_an_order_comes_back(ring: Ring) -> None:
    # What A wants goes by way of B to C, whose supplier offers to all; A orders from it, sealed.
    totals = await asked(ring.hill, "A", TOTALS)
    await ring.until(lambda: ring.in_every(totals))
    [came] = [seen for seen in ring.lake.diary("C") if seen.id == totals]
    assert came.home == ring.fid("A")
    offer = await asked(ring.lake, "C", OFFER)
    await ring.until(lambda: ring.in_every(offer))

    order = Order(
        award=SOME,
        item=OFFER.item,
        lines=[DropLine(amount=3_600, demand=SOME, quantity=40)],
        offer=offer,
        price=OFFER.price(0),
        supplier=ring.coops["Lake"].cid,
    )
    placed = await ring.dale.seal("A", order, ring.coops["Lake"])
    await ring.dale.ask("A", placed)
    await ring.until(lambda: ring.lake.sees("C", placed))
    answer = OrderResponse(code="AP", order=placed)
    answered = await ring.lake.seal("C", answer, ring.coops["Dale"])
    await ring.lake.ask("C", answered)
    await ring.until(lambda: ring.dale.sees("A", answered))
    await ring.until(lambda: ring.way_of(ring.span, "A", answered) != "")

    [order_seen] = [seen for seen in ring.lake.diary("C") if seen.id == placed]
    assert (order_seen.record, order_seen.cid) == (order, ring.coops["Dale"].cid)
    assert not any(ring.members[each].sees("A", placed) for each in ("Hill", "Moor", "Span"))
    ways = {entry: ring.way_of(ring.span, "C", entry) for entry in (totals, placed)}
    ways[answered] = ring.way_of(ring.span, "A", answered)
    assert ways == {totals: "AB", placed: "AB", answered: "CB"}
    await require_nobody_blamed(ring)


async def require_nobody_blamed(ring: Ring) -> None:
    for name, member in everyone(ring):
        assert await member.alerts(name) == []


def everyone(ring: Ring) -> list[tuple[str, Member]]:
    return [(name, ring.members[each]) for name, members in MEMBERS.items() for each in members]


async def test_each_entry_enters_each_federation_once_whichever_way_round(ring: Ring) -> None:
    offers = [
        await asked(ring.hill, "A", OFFER),
        await asked(ring.mill, "B", OFFER),
        await asked(ring.tarn, "C", OFFER),
    ]

    await ring.until(lambda: all(map(ring.in_every, offers)))
    await ring.for_a_while()

    homes = dict(zip(offers, "ABC", strict=True))
    for offer, home in homes.items():
        assert {name: ids_in(ring, name, offer) for name in MEMBERS} == {
            name: 0 if name == home else 5 for name in MEMBERS
        }
    await require_nobody_blamed(ring)


async def test_raw_demand_never_leaves_home_even_if_asked_to(ring: Ring) -> None:
    demand = await asked(ring.dale, "A", DEMAND)
    offer = await asked(ring.hill, "A", OFFER)

    await ring.until(lambda: ring.in_every(offer))
    await ring.for_a_while()

    for name, member in everyone(ring):
        assert member.sees(name, demand) is (name == "A")


async def test_what_is_erased_at_home_is_erased_along_its_way(ring: Ring) -> None:
    totals = await asked(ring.hill, "A", TOTALS)
    await ring.until(lambda: ring.in_every(totals))

    await ring.hill.publish("A", Erase(entry=totals))

    def is_erased(member: Member, name: str) -> bool:
        return [e.absence for e in member.entries(name, "bridge.import")] == ["erased"]

    await ring.until(lambda: is_erased(ring.fell, "B") and is_erased(ring.lake, "C"))


async def test_a_bridge_killed_in_the_middle_goes_on_and_takes_nothing_twice(ring: Ring) -> None:
    offers = [
        await asked(ring.lake, "C", structs.replace(OFFER, ref=f"o{number}"))
        for number in range(12)
    ]
    await ring.until(lambda: len(ring.span.entries("B", "bridge.import")) > 2)

    await ring.restart("Span")
    await ring.until(lambda: all(map(ring.in_every, offers)))
    await ring.for_a_while()

    exports = ring.lake.entries("C", "bridge.export")
    assert len(exports) == 2 * len(offers)  # into B, and into A
    assert sum(ids_in(ring, "B", offer) for offer in offers) == 5 * len(offers)
    await require_nobody_blamed(ring)


def export_of(ring: Ring, pair: str, entry: EntryId, ask: EntryId) -> tuple[BridgeExport, Any]:
    """What a bridge signs that takes an entry of A out, right or wrong."""
    held = ring.span.node.store.entry(entry)
    assert held is not None
    # What stays at home is planned as if it were a kind that may cross.
    kind = held.kind if held.kind == "sealed" else "x.note"
    source = Source(
        id=entry,
        kind=kind,
        shown=Shown(payload=held.envelope.payload, is_view=False),
        via=(ring.fid("A"),),
        granted_by=ask,
        is_onward=True,
        into=None,
    )
    terms = Terms.of(ring.bodies[pair], "allow")
    open_way = structs.replace(terms.treaty.directions[0], kinds=[kind])
    treaty = structs.replace(terms.treaty, directions=[open_way, open_way])
    open_terms = Terms(id=treaty_id(ring.bodies[pair]), treaty=treaty, level="allow")
    export, _ = plan_export(open_terms, source)
    return export, held


async def forward(ring: Ring, entry: EntryId, ask: EntryId, **said: Any) -> None:
    """Have Span take an entry of A into C by hand."""
    export, held = export_of(ring, "CA", entry, ask)
    sent = await ring.span.publish("A", export)
    receipt = ring.span.node.store.entry(sent)
    assert receipt is not None
    plain = Bridged(
        header=held.envelope.header,
        is_view=False,
        payload=held.envelope.payload,
        proof=encode_proof(held.envelope.signature),
        receipt=Receipt(
            header=receipt.envelope.header,
            payload=receipt.envelope.payload,
            signature=receipt.envelope.signature,
        ),
        treaty=export.treaty,
        via=[ring.fid("A")],
    )
    await ring.span.publish("C", structs.replace(plain, **said))


async def until_blamed(ring: Ring, name: str, member: Member) -> dict[str, Any]:
    """The first alert of a member about what Span did."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await member.alerts(name)):
            ring.clock.advance(STEP_MS)
            await asyncio.sleep(0.005)
    return found[0]


async def test_a_bridge_that_alters_a_payload_is_blamed_by_an_honest_node(ring: Ring) -> None:
    offer = await ring.hill.publish("A", OFFER)
    ask = await ring.hill.publish("A", DEMAND)  # not an ask at all
    await ring.until(lambda: ring.span.node.store.entry(ask) is not None)
    dearer = make_payload(encode(structs.replace(OFFER, lead_days=9)), bytes(16))

    await forward(ring, offer, ask, payload=dearer)

    blamed = await until_blamed(ring, "C", ring.beck)
    assert (blamed["code"], blamed["bridge"]["name"]) == ("bridge.shown", "Span")
    blamed = await until_blamed(ring, "A", ring.moor)
    assert (blamed["code"], blamed["bridge"]["name"]) == ("bridge.unasked", "Span")
    assert not ring.beck.sees("C", offer)


async def test_a_bridge_that_forwards_a_kind_not_listed_is_blamed(ring: Ring) -> None:
    demand = await ring.dale.publish("A", DEMAND)
    ask = await ring.dale.ask("A", demand)
    await ring.until(lambda: ring.span.node.store.entry(ask) is not None)

    await forward(ring, demand, ask)

    for name, member in (("C", ring.rill), ("A", ring.hill)):
        blamed = await until_blamed(ring, name, member)
        assert (blamed["code"], blamed["bridge"]["name"]) == ("bridge.kind", "Span")
    assert not ring.rill.sees("C", demand)


async def test_a_bridge_that_forwards_after_the_end_is_blamed(ring: Ring) -> None:
    await ring.end("CA")
    epoch = ring.chains["C"].federation.charter.epoch
    pairs = [(ring.span, "A"), (ring.span, "C"), (ring.dale, "A"), (ring.tarn, "C")]
    await ring.until(
        lambda: all(
            member.node.ingest.federations[ring.fid(name)].charter.epoch
            == ring.chains[name].federation.charter.epoch
            for member, name in pairs
        )
    )
    assert epoch == 3
    offer = await ring.hill.publish("A", OFFER)
    await ring.until(lambda: ring.span.node.store.entry(offer) is not None)

    await forward(ring, offer, offer)

    for name, member in (("C", ring.tarn), ("A", ring.dale)):
        blamed = await until_blamed(ring, name, member)
        assert (blamed["code"], blamed["bridge"]["name"]) == ("bridge.treaty", "Span")
    await ring.until(lambda: not ring.tarn.sees("C", offer))
