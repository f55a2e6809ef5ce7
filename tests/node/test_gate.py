"""Connections to a port before they are of use: who goes where there are too many, and when."""

from __future__ import annotations

import asyncio
import gc

import pytest
from aiohttp import web
from tests.node.notebook import until

from sheaf_node.peering.aiohttp_listener import Gate, first_to_go

HEAD_MS = 22_000
"""Ten times as long as what is gone may be remembered."""


@pytest.mark.parametrize(
    ("addresses", "goes"),
    [("a", 0), ("abc", 0), ("abb", 1), ("cabab", 1), ("cabb", 2)],
    ids=["one", "one of each", "two of one", "two of two", "the newest two"],
)
def test_whoever_has_most_connections_makes_room(addresses: str, goes: int) -> None:
    assert first_to_go(list(addresses)) == goes


async def test_who_connects_and_leaves_at_once_is_not_remembered_for_long() -> None:
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    gate = Gate(runner, most=64, head_ms=HEAD_MS)
    server = await asyncio.get_running_loop().create_server(gate.accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    for _ in range(200):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()
    await until(lambda: handlers(runner) < 10)

    server.close()
    await runner.cleanup()


def handlers(runner: web.AppRunner) -> int:
    gc.collect()
    found = [each for each in gc.get_objects() if isinstance(each, web.RequestHandler)]
    return sum(each._manager is runner.server for each in found)
