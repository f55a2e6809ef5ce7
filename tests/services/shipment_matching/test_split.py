"""The cost split is exact, proportional and leaves nobody above its own baseline."""

from __future__ import annotations

from random import Random  # noqa: TC003  # hypothesis reads the annotation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.errors import Refusal
from sheaf_services.shipment_matching.split import check_split, proportional_shares

BASELINES = st.dictionaries(
    st.text(alphabet="abcdef", min_size=1, max_size=3),
    st.integers(min_value=0, max_value=10**9),
    min_size=1,
    max_size=8,
).filter(lambda baselines: sum(baselines.values()) > 0)


@given(BASELINES, st.data())
def test_shares_add_up_and_leave_nobody_worse_off(
    baselines: dict[str, int], data: st.DataObject
) -> None:
    total = data.draw(st.integers(min_value=0, max_value=sum(baselines.values())))

    shares = proportional_shares(total, baselines)

    assert sum(shares.values()) == total
    assert all(0 <= shares[party] <= baselines[party] for party in baselines)
    check_split(total, baselines, shares)


@given(BASELINES, st.integers(min_value=0, max_value=10**12))
def test_each_share_is_within_one_unit_of_the_exact_proportion(
    baselines: dict[str, int], total: int
) -> None:
    shares = proportional_shares(total, baselines)

    pot = sum(baselines.values())
    assert all(abs(shares[p] * pot - total * own) < pot for p, own in baselines.items())


@given(BASELINES, st.integers(min_value=0, max_value=10**12), st.randoms())
def test_the_order_of_the_parties_does_not_matter(
    baselines: dict[str, int], total: int, random: Random
) -> None:
    shuffled = list(baselines.items())
    random.shuffle(shuffled)

    assert proportional_shares(total, dict(shuffled)) == proportional_shares(total, baselines)


def test_the_unit_left_over_goes_to_the_largest_remainder_then_the_lowest_key() -> None:
    assert proportional_shares(10, {"c": 5, "b": 5, "a": 5}) == {"a": 4, "b": 3, "c": 3}
    assert proportional_shares(5, {"a": 1, "b": 7}) == {"a": 1, "b": 4}


def test_nothing_is_shared_as_nothing() -> None:
    assert proportional_shares(0, {"b": 0, "a": 0}) == {"a": 0, "b": 0}


@pytest.mark.parametrize(
    ("code", "total", "baselines"),
    [
        # Zeros give no proportion.
        ("match.share_baseline", 1, {"a": 0}),
        ("match.share_baseline", 1, {}),
        ("match.share_amount", -1, {"a": 1}),
        ("match.share_amount", 1, {"a": 2, "b": -1}),
    ],
)
def test_a_cost_that_cannot_be_divided_is_refused(
    code: str, total: int, baselines: dict[str, int]
) -> None:
    with pytest.raises(Refusal) as refused:
        proportional_shares(total, baselines)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("code", "total", "shares"),
    [
        ("match.share_party", 8, {"a": 8}),
        ("match.share_party", 8, {"a": 3, "b": 5, "c": 0}),
        ("match.share_sum", 8, {"a": 3, "b": 4}),
        # a would pay 7 where it paid 6 before.
        ("match.worse_off", 8, {"a": 7, "b": 1}),
        # Adds up and hurts nobody, but is one unit from the rule: 3 and 5.
        ("match.share_wrong", 8, {"a": 4, "b": 4}),
        # Dearer than apart: whoever is named first, somebody is worse off.
        ("match.worse_off", 15, {"a": 6, "b": 9}),
    ],
)
def test_a_wrong_split_is_refused_by_name(code: str, total: int, shares: dict[str, int]) -> None:
    with pytest.raises(Refusal) as refused:
        check_split(total, {"a": 6, "b": 8}, shares)

    assert refused.value.code == code


def test_the_rules_own_split_passes() -> None:
    check_split(8, {"a": 6, "b": 8}, {"a": 3, "b": 5})
