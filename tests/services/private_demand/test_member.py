"""What a member's node does by itself: cover, restarts, and the line that no sum was shown of."""

from __future__ import annotations

import pytest
from tests.services.private_demand.village import HOUR_MS, LINES, OATS, SERVICE, bid_of, opening_of

from sheaf_protocol.digest import EntryId, short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import DIFFERENCING_MS


@pytest.fixture
async def covering(federation, make_village):
    made = make_village(federation, {"cover": True, "below_k": "open"})
    await federation.begin()
    return made


async def test_opening_is_sealed_to_the_coordinator_and_to_nobody_else_before_the_award(village):
    await village.open()

    await village.bid_all()

    read = {
        node.coop.name: {seen.cid for seen in node.seen("curve.opening")}
        for node in village.federation.nodes
    }
    bidders = {node.coop.cid for node in village.members}
    assert read == {node.coop.name: {node.coop.cid} for node in village.members} | {
        "Tarset": bidders,
        "Mills": set(),
        "Rook": set(),
    }


async def test_member_that_wants_nothing_bids_zeros_in_time(covering):
    village = covering
    await village.open()
    await village.bid_all()
    half = HOUR_MS // 2
    for node in (village.clock, village.rook_clock):
        node.advance(half - 1)
    await village.federation.settle()
    assert (await village.round(village.dale))["bids"] == 5

    for node in (village.clock, village.rook_clock):
        node.advance(HOUR_MS * 3 // 8 + 1)
    await village.federation.settle()

    own = (await village.round(village.rook))["own"]
    assert (own["quantities"], own["receipt"], own["below_k"]) == ([0, 0, 0], "good", "open")
    assert (await village.round(village.dale))["bids"] == 6
    await village.close()
    shown = await village.round(village.dale)
    assert (shown["totals"], shown["counted"]) == ([200, 150, 70], 6)


async def test_cover_looks_like_a_bid(covering):
    village = covering
    await village.open()
    await village.bid_all()
    for node in (village.clock, village.rook_clock):
        node.advance(HOUR_MS * 7 // 8)
    await village.federation.settle()

    bids = [seen.record for seen in village.mills.seen("curve.bid")]

    assert {len(bid.members) for bid in bids} == {32}
    assert len({bid.members for bid in bids}) == len(bids) == 6
    assert {bid.below_k for bid in bids} == {"open"}


async def test_line_that_rolls_over_is_bid_as_cover_is(covering):
    # Hill's line rolls over; Dale, which wants nothing, bids zeros.
    village = covering
    await village.open()
    for node in village.members[:4]:
        await village.bid(node, LINES[node.coop.name], below_k="roll_over")
    await village.federation.settle()
    await village.close()
    await village.open()
    await village.bid(village.dale, [0, 0, 0])
    half = HOUR_MS // 2
    for clock in (village.clock, village.rook_clock):
        clock.advance(half - 1)
    await village.federation.settle()
    assert (await village.round(village.mills))["bids"] == 1

    for clock in (village.clock, village.rook_clock):
        clock.advance(HOUR_MS * 3 // 8 + 1)
    await village.federation.settle()

    shown = await village.round(village.hill)
    assert (shown["bids"], shown["own"]["quantities"]) == (6, LINES["Hill"])
    assert (await village.round(village.beck))["own"]["quantities"] == [0, 0, 0]
    newest = [s for s in village.mills.seen("curve.bid") if s.record.curve.hex() == shown["curve"]]
    assert {seen.record.below_k for seen in newest} == {"open"}


async def test_five_lines_of_zeros_are_not_enough_lines(covering):
    village = covering
    await village.open()

    for node in (village.clock, village.rook_clock):
        node.advance(HOUR_MS * 7 // 8)
    await village.federation.settle()
    await village.close()

    shown = await village.round(village.dale)
    assert (shown["state"], shown["reason"], shown["counted"]) == ("withheld", "curve.too_few", 6)
    assert village.dale.seen("demand.submit") == []


async def test_bid_is_opened_by_a_node_that_died_after_it(village):
    await village.open()
    await village.bid(village.hill, LINES["Hill"])

    village.hill.start()
    await village.bid_all(village.hill)

    assert (await village.round(village.hill))["own"]["receipt"] == "good"
    await village.close()
    village.hill.start()
    shown = await village.round(village.hill)
    assert (shown["own"]["quantities"], shown["totals"]) == (LINES["Hill"], [200, 150, 70])


async def test_same_bid_again_is_published_once_and_a_changed_one_replaces_it(village):
    await village.open()
    await village.bid(village.hill, [60, 40, 0])
    await village.bid(village.hill, [60, 40, 0])
    assert village.hill.count()["curve.bid"] == 1

    await village.bid(village.hill, [10, 10, 10])
    await village.bid_all(village.hill)
    await village.close()

    assert village.hill.count()["curve.bid"] == 2
    assert (await village.round(village.dale))["totals"] == [150, 120, 80]


async def test_line_is_given_as_quantities_by_price(village):
    await village.open()

    # 1050 is between two levels: whoever pays it buys at 1000 as well.
    body = b'{"prices": {"900": 60, "1050": 40}}'
    answer = await village.hill.command(SERVICE, "bid", body)

    assert answer["quantities"] == [60, 40, 0]


async def withheld(village, **options):
    """Run a round of four; what becomes of it is that it is withheld."""
    await village.open()
    await village.bid_all(village.beck, **options)
    await village.close()
    assert set((await village.states()).values()) == {"withheld"}


async def test_round_of_too_few_is_withheld_and_a_line_that_stays_alone_stays_hidden(village):
    await withheld(village)

    shown = await village.round(village.hill)
    assert (shown["reason"], shown["totals"], shown["own"]["due"]) == (
        "curve.too_few",
        None,
        "alone",
    )
    assert village.mills.seen("demand.submit") == []
    assert await village.alerts(village.hill) == {}


async def test_withheld_line_that_opens_becomes_demands_that_want_the_same(village):
    await withheld(village, below_k="open")

    demands = [seen.record for seen in village.mills.seen("demand.submit", by=village.hill)]
    wanted = [
        sum(d.quantity for d in demands if d.max_price.amount >= level)
        for level in (900, 1000, 1100)
    ]
    assert wanted == LINES["Hill"]
    assert {d.item.code for d in demands} == {"oats"}
    village.hill.start()
    await village.federation.settle()
    assert len(village.mills.seen("demand.submit", by=village.hill)) == len(demands) == 2


async def test_withheld_line_rolls_over_to_the_next_round_like_it(village):
    await withheld(village, below_k="roll_over")

    await village.open()
    await village.bid(village.beck, LINES["Beck"])
    village.clock.advance(HOUR_MS * 7 // 8)
    await village.federation.settle()

    assert (await village.round(village.hill))["own"]["quantities"] == LINES["Hill"]
    await village.close()
    assert (await village.round(village.dale))["totals"] == [200, 150, 70]
    assert village.hill.count()["curve.bid"] == 2


async def test_line_does_not_roll_over_where_it_may_not_be_bid_or_prices_are_others(village):
    await withheld(village, below_k="roll_over")

    await village.open(cap="50")
    await village.open(zone="NORTH")
    village.clock.advance(HOUR_MS * 7 // 8)
    await village.federation.settle()

    # Hill wants 60 at the lowest price; Dale at most 30.
    assert village.hill.count()["curve.bid"] == 1
    assert village.dale.count()["curve.bid"] == 2


async def test_line_over_the_cap_of_the_next_round_is_told_of_until_another_is_bid(village):
    await withheld(village, below_k="roll_over")
    await village.open(cap="50")
    [bid] = village.hill.seen("curve.bid", by=village.hill)

    said = await village.alerts(village.hill)

    assert said["curve.cap"].startswith(
        f"your bid {short(bid.id)} does not roll over into this round: "
        "expected quantities of 0 to 50"
    )
    assert await village.alerts(village.dale) == {}
    await village.bid(village.hill, [50, 40, 0])
    await village.federation.settle()
    assert await village.alerts(village.hill) == {}


async def test_line_that_dominates_is_withheld(village):
    await village.open()
    await village.bid(village.hill, [100, 100, 100])
    for node in village.members[1:]:
        await village.bid(node, [5, 5, 5])
    await village.federation.settle()

    await village.close()

    assert (await village.round(village.dale))["reason"] == "curve.dominance"


async def test_second_round_that_differs_in_one_member_is_withheld(village):
    await village.open()
    await village.bid(village.rook, [50, 50, 50])
    await village.bid_all()
    await village.close()

    await village.open()
    await village.bid_all()
    await village.close()

    shown = await village.round(village.dale)
    assert (shown["state"], shown["reason"]) == ("withheld", "curve.differencing")
    assert set((await village.states()).values()) == {"withheld"}


async def test_second_round_in_which_one_line_changed_is_withheld(village):
    # The same co-ops bid: nobody but the coordinator could tell.
    await village.open()
    await village.bid_all()
    await village.close()

    await village.open()
    await village.bid(village.hill, [61, 40, 0])
    await village.bid_all(village.hill)
    await village.close()

    assert (await village.round(village.dale))["reason"] == "curve.differencing"


async def test_second_round_over_other_prices_asks_who_bids_alone(village):
    await village.open()
    await village.bid(village.rook, [50, 50, 50])
    await village.bid_all()
    await village.close()

    await village.open(levels="800,900,1000")
    await village.bid_all()
    await village.close()

    assert (await village.round(village.dale))["reason"] == "curve.differencing"


async def test_same_lines_again_are_published_again(village):
    for _ in range(2):
        await village.open()
        await village.bid_all()
        await village.close()

    assert set((await village.states()).values()) == {"verified"}


async def test_two_rounds_that_close_at_once_are_decided_one_after_the_other(village):
    first = await village.open()
    second = await village.open(zone="NORTH")
    for node in village.members:
        for curve in (first, second):
            await village.bid(node, LINES[node.coop.name], curve=curve.hex())
    await village.federation.settle()

    await village.close()

    assert {seen.record.curve for seen in village.dale.seen("curve.totals")} == {first, second}


# --- after the award ----------------------------------------------------------------------------


async def test_supplier_is_shown_the_line_and_finds_it_right(village):
    curve = await village.open()
    await village.bid_all()
    await village.close()

    await village.hill.command(SERVICE, "reveal", curve=curve.hex(), supplier="Mills")
    await village.federation.settle()

    [shown] = (await village.round(village.mills))["opened"]
    assert (shown["coop"], shown["quantities"], shown["code"]) == ("Hill", [60, 40, 0], "ok")
    assert (await village.round(village.dale))["opened"] == []
    assert "blinding" not in str(await village.mills.view(SERVICE, "rounds"))


async def refused(node, command, body=b"{}", **options):
    with pytest.raises(Refusal) as caught:
        await node.command(SERVICE, command, body, **options)
    return caught.value.code


async def test_bid_is_opened_to_nobody_before_the_totals(village):
    await village.open()
    await village.bid_all()

    assert await refused(village.hill, "reveal", supplier="Mills") == "curve.undecided"


async def test_reveal_names_one_supplier_and_needs_a_bid_that_counted(village):
    curve = (await village.open()).hex()
    await village.bid_all()
    await village.close()

    assert await refused(village.hill, "reveal", curve=curve, supplier="Dale") == "curve.option"
    assert await refused(village.hill, "reveal", curve=curve) == "curve.option"
    assert await refused(village.rook, "reveal", curve=curve, supplier="Mills") == "curve.unknown"


# --- what is asked wrongly ----------------------------------------------------------------------

BODIES = [
    pytest.param(b"[]", "curve.option", id="no object"),
    pytest.param(b"{", "curve.option", id="no JSON"),
    pytest.param(b'{"quantities": [1, 1]}', "curve.levels", id="too short"),
    pytest.param(b'{"quantities": [101, 1, 1]}', "curve.cap", id="over the cap"),
    pytest.param(b'{"quantities": [-1, -1, -1]}', "curve.cap", id="below zero"),
    pytest.param(b'{"quantities": [1, 2, 1]}', "curve.order", id="rising"),
    pytest.param(b'{"quantities": [1.5, 1, 1]}', "curve.option", id="a fraction"),
    pytest.param(b'{"prices": {"9.00": 1}}', "curve.option", id="a price with a point"),
    pytest.param(b'{"prices": [1]}', "curve.option", id="prices without a price"),
    pytest.param(b'{"members": 1}', "curve.option", id="members that are none"),
    pytest.param(b'{"members": [1]}', "curve.option", id="a member that is none"),
    pytest.param(b'{"members": [{"name": "Ann", "salt": "00"}]}', "curve.option", id="salt"),
    pytest.param(b'{"members": [{"name": "Ann", "salt": 1}]}', "curve.option", id="no salt"),
    pytest.param(
        b'{"members": [{"name": "A", "quantities": [60, 0, 0]},'
        b' {"name": "B", "quantities": [60, 0, 0]}]}',
        "curve.cap",
        id="sum over the cap",
    ),
]


@pytest.mark.parametrize(("body", "code"), BODIES)
async def test_line_that_may_not_be_bid_is_refused(village, body, code):
    await village.open()

    assert await refused(village.hill, "bid", body) == code
    assert village.hill.count()["curve.bid"] == 0


async def test_bid_names_an_open_round_and_a_choice_that_there_is(village):
    assert await refused(village.hill, "bid") == "curve.unknown"
    curve = (await village.open()).hex()

    assert await refused(village.mills, "bid") == "policy.role"
    assert await refused(village.hill, "bid", below_k="maybe") == "curve.option"
    await village.close()
    assert await refused(village.hill, "bid", curve=curve[:8]) == "curve.closed"


OPTIONS = [
    pytest.param({"levels": "9,x"}, "curve.option", id="no price"),
    pytest.param({"levels": "900,800"}, "curve.option", id="descending"),
    pytest.param({"unit": "bag"}, "curve.option", id="no unit"),
    pytest.param({"colour": "red"}, "curve.option", id="not known"),
    pytest.param({"k_min": "4"}, "policy.k_min", id="fewer than the policy wants"),
    pytest.param({"dominance_bps": "9000"}, "policy.dominance", id="more than the policy lets"),
]


@pytest.mark.parametrize(("options", "code"), OPTIONS)
async def test_round_that_may_not_be_is_not_opened(village, options, code):
    assert await refused(village.tarset, "open", **(OATS | options)) == code


async def test_round_needs_its_options_and_a_coordinator(village):
    assert await refused(village.tarset, "open", item="oats") == "curve.option"
    assert await refused(village.dale, "open", **OATS) == "policy.role"


async def test_round_asked_for_again_is_opened_once(village):
    curve = await village.open()

    answer = await village.tarset.command(SERVICE, "open", **OATS)

    assert answer == {"opened": 0, "curve": curve.hex()}
    assert village.tarset.count()["curve.open"] == 1


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"colour": 1}, "config.unknown_key"),
        ({"cover": 1}, "config.invalid"),
        ({"below_k": "maybe"}, "config.invalid"),
    ],
)
async def test_settings_that_are_not_known_are_refused(federation, settings, code):
    federation.join("Hill", "member", settings={SERVICE: settings})

    with pytest.raises(Refusal) as caught:
        await federation.begin()

    assert caught.value.code == code


# --- what is kept -------------------------------------------------------------------------------


async def test_entries_of_a_round_are_kept_until_it_cannot_be_compared_with(village):
    await village.open()
    await village.bid_all()
    bid = village.dale.seen("curve.bid")[0].id
    host, owner = village.dale.hosts[SERVICE], village.tarset.hosts[SERVICE]
    assert host.keeps(bid)
    await village.close()
    assert host.keeps(bid)

    village.clock.advance(DIFFERENCING_MS + 1)

    assert not host.keeps(bid)
    assert owner.keeps(bid)
    assert not host.keeps(EntryId(bytes(32)))


async def test_nothing_is_added_up_by_a_coordinator_that_lost_an_opening(village):
    curve = await village.open()
    await village.bid_all()
    village.script(village.tarset)
    line = opening_of("rook", 1, 1, 1)
    village.script(village.rook)
    bid = await village.rook.publish(bid_of(curve, line), [curve])
    await village.federation.settle()
    await village.receipt(curve, bid.id)
    village.pass_hour()
    await village.say_close(curve, [seen.id for seen in village.bids(curve)])

    village.tarset.start()
    await village.federation.settle()

    assert (await village.round(village.dale))["state"] == "closed"
    assert village.dale.seen("curve.totals") == []
