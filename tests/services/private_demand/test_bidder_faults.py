"""A bidder that signed what it cannot open is answered so, and stands by what it signed."""

from __future__ import annotations

import pytest
from msgspec import UNSET
from tests.services.private_demand.village import LINES, bid_of, opened, opening_of

from sheaf_protocol.digest import short
from sheaf_protocol.private_demand import ORDER, Opening, commit
from sheaf_protocol.records.curve import CurveBid, CurveOpening, CurveReceipt

GOOD = opening_of("rook", 9, 9, 9)


async def wrong_bid(village, signed, said):
    """Let Rook sign one commitment and seal an opening, or none; return the round's answer."""
    curve = await village.open()
    village.script(village.rook)
    bid = await village.rook.publish(bid_of(curve, signed), [curve])
    if said is not None:
        await village.publish_sealed(village.rook, opened(bid.id, said), village.tarset)
    await village.bid_all()
    await village.close()
    [receipt] = [s for s in village.dale.seen("curve.receipt") if s.record.bid == bid.id]
    return bid, receipt.record.fault


@pytest.mark.parametrize(
    ("signed", "said", "code"),
    [
        pytest.param(opening_of("rook", 101, 0, 0), None, "curve.cap", id="over the cap"),
        pytest.param(opening_of("rook", 1, 2, 0), None, "curve.order", id="rising with the price"),
        pytest.param(opening_of("rook", 1, 1), None, "curve.levels", id="too short"),
        pytest.param(
            # Five less than nothing: no record carries the number, so another is shown.
            opening_of("rook", 0, 0, ORDER - 5),
            opening_of("rook", 0, 0, 0),
            "curve.mismatch",
            id="below zero",
        ),
        pytest.param(GOOD, opening_of("rook", 8, 8, 8), "curve.mismatch", id="another line"),
        pytest.param(
            GOOD, Opening(GOOD.line, b"\xff" * 32), "curve.scalar", id="no blinding at all"
        ),
    ],
)
async def test_bid_that_may_not_count_is_answered_why_and_the_others_are_added(
    village, signed, said, code
):
    bid, fault = await wrong_bid(village, signed, said or signed)

    assert fault == code
    assert (await village.round(village.dale))["totals"] == [200, 150, 70]
    alert = (await village.alerts(village.tarset))[code]
    assert alert.startswith(f"Rook opened its bid {short(bid.id)} to what it did not sign ({code})")
    assert alert.endswith(f"the commitment under its signature stands; evidence: {short(bid.id)}")


async def test_bid_without_an_opening_is_told_so_at_the_close(village):
    bid, fault = await wrong_bid(village, opening_of("rook", 0, 0, ORDER - 5), None)

    assert fault == "curve.no_opening"
    shown = await village.round(village.dale)
    assert (shown["state"], shown["bids"], shown["counted"]) == ("verified", 6, 5)
    assert bid.id not in village.dale.seen("curve.close")[0].record.bids


async def test_point_that_is_no_commitment_is_answered_at_once(village):
    curve = await village.open()
    village.script(village.rook)
    bid = CurveBid(below_k="alone", commitment=bytes([1]) + bytes(31), curve=curve)

    await village.rook.publish(bid, [curve])
    await village.federation.settle()

    [receipt] = village.dale.seen("curve.receipt")
    assert receipt.record.fault == "curve.point"


async def test_point_that_is_no_commitment_is_found_in_a_close_that_lists_it(village):
    curve = await village.open()
    village.script(village.rook)
    bid = CurveBid(below_k="alone", commitment=bytes([1]) + bytes(31), curve=curve)
    await village.rook.publish(bid, [curve])
    await village.bid_all()
    village.script(village.tarset)
    village.pass_hour()
    close = await village.say_close(curve, [seen.id for seen in village.bids(curve)])

    await village.say_totals(curve, close.id, village.openings(curve).values())
    await village.federation.settle()

    said = await village.alerts(village.dale)
    assert "the bid" in said["curve.uncounted"]
    assert "expected commitments of which there is a sum" in said["curve.sum"]


async def test_line_below_nothing_that_its_coordinator_lets_pass_opens_to_no_supplier(village):
    # Tarset and Rook are in league: the sum is right, and five units too small.
    curve = await village.open()
    village.script(village.rook)
    negative = opening_of("rook", 0, 0, ORDER - 5)
    bid = await village.rook.publish(bid_of(curve, negative), [curve])
    await village.bid_all()
    village.script(village.tarset)
    await village.receipt(curve, bid.id)
    village.pass_hour()
    close = await village.say_close(curve, [seen.id for seen in village.bids(curve)])
    minus = Opening((0, 0, -5), negative.blinding)
    await village.say_totals(curve, close.id, [*village.openings(curve).values(), minus])
    await village.federation.settle()
    shown = await village.round(village.dale)
    assert (shown["state"], shown["totals"]) == ("verified", [200, 150, 65])

    rest = Opening((0, 0, 0), negative.blinding)
    await village.publish_sealed(village.rook, opened(bid.id, rest), village.mills)
    await village.federation.settle()

    said = (await village.alerts(village.mills))["curve.mismatch"]
    assert said.startswith("Rook opened its bid")


async def test_member_that_denies_its_line_after_the_award_is_shown_what_it_signed(village):
    await village.open()
    await village.bid_all()
    await village.close()
    village.script(village.hill)
    [bid] = village.mills.seen("curve.bid", by=village.hill)

    # Hill says that it never wanted any of it.
    denied = opened(bid.id, opening_of("hill", 0, 0, 0))
    await village.publish_sealed(village.hill, denied, village.mills)
    await village.federation.settle()

    said = (await village.alerts(village.mills))["curve.mismatch"]
    assert said == (
        f"Hill opened its bid {short(bid.id)} to what it did not sign (curve.mismatch); the "
        f"commitment under its signature stands; evidence: {short(bid.id)}"
    )
    [shown] = (await village.round(village.mills))["opened"]
    assert (shown["coop"], shown["code"], shown["quantities"]) == ("Hill", "curve.mismatch", None)
    # The coordinator has the opening that Hill sealed to it with the bid: that one is right.
    right = village.openings(bid.record.curve)[bid.id]
    assert right.line == tuple(LINES["Hill"])
    assert commit(right) == bid.record.commitment


async def test_opening_by_another_co_op_is_nobodys_word(village):
    curve = await village.open()
    await village.bid_all(village.hill)
    await village.bid(village.hill, [60, 40, 0])
    village.script(village.rook)
    await village.federation.settle()
    [bid] = village.mills.seen("curve.bid", by=village.hill)

    stray = CurveOpening(bid=bid.id, blinding=bytes(32), quantities=[0, 0, 0])
    await village.publish_sealed(village.rook, stray, village.mills)
    await village.federation.settle()

    assert (await village.round(village.mills))["opened"] == []
    assert await village.alerts(village.mills) == {}
    assert curve == bid.record.curve


async def test_bidder_whose_bid_is_found_wrong_is_told(village):
    curve = await village.open()
    village.script(village.tarset)
    await village.bid(village.hill, [60, 40, 0])
    await village.federation.settle()
    [bid] = village.bids(curve)

    blame = CurveReceipt(bid=bid.id, curve=curve, fault="curve.cap")
    await village.tarset.publish(blame, [bid.id])
    await village.federation.settle()

    said = (await village.alerts(village.hill))["curve.cap"]
    assert said.startswith(
        f"Tarset's coordinator found your bid {short(bid.id)} wrong: curve.cap; evidence: "
    )
    assert (await village.round(village.hill))["own"]["receipt"] == "curve.cap"


async def test_co_op_that_floods_a_round_is_answered_no_further(village):
    curve = await village.open()
    village.script(village.rook)
    for _ in range(40):
        bid = await village.rook.publish(bid_of(curve, GOOD), [curve])
        await village.publish_sealed(village.rook, opened(bid.id, GOOD), village.tarset)
    await village.bid_all()

    await village.close()

    answered = [
        seen
        for seen in village.dale.seen("curve.receipt")
        if village.rook.coop.cid in {b.cid for b in village.bids(curve) if b.id == seen.record.bid}
    ]
    assert len(answered) == 32
    assert all(seen.record.fault is UNSET for seen in answered)
    shown = await village.round(village.dale)
    assert (shown["state"], shown["counted"]) == ("verified", 6)
    assert await village.alerts(village.dale) == {}
    [close] = village.dale.seen("curve.close")
    [line] = [line for line in close.record.cut if line.wid == village.rook.coop.wid]
    assert line.head == answered[-1].record.bid
    assert line.head in close.record.bids
