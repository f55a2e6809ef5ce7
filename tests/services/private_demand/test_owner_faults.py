"""A coordinator that breaks a rule is found by every honest member, who is told how."""

from __future__ import annotations

import pytest
from tests.services.private_demand.village import HOUR_MS, SERVICE, bid_of, opened, opening_of

from sheaf_protocol.digest import short
from sheaf_protocol.records.curve import CurveClaim, CurveClose, CurveWithhold
from sheaf_protocol.testing.author import LogAuthor


async def test_total_with_more_than_the_bids_sum_to_is_found_by_every_member(village):
    curve, close, openings = await village.closed()

    totals = await village.say_totals(curve, close.id, openings, more=1)
    await village.federation.settle()

    for node in village.members:
        said = (await village.alerts(node))["curve.sum"]
        assert said.startswith(
            "Tarset's coordinator published totals that are not the sum of the 5 bids it counted"
        )
        assert said.endswith(f"evidence: {short(close.id)}, {short(totals.id)}")
    assert (await village.round(village.mills))["state"] == "faulty"
    assert {fault for _, fault in village.claims(village.mills)} == {"curve.sum"}


async def test_bid_with_a_receipt_that_the_close_leaves_out_is_found_by_its_author(village):
    curve, close, openings = await village.closed(village.hill)

    await village.say_totals(curve, close.id, openings)
    await village.federation.settle()

    own = next(seen for seen in village.bids(curve) if seen.cid == village.hill.coop.cid)
    [receipt] = [seen for seen in village.hill.seen("curve.receipt") if seen.record.bid == own.id]
    said = (await village.alerts(village.hill))["curve.omitted"]
    assert said == (
        f"Tarset's coordinator counted 4 bids but left out yours, for which it gave receipt "
        f"{short(receipt.id)}; evidence: {short(receipt.id)}, {short(close.id)}"
    )
    others = (await village.alerts(village.dale))["curve.omitted"]
    assert "left out that of Hill" in others


async def test_bid_counted_without_a_receipt_is_found(village):
    curve = await village.open()
    await village.bid_all(village.beck)
    village.script(village.tarset)
    await village.bid(village.beck, [20, 20, 10])
    await village.federation.settle()
    village.pass_hour()

    await village.say_close(curve, [seen.id for seen in village.bids(curve)])
    await village.federation.settle()

    said = await village.alerts(village.dale)
    assert "of Beck, which is not its last with a good receipt" in said["curve.uncounted"]
    assert "closed without a receipt for it" in said["curve.unanswered"]
    assert "the bid" in (await village.alerts(village.beck))["curve.unanswered"]


async def test_bid_that_was_read_and_never_answered_is_found(village):
    curve = await village.open()
    await village.bid_all(village.beck)
    village.script(village.tarset)
    await village.bid(village.beck, [20, 20, 10])
    await village.federation.settle()
    village.pass_hour()
    beck = village.beck.coop.cid

    await village.say_close(curve, [s.id for s in village.bids(curve) if s.cid != beck])
    await village.federation.settle()

    said = (await village.alerts(village.beck))["curve.unanswered"]
    assert "of this co-op and closed without a receipt for it" in said
    assert ("Beck", "curve.unanswered") in village.claims(village.beck)


async def test_older_bid_counted_instead_of_the_newest_is_found(village):
    curve = await village.open()
    await village.bid_all()
    await village.bid(village.hill, [10, 10, 10])
    await village.federation.settle()
    village.script(village.tarset)
    village.pass_hour()
    newest = village.bids(curve)[-1].id

    await village.say_close(curve, [s.id for s in village.bids(curve) if s.id != newest])
    await village.federation.settle()

    assert {"curve.omitted", "curve.uncounted"} <= set(await village.alerts(village.dale))


async def test_two_closes_of_one_round_are_found(village):
    curve, first, _ = await village.closed()

    second = await village.say_close(curve, [])
    await village.federation.settle()

    said = (await village.alerts(village.dale))["curve.second"]
    assert f"in {short(first.id)} and again in {short(second.id)}; the first counts" in said


async def test_forked_owner_is_found_and_nothing_of_it_counts(village):
    curve = await village.open()
    await village.bid_all()
    village.script(village.tarset)
    village.pass_hour()
    author = LogAuthor(village.tarset.coop, village.federation.certificate.fid)
    author.now_ms = village.clock.now_ms()
    author.head = village.tarset.store.logs[author.log].head
    twin = author.twin()
    bids = sorted(seen.id for seen in village.bids(curve))
    closes = [CurveClose(bids=bids[:n], curve=curve, cut=village.cut()) for n in (4, 5)]

    # One is told this, the other that; what they bring one another is the proof.
    one, other = author.publish(closes[0]), twin.publish(closes[1])
    await village.dale.ingest.receive([one])
    await village.hill.ingest.receive([other])
    await village.hill.ingest.receive([one])
    [proof] = village.hill.store.fork_proofs.values()
    honest = [node for node in village.federation.nodes if node is not village.tarset]
    for node in honest:
        await node.ingest.receive_fork_proof(proof)

    for node in honest:
        said = (await village.alerts(node))["log.forked"]
        assert said.startswith("Tarset's coordinator signed two entries for one place of its log")
        assert (await village.round(node))["state"] == "due"


async def test_totals_before_the_close_are_found_at_once(village):
    curve = await village.open()
    await village.bid_all()
    village.script(village.tarset)
    openings = list(village.openings(curve).values())

    totals = await village.say_totals(curve, curve, openings)
    await village.federation.settle()

    said = (await village.alerts(village.dale))["curve.no_close"]
    assert f"published {short(totals.id)} without a close of the round before it" in said
    assert village.claims(village.dale) == set()
    village.pass_hour()
    close = await village.say_close(curve, village.openings(curve))
    await village.federation.settle()
    assert {fault for _, fault in village.claims(village.dale)} == {"curve.no_close"}
    assert short(close.id) in (await village.alerts(village.dale))["curve.no_close"]


async def test_second_totals_are_found(village):
    curve, close, openings = await village.closed()
    await village.say_totals(curve, close.id, openings)

    await village.say_totals(curve, close.id, openings)
    await village.federation.settle()

    assert "said the same thing twice" in (await village.alerts(village.dale))["curve.second"]


async def test_withhold_after_totals_is_found(village):
    curve, close, openings = await village.closed()
    await village.say_totals(curve, close.id, openings)

    withhold = CurveWithhold(close=close.id, curve=curve, reason="curve.too_few")
    await village.tarset.publish(withhold, [close.id])
    await village.federation.settle()

    assert "curve.second" in await village.alerts(village.dale)


async def test_close_before_its_time_is_found(village):
    curve = await village.open()
    await village.bid_all()
    village.script(village.tarset)

    await village.say_close(curve, [seen.id for seen in village.bids(curve)])
    await village.federation.settle()

    said = (await village.alerts(village.dale))["curve.early"]
    assert said.startswith("Tarset's coordinator closed the round before its time; evidence: ")


async def test_totals_over_too_few_co_ops_are_found(village):
    four = village.members[:4]
    curve, close, openings = await village.closed(bidders=four)

    await village.say_totals(curve, close.id, openings)
    await village.federation.settle()

    said = (await village.alerts(village.beck))["curve.too_few"]
    assert "published totals over too few co-ops: expected bids of 5 co-ops, got 4" in said


async def test_second_round_without_one_co_op_is_found(village):
    first = await village.open()
    await village.bid(village.rook, [50, 50, 50])
    await village.bid_all()
    await village.close()
    assert (await village.round(village.dale))["totals"] == [250, 200, 120]

    # The rest bids again, and the difference of both totals is the line of Rook.
    curve, close, openings = await village.closed()
    assert curve != first
    await village.say_totals(curve, close.id, openings)
    await village.federation.settle()

    said = (await village.alerts(village.rook))["curve.differencing"]
    assert "differ from earlier ones in too few co-ops: expected 5 co-ops between" in said
    claims = [seen.record for seen in village.dale.seen("curve.claim")]
    assert {(claim.fault, len(claim.evidence)) for claim in claims} == {("curve.differencing", 4)}


async def test_totals_that_a_members_own_line_dominates_are_found_by_that_member(village):
    curve = await village.open()
    await village.bid(village.hill, [100, 100, 100])
    for node in village.members[1:]:
        await village.bid(node, [5, 5, 5])
    await village.federation.settle()
    village.script(village.tarset)
    village.pass_hour()
    openings = village.openings(curve)
    close = await village.say_close(curve, openings)

    await village.say_totals(curve, close.id, openings.values())
    await village.federation.settle()

    said = (await village.alerts(village.hill))["curve.dominance"]
    assert "your own line makes more than the round allows" in said
    assert await village.alerts(village.dale) == {}


async def test_another_writers_close_moves_nothing(village):
    curve = await village.open()
    await village.bid_all()
    village.pass_hour()

    await village.say_close(curve, [], by=village.moor)
    await village.federation.settle()

    said = (await village.alerts(village.dale))["curve.not_owner"]
    assert said.startswith("Moor published")
    assert "in a round that another writer owns; it moves nothing" in said
    assert (await village.round(village.dale))["state"] == "verified"


async def test_another_writers_close_is_found_where_it_comes_before_the_round(village):
    village.federation.away.add(village.dale)
    curve = await village.open()
    await village.say_close(curve, [], by=village.moor)
    village.federation.away = {village.tarset, village.rook}
    held = village.moor.store.logs
    [log] = [log for log, each in held.items() if each.cid == village.moor.coop.cid]
    run = village.moor.store.log_entries(log, 1, held[log].head.seq, 1 << 20)
    await village.dale.ingest.receive([entry.envelope for entry in run.entries], [])
    assert (await village.dale.view(SERVICE, "rounds"))["rounds"] == []
    village.federation.away = set()

    await village.federation.settle()

    assert "curve.not_owner" in await village.alerts(village.dale)


async def test_bid_that_comes_after_the_close_is_not_counted_and_its_author_is_told(village):
    await village.open()
    await village.bid_all()
    village.federation.away.add(village.rook)
    village.clock.advance(HOUR_MS)
    village.rook_clock.advance(HOUR_MS - 1_000)
    await village.federation.settle()

    # By its own clock it is in time.
    await village.bid(village.rook, [50, 50, 50])
    village.federation.away.clear()
    await village.federation.settle()

    said = (await village.alerts(village.rook))["curve.closed"]
    assert said.startswith("Tarset's coordinator closed before it had read your bid")
    assert (await village.round(village.rook))["totals"] == [200, 150, 70]
    assert await village.alerts(village.dale) == {}


async def test_bid_after_the_close_that_a_second_close_adds_is_found(village):
    curve, close, openings = await village.closed()
    line = opening_of("late", 1, 1, 1)
    village.script(village.rook)
    late = await village.rook.publish(bid_of(curve, line), [curve])
    await village.publish_sealed(village.rook, opened(late.id, line), village.tarset)
    await village.federation.settle()
    await village.receipt(curve, late.id)

    await village.say_close(curve, [*close_bids(village, close), late.id])
    await village.say_totals(curve, close.id, [*openings, line])
    await village.federation.settle()

    said = await village.alerts(village.dale)
    assert {"curve.second", "curve.sum"} <= set(said)


def close_bids(village, close):
    [seen] = [each for each in village.tarset.seen("curve.close") if each.id == close.id]
    return seen.record.bids


async def test_totals_of_another_close_are_found(village):
    curve, close, openings = await village.closed()

    await village.say_totals(curve, curve, openings)
    await village.federation.settle()

    said = (await village.alerts(village.dale))["curve.no_close"]
    assert short(close.id) in said


@pytest.mark.parametrize("fault", ["curve.sum", "curve.omitted", "curve.early"])
async def test_claim_that_nothing_bears_out_is_kept_against_its_author(village, fault):
    await village.open()
    await village.bid_all()
    await village.close()
    village.script(village.rook)
    [close] = village.rook.seen("curve.close")
    claim = CurveClaim(curve=close.record.curve, evidence=[close.id, close.id], fault=fault)

    await village.rook.publish(claim, [close.id])
    await village.federation.settle()

    said = (await village.alerts(village.dale))["curve.unfounded"]
    assert said.startswith(f"Rook claims {fault} of the coordinator")
    assert (await village.round(village.dale))["state"] == "verified"
