"""What links counted, and what they tell of peers' clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.clock import SystemClock

if TYPE_CHECKING:
    from tests.federation.conftest import World


class Ahead(SystemClock):
    """A clock that is two seconds fast."""

    def now_ms(self) -> int:
        return super().now_ms() + 2_000


async def test_entries_pushed_and_asked_for_are_counted_on_both_sides(world: World) -> None:
    hill = await world.start(0)
    await hill.publish(3)
    dale = await world.start(1, dials=[hill])
    await world.until_converged(hill, dale, entries=3)
    await world.until(lambda: dale.is_in_sync_with(hill) and hill.is_in_sync_with(dale))

    await hill.publish(2)
    await world.until_converged(hill, dale, entries=5)

    sent, received = hill.peering.traffic.sent, dale.peering.traffic.received
    assert sent["asked"] == received["asked"] == 3
    assert sent["pushed"] == received["pushed"] == 2
    assert not dale.peering.traffic.sent


async def test_a_clock_that_is_fast_shows_in_what_its_node_pushes(world: World) -> None:
    hill = await world.start(0, clock=Ahead())
    dale = await world.start(1, dials=[hill])
    await world.until(lambda: dale.is_in_sync_with(hill) and hill.is_in_sync_with(dale))

    await hill.publish()
    await dale.publish()
    await world.until_converged(hill, dale, entries=2)
    await world.until(lambda: hill.coop.wid in dale.peering.traffic.clock_lead_ms)

    assert 0 < dale.peering.traffic.clock_lead_ms[hill.coop.wid] <= 2_000
    assert dale.coop.wid not in dale.peering.traffic.clock_lead_ms
    assert hill.peering.traffic.clock_lead_ms.get(dale.coop.wid, -2_000) <= 0


async def test_what_others_relay_tells_nothing_of_a_clock(world: World) -> None:
    hill = await world.start(0)
    dale = await world.start(1, dials=[hill])
    moor = await world.start(2, dials=[dale])
    await world.until(lambda: dale.is_in_sync_with(hill, moor))

    await hill.publish()
    await world.until_converged(hill, dale, moor, entries=1)

    assert not moor.peering.traffic.clock_lead_ms
