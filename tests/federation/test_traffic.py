"""What links counted, and what they tell of peers' clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.clock import ManualClock

if TYPE_CHECKING:
    from tests.federation.conftest import RunningNode, World

STEP_MS = 10
AHEAD_MS = 2_000


async def linked(
    world: World, entries: int = 0, ahead_ms: int = 0
) -> tuple[RunningNode, RunningNode]:
    """Hill, whose clock is fast, and Dale, in sync; from here on both clocks stand still.

    So nothing more is announced, and what is published travels by being pushed.
    """
    clocks = [ManualClock(world.now_ms + ahead_ms), ManualClock(world.now_ms)]
    hill = await world.start(0, clock=clocks[0])
    await hill.publish(entries)
    dale = await world.start(1, clock=clocks[1], dials=[hill])

    def is_in_sync() -> bool:
        for clock in clocks:
            clock.advance(STEP_MS)
        return dale.is_in_sync_with(hill) and hill.is_in_sync_with(dale)

    await world.until(is_in_sync)
    await world.until_converged(hill, dale, entries=entries)
    return hill, dale


async def test_entries_pushed_and_asked_for_are_counted_on_both_sides(world: World) -> None:
    hill, dale = await linked(world, entries=3)

    await hill.publish(2)
    await world.until_converged(hill, dale, entries=5)

    sent, received = hill.peering.traffic.sent, dale.peering.traffic.received
    assert sent["asked"] == received["asked"] == 3
    assert sent["pushed"] == received["pushed"] == 2
    assert not dale.peering.traffic.sent


async def test_a_clock_that_is_fast_shows_in_what_its_node_pushes(world: World) -> None:
    hill, dale = await linked(world, ahead_ms=AHEAD_MS)

    await hill.publish()
    await dale.publish()
    await world.until_converged(hill, dale, entries=2)
    leads = [node.peering.traffic.clock_lead_ms for node in (hill, dale)]
    await world.until(lambda: all(leads))

    assert leads == [{dale.coop.wid: -AHEAD_MS}, {hill.coop.wid: AHEAD_MS}]


async def test_what_others_relay_tells_nothing_of_a_clock(world: World) -> None:
    hill = await world.start(0)
    dale = await world.start(1, dials=[hill])
    moor = await world.start(2, dials=[dale])
    await world.until(lambda: dale.is_in_sync_with(hill, moor))

    await hill.publish()
    await world.until_converged(hill, dale, moor, entries=1)

    assert not moor.peering.traffic.clock_lead_ms
