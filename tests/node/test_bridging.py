"""A bridge's node: it takes across what is asked for, once, and goes on where it was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, structs
from tests.node.straits import DAY_MS, NORTH, OFFER, SOUTH, Straits
from tests.node.taking import DEMAND

from sheaf_node.bridging.passage import STAND_BY_MS
from sheaf_node.ingest import Draft
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import FederationId
from sheaf_protocol.identity import signing_key
from sheaf_protocol.records import DropLine, Offer, Order
from sheaf_protocol.records.bridge import BridgeAsk
from sheaf_protocol.records.erasure import Erase
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.epoch import about
from sheaf_protocol.treaty import IdMap

if TYPE_CHECKING:
    from pathlib import Path


async def test_what_its_author_asks_for_is_seen_in_the_other_federation(straits: Straits) -> None:
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)

    await straits.settle()

    [seen] = straits.dale.diary(SOUTH)
    assert (seen.id, seen.cid, seen.record) == (offer, straits.coops["Hill"].cid, OFFER)
    assert seen.home == straits.fid(NORTH)
    assert await straits.dale.codes(SOUTH) == await straits.hill.codes(NORTH) == []


async def test_an_ask_of_another_co_op_takes_nothing_across(straits: Straits) -> None:
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.settle()
    await straits.moor.ask(NORTH, offer)

    await straits.settle()

    assert straits.span.entries(NORTH, "bridge.export") == []


async def test_it_goes_both_ways(straits: Straits) -> None:
    offer = await straits.dale.publish(SOUTH, OFFER)
    await straits.dale.ask(SOUTH, offer)

    await straits.settle()

    assert [seen.id for seen in straits.moor.diary(NORTH)] == [offer]


async def test_the_first_bridge_acts_and_the_other_stands_by(straits: Straits) -> None:
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)

    await straits.settle()
    straits.clock.advance(STAND_BY_MS)
    await straits.settle()

    [export] = straits.hill.entries(NORTH, "bridge.export")
    assert export.header.cid == straits.coops["Span"].cid


async def test_an_export_without_its_import_is_gone_on_with_after_a_kill(straits: Straits) -> None:
    offer = await straits.hill.publish(NORTH, OFFER)
    ask = await straits.hill.ask(NORTH, offer)
    await straits.carry()
    await straits.span.publish(NORTH, straits.export(offer, ask))

    await straits.span.close()
    await straits.span.open()
    await straits.settle()

    assert len(straits.span.entries(NORTH, "bridge.export")) == 1
    assert [seen.id for seen in straits.dale.diary(SOUTH)] == [offer]


async def test_what_was_taken_across_is_not_taken_again_after_a_restart(straits: Straits) -> None:
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)
    await straits.hill.ask(NORTH, offer, into=SOUTH)
    await straits.settle()

    await straits.span.close()
    await straits.span.open()
    await straits.settle()

    assert len(straits.dale.entries(SOUTH, "bridge.import")) == 1
    assert len(straits.hill.entries(NORTH, "bridge.export")) == 1


async def test_an_ask_for_another_federation_goes_not_here(straits: Straits) -> None:
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.publish(NORTH, BridgeAsk(entry=offer, into=FederationId(bytes(32))))

    await straits.settle()

    assert straits.dale.diary(SOUTH) == []


async def test_a_kind_that_the_treaty_does_not_list_stays(straits: Straits) -> None:
    demand = await straits.moor.publish(NORTH, DEMAND)
    await straits.moor.ask(NORTH, demand)

    await straits.settle()

    assert straits.hill.entries(NORTH, "bridge.export") == []


async def test_what_a_treaty_removes_and_renames_is_seen_so(tmp_path: Path) -> None:
    ids = [IdMap(field="zone", ours="HILLS", theirs="COLLINES")]
    straits = Straits(tmp_path, {"removed": ["lead_days"], "ids": ids})
    await straits.open()
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)

    await straits.settle()

    [seen] = straits.dale.diary(SOUTH)
    assert isinstance(seen.record, Offer)
    assert seen.record.lead_days is UNSET
    assert await straits.hill.codes(NORTH) == await straits.dale.codes(SOUTH) == []
    await straits.close()


async def test_a_day_takes_as_many_as_the_treaty_lets_and_the_next_the_rest(tmp_path: Path) -> None:
    straits = Straits(tmp_path, {"per_day": 2})
    await straits.open()
    for number in range(3):
        offer = await straits.hill.publish(NORTH, structs.replace(OFFER, ref=f"o{number}"))
        await straits.hill.ask(NORTH, offer)
    await straits.settle()
    straits.clock.advance(2 * STAND_BY_MS)
    await straits.settle()
    assert len(straits.dale.diary(SOUTH)) == 2

    straits.clock.advance(DAY_MS)
    await straits.settle()

    assert len(straits.dale.diary(SOUTH)) == 3
    assert await straits.dale.codes(SOUTH) == []
    await straits.close()


async def test_nothing_crosses_a_treaty_that_one_side_has_not_adopted(tmp_path: Path) -> None:
    straits = Straits(tmp_path)
    straits.certify(NORTH, Change(action="treaty", treaty=straits.treaty(NORTH, SOUTH)))
    await straits.open(is_agreed=False)
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)

    await straits.settle()

    assert straits.span.entries(NORTH, "bridge.export") == []
    await straits.close()


async def test_nothing_crosses_once_the_treaty_has_expired(straits: Straits) -> None:
    straits.clock.advance(31 * DAY_MS)
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)

    await straits.settle()

    assert straits.span.entries(NORTH, "bridge.export") == []


async def test_what_is_erased_at_home_is_erased_where_it_came(straits: Straits) -> None:
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)
    await straits.settle()

    await straits.hill.publish(NORTH, Erase(entry=offer))
    await straits.settle()

    [came] = straits.dale.entries(SOUTH, "bridge.import")
    assert came.absence == "erased"
    assert len(straits.span.entries(SOUTH, "entry.erase")) == 1


async def test_what_was_erased_before_it_crossed_stays(straits: Straits) -> None:
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)
    await straits.hill.publish(NORTH, Erase(entry=offer))

    await straits.settle()

    assert straits.span.entries(NORTH, "bridge.export") == []


async def test_a_body_too_large_to_be_wrapped_stays(straits: Straits) -> None:
    body = encode({"data": bytes(50_000)})
    [note] = await straits.hill.ingest.publish(
        straits.fid(NORTH), [Draft(kind="x.note", body=body)]
    )
    await straits.hill.ask(NORTH, note.id)

    await straits.settle()

    assert straits.span.entries(NORTH, "bridge.export") == []


async def test_a_sealed_order_is_opened_by_whom_it_is_for(straits: Straits) -> None:
    # The buyer seals to a supplier abroad, whose key log came with its federation's charter.
    offer = await straits.dale.publish(SOUTH, OFFER)
    await straits.dale.ask(SOUTH, offer)
    await straits.settle()
    order = Order(
        award=offer,
        item=OFFER.item,
        lines=[DropLine(amount=450, demand=offer, quantity=5)],
        offer=offer,
        price=OFFER.price(0),
        supplier=straits.coops["Dale"].cid,
    )
    context = straits.moor.diary_service(NORTH).context
    assert context.can_seal_to(straits.coops["Dale"].cid)
    assert context.name_of(straits.coops["Dale"].cid) == "Dale"
    context.publish(order, to=[straits.coops["Dale"].cid])
    await straits.settle()
    [mine] = [seen for seen in straits.moor.diary(NORTH) if seen.record == order]

    await straits.moor.ask(NORTH, mine.id)
    await straits.settle()

    [seen] = [seen for seen in straits.dale.diary(SOUTH) if seen.record == order]
    assert (seen.id, seen.home) == (mine.id, straits.fid(NORTH))
    assert order not in [seen.record for seen in straits.span.diary(SOUTH)]


async def test_the_view_counts_what_went_each_way_and_day(straits: Straits) -> None:
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)
    await straits.settle()

    [north] = (await straits.hill.view(NORTH))["treaties"]
    [south] = (await straits.dale.view(SOUTH))["treaties"]

    assert north["out"]["days"] == south["in"]["days"] == {"2026-01-01": 1}
    assert north["in"]["days"] == south["out"]["days"] == {}
    assert (north["partner"]["name"], north["is_listed_there"]) == ("South", True)
    assert [bridge["name"] for bridge in north["bridges"]] == ["Span", "Reach"]


async def test_partners_are_shown_with_their_members(straits: Straits) -> None:
    await straits.settle()

    shown = (await straits.hill.view(NORTH, "partners"))["federations"]

    assert [(each["name"], each["is_ours"]) for each in shown] == [
        ("North", True),
        ("South", False),
    ]
    assert {member["name"] for member in shown[1]["members"]} == {"Dale", "Span", "Reach"}


async def test_a_writer_that_was_closed_takes_nothing_across(straits: Straits) -> None:
    span = straits.coops["Span"]
    span.close({})
    span.delegate(signing_key(b"another writer".ljust(32)), straits.clock.now_ms() + DAY_MS)
    await straits.span.ingest.receive_key_ops(span.cid, span.key_ops)
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)

    await straits.settle()

    assert straits.span.entries(NORTH, "bridge.export") == []


async def test_a_bridge_suspended_on_one_side_takes_nothing_there(straits: Straits) -> None:
    # Span is suspended in South alone, after it said in North that it goes across.
    offer = await straits.hill.publish(NORTH, OFFER)
    ask = await straits.hill.ask(NORTH, offer)
    await straits.carry()
    await straits.span.publish(NORTH, straits.export(offer, ask))
    await straits.change(SOUTH, about("suspend", straits.coops["Span"]))

    await straits.settle()

    assert straits.span.entries(SOUTH, "bridge.import") == []
    assert len(straits.hill.entries(NORTH, "bridge.export")) == 1


async def test_an_export_that_cannot_enter_any_more_is_told(tmp_path: Path) -> None:
    straits = Straits(tmp_path)
    await straits.open()
    offer = await straits.hill.publish(NORTH, OFFER)
    ask = await straits.hill.ask(NORTH, offer)
    await straits.carry()
    wrong = straits.export(offer, ask, shown=straits.treaty_id)
    await straits.span.publish(NORTH, wrong)

    await straits.settle()

    shown = await straits.span.view(NORTH)
    assert shown["stuck"] == {offer.hex(): "bridge.shown"}
    assert straits.span.entries(SOUTH, "bridge.import") == []
    await straits.close()
