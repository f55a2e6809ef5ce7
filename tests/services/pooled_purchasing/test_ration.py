"""Sharing a supplier's limit, against an implementation in fractions written for this test."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.digest import EntryId
from sheaf_services.pooled_purchasing.ration import MAX_RESHARES, Want, ration, share


def any_part(_line, _part):
    return True


def ids(count):
    return [EntryId(bytes([n]) * 32) for n in range(1, count + 1)]


def wants(*lines):
    return [Want(id_, *line) for id_, line in zip(ids(len(lines)), lines, strict=True)]


def parts(lines, capacity, can_pay=any_part):
    result = ration(lines, capacity, can_pay)
    return [result.get(line.id, 0) for line in lines]


@pytest.mark.parametrize(
    ("lines", "capacity", "expected"),
    [
        pytest.param([(5, 1), (5, 1)], 10, [5, 5], id="all fits"),
        pytest.param([(10, 1), (20, 1), (30, 1)], 30, [5, 10, 15], id="exact halves"),
        pytest.param([(1, 1), (1, 1), (1, 1)], 2, [1, 1, 0], id="the highest id goes out first"),
        pytest.param(
            [(10, 1), (10, 1), (10, 1)], 10, [4, 3, 3], id="the odd unit to the lowest id"
        ),
        pytest.param([(10, 1), (11, 1)], 10, [5, 5], id="the odd unit to the largest remainder"),
        pytest.param([(10, 10), (10, 1)], 15, [0, 10], id="a rigid line goes out, all is shared"),
        pytest.param([(10, 10), (8, 8)], 15, [0, 8], id="of two rigid lines the larger goes"),
        pytest.param([(8, 8), (8, 8)], 15, [8, 0], id="of two equal ones the higher id goes"),
        pytest.param([(20, 20)], 19, [0], id="nobody can be served"),
        pytest.param([(9, 5), (9, 5), (9, 4)], 14, [7, 0, 7], id="one out is enough for the rest"),
    ],
)
def test_shares(lines, capacity, expected):
    assert parts(wants(*lines), capacity) == expected


def test_a_line_that_cannot_pay_its_part_leaves_it_to_the_others():
    lines = wants((10, 1), (10, 1), (10, 1))

    got = parts(lines, 15, lambda line, part: line.id != lines[1].id)

    assert got == [8, 0, 7]


def test_after_sixteen_rounds_what_cannot_be_paid_is_left_over():
    lines = wants(*[(10, 1)] * (MAX_RESHARES + 3))

    got = parts(lines, 50, lambda line, part: line.id == lines[0].id)

    assert got[0] > 0
    assert sum(got) == got[0]


markets = st.lists(
    st.integers(1, 30).flatmap(lambda want: st.tuples(st.just(want), st.integers(1, want))),
    min_size=1,
    max_size=8,
)


@given(markets, st.integers(1, 120))
def test_parts_sum_exactly_and_never_fall_between_nothing_and_the_minimum(lines, capacity):
    listed = wants(*lines)

    result = share(listed, capacity)

    kept = [line for line in listed if line.id in result]
    assert sum(result.values()) == min(capacity, sum(line.want for line in kept))
    assert all(line.minimum <= result[line.id] <= line.want for line in kept)


@given(markets, st.integers(1, 120), st.randoms(use_true_random=False))
def test_order_of_the_lines_does_not_matter(lines, capacity, random):
    listed = wants(*lines)
    mixed = listed[:]
    random.shuffle(mixed)

    assert ration(listed, capacity, any_part) == ration(mixed, capacity, any_part)


@given(markets, st.integers(1, 120))
def test_shares_agree_with_the_rule_in_fractions(lines, capacity):
    listed = wants(*lines)

    assert ration(listed, capacity, any_part) == in_fractions(listed, capacity)


def in_fractions(lines, capacity):
    left = list(lines)
    while left:
        total = sum(line.want for line in left)
        if total <= capacity:
            return {line.id: line.want for line in left}
        exact = {line.id: Fraction(capacity * line.want, total) for line in left}
        short = [line for line in left if exact[line.id] < line.minimum]
        if not short:
            break
        left.remove(max(short, key=lambda x: (Fraction(x.minimum, x.want), x.want, x.id)))
    result = {line.id: int(exact[line.id]) for line in left} if left else {}
    order = sorted(left, key=lambda line: (result[line.id] - exact[line.id], line.id))
    for line in order[: capacity - sum(result.values())]:
        result[line.id] += 1
    return result
