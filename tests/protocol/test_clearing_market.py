"""Rates, gains, options and demand: what a pool is decided on (spec 21, CLR-1 to CLR-4)."""

from __future__ import annotations

from tests.protocol.clearing_markets import offer, pool, price

from sheaf_protocol.clearing import landed_rate, market_of, rate_of


def options_of(one, wanted=((2_000_000_000, 10**6),), **terms):
    [options] = market_of(pool(**terms), [one], wanted).offers
    return options


def test_what_may_be_paid_is_rounded_down_and_what_is_paid_up():
    assert rate_of(price(10, 3)) == 3_333_333
    assert landed_rate(10, 0, 3, 0) == 3_333_334


def test_whoever_can_pay_a_rate_can_pay_the_price_behind_it():
    for amount in range(1, 40):
        for base in (1, 3, 7, 1_000):
            assert landed_rate(amount, 0, base, 0) >= rate_of(price(amount, base))


def test_fee_and_carriage_are_in_the_landed_rate():
    [option] = options_of(offer((1, 900), carriage=15), fee_bps=200)

    assert option.rate == (900 * 102 // 100 + 15) * 10**6


def test_each_unit_gains_what_it_is_below_the_reference_and_a_millionth():
    [option] = options_of(offer((1, 900)))

    assert option.gain == 100 * 10**6 + 1


def test_a_tier_at_the_reference_takes_part_and_one_above_does_not():
    options = options_of(offer((1, 1_001), (5, 1_000)))

    assert [(option.tier, option.gain) for option in options] == [(1, 1)]


def test_a_tier_sells_from_its_start_to_below_the_next():
    first, second = options_of(offer((3, 990), (10, 980), max_quantity=40))

    assert (first.low, first.high) == (3, 9)
    assert (second.low, second.high) == (10, 40)


def test_packs_and_the_least_quantity_narrow_a_tier():
    [second] = options_of(offer((1, 990), (10, 980), max_quantity=40, min_quantity=11, pack=6))

    assert (second.tier, second.low, second.high) == (1, 12, 36)


def test_no_option_has_more_units_than_can_pay_it():
    wanted = [(990 * 10**6, 7), (980 * 10**6, 20)]

    first, second = options_of(offer((1, 985), (10, 975)), wanted)

    assert (first.high, second.high) == (7, 27)


def test_a_tier_that_nobody_can_reach_is_no_option():
    wanted = [(980 * 10**6, 7)]

    assert [option.tier for option in options_of(offer((1, 975), (8, 970)), wanted)] == [0]


def test_demand_at_a_rate_is_of_all_who_can_pay_it():
    wanted = [(1_000 * 10**6, 5), (950 * 10**6, 7), (949_999_999, 11)]

    market = market_of(pool(), [offer((1, 950)), offer((1, 960))], wanted)

    assert market.rows == (950 * 10**6, 960 * 10**6)
    assert market.demand == (12, 5)


def test_a_market_has_the_pools_least():
    assert market_of(pool(min_quantity=9), [offer((1, 950))], [(10**9, 20)]).least == 9
