"""What counts in a pool, and what does not."""

from __future__ import annotations

import msgspec
import pytest

from sheaf_protocol.clearing import inputs_hash
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId, WriterId
from sheaf_protocol.log import Head
from sheaf_protocol.records import Item, LogCut, PoolClose, Verdict, Window
from sheaf_services.pooled_purchasing import inputs as module
from sheaf_services.pooled_purchasing.inputs import MAX_CUT, Book, make_cut

OTHER_ITEM = Item(code="hay", name="Hay", scale=0, unit="XBG")


def counted_demands(market, **taken):
    return [seen.id for seen in market.close(**taken).demands]


def counted_offers(market):
    return [seen.id for seen in market.close().offers]


def test_demands_count_in_the_order_of_their_ids(make_market):
    market = make_market()
    demands = [market.demand(who, 5) for who in ("hill", "dale", "moor", "fell")]

    assert counted_demands(market) == sorted(demand.id for demand in demands)


def test_the_name_of_an_item_is_for_people_and_does_not_divide_demand(make_market):
    market = make_market()
    demand = market.demand("hill", 5, item=msgspec.structs.replace(market.item, name="Nuts"))

    assert counted_demands(market) == [demand.id]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"item": OTHER_ITEM}, id="another item"),
        pytest.param({"item": Item(code="ewe-nuts", name="", scale=1, unit="XBG")}, id="scale"),
        pytest.param({"item": Item(code="ewe-nuts", name="", scale=0, unit="KGM")}, id="unit"),
        pytest.param({"zone": "SOUTH"}, id="another zone"),
        pytest.param({"currency": "EUR"}, id="another currency"),
        pytest.param({"is_firm": False}, id="indicative: an award would bind it"),
        pytest.param({"decide_by_ms": 999}, id="had to be decided before the pool closes"),
        pytest.param({"window": Window(from_ms=0, to_ms=9)}, id="wanted before the pool delivers"),
        pytest.param({"quantity": 10**12}, id="worth more than a pool can sum"),
    ],
)
def test_a_demand_that_does_not_match_the_pool_does_not_count(make_market, other):
    market = make_market(window=Window(from_ms=10, to_ms=20))
    if currency := other.pop("currency", None):
        other = {"max_price": market.price(1_000, currency=currency)}
    market.demand("hill", **({"quantity": 5} | other))

    assert counted_demands(market) == []


def test_a_demand_wanted_while_the_pool_delivers_counts(make_market):
    market = make_market(window=Window(from_ms=10, to_ms=20))
    demand = market.demand("hill", 5, window=Window(from_ms=0, to_ms=10), decide_by_ms=1_000)

    assert counted_demands(market) == [demand.id]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"valid_until_ms": 999}, id="ends before the pool closes"),
        pytest.param({"currency": "EUR"}, id="another currency"),
        pytest.param({"item": OTHER_ITEM}, id="another item"),
    ],
)
def test_an_offer_that_does_not_match_the_pool_does_not_count(make_market, other):
    market = make_market()
    market.offer((1, 900), **other)

    assert counted_offers(market) == []


def test_an_offer_that_does_not_deliver_to_the_zone_does_not_count(make_market):
    market = make_market(zone="SOUTH")
    market.offer((1, 900), carriage=10)

    assert counted_offers(market) == []


def test_a_demand_above_the_cut_does_not_count(make_market):
    market = make_market()
    early = market.demand("hill", 5)
    cut = market.cut()
    market.demand("hill", 7)
    market.demand("dale", 7)

    assert [seen.id for seen in market.close(cut).demands] == [early.id]


def test_a_demand_withdrawn_at_the_cut_does_not_count(make_market):
    market = make_market()
    market.withdraw("hill", market.demand("hill", 5))

    assert counted_demands(market) == []


def test_a_demand_withdrawn_above_the_cut_counts(make_market):
    market = make_market()
    demand = market.demand("hill", 5)
    cut = market.cut()
    market.withdraw("hill", demand)

    assert [seen.id for seen in market.close(cut).demands] == [demand.id]


def test_another_log_cannot_withdraw_a_demand_or_an_offer(make_market):
    market = make_market()
    demand, offer = market.demand("hill", 5), market.offer((1, 900))
    market.withdraw("dale", demand)
    market.withdraw_offer(offer, who="dale")

    inputs = market.close()

    assert [seen.id for seen in inputs.demands] == [demand.id]
    assert [seen.id for seen in inputs.offers] == [offer.id]


def test_a_later_line_under_the_same_reference_takes_the_place_of_the_earlier(make_market):
    market = make_market()
    market.demand("hill", 5, ref="r")
    later = market.demand("hill", 8, ref="r")
    other = market.demand("dale", 5, ref="r")

    assert counted_demands(market) == sorted([later.id, other.id])


def test_a_line_changed_to_another_item_leaves_the_pool(make_market):
    market = make_market()
    market.demand("hill", 5, ref="r")
    market.demand("hill", 5, ref="r", item=OTHER_ITEM)

    assert counted_demands(market) == []


def test_withdrawing_the_later_line_does_not_bring_the_earlier_back(make_market):
    market = make_market()
    market.demand("hill", 5, ref="r")
    market.withdraw("hill", market.demand("hill", 8, ref="r"))

    assert counted_demands(market) == []


def test_a_line_written_again_after_its_withdrawal_counts(make_market):
    market = make_market()
    market.withdraw("hill", market.demand("hill", 5, ref="r"))
    again = market.demand("hill", 5, ref="r")

    assert counted_demands(market) == [again.id]


def test_an_offer_withdrawn_or_replaced_does_not_count(make_market):
    market = make_market()
    market.offer((1, 900), ref="a")
    later = market.offer((1, 890), ref="a")
    market.withdraw_offer(market.offer((1, 880), ref="b"))

    assert counted_offers(market) == [later.id]


def test_a_demand_that_an_earlier_pool_has_had_does_not_count(make_market):
    market = make_market()
    had, free = market.demand("hill", 5), market.demand("dale", 5)

    assert counted_demands(market, taken=frozenset({had.id})) == [free.id]


def test_arrival_order_does_not_matter(make_market):
    market = make_market()
    demand = market.demand("hill", 5, ref="r")
    entries = [market.withdraw("hill", demand), market.demand("hill", 6, ref="r"), demand]
    cut = market.cut()

    forward = Book(entries).counted(market.pool.record, cut)
    backward = Book(entries[::-1] + entries).counted(market.pool.record, cut)

    assert forward == backward


def test_other_kinds_are_passed_over(make_market):
    market = make_market()
    market.write("hill", Verdict(code="ok", level="full", subject=market.pool.id))

    assert counted_demands(market) == []


def test_beyond_what_a_close_can_list_the_lowest_ids_count(make_market):
    market = make_market()
    demands = sorted(market.demand("hill", 1).id for _ in range(1_026))

    assert counted_demands(market) == demands[:1_024]


def test_offers_count_while_their_tiers_fit_into_a_certificate(make_market):
    market = make_market()
    tiers = [(n, 1_000 - n) for n in range(1, 65)]
    offers = sorted(market.offer(*tiers, ref=f"r{n}").id for n in range(14))

    assert counted_offers(market) == offers[: module.MAX_BOUNDS // 64]


def test_inputs_hash_does_not_depend_on_the_order_of_ids():
    pool, one, two = (EntryId(bytes([n]) * 32) for n in range(3))

    assert inputs_hash(pool, [one, two], []) == inputs_hash(pool, [two, one], [])
    assert inputs_hash(pool, [one], [two]) != inputs_hash(pool, [one, two], [])


def test_a_member_that_floods_an_item_crowds_out_nobody(make_market):
    market = make_market()
    few = {market.demand(who, 1).id for who in ("hill", "dale") for _ in range(3)}
    for _ in range(1_030):
        market.demand("flood", 1)

    counted = counted_demands(market)

    assert few < set(counted)
    assert counted == sorted(counted)
    assert len(counted) == 1_024


def test_a_supplier_that_floods_an_item_crowds_out_nobody(make_market):
    market = make_market()
    tiers = [(n, 1_000 - n) for n in range(1, 65)]
    for n in range(20):
        market.offer(*tiers, who="flood", ref=f"r{n}")
    honest = market.offer((1, 900))

    counted = counted_offers(market)

    assert honest.id in counted
    assert counted == sorted(counted)


def test_a_longer_cut_leaves_room_for_fewer_demands(make_market):
    market = make_market()
    for n in range(240):
        for _ in range(5):
            market.demand(f"coop-{n}", 1)
    counted = market.book.counted(market.pool.record, market.cut())
    close = PoolClose(
        cut=market.cut(), demands=[d.id for d in counted.demands], offers=[], pool=market.pool.id
    )

    assert 900 < len(counted.demands) < 1_024
    assert len(encode(close)) < 65_520


def test_an_owner_that_pads_its_cut_keeps_nobody_out(make_market):
    market = make_market()
    wanted = sorted(market.demand("hill", 1).id for _ in range(600))
    padding = [
        LogCut(cid=market.cid(f"x{n}"), head=market.pool.id, seq=1, wid=market.wid(f"x{n}"))
        for n in range(600)
    ]

    assert counted_demands(market, cut=[*market.cut(), *padding]) == wanted


def test_a_cut_names_the_own_log_and_those_with_lines_for_the_item(make_market):
    market = make_market()
    market.demand("hill", 1)
    market.demand("dale", 1, item=OTHER_ITEM)
    heads = heads_of(market, ["owner", "hill", "dale"])

    cut = make_cut(heads, market.book.lines_for(market.item.key), market.pool.line)

    assert {line.cid for line in cut} == {market.cid("owner"), market.cid("hill")}


def test_a_member_with_many_writers_leaves_room_in_the_cut_for_others(make_market):
    market = make_market()
    own, flood, hill = (market.cid(name) for name in ("owner", "flood", "hill"))
    writers = [WriterId(n.to_bytes(32, "big")) for n in range(1, 400)]
    logs = {(flood, wid) for wid in writers} | {(hill, market.wid("hill"))}
    head = Head(seq=1, id=market.pool.id, time_ms=0)
    heads = [(cid, wid, head) for cid, wid in sorted(logs | {market.pool.line})]

    cut = make_cut(heads, logs, market.pool.line)

    assert len(cut) == MAX_CUT
    assert {line.cid for line in cut} == {own, flood, hill}


def heads_of(market, names):
    seen = [market.heads[name] for name in names]
    return [(s.cid, s.wid, Head(seq=s.seq, id=s.id, time_ms=0)) for s in seen]
