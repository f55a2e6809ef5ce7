"""A real node, one peer that brings all it can, and others that bring what they have."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.node.crowd import BATCH, linked, make_coops, make_home
from tests.node.notebook import until
from tests.node.test_cli_serve import serving
from tests.node.test_probes import base, bearer, publish_again

from sheaf_node.api import read_token
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from tests.node.crowd import CrowdPeer

OTHERS = 4
ENOUGH = 60
"""Entries of each of the others, by when the flood is far beyond the credit of its link."""
PATIENCE_S = 60


async def until_arrived(home: Path, count: int) -> None:
    """Return once so many entries are held; raises TimeoutError."""
    headers = {"Authorization": bearer(read_token(home))}
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession(headers=headers) as client:
        while True:
            async with client.get(f"{base(home)}/api/v1/status") as answer:
                status: dict[str, Any] = await answer.json()
            if status["arrival"] >= count:
                return
            await asyncio.sleep(0.1)


def held_of(home: Path, peer: CrowdPeer) -> int:
    """Return how many entries of a peer's log are held, of a node that runs or not."""
    from sheaf_node.identity import held_state  # noqa: PLC0415
    from sheaf_node.store import DATABASE  # noqa: PLC0415

    held = held_state(home / DATABASE).logs.get(peer.author.log)
    return 0 if held is None else held.head.seq


async def test_a_flood_waits_for_its_share_while_others_are_served_and_all_of_it_comes(
    tmp_path: Path,
) -> None:
    home, coops, ports = tmp_path / "hill", make_coops(OTHERS + 1), free_ports(2)
    fid = make_home(home, coops, ports, "peer_kib_per_s = 128\n")
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, serving(home))
        flood, *others = await stack.enter_async_context(linked(coops, fid, ports[0]))
        flood.entries_a_step = 8 * BATCH
        for other in others:
            other.entries_a_step = 1
        await until(lambda: all(other.brought >= ENOUGH for other in others))
        own = await asyncio.to_thread(publish_again, home)
        await until(lambda: all(held_of(home, other) >= ENOUGH for other in others))
        behind = flood.brought - held_of(home, flood)
        for peer in (flood, *others):
            peer.entries_a_step = 0
        brought = sum(peer.brought for peer in (flood, *others))
        await until_arrived(home, brought + 1)
        held = [held_of(home, peer) for peer in (flood, *others)]

    assert behind > 8 * BATCH
    assert len(own) == 64
    assert held == [peer.brought for peer in (flood, *others)]
    assert {peer.ending for peer in others} == {""}
