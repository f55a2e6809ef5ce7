"""Who gets how much of what: shares, mixes, minimums and classes (spec 21, CLR-11 to CLR-15)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol.clearing_markets import entry

from sheaf_protocol.clearing import Line, Sale, allocate

HIGH, LOW = 1_000, 900


def anyone(line, parts):
    return True


def lines_of(*wants, minimum=1, rate=HIGH, rank=0):
    """Return lines in the order of their ids."""
    ids = sorted(entry(number) for number in range(len(wants)))
    return [Line(id_, want, minimum, rate, rank) for id_, want in zip(ids, wants, strict=True)]


def parts_of(lines, *sales, can_pay=anyone, is_ranked=False):
    shares = allocate(lines, sales, can_pay, is_ranked=is_ranked)
    assert shares.is_whole
    return [list(shares.parts.get(line.id, [0] * len(sales))) for line in lines]


@st.composite
def bazaars(draw):
    """Lines, and sales that they can take if none has a minimum."""
    wants = draw(st.lists(st.tuples(st.integers(1, 30), st.sampled_from([LOW, HIGH])), min_size=1))
    ids = sorted(entry(number) for number in range(len(wants)))
    lines = [Line(id_, want, 1, rate) for id_, (want, rate) in zip(ids, wants, strict=True)]
    high = sum(line.want for line in lines if line.rate == HIGH)
    every = sum(line.want for line in lines)
    dear = draw(st.integers(0, high))
    sales = [Sale(HIGH, dear), Sale(LOW, draw(st.integers(0, every - dear)))]
    return lines, [sale for sale in sales if sale.quantity]


def test_all_get_what_they_want_where_there_is_enough():
    assert parts_of(lines_of(3, 5), Sale(LOW, 8)) == [[3], [5]]


def test_less_is_shared_in_proportion():
    assert parts_of(lines_of(30, 10), Sale(LOW, 20)) == [[15], [5]]


def test_units_left_go_to_the_largest_remainders_and_then_to_the_lowest_ids():
    assert parts_of(lines_of(2, 2, 5), Sale(LOW, 4)) == [[1], [1], [2]]
    assert parts_of(lines_of(1, 1, 1), Sale(LOW, 2)) == [[1], [1], [0]]


def test_all_who_can_pay_the_same_get_the_same_mix():
    assert parts_of(lines_of(10, 10), Sale(HIGH, 10), Sale(LOW, 10)) == [[5, 5], [5, 5]]


def test_who_can_pay_the_cheap_alone_gets_none_of_the_dear():
    rich, poor = lines_of(10, 10)
    poor = Line(poor.id, 10, 1, LOW)

    assert parts_of([rich, poor], Sale(HIGH, 6), Sale(LOW, 7)) == [[6, 2], [0, 5]]


def test_a_line_below_its_minimum_is_left_out_and_the_others_get_its_part():
    one, other, small = lines_of(60, 60, 10)
    lines = [Line(one.id, 60, 60, HIGH), Line(other.id, 60, 60, HIGH), small]

    # Two want a whole truck and one comes: the one of higher id stands back.
    shares = allocate(lines, [Sale(LOW, 70)], anyone)

    assert [sum(shares.parts.get(line.id, [0])) for line in lines] == [60, 0, 10]
    assert shares.left_out == {other.id}


def test_units_that_find_nobody_are_told():
    lines = lines_of(60, 60, minimum=60)

    shares = allocate(lines, [Sale(LOW, 100)], anyone)

    assert not shares.is_whole
    assert shares.left_out


def test_a_line_that_cannot_pay_its_parts_is_left_out():
    lines = lines_of(5, 5)

    parts = parts_of(lines, Sale(LOW, 5), can_pay=lambda line, got: line.id != lines[0].id)

    assert parts == [[0], [5]]


def test_the_first_class_is_served_first_and_all_share_the_mix():
    first, second = lines_of(10, 10)
    lines = [Line(first.id, 10, 1, HIGH, 1), Line(second.id, 10, 1, HIGH, 0)]

    assert parts_of(lines, Sale(HIGH, 8), Sale(LOW, 4), is_ranked=True) == [[1, 1], [7, 3]]


def test_a_class_beyond_the_first_gets_what_is_left_in_proportion():
    ids = sorted(entry(number) for number in range(3))
    lines = [Line(id_, 6, 1, HIGH, rank) for id_, rank in zip(ids, (0, 1, 1), strict=True)]

    assert parts_of(lines, Sale(LOW, 10), is_ranked=True) == [[6], [2], [2]]


@settings(max_examples=300)
@given(bazaars())
def test_each_sale_is_shared_to_the_last_unit_and_nobody_gets_more_than_it_wants(bazaar):
    lines, sales = bazaar

    parts = parts_of(lines, *sales)

    for number, sale in enumerate(sales):
        assert sum(got[number] for got in parts) == sale.quantity
    for line, got in zip(lines, parts, strict=True):
        assert 0 <= sum(got) <= line.want
        paid = [sale.rate for sale, units in zip(sales, got, strict=True) if units]
        assert all(rate <= line.rate for rate in paid)


@settings(max_examples=300)
@given(bazaars(), st.data())
def test_wanting_more_never_brings_less_but_for_a_unit_of_rounding(bazaar, data):
    lines, sales = bazaar
    at = data.draw(st.integers(0, len(lines) - 1))
    more = list(lines)
    more[at] = Line(lines[at].id, lines[at].want + 10, 1, lines[at].rate)

    before, after = parts_of(lines, *sales)[at], parts_of(more, *sales)[at]

    assert sum(after) >= sum(before) - len(sales)


@settings(max_examples=300)
@given(bazaars())
def test_a_higher_maximum_brings_nobody_more_of_what_it_could_pay_before(bazaar):
    lines, sales = bazaar
    richer = [Line(line.id, line.want, 1, line.rate + 10**6) for line in lines]
    same = [line for line in lines if line.rate == HIGH]
    if len(same) < len(lines):
        return

    assert parts_of(richer, *sales) == parts_of(lines, *sales)


@settings(max_examples=200)
@given(bazaars(), st.randoms(use_true_random=False))
def test_what_a_line_gets_rests_on_ids_and_wants_alone(bazaar, rng):
    lines, sales = bazaar
    shuffled = list(lines)
    rng.shuffle(shuffled)

    again = parts_of(sorted(shuffled, key=lambda line: line.id), *sales)

    assert again == parts_of(lines, *sales)


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_of_many_who_want_all_or_nothing_as_many_are_served_as_fit(count):
    lines = lines_of(*[10] * count, minimum=10)

    shares = allocate(lines, [Sale(LOW, 10)], anyone)

    assert shares.is_whole
    assert sum(map(sum, shares.parts.values())) == 10
