"""What a buyer gets by itself."""

from __future__ import annotations

import pytest

from sheaf_services.pooled_purchasing.alone import alone


def found(market, demand):
    inputs = market.close()
    return alone(demand.record, inputs.offers, market.pool.record)


def test_the_own_quantity_reaches_its_tier_without_the_pools_fee(make_market):
    market = make_market(fee_bps=500)
    offer = market.offer((1, 1_000), (10, 900), (100, 800), carriage=20)
    demand = market.demand("hill", 10)

    result = found(market, demand)

    assert (result.offer, result.tier, result.quantity) == (offer.id, 1, 10)
    assert (result.landed.goods, result.landed.fee, result.landed.carriage) == (9_000, 0, 200)
    assert result.gain == 10_000 - 9_200


def test_the_cheapest_of_several_offers_counts(make_market):
    market = make_market()
    market.offer((1, 990), ref="a")
    cheap = market.offer((1, 980), ref="b")

    assert found(market, market.demand("hill", 10)).offer == cheap.id


def test_of_equal_prices_the_lowest_offer_id_counts(make_market):
    market = make_market()
    offers = [market.offer((1, 990), ref=ref) for ref in "abc"]

    assert found(market, market.demand("hill", 10)).offer == min(offer.id for offer in offers)


@pytest.mark.parametrize(
    ("tiers", "other"),
    [
        pytest.param([(1, 1_001)], {}, id="above the maximum"),
        pytest.param([(11, 900)], {}, id="the first tier is not reached"),
        pytest.param([(1, 900)], {"max_quantity": 9}, id="the supplier has less than is wanted"),
        pytest.param([(1, 990)], {"carriage": 11}, id="carriage lifts it above the maximum"),
    ],
)
def test_nothing_within_the_maximum_is_none(make_market, tiers, other):
    market = make_market()
    market.offer(*tiers, **other)

    assert found(market, market.demand("hill", 10)) is None


def test_an_offer_that_does_not_deliver_there_is_passed_over(make_market):
    market = make_market(zone="SOUTH")
    offer = market.offer((1, 900), carriage=1)
    demand = market.demand("hill", 10, zone="SOUTH")

    assert alone(demand.record, [offer], market.pool.record) is None
