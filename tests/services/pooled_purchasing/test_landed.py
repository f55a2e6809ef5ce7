"""The price of a line at the door."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.clearing import MAX_LINE_AMOUNT, can_pay
from sheaf_protocol.records import half_even
from sheaf_services.pooled_purchasing.landed import Terms, capacity_of, carriage_to, terms_of


@pytest.mark.parametrize(
    ("rate", "quantity", "fee_bps", "parts"),
    [
        pytest.param((100, 1), 7, 0, (700, 0, 0), id="whole"),
        pytest.param((125, 10), 1, 0, (12, 0, 0), id="12.5 goes to the even 12"),
        pytest.param((125, 10), 3, 0, (38, 0, 0), id="37.5 goes to the even 38"),
        pytest.param((100, 1), 1, 250, (100, 2, 0), id="a fee of 2.5 goes to the even 2"),
        pytest.param((300, 1), 1, 250, (300, 8, 0), id="a fee of 7.5 goes to the even 8"),
        pytest.param((125, 10), 1, 5_000, (12, 6, 0), id="the fee is on the rounded goods"),
    ],
)
def test_each_part_is_rounded_once_half_to_even(make_market, rate, quantity, fee_bps, parts):
    terms = Terms(make_market.price(*rate), fee_bps, make_market.price(0))

    landed = terms.landed(quantity)

    assert (landed.goods, landed.fee, landed.carriage) == parts


def test_total_is_the_sum_of_the_rounded_parts(make_market):
    terms = Terms(make_market.price(125, 10), 5_000, make_market.price(5, 10))

    assert terms.landed(1).total == 12 + 6 + 0


@pytest.mark.parametrize(
    ("landed", "may"),
    [
        pytest.param(37, True, id="half a unit below the maximum"),
        pytest.param(38, False, id="half a unit above, which rounding would have let through"),
    ],
)
def test_a_maximum_is_compared_exactly(make_market, landed, may):
    demand = make_market().demand("hill", 3, max_price=make_market.price(125, 10)).record

    assert can_pay(demand, 3, landed) is may


def test_a_line_beyond_what_a_pool_can_sum_is_not_eligible(make_market):
    demand = make_market().demand("hill", 10**12, amount=2**53 - 1).record

    assert can_pay(demand, 10**12, MAX_LINE_AMOUNT)
    assert not can_pay(demand, 10**12, MAX_LINE_AMOUNT + 1)


def test_an_offer_without_carriage_delivers_everywhere_at_its_price(make_market):
    offer = make_market().offer((1, 100)).record

    assert carriage_to(offer, "SOUTH") == make_market.price(0)


def test_an_offer_with_carriage_delivers_to_its_zones_only(make_market):
    offer = make_market().offer((1, 100), carriage=5).record

    assert carriage_to(offer, "NORTH") == make_market.price(5)
    assert carriage_to(offer, "SOUTH") is None
    assert terms_of(offer, "SOUTH", 0) == []


def test_capacity_without_a_limit_is_what_the_wire_can_say(make_market):
    market = make_market()

    assert capacity_of(market.offer((1, 9)).record) == 10**12
    assert capacity_of(market.offer((1, 9), max_quantity=40).record) == 40


@given(st.integers(0, 10**9), st.integers(1, 10**6))
def test_half_even_agrees_with_exact_rounding(numerator, denominator):
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))
