"""Holds and proposals go on under the writers that succeed those which began them."""

from __future__ import annotations

from tests.services.shipment_matching.roads import SERVICE

from sheaf_protocol.records import OK
from sheaf_services.shipment_matching.deal import HOLD_MS


async def step(roads, *kinds: str) -> None:
    """Let nodes take turns and carry until an entry of each kind is known to the matcher."""
    nodes = roads.federation.nodes
    for _ in range(100):
        if all(roads.match.seen(kind) for kind in kinds):
            return
        for node in nodes:
            await node.turn()
            if all(n.seen(kind) for kind in kinds for n in [node]):
                await roads.federation.carry()
                break
        await roads.federation.carry()
    raise AssertionError(f"expected {kinds}")


async def test_a_hold_granted_by_a_writer_is_confirmed_by_its_successor(roads):
    await roads.ask()
    await roads.match.command(SERVICE, "match")
    await step(roads, "hold.grant")
    before = roads.haul.count()

    await roads.haul.renew()
    await roads.federation.settle()

    [grant], [confirmed] = roads.match.seen("hold.grant"), roads.match.seen("hold.confirmed")
    assert before["hold.confirmed"] == 0
    assert grant.wid != confirmed.wid == roads.haul.coop.wid
    assert (await roads.shown())["is_booked"]
    assert (await roads.shown(roads.dale))["status"] == "booked"


async def test_a_vehicle_held_by_a_writer_is_not_free_for_its_successor(roads):
    await roads.ask()
    await roads.plan()
    booked = (await roads.shown(roads.haul))["holds"]

    await roads.haul.renew()
    await roads.federation.settle()

    assert (await roads.shown(roads.haul))["holds"] == booked == {"confirmed": 1}
    assert roads.haul.count()["hold.grant"] == 1


async def test_a_hold_that_ran_out_is_ended_by_the_successor_of_its_owner(roads):
    await roads.ask()
    await roads.match.command(SERVICE, "match")
    await step(roads, "hold.grant")
    roads.federation.away = {roads.match}

    await roads.haul.renew()
    roads.federation.clock.advance(HOLD_MS + 1)
    await roads.federation.settle()

    [expired] = roads.haul.seen("hold.expired")
    assert expired.wid == roads.haul.coop.wid


async def test_a_proposal_is_held_and_booked_by_the_successor_of_its_matcher(roads):
    await roads.ask()
    await roads.match.command(SERVICE, "match")
    await step(roads, "match.propose")

    await roads.match.renew()
    await roads.federation.settle()

    [proposal], [booking] = roads.dale.seen("match.propose"), roads.dale.seen("shipment.book")
    assert proposal.wid != booking.wid == roads.match.coop.wid
    assert roads.verdicts(proposal.id) == roads.all_say(OK)
    assert (await roads.shown(roads.dale))["is_booked"]


async def test_a_grant_beyond_the_cut_that_was_relied_on_stays_locked_under_the_successor(roads):
    await roads.ask()
    await roads.match.command(SERVICE, "match")
    await step(roads, "hold.grant")
    await roads.match.turn()
    await roads.federation.carry()
    [confirm] = roads.match.seen("hold.confirm")

    await roads.haul.renew(without=1)
    await roads.federation.settle()

    shown = (await roads.shown(roads.haul))["holds"]
    assert confirm.record.grant in {e.id for e in roads.haul.store.entries_after(0)}
    assert roads.haul.seen("hold.grant") == []
    assert shown == {"held": 1}


async def test_a_capacity_is_offered_once_by_whichever_writer(roads):
    await roads.ask()
    await roads.plan()

    await roads.haul.renew()
    await roads.federation.settle()
    kinds = roads.haul.count()

    assert kinds["capacity.publish"] == 1
    assert await roads.plan() == "idle"
