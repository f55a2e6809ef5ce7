"""Awards of several offers: the best there is, proved, shared out, and checked down to the unit."""

from __future__ import annotations

import random
import subprocess
import sys
from itertools import product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.long import IS_LONG

from sheaf_protocol import merkle
from sheaf_protocol.clearing import (
    MIX,
    PRIORITY,
    SEVERAL_OFFERS,
    OwnLeaf,
    least_share,
    upper_bound,
    verify_full,
    verify_own,
    verify_totals,
)
from sheaf_protocol.clearing.leaves import part_of
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Award, Branch, RowPrice
from sheaf_services.pooled_purchasing.clearing import solve as solving
from sheaf_services.pooled_purchasing.clearing.desk import ClearingDesk
from sheaf_services.pooled_purchasing.clearing.draft import Failed, attempt_clearing, clear
from sheaf_services.pooled_purchasing.clearing.fill import fill
from sheaf_services.pooled_purchasing.clearing.greedy import greedy, single
from sheaf_services.pooled_purchasing.clearing.judging import case_of, require_founded
from sheaf_services.pooled_purchasing.clearing.relaxation import Program
from sheaf_services.pooled_purchasing.clearing.solve import Limits
from sheaf_services.pooled_purchasing.evaluate import Lapse

RANDOM_MARKETS = 10_000 if IS_LONG else 400
QUICK = Limits(seconds=0)


def village(make_market, **terms):
    return make_market(**({"objective": SEVERAL_OFFERS, "ration": MIX} | terms))


def fixed(make_market, **terms):
    """Two wholesalers that are both needed, one line that can pay the cheaper alone."""
    market = village(make_market, **({"fee_bps": 200} | terms))
    market.offer((1, 960), (20, 900), carriage=15, max_quantity=30, who="mill")
    market.offer((1, 940), (30, 930), who="rival", max_quantity=72, pack=4)
    market.demand("hill", 33)
    market.demand("dale", 37)
    market.demand("moor", 14)
    market.demand("poor", 9, amount=935)
    return market


def drawn(make_market, seed):
    """A market of a handful of lines and offers with all terms that there are."""
    rng = random.Random(seed)  # noqa: S311  # no secret is drawn
    market = village(make_market, fee_bps=rng.choice([0, 0, 137]))
    for number in range(rng.randrange(1, 5)):
        tiers, amount, start = [], rng.randrange(900, 1_010), rng.randrange(1, 5)
        for _ in range(rng.randrange(1, 4)):
            tiers.append((start, amount))
            start, amount = start + rng.randrange(1, 25), amount - rng.randrange(1, 80)
        terms = {}
        for name, most in (("max_quantity", 60), ("min_quantity", 20), ("pack", 6)):
            if rng.random() < 0.3:
                terms[name] = rng.randrange(1, most)
        carriage = rng.choice([0, 0, 13])
        market.offer(*tiers, who=f"supplier-{number}", carriage=carriage, **terms)
    for number in range(rng.randrange(1, 9)):
        want = rng.randrange(1, 30)
        least = rng.choice([1, 1, 1, want, max(1, want // 2)])
        amount = rng.randrange(850, 1_100)
        market.demand(f"member-{number}", want, amount=amount, min_quantity=least)
    return market


def cleared(market, limits=None):
    case = case_of(market.close())
    return case, clear(case, market.pool.id, limits or Limits())


def best_of(market):
    """Return what the best choice of tiers gains, by trying all of them."""
    choices = product(*((None, *options) for options in market.offers))
    found = (fill(market, [one for one in choice if one]) for choice in choices)
    return max((market.gained(sold) for sold in found if sold), default=0)


def test_two_offers_serve_what_one_could_not(make_market):
    case, draft = cleared(fixed(make_market))

    verify_full(case, draft.award)
    names = {id_: offer.pack is msgspec.UNSET for id_, offer in case.offers.items()}
    by_mill = {names[line.offer]: line for line in draft.award.lines}
    assert (by_mill[True].quantity, by_mill[True].tier) == (30, 1)
    assert (by_mill[False].quantity, by_mill[False].tier) == (60, 1)
    # 63 units find takers at the rival's price; its packs make 60 of them.
    assert draft.award.gap == 3 * (51_400_000 + 1)


def test_each_member_pays_for_its_parts_what_they_cost(make_market):
    case, draft = cleared(fixed(make_market))

    for leaf in draft.leaves:
        for part in leaf.parts:
            offer = case.offers[part.offer]
            goods = offer.tiers[part.tier].amount * part.quantity
            assert part.amount == goods
            assert abs(part.fee - goods * 0.02) <= 0.5
            rate = 0 if offer.carriage is msgspec.UNSET else 15
            assert part.carriage == rate * part.quantity


@pytest.mark.parametrize("seed", range(60))
def test_the_best_of_all_choices_is_found_and_proved(make_market, monkeypatch, seed):
    case = case_of(drawn(make_market, seed).close())
    monkeypatch.setattr(solving, "FEW", 0)  # the solver, and not the trial of all choices

    solved = solving.solve(case.market, Limits())

    assert (0 if solved is None else case.market.gained(solved.sold)) == best_of(case.market)
    if solved is not None and case.market.least == 1:
        packs = any(option.pack > 1 for options in case.market.offers for option in options)
        assert packs or solved.bound == case.market.gained(solved.sold)


@pytest.mark.parametrize("seed", range(60))
def test_few_steps_gain_no_more_than_the_best_and_one_offer_no_more_than_several(make_market, seed):
    market = case_of(drawn(make_market, seed).close()).market

    best = best_of(market)

    assert market.gained(single(market) or []) <= best
    assert market.gained(greedy(market) or []) <= best


def test_every_award_of_random_markets_stands_all_checks(make_market):
    awarded = 0
    for seed in range(RANDOM_MARKETS):
        case, draft = cleared(drawn(make_market, seed), Limits(seed=seed))
        if draft is None:
            continue
        award = decode(encode(draft.award), Award)
        leaves = verify_full(case, award)
        awarded += 1
        bodies = [encode(leaf) for leaf in leaves]
        assert award.quantity == sum(part.quantity for leaf in leaves for part in leaf.parts)
        for index, leaf in enumerate(leaves):
            demand = case.demands[leaf.demand][1]
            own = OwnLeaf(leaf, index, merkle.proof(bodies, index))
            verify_own(case, award, (leaf.demand, demand), own)
            paid = sum(part.amount + part.fee + part.carriage for part in leaf.parts)
            units = sum(part.quantity for part in leaf.parts)
            assert paid * demand.max_price.base <= demand.max_price.amount * units
    assert awarded > RANDOM_MARKETS // 2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 500), st.integers(0, 2**31 - 1), st.randoms(use_true_random=False))
def test_the_same_lines_give_the_same_bytes_in_any_order_and_from_any_seed(
    make_market, market_seed, seed, rng
):
    case = case_of(drawn(make_market, market_seed).close())
    demands, offers = list(case.demands.items()), list(case.offers.items())
    rng.shuffle(demands)
    rng.shuffle(offers)
    other = type(case)(
        id=case.id, pool=case.pool, demands=dict(sorted(demands)), offers=dict(sorted(offers))
    )

    one, again = (clear(each, case.id, Limits(seed=s)) for each, s in ((case, 0), (other, seed)))

    assert (one is None) == (again is None)
    assert one is None or encode(one.award) == encode(again.award)


def test_of_equal_awards_the_one_of_the_lowest_offers_is_found(make_market, monkeypatch):
    monkeypatch.setattr(solving, "FEW", 0)
    market = village(make_market)
    offers = [market.offer((1, 990), (10, 950), ref=ref, max_quantity=20) for ref in "abcd"]
    market.demand("hill", 40)

    for seed in range(5):
        _, draft = cleared(market, Limits(seed=seed))
        won = sorted(line.offer for line in draft.award.lines)
        assert won == sorted(offer.id for offer in offers)[-2:]


def test_a_gap_is_told_where_minimums_leave_units_to_nobody(make_market):
    market = village(make_market)
    market.offer((1, 900), max_quantity=100)
    market.demand("hill", 60, min_quantity=60)
    market.demand("dale", 60, min_quantity=60)

    case, draft = cleared(market)

    verify_full(case, draft.award)
    assert draft.award.quantity == 60
    assert draft.award.gap == 40 * (100 * 10**6 + 1)


def test_without_a_solver_there_is_an_award_and_its_gap(make_market):
    market = drawn(make_market, 7)
    for number in range(8):
        market.offer((1, 990), (20 + number, 900 - number), who=f"more-{number}", max_quantity=30)
    case, draft = cleared(market, QUICK)

    verify_full(case, draft.award)
    assert draft.award.gap >= 0


def test_classes_of_priority_are_served_in_turn(make_market):
    market = village(
        make_market,
        ration=PRIORITY,
        priority=[[make_market.cid("dale")], [make_market.cid("moor")]],
    )
    market.offer((1, 900), max_quantity=25)
    lines = {who: market.demand(who, 10) for who in ("hill", "dale", "moor")}

    case, draft = cleared(market)

    verify_full(case, draft.award)
    got = {leaf.demand: leaf.parts[0].quantity for leaf in draft.leaves}
    assert [got[lines[who].id] for who in ("dale", "moor", "hill")] == [10, 10, 5]


# --- what is wrong with an award is found, each fault under its own code ----------------------


def with_line(award, index=0, **changes):
    lines = list(award.lines)
    lines[index] = msgspec.structs.replace(lines[index], **changes)
    return msgspec.structs.replace(award, lines=lines)


def moved(award, field, by, index=None):
    if index is None:
        return msgspec.structs.replace(award, **{field: getattr(award, field) + by})
    return with_line(award, index, **{field: getattr(award.lines[index], field) + by})


PACKED, PLAIN = "packed", "plain"
"""The offers of `fixed`: that of the rival has a pack, the mill's has none."""


def index_of(case, award, which):
    return next(
        index
        for index, line in enumerate(award.lines)
        if (case.offers[line.offer].pack is not msgspec.UNSET) == (which == PACKED)
    )


@pytest.mark.parametrize(
    ("which", "field", "by", "code"),
    [
        (PLAIN, "quantity", 1, "award.over_capacity"),
        (PLAIN, "quantity", -1, "award.quantity"),
        (PACKED, "quantity", 1, "award.pack"),
        (PACKED, "quantity", 4, "award.over_demand"),
        (PACKED, "quantity", 16, "award.over_capacity"),
        (PACKED, "quantity", -32, "award.tier_not_reached"),
        (PLAIN, "tier", -1, "award.wrong_tier"),
        (PLAIN, "tier", 1, "award.wrong_tier"),
        (PLAIN, "amount", 1, "award.amount"),
        (PLAIN, "amount", -1, "award.amount"),
        (PLAIN, "fee", 1, "award.fee"),
        (PLAIN, "fee", -1, "award.fee"),
        (PLAIN, "fee", 1_000, "award.fee"),
        (PLAIN, "carriage", 1, "award.carriage"),
        (PLAIN, "carriage", -1, "award.carriage"),
        (PLAIN, "lines", 1, "award.lines"),
        (PLAIN, "lines", -1, "award.lines"),
    ],
)
def test_a_line_that_is_off_is_refused(make_market, which, field, by, code):
    case, draft = cleared(fixed(make_market))
    index = index_of(case, draft.award, which)

    assert refusal(case, moved(draft.award, field, by, index)) == code


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (lambda a: moved(a, "quantity", 1), "award.quantity"),
        (lambda a: moved(a, "value", 1), "award.value"),
        (lambda a: moved(a, "value", -1), "award.value"),
        (lambda a: moved(a, "leaves", 1), "award.leaves"),
        (lambda a: moved(a, "gap", 1), "award.gap"),
        (lambda a: msgspec.structs.replace(a, root=bytes(32)), "award.root"),
        (lambda a: msgspec.structs.replace(a, inputs=bytes(32)), "award.inputs_hash"),
        (lambda a: msgspec.structs.replace(a, pool=bytes(32)), "award.pool"),
        (lambda a: msgspec.structs.replace(a, ration=PRIORITY), "award.rule"),
        (lambda a: msgspec.structs.replace(a, ration="first_come/1"), "award.rule_unknown"),
        (lambda a: msgspec.structs.replace(a, objective="other/1"), "award.rule_unknown"),
        (lambda a: msgspec.structs.replace(a, lines=a.lines[::-1]), "award.lines"),
        (lambda a: msgspec.structs.replace(a, lines=[a.lines[0], a.lines[0]]), "award.lines"),
        (lambda a: with_line(a, zone="SOUTH"), "award.zone"),
        (lambda a: with_line(a, offer=bytes(32)), "award.offer_unknown"),
        (
            lambda a: msgspec.structs.replace(a, branches=[Branch(prices=[])] * 2),
            "award.certificate",
        ),
    ],
)
def test_an_award_that_is_off_is_refused(make_market, alter, code):
    case, draft = cleared(fixed(make_market))

    assert refusal(case, alter(draft.award)) == code


def test_a_demand_that_was_withheld_is_missed(make_market):
    market = fixed(make_market)
    case = case_of(market.close())
    fewer = type(case)(
        id=case.id, pool=case.pool, demands=dict(list(case.demands.items())[1:]), offers=case.offers
    )

    award = clear(fewer, case.id, Limits()).award

    assert refusal(case, award) == "award.inputs_hash"
    hidden = msgspec.structs.replace(award, inputs=cleared(market)[1].award.inputs)
    assert refusal(case, hidden) in {"award.gap", "award.certificate"}


def test_an_award_of_less_than_the_pools_minimum_is_refused(make_market):
    market = fixed(make_market)
    case, draft = cleared(market)
    pool = msgspec.structs.replace(case.pool, min_quantity=10**6)

    assert refusal(type(case)(**vars_of(case, pool=pool)), draft.award) == "award.below_minimum"


def test_an_offers_own_minimum_is_held(make_market):
    market = village(make_market)
    offer = market.offer((1, 900), min_quantity=5)
    market.demand("hill", 9)
    case, draft = cleared(market)
    pack = msgspec.structs.replace(offer.record, min_quantity=10)

    changed = type(case)(**vars_of(case, offers={offer.id: pack}))

    assert refusal(changed, draft.award) == "award.offer_minimum"


def test_a_tier_above_the_reference_price_is_refused(make_market):
    market = village(make_market)
    market.offer((1, 990))
    market.demand("hill", 9)
    case, draft = cleared(market)
    pool = msgspec.structs.replace(case.pool, reference=market.price(980))

    assert refusal(type(case)(**vars_of(case, pool=pool)), draft.award) == "award.no_gain"


def test_fewer_co_ops_than_the_pool_needs_get_no_award(make_market):
    case, draft = cleared(fixed(make_market))
    pool = msgspec.structs.replace(case.pool, k_min=9)

    assert refusal(type(case)(**vars_of(case, pool=pool)), draft.award) == "award.too_few"


def test_units_that_lines_cannot_take_are_refused(make_market):
    market = village(make_market)
    market.offer((1, 900), max_quantity=100)
    market.demand("hill", 60, min_quantity=60)
    market.demand("dale", 60, min_quantity=60)
    case, draft = cleared(market)
    [line] = draft.award.lines
    more = with_line(draft.award, quantity=100, amount=90_000)
    more = msgspec.structs.replace(
        more, quantity=100, value=(100 * (100 * 10**6 + 1)) // 10**6, gap=0
    )

    assert line.quantity == 60
    verify_totals(case, more)
    assert refusal(case, more) == "award.unshared"


def vars_of(case, **changes):
    given = {"id": case.id, "pool": case.pool, "demands": case.demands, "offers": case.offers}
    return given | changes


def refusal(case, award):
    with pytest.raises(Refusal) as caught:
        verify_full(case, award)
    return caught.value.code


# --- one member's own line --------------------------------------------------------------------


@pytest.fixture
def own(make_market):
    """The case, the award, and the leaf of hill with its path."""
    case, draft = cleared(fixed(make_market))
    bodies = [encode(leaf) for leaf in draft.leaves]
    hill = next(id_ for id_, (_, demand) in case.demands.items() if demand.quantity == 33)
    index = next(at for at, leaf in enumerate(draft.leaves) if leaf.demand == hill)
    leaf = OwnLeaf(draft.leaves[index], index, merkle.proof(bodies, index))
    return case, draft.award, (hill, case.demands[hill][1]), leaf


def test_a_member_checks_its_own_leaf(own):
    verify_own(*own)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 1}, "award.amount"),
        ({"fee": 1}, "award.fee"),
        ({"carriage": -1}, "award.carriage"),
        ({"tier": -1}, "award.offer_unknown"),
    ],
)
def test_a_leaf_that_is_off_is_refused_even_under_the_root(own, changes, code):
    case, award, line, leaf = own
    part = next(part for part in leaf.leaf.parts if part.carriage)
    [(field, by)] = changes.items()
    wrong = msgspec.structs.replace(part, **{field: getattr(part, field) + by})
    planted = msgspec.structs.replace(leaf.leaf, parts=[wrong])
    rooted = msgspec.structs.replace(award, root=merkle.root([encode(planted)]), leaves=1)

    with pytest.raises(Refusal) as caught:
        verify_own(case, rooted, line, OwnLeaf(planted, 0, []))

    assert caught.value.code == code


def test_a_leaf_under_another_root_is_refused(own):
    case, award, line, leaf = own
    other = msgspec.structs.replace(award, root=bytes(32))

    with pytest.raises(Refusal) as caught:
        verify_own(case, other, line, leaf)

    assert caught.value.code == "award.not_included"


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"quantity": 3}, "award.quantity"),
        ({"min_quantity": 33}, "award.quantity"),
        ({"quantity": 500}, "award.ration"),
    ],
)
def test_a_share_that_is_not_the_lines_is_refused(own, terms, code):
    case, award, (id_, demand), leaf = own
    given = {"min_quantity": 1} | terms
    other = (id_, msgspec.structs.replace(demand, **given))

    with pytest.raises(Refusal) as caught:
        verify_own(case, award, other, leaf)

    assert caught.value.code == code


def test_a_price_above_the_maximum_is_refused(own):
    case, award, (id_, demand), leaf = own
    maximum = msgspec.structs.replace(demand.max_price, amount=900)
    other = (id_, msgspec.structs.replace(demand, max_price=maximum))

    with pytest.raises(Refusal) as caught:
        verify_own(case, award, other, leaf)

    assert caught.value.code == "award.over_max_price"


def test_the_leaf_of_another_line_is_refused(own):
    case, award, (_, demand), leaf = own
    other = next(id_ for id_ in case.demands if id_ != leaf.leaf.demand)

    with pytest.raises(Refusal) as caught:
        verify_own(case, award, (other, demand), leaf)

    assert caught.value.code == "award.not_included"


def test_one_offer_in_two_parts_is_refused(own):
    case, award, line, leaf = own
    first, *rest = leaf.leaf.parts
    offer = case.offers[first.offer]
    one = part_of(case.pool, first.offer, offer, first.tier, 1)
    left = part_of(case.pool, first.offer, offer, first.tier, first.quantity - 1)
    planted = msgspec.structs.replace(leaf.leaf, parts=[one, left, *rest])
    rooted = msgspec.structs.replace(award, root=merkle.root([encode(planted)]), leaves=1)

    with pytest.raises(Refusal) as caught:
        verify_own(case, rooted, line, OwnLeaf(planted, 0, []))

    assert caught.value.code == "award.parts"


def test_nobody_gets_less_than_the_share_that_it_can_reckon_itself(make_market):
    for seed in range(200):
        case, draft = cleared(drawn(make_market, seed))
        if draft is None:
            continue
        sold = verify_totals(case, draft.award)
        for leaf in draft.leaves:
            units = sum(part.quantity for part in leaf.parts)
            assert units >= least_share(case, sold, case.demands[leaf.demand][1])


# --- the owner's desk -------------------------------------------------------------------------


class Jobs:
    """What a host gives the desk: where jobs are noted instead of run."""

    def __init__(self):
        self.asked = []

    def run(self, key, function, *args):
        self.asked.append((key, function, args))


def test_a_solver_that_does_not_come_back_is_done_without(make_market):
    inputs, jobs = fixed(make_market).close(), Jobs()
    desk = ClearingDesk(jobs)

    assert desk.outcome(inputs) is None
    assert desk.outcome(inputs) is None  # under way, and not begun again
    [(key, _, _)] = jobs.asked
    desk.finish(key, None)
    assert desk.outcome(inputs) is None
    [_, (key, function, args)] = jobs.asked
    assert args[-1].seconds == 0
    desk.finish(key, function(*args))

    verify_full(case_of(inputs), desk.outcome(inputs).award)


def test_a_pool_that_cannot_be_cleared_says_why(make_market):
    inputs, jobs = fixed(make_market).close(), Jobs()
    desk = ClearingDesk(jobs)

    for answer in (None, Failed("pool.solver_failed", "expected an award, got MemoryError")):
        desk.outcome(inputs)
        desk.finish(jobs.asked[-1][0], answer)

    assert desk.outcome(inputs) is None
    assert desk.why(inputs.close.id) == "pool.solver_failed"
    assert len(jobs.asked) == 2


def test_whatever_a_library_raises_comes_back_as_a_failure(make_market):
    case = case_of(fixed(make_market).close())
    broken = type(case)(**vars_of(case, offers=None))

    assert attempt_clearing(broken, case.id, Limits()).code == "pool.solver_failed"


def test_a_pool_lapses_for_a_reason_that_all_can_check(make_market):
    dear = village(make_market)
    dear.offer((1, 990))
    dear.demand("hill", 5, amount=980)
    stiff = village(make_market)
    stiff.offer((10, 900))
    stiff.demand("hill", 5)
    tight = village(make_market)
    tight.offer((1, 900), max_quantity=5)
    tight.demand("hill", 9, min_quantity=9)

    for market, reason in ((dear, Lapse.NO_TIER), (stiff, Lapse.NO_TIER), (tight, Lapse.NO_FIT)):
        inputs, jobs = market.close(), Jobs()
        desk = ClearingDesk(jobs)
        found = desk.outcome(inputs)
        for key, function, args in jobs.asked:
            desk.finish(key, function(*args))
            found = desk.outcome(inputs)
        assert found is reason
        require_founded(inputs, reason.value)


@pytest.mark.parametrize(
    ("reason", "code"), [("pool.no_tier", "lapse.unfounded"), ("pool.no_fit", "lapse.unfounded")]
)
def test_a_lapse_of_a_pool_that_could_be_awarded_is_unfounded(make_market, reason, code):
    market = village(make_market)
    market.offer((1, 900))
    market.demand("hill", 5)

    with pytest.raises(Refusal) as caught:
        require_founded(market.close(), reason)

    assert caught.value.code == code


def test_the_program_bounds_what_the_market_gains(make_market):
    for seed in range(40):
        market = case_of(drawn(make_market, seed).close()).market
        if not market.rows or not any(market.offers):
            continue
        ranges = [(0, len(options)) for options in market.offers]
        relaxed = Program(market).relaxed(ranges)
        if relaxed is None:
            continue
        prices = [RowPrice(amount=a, row=row) for row, a in enumerate(relaxed.prices) if a]
        assert upper_bound(market, [Branch(prices=prices)]) >= best_of(market)


def test_a_node_that_clears_nothing_loads_no_solver():
    code = "import sys, sheaf_services.pooled_purchasing.service as s; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout

    assert b"'sheaf_services.pooled_purchasing.clearing.solve'" in loaded
    assert not any(name in loaded for name in (b"'highspy'", b"'numpy'"))
