"""One of the two nodes of `live.py`: a whole node without the local API and the two services.

The first publishes single drafts by the call that commands use, at most `window` of them not yet
durable. The second dials it and runs one service, whose `fold` is the delivery: it is called once
an entry was verified and is on the disk.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import os
import pstats
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sheaf_node.app import Node, open_node
from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.clock import SystemClock
from sheaf_node.ingest import Draft
from sheaf_node.peering import Peering
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_node.plugins import ServiceHost
from sheaf_protocol.codec import encode
from sheaf_protocol.records import Demand, Item, Price

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sheaf_node.plugins import SeenRecord, ServiceContext


class Subscriber:
    """A service that notes when each message was delivered, and no more."""

    follows: ClassVar = frozenset({"demand.submit"})
    commands: ClassVar[Mapping[str, Any]] = {}
    views: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, _: ServiceContext, settings: Mapping[str, Any]) -> None:
        self._heard: list[float] = settings["heard"]
        self._done: asyncio.Event = settings["done"]
        self._left = len(self._heard)

    def fold(self, seen: SeenRecord) -> None:
        """Take one message."""
        assert isinstance(seen.record, Demand)
        self._heard[int(seen.record.ref)] = time.monotonic()
        self._left -= 1
        if not self._left:
            self._done.set()

    def decide(self) -> None:
        """Do nothing."""

    def finish(self, key: str, result: object) -> None:
        """Do nothing."""


async def publish(node: Node, count: int, size: int, window: int) -> list[float]:
    """Publish messages, at most `window` of them not yet durable; return when each was sent."""
    [fid] = node.parts.ingest.federations
    fill = "x" * (size - len(body(0, "")) - 2)  # two bytes more for the length of a longer text
    numbers, sent = iter(range(count)), [0.0] * count

    async def worker() -> None:
        for number in numbers:
            sent[number] = time.monotonic()
            draft = Draft(kind="demand.submit", body=body(number, fill))
            await node.parts.ingest.publish(fid, [draft])

    async with asyncio.TaskGroup() as tasks:
        for _ in range(window):
            tasks.create_task(worker())
    return sent


def body(number: int, fill: str) -> bytes:
    """Return the message of a number."""
    demand = Demand(
        is_firm=True,
        item=Item(code="feed", name=fill, scale=0, unit="KGM"),
        max_price=Price(amount=10, base=1, currency="GBP"),
        min_quantity=1,
        quantity=5,
        ref=f"{number:08d}",
        zone="N",
    )
    return encode(demand)


async def subscribe(node: Node, count: int) -> list[float]:
    """Run the service until it was given all messages; return when each came."""
    [federation] = node.parts.ingest.federations.values()
    heard, done = [0.0] * count, asyncio.Event()
    settings = {"heard": heard, "done": done}
    host = ServiceHost("bench", Subscriber, settings, federation=federation, parts=node.parts)
    running = asyncio.create_task(host.run())
    await begin()
    await done.wait()
    running.cancel()
    return heard


async def begin() -> None:
    """Say that we are ready and wait for the word."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def run(role: str, home: Path, numbers: list[int]) -> None:
    """Run a node as a publisher or a subscriber."""
    clock, random = SystemClock(), os.urandom
    async with open_node(home, clock=clock, random=random) as node, AsyncExitStack() as stack:
        network = await stack.enter_async_context(
            AiohttpNetwork.open(limits=node.config.limits, waits=node.config.waits)
        )
        blobs = Blobs(home)
        stack.push_async_callback(blobs.close)
        peering = Peering(
            ingest=node.parts.ingest,
            store=node.parts.store,
            arrivals=node.parts.arrivals,
            keyring=node.parts.keyring,
            network=network,
            clock=clock,
            random=random,
            config=node.config,
            blobs=Fetching(blobs, clock),
        )
        await peering.start()
        stack.push_async_callback(peering.stop)
        while not any(peer.in_sync for peer in peering.peers()):  # noqa: ASYNC110  # no event for it
            await asyncio.sleep(0.05)
        if role == "publish":
            await begin()
            times = await publish(node, *numbers)
        else:
            times = await subscribe(node, numbers[0])
        print(json.dumps(times), flush=True)
        await asyncio.to_thread(sys.stdin.readline)  # until all figures are read


def main() -> None:
    """Run one of the nodes, profiled where SHEAF_BENCH_PROFILE is set."""
    role, home, *numbers = sys.argv[1:]
    profile = cProfile.Profile() if os.environ.get("SHEAF_BENCH_PROFILE") else None
    if profile is not None:
        profile.enable()
    asyncio.run(run(role, Path(home), [int(n) for n in numbers]))
    if profile is not None:
        profile.disable()
        print(f"--- {role}", file=sys.stderr)
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
