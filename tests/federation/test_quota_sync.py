"""What is beyond a node's quota stays with its peers, without blame and without noise."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.federation.conftest import PATIENCE_S

from sheaf_node.config import Limits, Waits
from sheaf_protocol.link.messages import Idle, PayloadWant, Reject, Want
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from tests.federation.conftest import EvilPeer, World

OFTEN = Waits(redial_first_ms=20, announce_ms=20, recheck_ms=50)
TWO = Limits(author_entries=2)


async def test_author_beyond_its_quota_holds_up_nobody_else(world: World) -> None:
    small = await world.start(0, limits=TWO, waits=OFTEN)
    busy = await world.start(1, dials=[small], waits=OFTEN)
    other = await world.start(2, dials=[small], waits=OFTEN)

    await busy.publish(5)
    await other.publish(2)

    await world.until(lambda: small.store.arrival == 4)
    held = {log.cid: log.head.seq for log in small.store.logs.values()}
    assert held == {busy.coop.cid: 2, other.coop.cid: 2}
    assert {peer.wid for peer in small.peering.peers()} == {busy.coop.wid, other.coop.wid}


async def test_raised_limit_goes_on_from_there(world: World) -> None:
    [port] = free_ports(1)
    small = await world.start(0, port=port, limits=TWO, waits=OFTEN)
    busy = await world.start(1, dials=[small], waits=OFTEN)
    await busy.publish(5)
    await world.until(lambda: small.store.arrival == 2)
    await small.stop()

    small = await world.start(0, port=port, waits=OFTEN)

    await world.until_converged(small, busy, entries=5)


async def test_full_author_is_told_once_and_asked_for_nothing(world: World) -> None:
    """Twenty rechecks on an idle link: a digest each time, and a comparison of what differs."""
    small = await world.start(0, limits=TWO, waits=OFTEN)
    async with world.evil(small) as busy:
        await busy.become_ready()
        entries = [busy.author.append("x.note", b"\x80") for _ in range(6)]
        await busy.push(*entries[:4])
        await busy.hear(Reject)
        await busy.push(*entries[4:])
        await busy.tell(6, entries[5].id)

        idles = await idles_heard(busy, 20)

        kinds = [type(message) for message in busy.heard]
        assert (kinds.count(Reject), kinds.count(Want), kinds.count(PayloadWant)) == (1, 0, 0)
        assert len(kinds) <= 2 * idles + 20
        assert [m.code for m in busy.heard if isinstance(m, Reject)] == ["quota.author"]
        assert small.store.arrival == 2
        assert len(small.peering.peers()) == 1


async def idles_heard(peer: EvilPeer, count: int) -> int:
    """Return how many were heard once there were that many."""
    async with asyncio.timeout(PATIENCE_S):
        while (heard := sum(isinstance(m, Idle) for m in peer.heard)) < count:
            await peer.hear(Idle)
    return heard


async def test_full_disk_leaves_everything_with_the_peers(world: World) -> None:
    free = [0]
    small = await world.start(0, waits=OFTEN, free_bytes=lambda: free[0])
    async with world.evil(small) as busy:
        await busy.become_ready()
        entry = busy.author.append("x.note", b"\x80")
        await busy.push(entry)
        told = await busy.hear(Reject)
        await idles_heard(busy, 5)
        asked = [m for m in busy.heard if isinstance(m, Want)]

        free[0] = 1 << 40
        await busy.tell(1, entry.id)
        await busy.hear(Want)

        assert isinstance(told, Reject)
        assert (told.code, asked) == ("quota.disk", [])
        assert small.store.arrival == 0
