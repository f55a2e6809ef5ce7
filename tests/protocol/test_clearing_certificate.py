"""A tree of prices bounds every award there is, whatever its prices (spec 21, CLR-8 to CLR-10)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from tests.protocol.clearing_markets import markets, offer, pool, possible

from sheaf_protocol.clearing import market_of, upper_bound
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.records import Branch, RowPrice

LEAF = Branch(prices=[])


def leaf(**prices):
    return Branch(
        prices=[RowPrice(amount=amount, row=int(row[1:])) for row, amount in prices.items()]
    )


def branch(offer_, upto):
    return Branch(offer=offer_, upto=upto)


@pytest.fixture
def market():
    """Two offers of 12 units in two tiers each, for 16 units that can pay anything."""
    one = offer((1, 990), (10, 950), max_quantity=12)
    other = offer((1, 980), (10, 940), max_quantity=12)
    return market_of(pool(), [one, other], [(10**9, 16)])


@settings(max_examples=200)
@given(markets(), st.data())
def test_no_award_gains_more_than_any_prices_allow(market, data):
    amounts = data.draw(st.lists(st.integers(0, 80 * 10**6), max_size=len(market.rows)))
    prices = [RowPrice(amount=a, row=row) for row, a in enumerate(amounts) if a]

    bound = upper_bound(market, [Branch(prices=prices)])

    assert all(market.gained(sold) <= bound for sold in possible(market))


@settings(max_examples=200)
@given(markets(), st.data())
def test_no_award_gains_more_than_any_tree_allows(market, data):
    tree, ranges = [], [[(0, len(options)) for options in market.offers]]
    while ranges:
        here = ranges.pop()
        splits = [(o, at) for o, (low, high) in enumerate(here) for at in range(low, high)]
        if splits and len(tree) < 6 and data.draw(st.booleans()):
            where, at = data.draw(st.sampled_from(splits))
            low, high = here[where]
            ranges.append([*here[:where], (at + 1, high), *here[where + 1 :]])
            ranges.append([*here[:where], (low, at), *here[where + 1 :]])
            tree.append(branch(where, at))
        else:
            rows = data.draw(st.sets(st.integers(0, max(len(market.rows) - 1, 0)), max_size=2))
            amount = data.draw(st.integers(1, 80 * 10**6))
            rows = rows if market.rows else ()
            tree.append(Branch(prices=[RowPrice(amount=amount, row=row) for row in sorted(rows)]))

    bound = upper_bound(market, tree)

    assert all(market.gained(sold) <= bound for sold in possible(market))


def test_without_prices_each_offer_gains_its_most(market):
    assert upper_bound(market, [LEAF]) == 12 * (50 * 10**6 + 1) + 12 * (60 * 10**6 + 1)


def test_a_price_for_the_lowest_row_is_paid_by_all(market):
    # The dearer offer has nothing left beyond 50, the cheaper one 10 for each of 12.
    fifty = 50 * 10**6 + 1

    assert upper_bound(market, [leaf(_0=fifty)]) == 16 * fifty + 12 * (10 * 10**6)


def test_a_branch_bounds_by_the_better_of_its_sides(market):
    # Without its deep tier the cheaper offer sells 9 for 20 each, and the dearer one 12 for 50;
    # with it, all 16 units pay a price and the cheaper offer has 10 beyond it for each of 12.
    fifty = 50 * 10**6 + 1
    without, with_ = 12 * fifty + 9 * (20 * 10**6 + 1), 16 * fifty + 12 * (10 * 10**6)

    assert upper_bound(market, [branch(1, 1), LEAF, leaf(_0=fifty)]) == max(without, with_)
    assert upper_bound(market, [branch(1, 0), LEAF, leaf(_0=fifty)]) == max(12 * fifty, with_)


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param([], id="no step"),
        pytest.param([branch(0, 0), LEAF], id="a side is missing"),
        pytest.param([LEAF, LEAF], id="a step behind the last leaf"),
        pytest.param([branch(2, 0), LEAF, LEAF], id="an offer that does not count"),
        pytest.param([branch(0, 2), LEAF, LEAF], id="nothing above the split"),
        pytest.param([branch(0, 0), branch(0, 0), LEAF, LEAF, LEAF], id="a side split off before"),
        pytest.param([leaf(_4=1)], id="a row that there is not"),
        pytest.param(
            [Branch(prices=[RowPrice(amount=1, row=0), RowPrice(amount=2, row=0)])],
            id="two prices for one row",
        ),
    ],
)
def test_a_tree_that_does_not_cover_all_awards_is_refused(market, tree):
    with pytest.raises(RemoteProtocolError) as caught:
        upper_bound(market, tree)

    assert caught.value.code == "award.certificate"


@pytest.mark.parametrize(
    "fields",
    [
        {"offer": 0, "upto": 0, "prices": []},
        {"offer": 0},
        {"upto": 0, "prices": []},
        {},
    ],
)
def test_a_step_is_a_branch_or_a_leaf(fields):
    given = {"offer": UNSET, "upto": UNSET, "prices": UNSET} | fields

    with pytest.raises(ValueError, match="prices alone"):
        Branch(**given)
