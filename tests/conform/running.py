"""A node of ours in this process, of sound parts or of ones with a bug planted, for the kit.

No service runs and no home is read: what stands on the peer port is store, ingest and peering.
"""

from __future__ import annotations

import os
import time
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.node.taking import make_keyring

from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.clock import SystemClock
from sheaf_node.config import Config, Limits, Waits
from sheaf_node.conform.kit import make_kit
from sheaf_node.conform.runner import Runner, allot
from sheaf_node.conform.target import read_target
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest
from sheaf_node.peering import Peering
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_node.store import Store
from sheaf_protocol.testing.author import make_coop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from sheaf_node.clock import Randomness
    from sheaf_node.conform.kit import Kit
    from sheaf_node.conform.model import Case
    from sheaf_node.conform.runner import Report
    from sheaf_protocol.charter import Chain
    from sheaf_protocol.testing.author import TestCoop

WAITS = Waits(redial_first_ms=50, announce_ms=20, stop_ms=500)
LIMITS = Limits(handshakes=64, links_per_address=64, links=128)


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What a node is made of: the sound classes, or those of which one has a bug."""

    store: type[Store] = Store
    ingest: type[Ingest] = Ingest
    peering: type[Peering] = Peering
    link_random: Randomness = os.urandom


def make_node_kit() -> tuple[TestCoop, Kit]:
    """Return the co-op of the node under test and a kit that has it as a member."""
    now_ms = time.time_ns() // 1_000_000
    coop = make_coop("Node under test", now_ms=now_ms)
    return coop, make_kit(bytes(32), coop.key_ops, [now_ms])


def part_of(kit: Kit, shared: int = 1, sides: int = 0) -> Kit:
    """Return a copy of some federations of a kit: enough for some cases, and quick to join."""
    return replace(kit, shared=deepcopy(kit.shared[:shared]), sides=deepcopy(kit.sides[:sides]))


@asynccontextmanager
async def running(folder: Path, coop: TestCoop, kit: Kit, build: Build) -> AsyncIterator[str]:
    """Give the URL of a node that adopted the kit's federations."""
    clock, arrivals, keyring = SystemClock(), Arrivals(), make_keyring(coop)
    config = Config(name=coop.name, peer_port=0, waits=WAITS, limits=LIMITS)
    async with AsyncExitStack() as stack:
        store = build.store.open(folder / "sheaf.db", random=os.urandom)
        stack.push_async_callback(store.close)
        ingest = build.ingest(
            store=store,
            arrivals=arrivals,
            clock=clock,
            random=os.urandom,
            keyring=keyring,
            limits=LIMITS,
        )
        for side in (*kit.shared, *kit.sides):
            await _adopt(ingest, side.chain, coop, [*side.coops, *side.plain])
        blobs = Blobs(folder)
        stack.push_async_callback(blobs.close)
        network = await stack.enter_async_context(AiohttpNetwork.open(limits=LIMITS, waits=WAITS))
        peering = build.peering(
            ingest=ingest,
            store=store,
            arrivals=arrivals,
            keyring=keyring,
            network=network,
            clock=clock,
            random=build.link_random,
            config=config,
            blobs=Fetching(blobs, clock),
        )
        await peering.start()
        stack.push_async_callback(peering.stop)
        yield f"ws://127.0.0.1:{peering.port}"


async def _adopt(ingest: Ingest, chain: Chain, node: TestCoop, members: Sequence[TestCoop]) -> None:
    ingest.known.adopt(chain.federation.fid)
    key_logs = {each.cid: each.key_ops for each in (node, *members)}
    for certificate in chain.certificates:
        await ingest.receive_certificate(certificate, key_logs=key_logs, wanted=True)


async def reports_of(
    cases: Sequence[Case], kit: Kit, url: str, *, limit_s: float = 60.0
) -> Sequence[Report]:
    """Return what the kit finds of a node by some of its cases."""
    runner = Runner(
        kit,
        read_target(url),
        now_ms=lambda: time.time_ns() // 1_000_000,
        limit_s=limit_s,
    )
    return await runner.run(cases, allot(cases), lambda _: None)
