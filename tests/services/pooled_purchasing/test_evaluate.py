"""The award that a pool's rules make, against a brute force in fractions on small markets."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import MAX_PAYLOAD
from sheaf_protocol.records import Award, PoolLapse
from sheaf_services.pooled_purchasing.evaluate import AwardDraft, Lapse, evaluate
from sheaf_services.pooled_purchasing.ration import Want, ration
from sheaf_services.pooled_purchasing.verify import verify_award, verify_close, verify_lapse


def line_of(market):
    return evaluate(market.close()).award.lines[0]


def test_the_deepest_tier_that_the_pool_reaches_prices_every_unit(make_market):
    market = make_market()
    market.offer((1, 1_000), (10, 900), (30, 800))
    market.demand("hill", 8)
    market.demand("dale", 8)

    line = line_of(market)

    assert (line.tier, line.quantity, line.amount, line.lines) == (1, 16, 16 * 900, 2)


def test_a_deeper_price_lets_in_the_demands_that_reach_it(make_market):
    market = make_market()
    market.offer((1, 1_000), (20, 800))
    market.demand("hill", 12)
    market.demand("dale", 12, amount=850)

    line = line_of(market)

    assert (line.tier, line.quantity) == (1, 24)


def test_a_demand_below_the_landed_price_gets_nothing(make_market):
    market = make_market(fee_bps=100)
    market.offer((1, 900), carriage=10)
    market.demand("hill", 10, amount=918)
    able = market.demand("dale", 10, amount=919)

    draft = evaluate(market.close())

    assert [leaf.demand for leaf in draft.allocations] == [able.id]
    leaf = draft.allocations[0]
    assert (leaf.amount, leaf.fee, leaf.carriage) == (9_000, 90, 100)


def test_value_counts_before_units(make_market):
    market = make_market()
    market.offer((1, 990), ref="all")
    deep = market.offer((10, 500), ref="some", max_quantity=10)
    market.demand("hill", 20)

    assert line_of(market).offer == deep.id


def test_of_equal_value_more_units_win(make_market):
    market = make_market()
    market.offer((1, 980), ref="few", max_quantity=10)
    more = market.offer((1, 990), ref="more")
    market.demand("hill", 20)

    assert line_of(market).offer == more.id


def test_of_equal_awards_the_lowest_offer_id_wins(make_market):
    market = make_market()
    offers = [market.offer((1, 990), ref=ref) for ref in "abcd"]
    market.demand("hill", 20)

    assert line_of(market).offer == min(offer.id for offer in offers)


def test_a_supplier_s_limit_is_shared_in_proportion(make_market):
    market = make_market()
    market.offer((1, 900), max_quantity=15)
    for who, quantity in (("hill", 10), ("dale", 20)):
        market.demand(who, quantity)

    draft = evaluate(market.close())

    assert sorted(leaf.quantity for leaf in draft.allocations) == [5, 10]


def test_a_limit_below_the_next_tier_keeps_the_price_of_the_tier_reached(make_market):
    market = make_market()
    market.offer((1, 900), (20, 800), max_quantity=15)
    market.demand("hill", 30)

    line = line_of(market)

    assert (line.tier, line.quantity) == (0, 15)


def test_a_part_that_rounding_makes_too_dear_is_not_allocated(make_market):
    # 10.1 a piece is exactly 10 and 1 % fee; at 55 pieces the fee is 5.5, rounded to 6.
    market = make_market(fee_bps=100, reference=make_market.price(20))
    market.offer((1, 10), max_quantity=55)
    market.demand("hill", 100, max_price=market.price(101, 10))

    assert evaluate(market.close()) is Lapse.NO_TIER


def test_the_award_fits_the_wire_with_as_many_tiers_as_may_count(make_market):
    market = make_market(reference=make_market.price(2**32))
    for n in range(13):
        market.offer(*((start, 2**32 - start) for start in range(1, 65)), ref=f"r{n}")
    market.demand("hill", 64, amount=2**32)

    award = evaluate(market.close()).award

    assert len(award.certificate) == 768
    assert len(encode(award)) < MAX_PAYLOAD - 16
    assert decode(encode(award), Award) == award


@pytest.mark.parametrize(
    ("terms", "demands", "tiers", "reason"),
    [
        pytest.param({}, [], [(1, 900)], Lapse.NO_DEMAND, id="nobody wants anything"),
        pytest.param({"k_min": 2}, ["hill"], [(1, 900)], Lapse.TOO_FEW, id="one co-op of two"),
        pytest.param({"k_min": 2}, ["hill"] * 2, [(1, 900)], Lapse.TOO_FEW, id="one, twice"),
        pytest.param({}, ["hill"], [], Lapse.NO_OFFER, id="nobody offers"),
        pytest.param({}, ["hill"], [(1, 1_001)], Lapse.NO_TIER, id="nobody can pay"),
        pytest.param({}, ["hill"], [(11, 900)], Lapse.NO_TIER, id="the first tier is not reached"),
        pytest.param({"min_quantity": 11}, ["hill"], [(1, 900)], Lapse.NO_TIER, id="pool minimum"),
        pytest.param({}, ["rich"], [(1, 1_500)], Lapse.NO_TIER, id="worse than the reference"),
    ],
)
def test_a_pool_lapses_for_a_reason_that_verifies(make_market, terms, demands, tiers, reason):
    market = make_market(**terms)
    for who in demands:
        market.demand(who, 10, amount=2_000 if who == "rich" else 1_000)
    if tiers:
        market.offer(*tiers)
    inputs = market.close()

    outcome = evaluate(inputs)

    assert outcome is reason
    record = PoolLapse(close=inputs.close.id, pool=market.pool.id, reason=reason.value)
    verify_lapse(inputs, market.write("owner", record))


@pytest.mark.parametrize("rule", ["objective", "ration"])
def test_an_unknown_rule_is_refused(make_market, rule):
    market = make_market(**{rule: "somebody_elses/7"})

    with pytest.raises(Refusal) as caught:
        evaluate(market.close())

    assert caught.value.code == "award.rule_unknown"


LINES = st.lists(
    st.tuples(
        st.sampled_from(["hill", "dale", "moor"]),
        st.integers(1, 12),
        st.integers(1, 12),
        st.integers(80, 125),
    ),
    max_size=6,
)
OFFERS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.integers(1, 40), st.integers(70, 115)),
            min_size=1,
            max_size=3,
            unique_by=(lambda tier: tier[0], lambda tier: tier[1]),
        ),
        st.none() | st.integers(1, 30),
        st.integers(0, 4),
    ),
    max_size=3,
)


def built(make_market, lines, offers, fee_bps, minimum):
    """Prices are per 10, so that lines are rounded."""
    terms = {"fee_bps": fee_bps, "reference": make_market.price(100, 10)}
    market = make_market(**terms, **({"min_quantity": minimum} if minimum else {}))
    for who, one, other, amount in lines:
        market.demand(
            who,
            max(one, other),
            min_quantity=min(one, other),
            max_price=market.price(amount, 10),
        )
    for index, (tiers, limit, carriage) in enumerate(offers):
        starts, prices = zip(*tiers, strict=True)
        steps = zip(sorted(starts), sorted(prices, reverse=True), strict=True)
        limited = {"max_quantity": limit} if limit else {}
        market.offer(*steps, base=10, ref=f"r{index}", carriage=carriage, **limited)
    return market


def brute(inputs):
    """Return (value, units) of the best award by the rule's text, or None."""
    pool, best = inputs.pool.record, None
    for offer in inputs.offers:
        for index in range(len(offer.record.tiers)):
            options = brute_tier(pool, inputs.demands, offer.record, index)
            if options is not None and (best is None or options > best):
                best = options
    return best


def brute_tier(pool, demands, offer, index):
    rate = 0 if not offer.carriage else offer.carriage[0].amount

    def landed(quantity):
        goods = round(Fraction(offer.tiers[index].amount * quantity, offer.base))
        fee = round(Fraction(goods * pool.fee_bps, 10_000))
        return goods + fee + round(Fraction(rate * quantity, offer.base))

    def pays(demand, quantity):
        return (
            landed(quantity) <= Fraction(demand.max_price.amount, demand.max_price.base) * quantity
        )

    records = {seen.id: seen.record for seen in demands}
    wants = [
        Want(id_, record.quantity, record.min_quantity)
        for id_, record in records.items()
        if pays(record, record.quantity)
    ]
    limit = offer.max_quantity or 10**12
    parts = ration(wants, limit, lambda want, part: pays(records[want.id], part))
    units = sum(parts.values())
    worth = [round(Fraction(pool.reference.amount * part, 10)) for part in parts.values()]
    value = sum(worth) - sum(landed(part) for part in parts.values())
    reached = [i for i, tier in enumerate(offer.tiers) if tier.from_quantity <= units]
    is_reached = bool(reached) and reached[-1] == index and units >= (pool.min_quantity or 0)
    return (value, units) if is_reached and value >= 0 else None


@settings(max_examples=300, deadline=None)
@given(LINES, OFFERS, st.sampled_from([0, 250, 1_000]), st.sampled_from([0, 0, 15]))
def test_the_award_is_the_best_there_is_and_verifies(make_market, lines, offers, fee_bps, minimum):
    market = built(make_market, lines, offers, fee_bps, minimum)
    inputs = market.close()
    verify_close(inputs)

    outcome = evaluate(inputs)

    if isinstance(outcome, AwardDraft):
        assert (outcome.award.value, outcome.award.quantity) == brute(inputs)
        verify_award(inputs, market.write("owner", outcome.award))
    else:
        assert brute(inputs) is None
        record = PoolLapse(close=inputs.close.id, pool=market.pool.id, reason=outcome.value)
        verify_lapse(inputs, market.write("owner", record))
