"""One co-op that brings all it can, on all the links it can have, beside others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from sheaf_node.config import Limits
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import WRITER_LIFETIME_MS

if TYPE_CHECKING:
    from tests.federation.conftest import RunningNode, World

HILL, DALE = 0, 1


async def publish_on(node: RunningNode) -> None:
    while True:
        await node.publish(20)
        await asyncio.sleep(0.2)


async def test_a_flood_is_taken_slowly_while_this_node_has_work(world: World) -> None:
    dale = await world.start(DALE)
    hill = await world.start(HILL, limits=Limits(peer_kib_per_s=512), dials=[dale])
    await world.until(lambda: hill.is_in_sync_with(dale))
    working = asyncio.create_task(publish_on(hill))
    # Work counts once it is told to peers, so the flood begins behind the first of it.
    await world.until(lambda: dale.store.arrival >= 20)
    loop = asyncio.get_running_loop()
    started = loop.time()

    await dale.publish_large(60)  # 3.6 MB: 1.5 MB more than the credit of a link
    await world.until(lambda: len(theirs(hill, dale)) == 60)
    working.cancel()

    assert loop.time() - started > 1.0


async def test_a_flood_is_taken_at_full_speed_where_nobody_else_wants_anything(
    world: World,
) -> None:
    dale = await world.start(DALE)
    await dale.publish_large(120)
    hill = await world.start(HILL, limits=Limits(peer_kib_per_s=128), dials=[dale])

    # By its quota alone it would take forty seconds.
    async with asyncio.timeout(30):
        await world.until_converged(hill, dale, entries=120)


async def test_a_co_op_with_many_writers_has_links_for_a_few_alone(world: World) -> None:
    hill = await world.start(HILL, limits=Limits(links_per_coop=2))
    coop = world.evil_coop
    keys = [signing_key(bytes([number]) * 32) for number in range(3)]
    for key in keys:
        coop.delegate(key, world.now_ms + WRITER_LIFETIME_MS)
    first, second, third = (replace(coop, writer=key) for key in keys)

    async with (
        world.evil(hill, first) as one,
        world.evil(hill, second) as two,
        world.evil(hill, third) as three,
    ):
        for evil in (one, two):
            await evil.become_ready()
        await three.shake_hands()

        assert await three.ending() == "link.busy"
        assert len(hill.peering.peers()) == 2


def theirs(node: RunningNode, author: RunningNode) -> list[object]:
    entries = node.store.entries_after(0, 10_000)
    return [entry for entry in entries if entry.header.cid == author.coop.cid]
