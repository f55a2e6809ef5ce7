"""A private round goes on under the writers that succeed its owner's and its bidders'."""

from __future__ import annotations

from tests.services.private_demand.village import LINES


async def test_totals_of_a_round_come_from_the_successor_of_its_owner(village):
    await village.open()
    await village.bid_all()

    await village.tarset.renew()
    await village.close()

    [opening], [totals] = village.hill.seen("curve.open"), village.hill.seen("curve.totals")
    assert opening.wid != totals.wid == village.tarset.coop.wid
    assert set((await village.states()).values()) == {"verified"}
    assert (await village.round(village.hill))["totals"] == [200, 150, 70]
    for node in village.federation.nodes:
        assert await village.alerts(node) == {}


async def test_totals_of_a_round_that_its_writer_closed_come_from_the_successor(village):
    await village.open()
    await village.bid_all()
    village.pass_hour()
    await village.tarset.turn()
    closed = village.tarset.seen("curve.close")
    without = village.tarset.seen("curve.totals")

    await village.tarset.renew()
    await village.federation.settle()

    assert (len(closed), len(without)) in {(1, 0), (1, 1)}
    assert set((await village.states()).values()) == {"verified"}
    assert len(village.hill.seen("curve.totals")) == 1


async def test_a_bid_of_a_writer_counts_under_its_successor(village):
    await village.open()
    await village.bid_all()

    await village.hill.renew()
    await village.close()

    assert (await village.round(village.dale))["totals"] == [200, 150, 70]
    assert set((await village.states()).values()) == {"verified"}
    assert (await village.round(village.hill))["own"]["quantities"] == LINES["Hill"]


async def test_a_bid_of_a_successor_takes_the_place_of_the_one_before(village):
    await village.open()
    await village.bid_all()

    await village.hill.renew()
    await village.bid(village.hill, [50, 30, 0])
    await village.federation.settle()
    await village.close()

    assert (await village.round(village.dale))["totals"] == [190, 140, 70]
    assert set((await village.states()).values()) == {"verified"}
    assert await village.alerts(village.hill) == {}


async def test_a_bid_that_was_not_opened_yet_is_opened_by_the_successor(village):
    await village.open()
    await village.bid_all(village.hill)
    await village.bid(village.hill, LINES["Hill"])

    await village.hill.renew()
    await village.federation.settle()
    await village.close()

    assert (await village.round(village.dale))["totals"] == [200, 150, 70]
    assert set((await village.states()).values()) == {"verified"}
