"""Orders that a person of the supplier decides on: proposals, agreements, lapses, withdrawals."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.order_fulfilment.conftest import BUYING, DAY, SERVICE, Market

from sheaf_protocol.errors import Refusal

PLACE = {"name": "Mills", "lat_udeg": 54_975_000, "lon_udeg": -2_090_000}


@pytest.fixture
async def market(federation: Any) -> Market:
    made = Market(federation)
    made.mills.settings = {BUYING: {"orders": "by_hand", "place": PLACE}}
    return await made.begin()


def promise(market: Market, *quantities: int, amount: int | None = None) -> dict[str, Any]:
    now_ms = market.clock.now_ms()
    deliveries = [
        {"quantity": each, "by_ms": now_ms + n * DAY} for n, each in enumerate(quantities, 1)
    ]
    return {"code": "CA", "lines": [{"line": 0, "deliveries": deliveries, "amount": amount}]}


async def test_an_order_as_awarded_is_received_and_waits_for_a_person(market: Market) -> None:
    order = await market.order_of(market.dale)

    shown = await market.show(market.mills, order)
    assert (shown["state"], shown["due"]) == ("received", ["accept"])


async def test_an_order_that_a_person_accepts_says_where_it_comes_from(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.do(market.mills, "respond", {"code": "AP"}, order=order)

    answers = [seen.record for seen in market.dale.seen("order.response")]
    assert (await market.both(order))["state"] == "accepted"
    assert [(each.code, each.ship_from.name, each.weight_g) for each in answers] == [
        ("AB", "Mills", 225_000),
        ("AP", "Mills", 225_000),
    ]
    assert (await market.dale.view(BUYING))["orders_accepted"] == 1


async def test_a_proposal_that_is_agreed_to_in_time_is_in_force(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.do(market.mills, "respond", promise(market, 4, 3, amount=850), order=order)
    asked = await market.both(order)
    await market.do(market.dale, "agree", order=order)

    done = await market.both(order)
    assert (asked["state"], asked["due"], asked["ordered"]) == ("change_proposed", ["agree"], 9)
    assert (done["state"], done["ordered"], done["unread"]) == ("accepted", 7, 0)
    [line] = done["lines"]
    assert line["price"]["amount"] == 850
    assert [each["quantity"] for each in line["promised"]] == [4, 3]


async def test_a_proposal_that_is_refused_ends_the_order(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.do(market.mills, "respond", promise(market, 4), order=order)
    await market.do(market.dale, "agree", order=order, code="RE")

    assert (await market.both(order))["state"] == "rejected"


async def test_a_proposal_lapses_by_the_suppliers_clock(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.do(market.mills, "respond", promise(market, 4), order=order)
    market.clock.advance(2 * DAY + 1)
    await market.settle()

    assert (await market.both(order))["state"] == "lapsed"
    assert market.mills.count()["order.lapse"] == 1


@pytest.mark.parametrize(
    ("quantities", "amount", "code"),
    [((5, 5), None, "order.quantity"), ((5,), 901, "order.price"), ((), None, "order.quantity")],
)
async def test_a_proposal_of_more_or_for_more_is_refused(
    market: Market, quantities: tuple[int, ...], amount: int | None, code: str
) -> None:
    order = await market.order_of(market.dale)

    body = promise(market, *quantities, amount=amount)
    with pytest.raises(Refusal) as caught:
        await market.do(market.mills, "respond", body, order=order)

    assert caught.value.code == code


async def test_an_order_is_taken_back_before_it_is_accepted(market: Market) -> None:
    order = await market.order_of(market.dale)
    told = await market.do(market.dale, "cancel", order=order, dry_run="1")
    await market.do(market.dale, "cancel", order=order)

    assert (told["needs_consent"], told["fee_most_minor"]) == (False, 0)
    assert (await market.both(order))["state"] == "cancelled"


async def test_an_order_accepted_while_its_cancellation_was_on_its_way_stands(
    market: Market,
) -> None:
    order = await market.order_of(market.dale)
    market.federation.away = {market.mills}
    await market.dale.command(SERVICE, "cancel", order=order)
    body = b'{"code": "AP", "cancel_fee_bps": 1000}'
    await market.mills.command(SERVICE, "respond", body, order=order)
    market.federation.away = set()
    await market.settle()

    shown = await market.both(order)
    assert (shown["state"], shown["cancellation"]) == ("accepted", "requested")
    assert shown["cancel_fee_most_minor"] == 810


async def test_a_rejection_names_a_reason(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.do(market.mills, "respond", {"code": "RE", "reason": "stock"}, order=order)

    assert (await market.both(order))["state"] == "rejected"
    assert (await market.dale.view(BUYING))["orders_refused"] == 1
