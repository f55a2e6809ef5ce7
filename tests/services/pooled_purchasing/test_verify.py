"""Each way in which an award can be wrong is refused under a code of its own."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sheaf_protocol import merkle
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import ZERO, Digest, EntryId, WriterId
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.records import PoolLapse
from sheaf_services.pooled_purchasing.evaluate import clear_all, draft_award, evaluate
from sheaf_services.pooled_purchasing.recount import commitment
from sheaf_services.pooled_purchasing.verify import (
    prove_allocation,
    verify_allocation,
    verify_award,
    verify_close,
    verify_lapse,
)

OTHER = EntryId(b"\x77" * 32)


def fixed_market(make_market, **terms):
    """Three co-ops, one that cannot pay, two offers; nothing stands on a tier's edge."""
    market = make_market(**({"fee_bps": 200, "k_min": 3} | terms))
    market.offer((1, 960), (20, 900), (100, 850), carriage=15, max_quantity=90)
    market.offer((1, 980), (30, 940), who="rival", max_quantity=60)
    market.demand("hill", 13)
    market.demand("dale", 17)
    market.demand("moor", 12)
    market.demand("poor", 9, amount=910)
    return market


@pytest.fixture
def market(make_market):
    return fixed_market(make_market)


def refusal(inputs, award):
    with pytest.raises(Refusal) as caught:
        verify_award(inputs, award)
    return caught.value.code


def replace_line(award, **changes):
    line = msgspec.structs.replace(award.lines[0], **changes)
    return msgspec.structs.replace(award, lines=[line])


def moved(award, field, by):
    return msgspec.structs.replace(award, **{field: getattr(award, field) + by})


def moved_line(award, field, by):
    return replace_line(award, **{field: getattr(award.lines[0], field) + by})


def moved_bound(award, index, field, by):
    bounds = list(award.certificate)
    changed = {field: getattr(bounds[index], field) + by}
    bounds[index] = msgspec.structs.replace(bounds[index], **changed)
    return msgspec.structs.replace(award, certificate=bounds)


def test_the_award_by_the_rules_is_accepted(market):
    inputs = market.close()
    award = market.write("owner", evaluate(inputs).award)

    verify_close(inputs)
    verify_award(inputs, award)

    line = award.record.lines[0]
    assert (line.tier, line.quantity, line.lines) == (1, 42, 3)


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        pytest.param(lambda a: moved_line(a, "quantity", 1), "award.quantity", id="unit more"),
        pytest.param(lambda a: moved_line(a, "quantity", -1), "award.quantity", id="unit less"),
        pytest.param(lambda a: moved(a, "quantity", 1), "award.quantity", id="total, unit more"),
        pytest.param(lambda a: moved(a, "quantity", -1), "award.quantity", id="total, unit less"),
        pytest.param(lambda a: moved_line(a, "amount", 1), "award.amount", id="goods up by one"),
        pytest.param(lambda a: moved_line(a, "amount", -1), "award.amount", id="goods down"),
        pytest.param(lambda a: moved_line(a, "fee", 1), "award.fee", id="fee up by one"),
        pytest.param(lambda a: moved_line(a, "fee", -1), "award.fee", id="fee down by one"),
        pytest.param(lambda a: moved_line(a, "carriage", 1), "award.carriage", id="carriage up"),
        pytest.param(lambda a: moved_line(a, "carriage", -1), "award.carriage", id="and down"),
        pytest.param(
            lambda a: replace_line(a, tier=0), "award.wrong_tier", id="a tier that is outgrown"
        ),
        pytest.param(
            lambda a: replace_line(a, tier=2), "award.tier_not_reached", id="a tier too deep"
        ),
        pytest.param(
            lambda a: replace_line(a, tier=3), "award.wrong_tier", id="a tier that is not offered"
        ),
        pytest.param(
            lambda a: replace_line(a, amount=42 * 960),
            "award.wrong_tier",
            id="the price of the shallower tier",
        ),
        pytest.param(
            lambda a: replace_line(a, amount=42 * 850),
            "award.wrong_tier",
            id="the price of a deeper tier",
        ),
        pytest.param(
            lambda a: replace_line(a, quantity=91), "award.over_capacity", id="more than there is"
        ),
        pytest.param(lambda a: moved_line(a, "lines", 1), "award.lines", id="one line more"),
        pytest.param(lambda a: moved_line(a, "lines", -1), "award.lines", id="one line less"),
        pytest.param(
            lambda a: msgspec.structs.replace(a, lines=a.lines * 2), "award.lines", id="twice"
        ),
        pytest.param(
            lambda a: replace_line(a, quantity=42 + 9, lines=4),
            "award.over_max_price",
            id="a line more and its units: somebody is in who cannot pay",
        ),
        pytest.param(
            lambda a: replace_line(a, quantity=42 - 12, lines=2),
            "award.demand_missing",
            id="a line less and its units: somebody is left out who can pay",
        ),
        pytest.param(lambda a: replace_line(a, zone="SOUTH"), "award.zone", id="another zone"),
        pytest.param(lambda a: replace_line(a, offer=OTHER), "award.offer_unknown", id="no offer"),
        pytest.param(lambda a: moved(a, "leaves", 1), "award.leaves", id="one leaf more"),
        pytest.param(lambda a: moved(a, "leaves", -1), "award.leaves", id="one leaf less"),
        pytest.param(
            lambda a: msgspec.structs.replace(a, root=Digest(ZERO)), "award.root", id="the root"
        ),
        pytest.param(lambda a: moved(a, "value", 1), "award.value", id="value up by one"),
        pytest.param(lambda a: moved(a, "value", -1), "award.value", id="value down by one"),
        pytest.param(
            lambda a: msgspec.structs.replace(a, inputs=Digest(ZERO)),
            "award.inputs_hash",
            id="the inputs",
        ),
        pytest.param(
            lambda a: msgspec.structs.replace(a, pool=OTHER), "award.pool", id="another pool"
        ),
        pytest.param(
            lambda a: msgspec.structs.replace(a, close=OTHER), "award.close", id="another close"
        ),
        pytest.param(
            lambda a: msgspec.structs.replace(a, objective="other/1"),
            "award.rule_unknown",
            id="another objective",
        ),
        pytest.param(
            lambda a: msgspec.structs.replace(a, ration="other/1"),
            "award.rule_unknown",
            id="another ration",
        ),
        pytest.param(
            lambda a: msgspec.structs.replace(a, certificate=a.certificate[1:]),
            "award.certificate",
            id="a bound left out",
        ),
        pytest.param(
            lambda a: msgspec.structs.replace(a, certificate=a.certificate[::-1]),
            "award.certificate",
            id="bounds in another order",
        ),
    ],
)
def test_one_altered_claim_is_refused_under_its_own_code(market, alter, code):
    inputs = market.close()
    honest = evaluate(inputs).award

    assert refusal(inputs, market.write("owner", alter(honest))) == code


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("field", ["bound", "eligible"])
@pytest.mark.parametrize("by", [1, -1])
def test_a_bound_off_by_one_is_refused(market, index, field, by):
    inputs = market.close()
    altered = moved_bound(evaluate(inputs).award, index, field, by)

    assert refusal(inputs, market.write("owner", altered)) == "award.certificate"


@pytest.mark.parametrize(
    ("leave_out", "kind", "code"),
    [
        pytest.param(True, "demands", "award.demand_missing", id="a demand left out"),
        pytest.param(False, "demands", "award.demand_unknown", id="a demand made up"),
        pytest.param(True, "offers", "award.offer_missing", id="an offer left out"),
        pytest.param(False, "offers", "award.offer_unknown", id="an offer made up"),
    ],
)
def test_an_award_on_a_close_with_other_inputs_is_refused(market, leave_out, kind, code):
    inputs = market.close()
    ids = getattr(inputs.close.record, kind)
    listed = ids[1:] if leave_out else sorted([*ids, OTHER])
    inputs = with_close(inputs, **{kind: listed})
    award = market.write("owner", evaluate(inputs).award)

    assert refusal(inputs, award) == code


def test_a_close_that_lists_a_demand_twice_is_refused(market):
    inputs = market.close()
    ids = inputs.close.record.demands
    inputs = with_close(inputs, demands=[ids[0], *ids])
    award = market.write("owner", evaluate(inputs).award)

    assert refusal(inputs, award) == "award.order"


def with_close(inputs, **changes):
    record = msgspec.structs.replace(inputs.close.record, **changes)
    return dataclasses.replace(inputs, close=dataclasses.replace(inputs.close, record=record))


def test_only_the_writer_that_owns_the_pool_decides(market):
    inputs = market.close()
    award = evaluate(inputs).award

    assert refusal(inputs, market.write("hill", award)) == "award.not_owner"
    stolen = dataclasses.replace(market.write("owner", award), cid=market.cid("hill"))
    assert refusal(inputs, stolen) == "award.not_owner"


def test_a_second_award_of_a_pool_is_refused(market):
    inputs = market.close()
    first = market.write("owner", evaluate(inputs).award)
    second = market.write("owner", first.record)
    inputs = dataclasses.replace(inputs, decided=first.id)

    verify_award(inputs, first)
    assert refusal(inputs, second) == "award.second"


def test_a_false_award_after_the_true_one_is_named_by_its_own_fault(market):
    inputs = market.close()
    first = market.write("owner", evaluate(inputs).award)
    false = market.write("owner", moved_line(first.record, "amount", 1))

    assert refusal(dataclasses.replace(inputs, decided=first.id), false) == "award.amount"


def test_a_second_lapse_of_a_pool_is_refused(make_market):
    market = make_market()
    inputs = market.close()
    first = market.write("owner", lapse_of(inputs, reason="pool.no_demand"))
    second = market.write("owner", first.record)

    verify_lapse(inputs, first)
    assert lapse_refusal(dataclasses.replace(inputs, decided=first.id), second) == "lapse.second"


def test_an_award_with_too_few_co_ops_is_refused(make_market):
    market = fixed_market(make_market)
    award = market.write("owner", evaluate(market.close()).award)
    pool = msgspec.structs.replace(market.pool.record, k_min=5)
    market.pool = dataclasses.replace(market.pool, record=pool)
    inputs = dataclasses.replace(market.close(), close=market.heads["owner"])
    award = dataclasses.replace(
        award, record=msgspec.structs.replace(award.record, close=inputs.close.id)
    )

    assert refusal(inputs, award) == "award.too_few"


def test_an_award_by_another_known_rule_than_the_pools_is_refused(market):
    inputs = market.close()
    award = market.write("owner", evaluate(inputs).award)
    pool = msgspec.structs.replace(market.pool.record, ration="priority/1")
    inputs = dataclasses.replace(inputs, pool=dataclasses.replace(market.pool, record=pool))

    assert refusal(inputs, award) == "award.rule"


@pytest.mark.parametrize(
    ("offer", "tier"), [(0, 0), (1, 1)], ids=["a shallower tier", "another offer"]
)
def test_an_award_that_is_right_in_itself_but_not_the_best_is_refused(make_market, offer, tier):
    """An owner that favours a supplier gives a true certificate and takes the worse place."""
    market = make_market()
    first = market.offer((1, 960), max_quantity=60)
    second = market.offer((1, 980), (30, 940), who="rival")
    third = market.offer((1, 930), who="best")
    for who in ("hill", "dale", "moor"):
        market.demand(who, 12)
    inputs = market.close()
    honest = evaluate(inputs).award
    assert honest.lines[0].offer == third.id
    favoured = (first, second)[offer]

    award = award_at(inputs, favoured.id, tier)

    assert refusal(inputs, market.write("owner", award)) == "award.not_best"


def award_at(inputs, offer, tier):
    clearings = list(clear_all(inputs))
    chosen = next(c for c in clearings if (c.offer.id, c.tier) == (offer, tier))
    return draft_award(inputs, clearings, chosen).award


def test_of_two_equal_offers_the_higher_id_is_not_the_best(make_market):
    market = make_market()
    offers = [market.offer((1, 900), ref=ref) for ref in "ab"]
    market.demand("hill", 12)
    inputs = market.close()

    award = award_at(inputs, max(offer.id for offer in offers), 0)

    assert refusal(inputs, market.write("owner", award)) == "award.not_best"


def test_an_award_worse_than_the_reference_is_refused(make_market):
    market = make_market()
    offer = market.offer((1, 1_100))
    market.demand("hill", 12, amount=2_000)
    inputs = market.close()

    award = award_at(inputs, offer.id, 0)

    assert refusal(inputs, market.write("owner", award)) == "award.not_best"


def test_an_award_below_the_pools_minimum_is_refused(make_market):
    market = make_market(min_quantity=13)
    offer = market.offer((1, 900))
    market.demand("hill", 12)
    inputs = market.close()

    award = award_at(inputs, offer.id, 0)

    assert refusal(inputs, market.write("owner", award)) == "award.tier_not_reached"


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        pytest.param(lambda a: moved_line(a, "quantity", 1), "award.over_capacity", id="more"),
        pytest.param(lambda a: moved_line(a, "quantity", -1), "award.quantity", id="less"),
        pytest.param(
            lambda a: replace_line(a, quantity=20, lines=1), "award.quantity", id="a line less"
        ),
    ],
)
def test_a_rationed_award_is_checked_to_the_unit(make_market, alter, code):
    market = make_market()
    market.offer((1, 900), max_quantity=25)
    market.demand("hill", 20)
    market.demand("dale", 20)
    inputs = market.close()
    honest = evaluate(inputs).award
    verify_award(inputs, market.write("owner", honest))

    assert refusal(inputs, market.write("owner", alter(honest))) == code


NUMBERS = ["quantity", "value", "leaves"]
LINE_NUMBERS = ["amount", "carriage", "fee", "lines", "quantity", "tier"]


@settings(max_examples=150, deadline=None)
@given(
    quantities=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    limit=st.none() | st.integers(5, 60),
    place=st.sampled_from([(False, f) for f in NUMBERS] + [(True, f) for f in LINE_NUMBERS]),
    by=st.sampled_from([1, -1, 7]),
)
def test_no_number_of_an_award_can_be_altered(make_market, quantities, limit, place, by):
    market = make_market(fee_bps=150)
    limited = {} if limit is None else {"max_quantity": limit}
    market.offer((1, 9_500), (10, 9_100), base=10, carriage=3, **limited)
    for index, quantity in enumerate(quantities):
        market.demand(f"coop-{index}", quantity)
    inputs = market.close()
    award = evaluate(inputs).award
    is_line, field = place

    altered = moved_line(award, field, by) if is_line else moved(award, field, by)

    if not (is_line and altered.lines[0].tier < 0):
        assert refusal(inputs, market.write("owner", altered)).startswith("award.")


@given(st.lists(st.binary(max_size=3), max_size=40))
def test_the_verifiers_root_is_the_protocols(leaves):
    assert commitment(leaves) == merkle.root(leaves)


def test_each_member_can_check_its_own_leaf_alone(market):
    inputs = market.close()
    draft = evaluate(inputs)

    for leaf in draft.allocations:
        proof = prove_allocation(draft.allocations, leaf.demand)
        verify_allocation(inputs, draft.award, proof)


def test_a_demand_that_got_nothing_has_no_leaf(market):
    draft = evaluate(market.close())

    with pytest.raises(LocalProtocolError) as caught:
        prove_allocation(draft.allocations, OTHER)

    assert caught.value.code == "award.leaf_unknown"


def test_a_leaf_under_another_root_is_refused(market):
    inputs = market.close()
    draft = evaluate(inputs)
    proof = prove_allocation(draft.allocations, draft.allocations[0].demand)
    award = msgspec.structs.replace(draft.award, root=Digest(ZERO))

    assert leaf_refusal(inputs, award, proof) == "award.not_included"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"demand": OTHER}, "award.demand_unknown", id="of no demand"),
        pytest.param({"offer": OTHER}, "award.offer_unknown", id="of no offer"),
        pytest.param({"quantity": 10**6}, "award.quantity", id="more than wanted"),
        pytest.param({"tier": 9}, "award.wrong_tier", id="a tier that is not offered"),
        pytest.param({"amount": 1}, "award.amount", id="goods"),
        pytest.param({"fee": 1}, "award.fee", id="fee"),
        pytest.param({"carriage": 1}, "award.carriage", id="carriage"),
    ],
)
def test_a_wrong_leaf_under_a_true_root_is_refused(market, changes, code):
    inputs = market.close()
    draft = evaluate(inputs)

    assert leaf_refusal(inputs, *altered_leaf(draft, 0, changes)) == code


def test_a_leaf_above_the_members_maximum_is_refused(make_market):
    market = make_market()
    offer = market.offer((1, 900))
    market.demand("hill", 12)
    poor = market.demand("dale", 9, amount=800)
    inputs = market.close()
    draft = evaluate(inputs)
    changes = {"demand": poor.id, "quantity": 9, "amount": 8_100, "offer": offer.id}

    assert leaf_refusal(inputs, *altered_leaf(draft, 0, changes)) == "award.over_max_price"


def altered_leaf(draft, index, changes):
    leaves = list(draft.allocations)
    leaves[index] = msgspec.structs.replace(leaves[index], **changes)
    root = merkle.root([encode(leaf) for leaf in leaves])
    award = msgspec.structs.replace(draft.award, root=root)
    return award, prove_allocation(leaves, leaves[index].demand)


def leaf_refusal(inputs, award, proof):
    with pytest.raises(Refusal) as caught:
        verify_allocation(inputs, award, proof)
    return caught.value.code


def lapse_refusal(inputs, lapse):
    with pytest.raises(Refusal) as caught:
        verify_lapse(inputs, lapse)
    return caught.value.code


def lapse_of(inputs, **changes):
    given = {"close": inputs.close.id, "pool": inputs.pool.id, "reason": "pool.no_tier"}
    return PoolLapse(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({}, "lapse.unfounded", id="there is an award"),
        pytest.param({"pool": OTHER}, "lapse.pool", id="another pool"),
        pytest.param({"close": OTHER}, "lapse.close", id="another close"),
        pytest.param({"reason": "pool.mood"}, "lapse.reason_unknown", id="no reason that is known"),
    ],
)
def test_an_unfounded_lapse_is_refused(market, changes, code):
    inputs = market.close()

    assert lapse_refusal(inputs, market.write("owner", lapse_of(inputs, **changes))) == code


def test_a_lapse_for_another_reason_than_the_true_one_is_refused(make_market):
    market = make_market()
    market.demand("hill", 3)
    inputs = market.close()

    lapse = market.write("owner", lapse_of(inputs))

    assert lapse_refusal(inputs, lapse) == "lapse.reason"


def test_a_lapse_by_another_or_unfounded_or_with_demands_left_out_is_refused(market):
    inputs = market.close()
    lapse = market.write("owner", lapse_of(inputs))
    decided = dataclasses.replace(inputs, decided=OTHER)
    without = with_close(inputs, demands=inputs.close.record.demands[1:])

    assert lapse_refusal(inputs, market.write("hill", lapse.record)) == "lapse.not_owner"
    assert lapse_refusal(decided, lapse) == "lapse.unfounded"
    assert lapse_refusal(without, lapse) == "lapse.demand_missing"


def close_refusal(inputs):
    with pytest.raises(Refusal) as caught:
        verify_close(inputs)
    return caught.value.code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda c: {"pool": OTHER}, "close.pool", id="another pool"),
        pytest.param(lambda c: {"cut": c.cut + c.cut[:1]}, "close.cut_twice", id="two cuts"),
        pytest.param(
            lambda c: {"cut": [msgspec.structs.replace(n, head=Digest(ZERO)) for n in c.cut]},
            "close.cut_head",
            id="another head where we hold the entry",
        ),
        pytest.param(
            lambda c: {"demands": c.demands[1:]}, "close.demand_missing", id="a demand left out"
        ),
        pytest.param(
            lambda c: {"demands": [*c.demands, OTHER]}, "close.demand_unknown", id="one made up"
        ),
        pytest.param(
            lambda c: {"offers": c.offers[1:]}, "close.offer_missing", id="an offer left out"
        ),
        pytest.param(
            lambda c: {"offers": [*c.offers, OTHER]}, "close.offer_unknown", id="an offer made up"
        ),
        pytest.param(lambda c: {"demands": c.demands[::-1]}, "close.order", id="another order"),
    ],
)
def test_a_close_that_differs_from_its_cut_is_refused(market, change, code):
    inputs = market.close()

    assert close_refusal(with_close(inputs, **change(inputs.close.record))) == code


def test_a_close_by_another_than_the_owner_is_refused(market):
    inputs = market.close()
    close = dataclasses.replace(inputs.close, wid=WriterId(bytes(32)))

    assert close_refusal(dataclasses.replace(inputs, close=close)) == "close.not_owner"
