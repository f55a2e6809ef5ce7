"""From an accepted order to goods, receipts, invoices and answers, between whole nodes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.order_fulfilment.conftest import DAY, SERVICE, TAX, Market

from sheaf_protocol.errors import Refusal

AUTOMATIC = {"invoices": "after_receipt", "tax": TAX}


async def refusal(market: Market, node: Any, name: str, body: Any = None, **options: str) -> str:
    with pytest.raises(Refusal) as caught:
        await market.do(node, name, body, **options)
    return caught.value.code


async def test_both_sides_show_an_order_and_nobody_else_does(market: Market) -> None:
    order = await market.order_of(market.dale)

    shown = await market.both(order)
    assert (shown["state"], shown["ordered"], shown["outstanding"]) == ("accepted", 9, 9)
    assert (shown["side"], shown["with"]) == ("buyer", "Mills")
    hills = await market.hill.view(SERVICE, "orders")
    assert [each["ordered"] for each in hills["orders"]] == [12]
    assert len((await market.mills.view(SERVICE, "orders"))["orders"]) == 2
    assert await refusal(market, market.hill, "cancel", order=order) == "order.unknown"


async def test_goods_go_off_and_are_counted_without_retyping(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.do(market.mills, "despatch", order=order)
    waits = await market.both(order)
    await market.do(market.dale, "receive", order=order)

    done = await market.both(order)
    assert (waits["state"], waits["on_the_way"], waits["due"]) == ("in_fulfilment", 9, ["receive"])
    assert (done["state"], done["accepted"]) == ("fulfilled", 9)


async def test_a_part_goes_off_and_the_rest_is_outstanding(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.do(market.mills, "despatch", {"lines": [{"line": 0, "delivered": 5}]}, order=order)
    counted = {"line": 0, "damaged": 2, "reason": "damaged"}
    await market.do(market.dale, "receive", {"lines": [counted]}, order=order)

    shown = await market.both(order)
    assert (shown["outstanding"], shown["accepted"], shown["state"]) == (4, 3, "in_fulfilment")


async def test_an_invoice_bills_what_was_accepted_with_the_fee_apart(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.deliver(order)
    await market.do(market.mills, "issue", {"tax": TAX}, order=order)

    [row] = (await market.dale.view(SERVICE, "invoices"))["invoices"]
    shown = await market.dale.view(SERVICE, "invoice", invoice=row["invoice"])
    assert (shown["state"], shown["check"]) == ("issued", "ok")
    assert [(n["amount_minor"], n["fee_minor"]) for n in shown["lines"]] == [(8_100, 81)]
    assert (shown["net_minor"], shown["tax_minor"], shown["total_minor"]) == (8_181, 1_636, 9_817)
    assert (await market.hill.view(SERVICE, "invoices"))["invoices"] == []


async def test_an_invoice_needs_goods_and_a_tax(market: Market) -> None:
    order = await market.order_of(market.dale)

    assert await refusal(market, market.mills, "issue", order=order) == "invoice.receipt"
    await market.deliver(order)
    assert await refusal(market, market.mills, "issue", order=order) == "invoice.tax"


async def test_an_invoice_goes_from_query_to_payment_and_never_back(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.deliver(order)
    await market.do(market.mills, "issue", {"tax": TAX}, order=order)
    queried = {"code": "UQ", "reasons": ["PRI"], "actions": ["PIN"]}
    await market.do(market.dale, "answer_invoice", queried, order=order)
    await market.do(market.dale, "answer_invoice", {"code": "AP"}, order=order)
    await market.do(market.dale, "answer_invoice", {"code": "PD"}, order=order)

    [row] = (await market.mills.view(SERVICE, "invoices"))["invoices"]
    assert (row["state"], row["open_minor"]) == ("paid", 0)
    back = await refusal(market, market.dale, "answer_invoice", {"code": "AB"}, order=order)
    assert back == "state.illegal"


async def test_a_return_is_agreed_to_and_credited(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.deliver(order)
    await market.do(market.mills, "issue", {"tax": TAX}, order=order)
    lines = {"lines": [{"line": 0, "quantity": 2, "reason": "quality"}]}
    await market.do(market.dale, "ask_return", lines, order=order)
    await market.do(market.mills, "answer_return", order=order)
    [back] = (await market.both(order))["returns"]
    await market.do(market.mills, "credit", order=order, request=back["return"])

    shown = await market.both(order)
    [row] = shown["invoices"]
    assert [each["state"] for each in shown["returns"]] == ["credited"]
    assert row["credited_minor"] == 1_800 + 18 + 364
    assert row["open_minor"] == row["total_minor"] - row["credited_minor"]


async def test_an_invoice_is_credited_in_full_where_nothing_is_named(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.deliver(order)
    await market.do(market.mills, "issue", {"tax": TAX}, order=order)
    await market.do(market.mills, "credit", {"reason": "REF"}, order=order)
    await market.do(market.mills, "issue", {"tax": TAX, "number": "again"}, order=order)

    rows = (await market.dale.view(SERVICE, "invoices"))["invoices"]
    assert [(row["state"], row["open_minor"] > 0) for row in rows] == [
        ("credited", False),
        ("issued", True),
    ]


async def test_a_change_is_in_force_once_it_is_confirmed(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.do(market.dale, "change", {"lines": [{"line": 0, "quantity": 6}]}, order=order)
    before = await market.both(order)
    await market.do(market.mills, "answer_change", order=order)

    after = await market.both(order)
    assert (before["ordered"], before["amendment"]) == (9, "requested")
    assert (after["ordered"], after["amendment"]) == (6, "confirmed")


async def test_what_a_cancellation_costs_is_told_before_it_is_asked_for(market: Market) -> None:
    order = await market.order_of(market.dale)

    told = await market.do(market.dale, "cancel", order=order, dry_run="1")

    assert told == {"order": order, "needs_consent": True, "fee_most_minor": 0}
    assert (await market.both(order))["cancellation"] == "none"


async def test_a_cancellation_after_acceptance_is_a_question(market: Market) -> None:
    order = await market.order_of(market.dale)
    await market.do(market.dale, "cancel", order=order)
    asked = await market.both(order)
    dear = await refusal(market, market.mills, "answer_cancel", order=order, fee="1")
    await market.do(market.mills, "answer_cancel", order=order)

    done = await market.both(order)
    assert (asked["state"], asked["cancellation"], dear) == ("accepted", "requested", "order.fee")
    assert (done["state"], done["cancellation"]) == ("cancelled", "confirmed")


@pytest.mark.parametrize(
    ("side", "name", "body"),
    [
        ("dale", "despatch", None),
        ("dale", "issue", {"tax": TAX}),
        ("dale", "respond", {"code": "AP"}),
        ("mills", "receive", None),
        ("mills", "change", {"lines": [{"line": 0, "quantity": 1}]}),
        ("mills", "cancel", None),
    ],
)
async def test_what_is_the_other_sides_to_say_is_refused(
    market: Market, side: str, name: str, body: Any
) -> None:
    order = await market.order_of(market.dale)

    code = await refusal(market, getattr(market, side), name, body, order=order)

    assert code == "state.wrong_sender"


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("despatch", {"lines": [{"line": 0, "delivered": 10}]}, "order.quantity"),
        ("despatch", {"lines": [{"line": 1, "delivered": 1}]}, "order.line"),
        ("despatch", {"lines": [{"line": 0, "delivered": 1}] * 2}, "order.body"),
        ("despatch", {"rows": []}, "order.body"),
        ("respond", {"code": "AP"}, "state.illegal"),
        ("respond", {"code": "XX"}, "order.body"),
        ("answer_change", None, "state.illegal"),
        ("answer_return", None, "order.unknown"),
    ],
)
async def test_what_would_have_no_effect_is_refused_and_not_said(
    market: Market, name: str, body: Any, code: str
) -> None:
    order = await market.order_of(market.dale)
    before = market.mills.count()

    assert await refusal(market, market.mills, name, body, order=order) == code
    assert market.mills.count() == before


async def test_a_receipt_is_billed_and_approved_unasked_where_settings_say_so(
    federation: Any,
) -> None:
    market = Market(federation, mills=AUTOMATIC, dale={"approve": "agreeing"})
    await market.begin()
    order = await market.order_of(market.dale)
    await market.deliver(order)

    [row] = (await market.dale.view(SERVICE, "invoices"))["invoices"]
    assert (row["state"], row["number"], row["total_minor"]) == (
        "approved",
        f"{order[:8]}-I1",
        9_817,
    )


async def test_a_node_that_was_killed_goes_on_and_says_nothing_twice(federation: Any) -> None:
    market = Market(federation, mills=AUTOMATIC, dale={"approve": "agreeing"})
    await market.begin()
    order = await market.order_of(market.dale)
    await market.mills.command(SERVICE, "despatch", order=order)
    for node in (market.mills, market.dale):
        node.start()
    await market.settle()
    await market.dale.command(SERVICE, "receive", order=order)
    for node in (market.mills, market.dale):
        node.start()
    await market.settle()
    market.mills.start()
    await market.settle()

    told = market.mills.count()
    assert (told["despatch.advice"], told["invoice.issue"]) == (1, 1)
    assert market.dale.count()["invoice.response"] == 1


async def test_goods_are_deemed_accepted_by_the_suppliers_clock(federation: Any) -> None:
    market = Market(federation, mills=AUTOMATIC)
    await market.begin()
    order = await market.order_of(market.dale)
    await market.do(market.mills, "despatch", order=order)
    market.clock.advance(3 * DAY)
    await market.settle()
    waits = await market.both(order)
    market.clock.advance(1)
    await market.settle()

    done = await market.both(order)
    assert waits["deliveries"][0]["state"] == "despatched"
    assert (done["state"], done["deliveries"][0]["state"]) == ("fulfilled", "deemed")
    assert len(done["invoices"]) == 1


async def test_the_statement_adds_up_by_co_op_and_side(market: Market) -> None:
    for node in (market.dale, market.hill):
        order = await market.order_of(node)
        await market.deliver(order, node)
        await market.do(market.mills, "issue", {"tax": TAX}, order=order)
        await market.do(node, "answer_invoice", {"code": "PD"}, order=order)

    told = await market.mills.view(SERVICE, "statement")
    named = await market.mills.view(SERVICE, "statement", **{"with": "Dale"})
    later = await market.mills.view(SERVICE, "statement", from_ms=str(market.clock.now_ms() + 1))
    assert [(each["with"], each["billed_minor"]) for each in told["sums"]] == [
        ("Dale", 9_817),
        ("Hill", 13_090),
    ]
    assert [each["open_minor"] for each in told["sums"]] == [0, 0]
    assert [row["with"] for row in named["rows"]] == ["Dale"]
    assert later["rows"] == later["sums"] == []


async def test_a_statement_from_no_time_is_refused(market: Market) -> None:
    with pytest.raises(Refusal) as caught:
        await market.mills.view(SERVICE, "statement", from_ms="monday")

    assert caught.value.code == "order.body"


async def test_the_open_entries_of_an_order_are_kept(market: Market) -> None:
    [offer] = market.dale.seen("offer.submit")
    [award] = market.dale.seen("pool.award")
    [demand] = market.dale.seen("demand.submit", market.dale)
    service = market.dale.hosts[SERVICE]

    assert [service.keeps(each.id) for each in (offer, award, demand)] == [True, True, False]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"tax": {"category": "VAT", "rate_bps": 1}}, "config.invalid"),
        ({"inspect_days": 2}, "config.invalid"),
        ({"colour": "red"}, "config.unknown_key"),
    ],
)
async def test_settings_that_are_none_are_refused(
    federation: Any, settings: dict[str, Any], code: str
) -> None:
    market = Market(federation, mills=settings)

    with pytest.raises(Refusal) as caught:
        await market.begin()

    assert caught.value.code == code
