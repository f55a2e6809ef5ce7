"""Whole nodes without services, in one process, over real loopback sockets."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from sheaf_node.clock import SystemClock
from sheaf_node.config import Config, Limits, PeerAddress, Waits
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Draft, Ingest
from sheaf_node.keyring import Keyring
from sheaf_node.peering import Peering
from sheaf_node.store import Store
from sheaf_protocol.codec import encode
from sheaf_protocol.frontier import root
from sheaf_protocol.testing.author import TestCoop, make_coop, make_federation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from sheaf_node.clock import Clock
    from sheaf_node.store import StoredEntry
    from sheaf_protocol.charter import Certificate
    from sheaf_protocol.digest import Digest

WAITS = Waits(redial_first_ms=20, redial_most_ms=200, announce_ms=20, stop_ms=2_000)
PATIENCE_S = 15.0
"""Far beyond what any test needs, for a busy machine."""


@dataclass
class RunningNode:
    """One node: store, ingest and peering."""

    coop: TestCoop
    store: Store
    ingest: Ingest
    peering: Peering
    certificate: Certificate

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.peering.port}"

    @property
    def root(self) -> Digest:
        return root(self.store.frontier(self.certificate.fid))

    async def publish(self, count: int = 1) -> list[StoredEntry]:
        drafts = [Draft(kind="x.note", body=b"\x80")] * count
        return await self.ingest.publish(self.certificate.fid, drafts)

    async def publish_large(self, count: int) -> None:
        draft = Draft(kind="x.note", body=encode({"text": bytes(60_000)}))
        await self.ingest.publish(self.certificate.fid, [draft] * count)

    def is_in_sync_with(self, *others: RunningNode) -> bool:
        linked = {peer.wid for peer in self.peering.peers() if peer.in_sync}
        return {other.coop.wid for other in others} <= linked

    async def stop(self) -> None:
        await self.peering.stop()
        await self.store.close()


@dataclass
class World:
    """Co-ops of one federation and the nodes that a test starts for them."""

    folder: Path
    now_ms: int
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        names = ("Hill", "Dale", "Moor", "Fell")
        self.coops = [make_coop(name, now_ms=self.now_ms) for name in names]
        self.certificate = make_federation([(coop, ["buyer"]) for coop in self.coops])

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Return once something holds; fail where it takes too long."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_true():  # noqa: ASYNC110  # nodes have no event for "converged"
                await asyncio.sleep(0.01)

    async def until_converged(self, *nodes: RunningNode, entries: int) -> None:
        """Return once all hold as many entries and have equal roots."""
        await self.until(lambda: all(node.store.arrival == entries for node in nodes))
        await self.until(lambda: len({node.root for node in nodes}) == 1)

    async def start(
        self,
        index: int,
        *,
        dials: Sequence[RunningNode | str] = (),
        clock: Clock | None = None,
        knows: Sequence[int] | None = None,
        port: int = 0,
        limits: Limits | None = None,
        waits: Waits = WAITS,
        has_certificate: bool = True,
    ) -> RunningNode:
        """Start a co-op's node on its own folder, as left by the last run."""
        coop, clock, arrivals = self.coops[index], clock or SystemClock(), Arrivals()
        store = Store.open(self.folder / coop.name / "sheaf.db", random=os.urandom)
        keyring = Keyring(
            cid=coop.cid,
            writer=coop.writer,
            manager=coop.manager,
            prekeys=[coop.prekey],
            key_ops=coop.key_ops,
        )
        ingest = Ingest(
            store=store, arrivals=arrivals, clock=clock, random=os.urandom, keyring=keyring
        )
        known = self.coops if knows is None else [coop, *(self.coops[at] for at in knows)]
        for other in known:
            await ingest.receive_key_ops(other.cid, other.key_ops)
        if has_certificate:
            await ingest.receive_certificate(self.certificate)
        config = Config(
            name=coop.name,
            peer_port=port,
            peers=[PeerAddress(url=d if isinstance(d, str) else d.url) for d in dials],
            waits=waits,
            limits=limits or Limits(),
        )
        peering = Peering(
            ingest=ingest,
            store=store,
            arrivals=arrivals,
            keyring=keyring,
            clock=clock,
            random=os.urandom,
            config=config,
        )
        node = RunningNode(coop, store, ingest, peering, self.certificate)
        self.stack.push_async_callback(node.stop)
        await peering.start()
        return node


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, time.time_ns() // 1_000_000)
    async with made.stack:
        yield made
