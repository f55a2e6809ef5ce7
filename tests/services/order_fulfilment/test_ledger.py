"""What one node knows of orders: whose words count, how many, and in whatever order they came."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.protocol.orders import DAY, ID, NOW, Talk, counted, entry, order

from sheaf_node.plugins import SeenRecord
from sheaf_protocol.digest import CoopId, Digest, LogId, WriterId, digest
from sheaf_protocol.lifecycle import Order
from sheaf_protocol.lifecycle.bill import Rates
from sheaf_protocol.records import (
    Award,
    AwardLine,
    Carriage,
    Offer,
    PoolOpen,
    Price,
    Tier,
    TierBound,
)
from sheaf_protocol.records.order import OrderCancel, OrderResponse
from sheaf_services.order_fulfilment import ledger as module
from sheaf_services.order_fulfilment.automatic import invoice_fault
from sheaf_services.order_fulfilment.ledger import Ledger

BUYER, SUPPLIER, OTHER = "buyer", "supplier", "other"


def cid(name: str) -> CoopId:
    return CoopId(digest("test-coop", name.encode()))


def wid(name: str) -> WriterId:
    return WriterId(digest("test-writer", name.encode()))


OFFER = Offer(
    base=10,
    carriage=[Carriage(amount=7, zone="NORTH")],
    currency="GBP",
    item=order(1).item,
    ref="o",
    tier_basis="all_units",
    tiers=[Tier(amount=125, from_quantity=1)],
    valid_until_ms=NOW,
)
POOL = PoolOpen(
    closes_at_ms=NOW,
    fee_bps=100,
    item=OFFER.item,
    k_min=1,
    may_close_early=True,
    mode="open",
    objective="single_offer_all_units/1",
    owner=wid(OTHER),
    ration="proportional/1",
    reference=Price(amount=150, base=10, currency="GBP"),
    title="Feed",
    zone="NORTH",
)

AWARD = Award(
    certificate=[TierBound(bound=0, eligible=60, offer=entry("offer"), tier=0)],
    close=entry("close"),
    inputs=Digest(bytes(32)),
    leaves=2,
    lines=[
        AwardLine(
            amount=750,
            carriage=42,
            fee=8,
            lines=2,
            offer=entry("offer"),
            quantity=60,
            tier=0,
            zone="NORTH",
        )
    ],
    objective="single_offer_all_units/1",
    pool=entry("pool"),
    quantity=60,
    ration="proportional/1",
    root=Digest(bytes(32)),
    value=100,
)


@dataclass
class Reader:
    """A ledger, and records put into it as a host would."""

    own: str = SUPPLIER
    seqs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = Ledger(cid(self.own), wid(self.own))

    def see(self, who: str, record: Any, id_: Any = None, time_ms: int = NOW) -> None:
        seq = self.seqs[who] = self.seqs.get(who, 0) + 1
        self.ledger.fold(
            SeenRecord(
                id=id_ or entry(f"{who} {seq}"),
                cid=cid(who),
                wid=wid(who),
                log=LogId(Digest(wid(who))),
                seq=seq,
                time_ms=time_ms,
                kind="",
                refs=(),
                record=record,
            )
        )

    def begin(self, *, buyer: str = BUYER) -> Reader:
        self.see(SUPPLIER, OFFER, entry("offer"))
        self.see(buyer, replace(order(40, 20), supplier=cid(SUPPLIER)), ID)
        return self


def test_the_suppliers_line_is_that_of_the_offer() -> None:
    reader = Reader().begin()
    reader.see(SUPPLIER, OrderResponse(code="AP", order=ID))

    assert reader.ledger.state(ID).state is Order.ACCEPTED


@pytest.mark.parametrize("record", [OrderResponse(code="AP", order=ID), OrderCancel(order=ID)])
def test_nobody_else_is_listened_to(record: Any) -> None:
    reader = Reader().begin()
    reader.see(OTHER, record)

    state = reader.ledger.state(ID)
    assert (state.state, state.refused, state.unread) == (Order.PLACED, {}, 0)


def test_an_offer_of_another_than_the_supplier_makes_nobody_the_supplier() -> None:
    reader = Reader()
    reader.see(OTHER, OFFER, entry("offer"))
    reader.see(BUYER, replace(order(40), supplier=cid(SUPPLIER)), ID)
    reader.see(OTHER, OrderResponse(code="AP", order=ID))

    assert reader.ledger.known(ID).supplier is None
    assert reader.ledger.state(ID).state is Order.PLACED


def test_words_that_came_before_the_offer_count_once_it_is_here() -> None:
    reader = Reader(own=BUYER)
    reader.see(BUYER, replace(order(40), supplier=cid(SUPPLIER)), ID)
    reader.see(SUPPLIER, OrderResponse(code="AP", order=ID))
    before = reader.ledger.state(ID).state
    reader.see(SUPPLIER, OFFER, entry("offer"))

    assert (before, reader.ledger.state(ID).state) == (Order.PLACED, Order.ACCEPTED)


def test_orders_of_others_are_not_kept() -> None:
    reader = Reader(own=OTHER).begin()

    assert list(reader.ledger.orders()) == []


def test_a_co_op_that_buys_of_itself_plays_both_parts() -> None:
    reader = Reader().begin(buyer=SUPPLIER)
    reader.see(SUPPLIER, OrderResponse(code="AP", order=ID))
    reader.see(SUPPLIER, OrderCancel(order=ID))

    state = reader.ledger.state(ID)
    assert (state.state, state.refused, state.unread) == (Order.ACCEPTED, {}, 1)


def test_words_about_orders_that_are_not_here_are_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MOST_EARLY", 3)
    reader = Reader(own=BUYER)
    reader.see(SUPPLIER, OFFER, entry("offer"))
    for number in range(5):
        reader.see(SUPPLIER, OrderResponse(code="AB", order=entry(f"none {number}")))
    reader.see(BUYER, replace(order(40), supplier=cid(SUPPLIER)), entry("none 4"))
    reader.see(BUYER, replace(order(40), supplier=cid(SUPPLIER)), entry("none 0"))

    states = [reader.ledger.state(entry(f"none {number}")).state for number in (0, 4)]
    assert states == [Order.RECEIVED, Order.PLACED]


def test_of_one_side_no_more_is_kept_than_counts() -> None:
    reader = Reader().begin()
    for _ in range(300):
        reader.see(BUYER, OrderCancel(order=ID))

    refused = reader.ledger.state(ID).refused
    assert list(refused.values()).count("order.too_many") == 1
    assert len(refused) == 256


def test_rates_are_those_of_the_pool_and_the_offer() -> None:
    reader = Reader().begin()
    reader.see(OTHER, POOL, entry("pool"))
    before = reader.ledger.rates(reader.ledger.known(ID))
    reader.see(OTHER, AWARD, entry("award"))

    known = reader.ledger.known(ID)
    carriage = Price(amount=7, base=10, currency="GBP")
    assert before is None
    assert reader.ledger.rates(known) == Rates(carriage=carriage, fee_bps=100)


@pytest.mark.parametrize(
    ("rates", "fault"),
    [
        (Rates(carriage=Price(amount=7, base=10, currency="GBP"), fee_bps=100), None),
        (Rates(carriage=Price(amount=8, base=10, currency="GBP"), fee_bps=100), "invoice.terms"),
        (Rates(carriage=Price(amount=7, base=10, currency="GBP"), fee_bps=99), "invoice.terms"),
        (Rates(fee_bps=100), "invoice.terms"),
    ],
)
def test_an_invoice_at_other_rates_is_found_out(rates: Rates, fault: str | None) -> None:
    reader = Reader(own=BUYER).begin()
    reader.see(OTHER, POOL, entry("pool"))
    reader.see(OTHER, AWARD, entry("award"))
    talk = Talk()
    talk.accept()
    receipt = talk.receive(talk.despatch((0, 40, 0)))
    made = talk.draft(receipt, rates=rates)
    carriage: Any = {} if rates.carriage is None else {"carriage": rates.carriage}
    issued = talk.bill(
        receipt,
        fee_bps=rates.fee_bps,
        lines=list(made.lines),
        taxes=list(made.taxes),
        **{name: getattr(made, name) for name in ("fee", "net", "tax", "total")},
        **carriage,
    )

    record = talk.state().invoices[issued].record
    assert invoice_fault(reader.ledger, reader.ledger.known(ID), record) == fault


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_lines_may_come_in_any_order_beside_one_another(seed: int) -> None:
    talk = Talk()
    talk.accept(cancel_fee_bps=100)
    sent = talk.despatch((0, 30, 10), (1, 20, 0))
    receipt = talk.receive(sent, counted(0, 29, damaged=1))
    talk.bill(receipt)
    talk.change((0, 30))
    talk.cancel()
    talk.time_ms = NOW + 9 * DAY
    talk.answer_cancel(talk.buyer[-1].id, "RE")
    words = {
        BUYER: [(said.record, said.id, said.time_ms) for said in talk.buyer],
        SUPPLIER: [(said.record, said.id, said.time_ms) for said in talk.supplier],
    }
    turns = [who for who in words for _ in words[who]]
    random.Random(seed).shuffle(turns)  # noqa: S311  # a seed that repeats is the point
    reader = Reader().begin()
    for who in turns:
        reader.see(who, *words[who].pop(0))

    read, told = reader.ledger.state(ID), talk.state()
    assert (read.state, read.lines, read.refused) == (told.state, told.lines, told.refused)
    assert read.cancellations == told.cancellations
    assert list(read.invoices) == list(told.invoices)
