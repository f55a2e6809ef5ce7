"""What hangs on a treaty, before members pause or end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs
from tests.node.straits import MEMBERS, NORTH, OFFER, SOUTH, Straits

from sheaf_protocol.digest import EntryId, digest
from sheaf_protocol.records import (
    Award,
    AwardLine,
    DropLine,
    Order,
    OrderResponse,
    PoolLapse,
    PoolOpen,
    Price,
    TierBound,
    Window,
)
from sheaf_protocol.records.curve import CurveOpen, CurveTotals
from sheaf_protocol.records.offer import OfferWithdrawal
from sheaf_protocol.testing.author import START_MS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SOME = EntryId(bytes(32))
KINDS = ["curve.open", "curve.totals", "offer.submit", "offer.withdraw"]
KINDS += ["pool.lapse", "pool.open", "sealed"]
POOL = PoolOpen(
    closes_at_ms=START_MS + 10**9,
    fee_bps=0,
    item=OFFER.item,
    k_min=3,
    may_close_early=False,
    mode="open",
    objective="max_saving/1",
    owner=bytes(32),  # type: ignore[arg-type]
    ration="pro_rata/1",
    reference=Price(amount=100, base=1, currency="GBP"),
    title="Milk for June",
    zone="N",
)
CURVE = CurveOpen(
    base=1,
    cap=1_000,
    closes_at_ms=START_MS + 10**9,
    currency="GBP",
    dominance_bps=5_000,
    item=OFFER.item,
    k_min=5,
    levels=[80, 90],
    owner=bytes(32),  # type: ignore[arg-type]
    title="Milk wanted",
    zone="N",
)
COORDINATED: Any = {
    **MEMBERS,
    SOUTH: {**MEMBERS[SOUTH], "Dale": ["coordinator", "member", "supplier", "steward"]},
}


@pytest.fixture
async def straits(tmp_path: Path) -> AsyncIterator[Straits]:
    made = Straits(tmp_path, {"kinds": KINDS}, members=COORDINATED)
    await made.open()
    yield made
    await made.close()


async def came(straits: Straits, record: Any) -> EntryId:
    """An entry of Dale that crossed into North."""
    entry = await straits.dale.publish(SOUTH, record)
    await straits.dale.ask(SOUTH, entry)
    await straits.settle()
    return entry


async def affected(straits: Straits, who: str = "Moor") -> dict[str, Any]:
    node = straits.nodes[who]
    found = await node.view(NORTH, "affected", treaty=straits.treaty_id.hex()[:8])
    return dict(found)


async def ordered(straits: Straits, offer: EntryId, **changes: Any) -> EntryId:
    """An order of Moor, sealed to Dale, that crossed."""
    order = structs.replace(
        Order(
            award=SOME,
            item=OFFER.item,
            lines=[DropLine(amount=450, demand=SOME, quantity=5)],
            offer=offer,
            price=OFFER.price(0),
            supplier=straits.coops["Dale"].cid,
        ),
        **changes,
    )
    straits.moor.diary_service(NORTH).context.publish(order, to=[straits.coops["Dale"].cid])
    await straits.settle()
    [seen] = [seen for seen in straits.moor.diary(NORTH) if seen.record == order]
    await straits.moor.ask(NORTH, seen.id)
    await straits.settle()
    return seen.id


async def test_nothing_hangs_on_a_treaty_that_nothing_went_over(straits: Straits) -> None:
    await straits.hill.publish(NORTH, POOL)
    await straits.settle()

    found = await affected(straits)

    assert (found["pools"], found["orders"], found["money"]) == ([], [], [])
    assert (found["title"], found["partner"]["name"]) == ("Milk and roads", "South")


async def test_a_pool_with_an_offer_from_there_hangs_on_it_until_it_ends(straits: Straits) -> None:
    pool = await straits.hill.publish(NORTH, POOL)
    await came(straits, OFFER)

    [found] = (await affected(straits))["pools"]

    assert (found["id"], found["offers_from_there"], found["is_ours"]) == (pool.hex(), 1, True)
    await straits.hill.publish(NORTH, PoolLapse(close=SOME, pool=pool, reason="too_few"))
    await straits.settle()
    assert (await affected(straits))["pools"] == []


async def test_a_pool_that_another_than_its_owner_ends_still_hangs_on_it(straits: Straits) -> None:
    pool = await straits.hill.publish(NORTH, POOL)
    await came(straits, OFFER)

    await came(straits, PoolLapse(close=SOME, pool=pool, reason="too_few"))

    [found] = (await affected(straits))["pools"]
    assert found["id"] == pool.hex()


async def test_an_offer_taken_back_no_longer_counts(straits: Straits) -> None:
    await straits.hill.publish(NORTH, POOL)
    offer = await came(straits, OFFER)

    await came(straits, OfferWithdrawal(offer=offer))

    assert (await affected(straits))["pools"] == []


async def test_demand_that_was_summed_up_there_counts(straits: Straits) -> None:
    await straits.hill.publish(NORTH, POOL)
    curve = await came(straits, CURVE)
    sums = CurveTotals(blinding=bytes(32), close=SOME, curve=curve, quantities=[40, 30])
    await came(straits, sums)

    [found] = (await affected(straits))["pools"]

    assert found["units_wanted_there"] == 40


async def test_a_pool_that_came_from_there_hangs_on_it(straits: Straits) -> None:
    pool = await came(straits, POOL)

    [found] = (await affected(straits))["pools"]

    assert (found["id"], found["is_ours"]) == (pool.hex(), False)


async def test_an_order_is_told_to_who_can_read_it_with_its_money(straits: Straits) -> None:
    offer = await came(straits, OFFER)
    order = await ordered(straits, offer)

    found = await affected(straits)

    [shown] = found["orders"]
    assert (shown["id"], shown["state"], shown["supplier"]) == (order.hex(), "unanswered", "Dale")
    assert found["money"] == [{"currency": "GBP", "awarded": 0, "ordered": 450}]
    assert found["sealed_to_others"] == 0
    others = await affected(straits, "Hill")
    assert (others["orders"], others["sealed_to_others"]) == ([], 1)


@pytest.mark.parametrize(("code", "states"), [("AP", ["accepted"]), ("RE", [])])
async def test_an_order_that_was_turned_down_is_finished(
    straits: Straits, code: Any, states: list[str]
) -> None:
    order = await ordered(straits, await came(straits, OFFER))
    answer = OrderResponse(code=code, order=order)
    straits.dale.diary_service(SOUTH).context.publish(answer, to=[straits.coops["Moor"].cid])
    await straits.settle()
    sealed = straits.dale.entries(SOUTH, "sealed")[-1].id

    await straits.dale.ask(SOUTH, sealed)
    await straits.settle()

    assert [each["state"] for each in (await affected(straits))["orders"]] == states


async def test_an_order_whose_time_is_past_is_finished(straits: Straits) -> None:
    window = Window(from_ms=START_MS, to_ms=START_MS + 1_000)
    await ordered(straits, await came(straits, OFFER), window=window)
    straits.clock.advance(2_000)

    assert (await affected(straits))["orders"] == []


async def test_what_was_awarded_to_an_offer_from_there_counts_by_currency(
    straits: Straits,
) -> None:
    pool = await straits.hill.publish(NORTH, POOL)
    offer = await came(straits, OFFER)
    line = AwardLine(
        amount=900, carriage=50, fee=5, lines=1, offer=offer, quantity=10, tier=0, zone="N"
    )
    award = Award(
        certificate=[TierBound(bound=1, eligible=10, offer=offer, tier=0)],
        close=SOME,
        inputs=digest("test", b"inputs"),
        leaves=1,
        lines=[line, structs.replace(line, offer=SOME)],
        objective="max_saving/1",
        pool=pool,
        quantity=10,
        ration="pro_rata/1",
        root=digest("test", b"root"),
        value=1,
    )
    await straits.hill.publish(NORTH, award)
    await straits.hill.publish(NORTH, award)  # said twice, and for a pool that nobody opened
    await straits.hill.publish(NORTH, structs.replace(award, pool=SOME))
    await straits.settle()

    assert (await affected(straits))["money"] == [{"currency": "GBP", "awarded": 955, "ordered": 0}]
