"""Invoices and credit notes: derived from receipts, made again by their reader, refused by code."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.protocol.orders import DAY, NOW, PRICE, STANDARD, Talk, counted, entry

from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.lifecycle import Invoice, Return
from sheaf_protocol.lifecycle.bill import Rates, Row, difference, make_bill
from sheaf_protocol.lifecycle.order_bill import bill_of, credit_of
from sheaf_protocol.records.invoice import Tax
from sheaf_protocol.records.values import Price


@pytest.fixture
def talk() -> Talk:
    made = Talk()
    made.accept()
    return made


def delivered(talk: Talk) -> Any:
    sent = talk.despatch((0, 40, 0), (1, 20, 0))
    return talk.receive(sent, counted(0, 30, damaged=10))


def test_an_invoice_bills_what_was_accepted_at_the_orders_price(talk: Talk) -> None:
    issued = talk.bill(delivered(talk))

    state = talk.state()
    [invoice] = state.invoices.values()
    assert (state.refused, invoice.state) == ({}, Invoice.ISSUED)
    assert [(n.line, n.quantity, n.amount, n.fee) for n in invoice.record.lines] == [
        (0, 30, 375, 4),
        (1, 20, 250, 2),
    ]
    assert (invoice.record.net, invoice.record.tax, invoice.record.total) == (631, 126, 757)
    assert issued in state.invoices


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ({"net": 630}, "invoice.total"),
        ({"total": 756}, "invoice.total"),
        ({"fee": 7}, "invoice.total"),
        ({"tax": 127}, "invoice.tax"),
        ({"fee_bps": 200}, "invoice.fee"),
        ({"carriage": Price(amount=1, base=1, currency="GBP")}, "invoice.carriage"),
        ({"carriage": Price(amount=0, base=1, currency="EUR")}, "invoice.currency"),
        ({"currency": "EUR"}, "invoice.currency"),
    ],
)
def test_an_invoice_with_a_wrong_figure_has_no_effect(
    talk: Talk, spoil: dict[str, Any], code: str
) -> None:
    issued = talk.bill(delivered(talk), **spoil)

    assert talk.state().refused == {issued: code}
    assert talk.state().invoices == {}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 376}, "invoice.amount"),
        ({"fee": 5}, "invoice.fee"),
        ({"carriage": 1}, "invoice.carriage"),
        ({"quantity": 31}, "invoice.lines"),
        ({"tax": Tax(category="E", rate_bps=2_000)}, "invoice.tax"),
        ({"tax": Tax(category="S", rate_bps=700)}, "invoice.tax"),
    ],
)
def test_an_invoice_with_a_wrong_line_has_no_effect(
    talk: Talk, changes: dict[str, Any], code: str
) -> None:
    receipt = delivered(talk)
    first, second = talk.draft(receipt).lines
    issued = talk.bill(receipt, lines=[replace(first, **changes), second])

    assert talk.state().refused == {issued: code}


def test_an_invoice_without_one_of_its_lines_has_no_effect(talk: Talk) -> None:
    receipt = delivered(talk)
    issued = talk.bill(receipt, lines=[talk.draft(receipt).lines[0]])

    assert talk.state().refused == {issued: "invoice.lines"}


def test_a_receipt_is_billed_once(talk: Talk) -> None:
    receipt = delivered(talk)
    first = talk.bill(receipt)
    second = talk.sells(
        type(talk.state().invoices[first].record),
        **{
            name: getattr(talk.state().invoices[first].record, name)
            for name in ("currency", "due_ms", "fee", "fee_bps", "lines", "net", "receipts")
        },
        **{
            name: getattr(talk.state().invoices[first].record, name)
            for name in ("tax", "taxes", "total")
        },
        number="I-2",
    )

    assert talk.state().refused == {second: "invoice.receipt"}


def test_a_receipt_is_billed_again_once_its_invoice_was_rejected(talk: Talk) -> None:
    receipt = delivered(talk)
    talk.answer(talk.bill(receipt), "RE")
    again = talk.bill(receipt, number="I-2")

    assert talk.state().refused == {}
    assert again in talk.state().invoices


def test_a_number_is_used_once(talk: Talk) -> None:
    receipt = delivered(talk)
    talk.answer(talk.bill(receipt), "RE")
    again = talk.bill(receipt)

    assert talk.state().refused == {again: "invoice.twice"}


@pytest.mark.parametrize("receipts", [(), ("another",)])
def test_an_invoice_follows_from_receipts_that_are_there(
    talk: Talk, receipts: tuple[str, ...]
) -> None:
    receipt = delivered(talk)
    named = [entry(name) for name in receipts] or [receipt, receipt]
    issued = talk.bill(receipt, receipts=named)

    assert talk.state().refused == {issued: "invoice.receipt"}


def test_several_receipts_make_one_invoice(talk: Talk) -> None:
    one = talk.receive(talk.despatch((0, 10, 30)))
    two = talk.receive(talk.despatch((0, 30, 0), (1, 20, 0)))
    talk.bill(one, two)

    [invoice] = talk.state().invoices.values()
    assert [(n.line, n.quantity) for n in invoice.record.lines] == [(0, 40), (1, 20)]


def test_answers_go_forward_only(talk: Talk) -> None:
    issued = talk.bill(delivered(talk))
    talk.answer(issued, "AP")
    back = talk.answer(issued, "IP")

    assert talk.state().refused == {back: "state.illegal"}
    assert talk.state().invoices[issued].state is Invoice.APPROVED


def test_a_part_that_is_credited_leaves_the_invoice_where_it_was(talk: Talk) -> None:
    issued = talk.bill(delivered(talk))
    talk.answer(issued, "PD")
    talk.credit(issued, {0: 10})

    found = talk.state().invoices[issued]
    assert (found.state, found.credited) == (Invoice.PAID, {0: 10})
    assert found.credited_total == 151  # 125 and 1 of fee, and tax


def test_credits_of_all_parts_come_to_the_invoice_and_end_it(talk: Talk) -> None:
    issued = talk.bill(delivered(talk))
    for number, (line, quantity) in enumerate([(0, 7), (1, 19), (0, 23), (1, 1)]):
        talk.credit(issued, {line: quantity}, number=f"C-{number}")

    found = talk.state().invoices[issued]
    assert talk.state().refused == {}
    assert found.state is Invoice.CREDITED
    assert found.credited_total == found.record.total


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"total": 1}, "invoice.total"),
        ({"tax": 1}, "invoice.tax"),
        ({"number": "I-1"}, "invoice.twice"),
        ({"request": entry("none")}, "state.illegal"),
    ],
)
def test_a_wrong_credit_note_has_no_effect(talk: Talk, changes: dict[str, Any], code: str) -> None:
    issued = talk.bill(delivered(talk))
    note = talk.credit(issued, {0: 10}, **changes)

    assert talk.state().refused == {note: code}
    assert talk.state().invoices[issued].credits == []


def test_more_than_was_billed_cannot_be_credited(talk: Talk) -> None:
    issued = talk.bill(delivered(talk))
    talk.credit(issued, {0: 20})
    whole = Talk(quantities=talk.quantities, supplier=talk.supplier[:-1], buyer=talk.buyer)
    again = whole.credit(issued, {0: 20}, number="C-2")
    talk.supplier.append(replace_id(whole.supplier[-1], "again"))

    assert again
    assert talk.state().refused == {entry("again"): "credit.quantity"}


def replace_id(said: Any, name: str) -> Any:
    from dataclasses import replace as with_  # noqa: PLC0415  # msgspec's has the name here

    return with_(said, id=entry(name))


def test_a_credit_for_a_return_takes_back_what_the_return_names(talk: Talk) -> None:
    receipt = delivered(talk)
    issued = talk.bill(receipt)
    [sent] = talk.state().deliveries
    request = talk.give_back(sent, (1, 5))
    talk.answer_return(request)
    other = talk.credit(issued, {1: 4}, request=request)
    talk.credit(issued, {1: 5}, number="C-2", request=request)

    assert talk.state().refused == {other: "credit.quantity"}
    assert talk.state().returns[request].state is Return.CREDITED


def test_what_is_deemed_accepted_is_billed_as_advised(talk: Talk) -> None:
    sent = talk.despatch((0, 40, 0), (1, 20, 0))
    talk.time_ms = NOW + 3 * DAY + 1
    talk.bill(talk.deem(sent))

    [invoice] = talk.state().invoices.values()
    assert invoice.record.net == 500 + 5 + 250 + 2


rows = st.lists(
    st.tuples(
        st.integers(1, 10**6),
        st.integers(0, 10**6),
        st.sampled_from([0, 500, 700, 2_000]),
        st.integers(0, 10_000),
    ),
    min_size=1,
    max_size=5,
)


@given(rows=rows, cuts=st.lists(st.integers(0, 100), max_size=4), fee=st.integers(0, 10_000))
def test_pieces_always_add_up_to_the_whole(
    rows: list[tuple[int, int, int, int]], cuts: list[int], fee: int
) -> None:
    """However a bill is credited, no figure is negative and all together are the bill."""
    rates = Rates(carriage=Price(amount=7, base=3, currency="GBP"), fee_bps=fee)

    def upto(percent: int) -> Any:
        return make_bill(
            [
                Row(
                    line=at,
                    price=Price(amount=amount, base=7, currency="GBP"),
                    quantity=quantity * percent // 100,
                    tax=Tax(category="S", rate_bps=bps),
                )
                for at, (quantity, amount, bps, _) in enumerate(rows)
            ],
            rates,
        )

    steps = [0, *sorted(cuts), 100]
    pieces = [difference(upto(after), upto(before)) for before, after in itertools.pairwise(steps)]

    assert sum(piece.total for piece in pieces) == upto(100).total
    assert sum(piece.fee for piece in pieces) == upto(100).fee
    for piece in pieces:
        assert all(n.amount >= 0 and n.carriage >= 0 and n.fee >= 0 for n in piece.lines)
        assert all(each.base >= 0 and each.amount >= 0 for each in piece.taxes)


def test_a_bill_of_a_receipt_that_is_not_there_is_refused_by_code(talk: Talk) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        bill_of(talk.state(), [entry("none")], {0: STANDARD}, Rates())

    assert caught.value.code == "invoice.receipt"


def test_a_credit_beyond_the_invoice_is_refused_by_code(talk: Talk) -> None:
    issued = talk.bill(delivered(talk))
    state = talk.state()

    with pytest.raises(RemoteProtocolError) as caught:
        credit_of(state, state.invoices[issued], {0: 31})

    assert caught.value.code == "credit.quantity"


def test_the_price_of_these_tests_has_a_half_penny() -> None:
    assert PRICE.amount * 30 % PRICE.base == 0
    assert PRICE.amount % PRICE.base == 5
