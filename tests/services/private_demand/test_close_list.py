"""What a close lists, and how far it says that its owner read: it hides behind neither."""

from __future__ import annotations

import pytest
from msgspec import UNSET, structs
from tests.services.private_demand.village import LINES

from sheaf_protocol.digest import CoopId, Digest, EntryId, WriterId, digest, short
from sheaf_protocol.records import LogCut
from sheaf_protocol.records.curve import CurveClaim, CurveClose
from sheaf_protocol.testing.author import LogAuthor
from sheaf_services.private_demand.alerts import PATIENCE_MS

INVENTED = EntryId(digest("test", b"no entry"))


async def test_close_that_lists_an_id_that_no_bid_has_is_found_by_every_member(village):
    curve = await village.open()
    await village.bid_all()
    village.script(village.tarset)
    village.pass_hour()
    openings = village.openings(curve)

    close = await village.say_close(curve, [*openings, INVENTED])
    await village.say_totals(curve, close.id, openings.values())
    await village.federation.settle()

    for node in village.members:
        said = await village.alerts(node)
        assert said["curve.uncounted"] == (
            f"Tarset's coordinator counted {short(INVENTED)}, which is no bid of this round at or "
            f"below its cut; evidence: {short(close.id)}, {short(INVENTED)}"
        )
        assert "curve.sum" in said
        assert (await village.round(node))["state"] == "faulty"
    assert "curve.uncounted" in {fault for _, fault in village.claims(village.mills)}
    assert "curve.unfounded" not in await village.alerts(village.mills)


async def test_bid_of_another_round_is_no_bid_of_this_one(village):
    first = await village.open(zone="NORTH")
    await village.bid(village.hill, LINES["Hill"], curve=first.hex())
    await village.federation.settle()
    curve = await village.open()
    village.script(village.tarset)
    village.pass_hour()
    [other] = [seen.id for seen in village.bids(first)]

    await village.say_close(curve, [other])
    await village.federation.settle()

    said = (await village.alerts(village.dale))["curve.uncounted"]
    assert f"counted {short(other)}, which is no bid of this round" in said


async def test_good_receipt_for_what_is_no_bid_keeps_no_fault_hidden(village):
    curve = await village.open()
    await village.bid_all()
    village.script(village.tarset)
    await village.receipt(curve, INVENTED)
    village.pass_hour()
    openings = village.openings(curve)
    close = await village.say_close(curve, openings)

    await village.say_totals(curve, close.id, openings.values(), more=1)
    await village.federation.settle()

    assert set(await village.alerts(village.dale)) == {"curve.sum"}
    assert (await village.round(village.dale))["state"] == "faulty"


async def test_listed_bid_above_the_cut_is_found(village):
    curve = await village.open()
    await village.bid_all()
    village.script(village.tarset)
    village.pass_hour()
    hill = village.hill.coop.cid
    [above] = [seen.id for seen in village.bids(curve) if seen.cid == hill]
    cut = [line for line in village.cut() if line.cid != hill]

    bids = sorted(seen.id for seen in village.bids(curve))
    await village.tarset.publish(CurveClose(bids=bids, curve=curve, cut=cut), [curve])
    await village.federation.settle()

    said = (await village.alerts(village.dale))["curve.uncounted"]
    assert f"counted {short(above)}, which is no bid of this round at or below its cut" in said


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_newest_of_a_logs_bids_counts_whichever_was_answered_last(village, order):
    # The opening of the older one came late, say.
    curve = await village.open()
    await village.bid_all(village.hill)
    village.script(village.tarset)
    for line in ([60, 40, 0], [10, 10, 10]):
        await village.bid(village.hill, line)
        await village.federation.settle()
    own = [seen.id for seen in village.bids(curve) if seen.cid == village.hill.coop.cid]
    for place in order:
        await village.receipt(curve, own[place])
    village.tarset.start()

    await village.close()

    shown = await village.round(village.dale)
    assert (shown["state"], shown["totals"]) == ("verified", [150, 120, 80])
    assert (await village.round(village.hill))["own"]["is_counted"] is True


async def test_older_bid_that_is_answered_last_and_listed_is_found(village):
    curve = await village.open()
    await village.bid_all()
    await village.bid(village.hill, [10, 10, 10])
    await village.federation.settle()
    village.script(village.tarset)
    older, newest = (s.id for s in village.bids(curve) if s.cid == village.hill.coop.cid)
    await village.receipt(curve, older)
    village.pass_hour()

    await village.say_close(curve, [s.id for s in village.bids(curve) if s.id != newest])
    await village.federation.settle()

    assert {"curve.omitted", "curve.uncounted"} <= set(await village.alerts(village.dale))


# --- what never comes ---------------------------------------------------------------------------


async def close_naming(village, line):
    """Close a round of five by a cut with one line more; let all of it travel."""
    curve = await village.open()
    await village.bid_all()
    village.script(village.tarset)
    village.pass_hour()
    bids = sorted(seen.id for seen in village.bids(curve))
    close = CurveClose(bids=bids, curve=curve, cut=[*village.cut(), line])
    entry = await village.tarset.publish(close, [curve])
    await village.say_totals(curve, entry.id, village.openings(curve).values())
    await village.federation.settle()
    return entry


NOBODY = LogCut(
    cid=CoopId(digest("test", b"nobody")),
    head=Digest(bytes(32)),
    seq=1,
    wid=WriterId(digest("test", b"no writer")),
)


async def test_cut_that_names_a_log_which_nobody_has_is_told_of_after_a_day(village):
    close = await close_naming(village, NOBODY)
    assert (await village.round(village.dale))["state"] == "waiting"
    village.clock.advance(PATIENCE_MS - 1)
    before = await village.alerts(village.dale)

    village.clock.advance(1)

    assert before == {}
    for node in village.members:
        said = (await village.alerts(node))["curve.unread"]
        assert said.startswith("Tarset's coordinator closed the round by entries of ")
        assert f"{short(NOBODY.cid)} that did not come for a day" in said
        assert said.endswith(f"nothing of it can be checked; evidence: {short(close.id)}")


async def test_entries_of_a_member_that_do_not_come_are_told_of_by_its_name(village):
    line = structs.replace(NOBODY, cid=village.fell.coop.cid)
    await close_naming(village, line)

    village.clock.advance(PATIENCE_MS)

    said = (await village.alerts(village.dale))["curve.unread"]
    assert "closed the round by entries of Fell that did not come" in said


async def test_claim_for_a_bid_that_may_come_yet_is_not_held_against_its_author(village):
    # Dale has not the bid that Tarset answered and left out, for its cut does not reach it.
    curve = await village.open()
    await village.bid_all(village.rook)
    village.script(village.tarset)
    village.script(village.rook)
    receipt = await village.receipt(curve, INVENTED)
    village.pass_hour()
    openings = village.openings(curve)
    close = await village.say_close(curve, openings)
    await village.say_totals(curve, close.id, openings.values())
    evidence = [receipt.id, close.id]
    claim = CurveClaim(curve=curve, evidence=evidence, fault="curve.omitted", shown=UNSET)

    await village.rook.publish(claim, evidence)
    await village.federation.settle()

    assert await village.alerts(village.dale) == {}


@pytest.mark.parametrize("is_closed", [False, True])
async def test_member_that_forks_its_log_after_a_receipt_leaves_the_round_to_be_checked(
    village, is_closed
):
    await village.open()
    await village.bid_all()
    if is_closed:
        await village.close()
    village.script(village.hill)
    twin = LogAuthor(village.hill.coop, village.federation.certificate.fid)
    twin.now_ms = village.clock.now_ms()
    fork = twin.append("x.note", b"\x80")
    for node in village.federation.nodes:
        await node.ingest.receive([fork])
    for node in village.federation.nodes:
        node.start()

    await village.close()

    for node in village.federation.nodes:
        shown = await village.round(node)
        assert (shown["state"], shown["totals"]) == ("verified", [200, 150, 70])
        assert await village.alerts(node) == {}
