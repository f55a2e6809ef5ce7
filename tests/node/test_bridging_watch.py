"""Bridges that do what they should not: found by honest members' nodes, and named by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs
from tests.node.straits import DAY_MS, NORTH, OFFER, SOUTH, Straits
from tests.node.taking import DEMAND

from sheaf_node.bridging.watch import UNSEEN_MS
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, digest
from sheaf_protocol.envelope import make_payload
from sheaf_protocol.records import Record, Tier
from sheaf_protocol.records.bridge import Receipt
from sheaf_protocol.records.erasure import Erase
from sheaf_protocol.testing.epoch import about

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_protocol.digest import EntryId

DEARER = structs.replace(OFFER, tiers=[Tier(amount=99, from_quantity=1)])


async def asked_for(straits: Straits, record: Record = OFFER) -> tuple[EntryId, EntryId]:
    """An entry of Hill and its ask, known to all but taken across by nobody yet."""
    entry = await straits.hill.publish(NORTH, record)
    ask = await straits.hill.ask(NORTH, entry)
    await straits.carry()
    return entry, ask


async def test_a_payload_that_a_bridge_altered_is_laid_at_its_door(straits: Straits) -> None:
    offer, ask = await asked_for(straits)
    payload = make_payload(encode(DEARER), bytes(16))
    export = straits.export(offer, ask, shown=digest("shown", payload))
    sent = await straits.span.publish(NORTH, export)

    await straits.span.publish(SOUTH, straits.bridged(offer, sent, payload=payload))
    await straits.settle()

    [there] = (await straits.dale.view(SOUTH))["alerts"]
    assert there["code"] == "bridge.origin"
    assert there["says"].startswith("Span, bridge from North, brought an entry that is not as its")
    [here] = (await straits.hill.view(NORTH))["alerts"]
    assert (here["code"], here["bridge"]["name"]) == ("bridge.shown", "Span")
    assert OFFER not in [seen.record for seen in straits.dale.diary(SOUTH)]
    assert DEARER not in [seen.record for seen in straits.dale.diary(SOUTH)]


async def test_a_node_in_both_federations_says_what_was_altered(straits: Straits) -> None:
    offer, ask = await asked_for(straits)
    sent = await straits.span.publish(NORTH, straits.export(offer, ask))
    payload = make_payload(encode(DEARER), bytes(16))

    await straits.span.publish(SOUTH, straits.bridged(offer, sent, payload=payload))
    await straits.settle()

    [alert] = (await straits.reach.view(SOUTH))["alerts"]
    assert alert["code"] == "bridge.shown"
    assert alert["says"].endswith("; tiers differ")


async def test_a_kind_that_the_treaty_does_not_list_is_found_on_both_sides(
    straits: Straits,
) -> None:
    demand = await straits.moor.publish(NORTH, DEMAND)
    ask = await straits.moor.ask(NORTH, demand)
    await straits.carry()
    sent = await straits.span.publish(NORTH, straits.export(demand, ask))

    await straits.span.publish(SOUTH, straits.bridged(demand, sent))
    await straits.settle()

    assert await straits.hill.codes(NORTH) == ["bridge.kind"]
    assert await straits.dale.codes(SOUTH) == ["bridge.kind"]
    assert straits.dale.diary(SOUTH) == []


async def test_a_bridge_that_goes_on_after_the_end_is_found_on_both_sides(
    straits: Straits,
) -> None:
    offer, ask = await asked_for(straits)
    for name in (NORTH, SOUTH):
        await straits.change(name, straits.level("end"))

    sent = await straits.span.publish(NORTH, straits.export(offer, ask))
    await straits.span.publish(SOUTH, straits.bridged(offer, sent))
    await straits.settle()

    assert await straits.hill.codes(NORTH) == await straits.dale.codes(SOUTH) == ["bridge.treaty"]
    assert straits.dale.diary(SOUTH) == []


async def test_a_bridge_that_goes_on_while_paused_is_found(straits: Straits) -> None:
    offer, ask = await asked_for(straits)
    await straits.change(NORTH, straits.level("pause"))

    await straits.span.publish(NORTH, straits.export(offer, ask))
    await straits.settle()

    assert await straits.hill.codes(NORTH) == ["bridge.level"]


async def test_what_nobody_let_go_is_found_at_home(straits: Straits) -> None:
    kept = await straits.hill.publish(NORTH, OFFER)
    other, ask = await asked_for(straits, structs.replace(OFFER, ref="o2"))

    await straits.span.publish(NORTH, straits.export(kept, ask))
    await straits.span.publish(NORTH, straits.export(other, kept))
    await straits.settle()

    assert set(await straits.moor.codes(NORTH)) == {"bridge.unasked"}


async def test_an_export_by_a_grant_that_nobody_has_is_found_after_an_hour(
    straits: Straits,
) -> None:
    offer, _ = await asked_for(straits)
    made_up = digest("test", b"made up")
    await straits.span.publish(NORTH, straits.export(offer, made_up))  # type: ignore[arg-type]
    await straits.settle()
    assert await straits.hill.codes(NORTH) == []

    straits.clock.advance(UNSEEN_MS)

    assert await straits.hill.codes(NORTH) == ["bridge.unasked"]


async def test_what_was_erased_since_is_no_fault_of_the_bridge(straits: Straits) -> None:
    offer, _ = await asked_for(straits)
    await straits.settle()

    await straits.hill.publish(NORTH, Erase(entry=offer))
    await straits.settle()

    assert await straits.hill.codes(NORTH) == await straits.dale.codes(SOUTH) == []


async def test_more_than_a_days_rate_is_found_and_does_not_count(tmp_path: Path) -> None:
    straits = Straits(tmp_path, {"per_day": 1})
    await straits.open()
    for number in range(2):
        offer, ask = await asked_for(straits, structs.replace(OFFER, ref=f"o{number}"))
        sent = await straits.span.publish(NORTH, straits.export(offer, ask))
        await straits.span.publish(SOUTH, straits.bridged(offer, sent))

    await straits.settle()

    assert await straits.hill.codes(NORTH) == await straits.dale.codes(SOUTH) == ["bridge.rate"]
    assert len(straits.dale.diary(SOUTH)) == 1
    await straits.close()


async def test_a_receipt_that_was_hidden_at_home_comes_home_by_the_stand_by(
    straits: Straits,
) -> None:
    # Span shows South an export that it never published in North, and goes on in North.
    offer, ask = await asked_for(straits)
    hidden = straits.author(NORTH, "Span").publish(straits.export(offer, ask))
    told = await straits.span.publish(NORTH, straits.export(offer, ask, is_onward=False))
    shown = straits.bridged(offer, told)
    receipt = structs.replace(
        shown.receipt, header=hidden.header, payload=hidden.payload, signature=hidden.signature
    )

    await straits.span.publish(SOUTH, structs.replace(shown, receipt=receipt))
    await straits.settle()

    assert straits.reach.store.fork_proofs


async def test_alerts_of_one_treaty_are_asked_for_by_its_id(straits: Straits) -> None:
    offer, ask = await asked_for(straits)
    wrong: Any = Digest(bytes(32))
    await straits.span.publish(NORTH, straits.export(offer, ask, shown=wrong))
    await straits.settle()

    shown = await straits.hill.view(NORTH, treaty=straits.treaty_id.hex()[:8])
    none = await straits.hill.view(NORTH, treaty="ff00ff")

    assert [alert["code"] for alert in shown["alerts"]] == ["bridge.shown"]
    assert shown["treaties"][0]["alerts"] == 1
    assert (none["alerts"], none["treaties"]) == ([], [])


async def test_an_expired_treaty_says_so(straits: Straits) -> None:
    straits.clock.advance(31 * DAY_MS)

    [treaty] = (await straits.hill.view(NORTH))["treaties"]

    assert treaty["is_expired"]


@pytest.mark.parametrize("action", ["suspend", "expel"])
async def test_a_bridge_put_out_where_an_entry_leaves_brings_it_nowhere(
    straits: Straits, action: str
) -> None:
    # South has heard of nothing against Span.
    offer = await straits.hill.publish(NORTH, OFFER)
    ask = await straits.hill.ask(NORTH, offer)
    await straits.carry()
    await straits.change(NORTH, about(action, straits.coops["Span"]))

    word = straits.author(NORTH, "Span").publish(straits.export(offer, ask))
    receipt = Receipt(header=word.header, payload=word.payload, signature=word.signature)
    await straits.span.publish(SOUTH, straits.bridged(offer, ask, receipt=receipt))
    await straits.carry()
    await straits.dale.turn()

    assert straits.dale.diary(SOUTH) == []
    assert await straits.dale.codes(SOUTH) == ["bridge.receipt"]
