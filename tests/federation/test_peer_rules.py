"""What an operator sets for single co-ops: links that are paused, and links that are slowed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sheaf_node.config import CoopRule
from sheaf_node.peering.policy import Pace

if TYPE_CHECKING:
    from .conftest import World

HILL, DALE, MOOR = 0, 1, 2
KIB = 1_024


async def test_a_paused_co_op_is_turned_away_and_its_news_comes_by_others(world: World) -> None:
    paused = {world.coops[DALE].cid.hex(): CoopRule(paused=True)}
    hill = await world.start(HILL, rules=paused)
    dale = await world.start(DALE, dials=[hill])
    moor = await world.start(MOOR, dials=[hill, dale])
    await dale.publish(3)

    await world.until_converged(hill, dale, moor, entries=3)
    # Its news may come by Moor before Hill has answered it.
    await world.until(lambda: dale.peering.dials()[0].reason is not None)

    assert [peer.wid for peer in hill.peering.peers()] == [moor.coop.wid]
    [dial] = dale.peering.dials()
    assert dial.reason is not None
    assert "paused" in dial.reason


async def test_a_slowed_co_op_brings_everything_later(world: World) -> None:
    slowed = {world.coops[DALE].cid.hex(): CoopRule(kib_per_s=512)}
    dale = await world.start(DALE)
    await dale.publish_large(60)  # 3.6 MB: 1.4 MB more than credit lets through at first
    loop = asyncio.get_running_loop()
    started = loop.time()

    hill = await world.start(HILL, dials=[dale], rules=slowed)
    await world.until_converged(hill, dale, entries=60)

    assert loop.time() - started > 1.0
    await world.until(lambda: hill.is_in_sync_with(dale))


def test_a_pace_grants_a_part_and_then_waits() -> None:
    pace = Pace(64)

    assert pace.grant(300 * KIB, 64 * KIB, 10_000) == 64 * KIB
    assert pace.grant(300 * KIB, 64 * KIB, 10_999) == 0
    assert pace.grant(300 * KIB, 64 * KIB, 11_000) == 64 * KIB


def test_no_pace_grants_all_at_once() -> None:
    assert Pace().grant(300 * KIB, 64 * KIB, 10_000) == 300 * KIB


def test_a_clock_that_was_put_back_stops_no_pace() -> None:
    pace = Pace(64)
    pace.grant(64 * KIB, 64 * KIB, 10_000_000)

    assert pace.grant(64 * KIB, 64 * KIB, 10_000) == 64 * KIB
