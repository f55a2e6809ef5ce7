"""Whole homes in one process that are copied, put back and opened anew: for tests of recovery.

    hamlet = Hamlet(folder)
    async with hamlet:
        await hamlet.start("hill", "dale", "moor")
        copy = await hamlet.copy("hill")
        await hamlet.put_back("hill", copy)

Real stores, keys and links over a network in memory; the clock is advanced while a test waits.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from sheaf_node.app import make_peering, make_watch, open_node, run_services
from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.charter_file import (
    adopt_charter,
    draft_charter,
    read_charter_file,
    sign_charter,
)
from sheaf_node.clock import ManualClock
from sheaf_node.config import CONFIG_FILE
from sheaf_node.ingest import Draft
from sheaf_node.keyring import create_keyring
from sheaf_node.peering.memory import MemoryNetwork
from sheaf_node.plugins import Call
from sheaf_node.recovery import NAME, Progress, mark
from sheaf_protocol.digest import log_id
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.testing.author import START_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sheaf_node.app import Node
    from sheaf_node.keyring import Keyring
    from sheaf_node.peering import Peering
    from sheaf_node.store import StoredEntry
    from sheaf_protocol.charter import Role
    from sheaf_protocol.digest import EntryId, FederationId, WriterId
    from sheaf_protocol.identity import KeyLog

NAMES = ("hill", "dale", "moor")
PATIENCE_S = 60.0
"""Far beyond what any test needs, for a busy machine."""
STEP_MS = 50
_WAITS = (
    "[waits]\nredial_first_ms = 100\nredial_most_ms = 500\nannounce_ms = 50\nrecheck_ms = 2000\n"
    "stop_ms = 500\ncompare_ms = {compare_ms}\n"
)


@dataclass
class Site:
    """A co-op's home and the node that runs on it."""

    name: str
    home: Path
    keyring: Keyring
    node: Node | None = None
    peering: Peering | None = None
    task: asyncio.Task[None] | None = None
    opened: int = 0
    """How often the home was opened."""

    @property
    def running(self) -> Node:
        assert self.node is not None
        return self.node

    @property
    def wid(self) -> WriterId:
        """The writer that it signs with."""
        return self.running.parts.keyring.wid

    @property
    def keys(self) -> KeyLog:
        """The co-op's key log, as its node has it."""
        return self.running.parts.store.key_logs[self.keyring.cid]


@dataclass
class Hamlet:
    """The homes of some co-ops that founded a federation."""

    folder: Path
    names: Sequence[str] = NAMES
    compare_ms: int = 1
    seed: int = 1
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        self.dice = Random(self.seed)  # noqa: S311  # a seed that repeats is the point
        self.clock, self.network = ManualClock(START_MS), MemoryNetwork()
        self.sites = {name: self._make(at, name) for at, name in enumerate(self.names)}
        roles: Sequence[Role] = ["member"]
        members = [(site.keyring.key_ops, roles) for site in self.sites.values()]
        charter = read_charter_file(draft_charter("Hamlet", members, bytes(16)))
        for site in self.sites.values():
            charter = read_charter_file(sign_charter(charter, site.keyring))
        for site in self.sites.values():
            adopt_charter(charter, site.home)
        self.fid: FederationId = charter.certificate.fid

    async def __aenter__(self) -> Hamlet:
        return self

    async def __aexit__(self, *_: object) -> None:
        for site in self.sites.values():
            await self.stop(site.name)

    def _make(self, at: int, name: str) -> Site:
        home = self.folder / name
        home.mkdir(parents=True)
        keyring = create_keyring(
            home,
            name=name.title(),
            country="GB",
            random=self.dice.randbytes,
            now_ms=START_MS - 60_000,
        )
        peers = "".join(
            f'{{ url = "ws://{other}:8440" }}, ' for other in self.names if other != name
        )
        (home / CONFIG_FILE).write_text(
            f'name = "{name.title()}"\npeer_host = "{name}"\npeer_port = 8440\n'
            f"local_port = {8441 + at}\npeers = [{peers}]\n"
            + _WAITS.format(compare_ms=self.compare_ms)
        )
        return Site(name=name, home=home, keyring=keyring)

    async def start(self, *names: str) -> None:
        """Start nodes and return once they are open."""
        for name in names:
            site = self.sites[name]
            site.task = asyncio.create_task(self._serve(site))
        await self.until(lambda: all(self.sites[name].node is not None for name in names))

    async def _serve(self, site: Site) -> None:
        progress = Progress()
        while True:
            async with open_node(
                site.home,
                clock=self.clock,
                random=self.dice.randbytes,
                services={},
                progress=progress,
            ) as node:
                blobs = Blobs(site.home, quota_bytes=1 << 20)
                network = self.network.host(site.name)
                peering = make_peering(node, network, Fetching(blobs, self.clock))
                watch = make_watch(node, peering)
                await peering.start()
                site.node, site.peering = node, peering
                site.opened += 1
                try:
                    if not await run_services(node, site.home, watch=watch):
                        return
                finally:
                    site.node = site.peering = None
                    await peering.stop()
                    await blobs.close()

    async def stop(self, name: str) -> None:
        """Stop a node at whatever it does."""
        site = self.sites[name]
        if site.task is not None:
            site.task.cancel()
            await self._drive(site.task)
            site.task = None

    async def _drive(self, task: asyncio.Task[None]) -> None:
        while not task.done():
            self.clock.advance(STEP_MS)
            await asyncio.sleep(0.001)
        await asyncio.wait([task])

    async def copy(self, name: str, *, at: str = "copy") -> Path:
        """Return a copy of a home, whose node is stopped for it and started again."""
        was_running = self.sites[name].task is not None
        await self.stop(name)
        into = self.folder / f"{name}-{at}"
        shutil.copytree(self.sites[name].home, into)
        if was_running:
            await self.start(name)
        return into

    def double(self, name: str, copy: Path) -> str:
        """Make a copy of a home one that runs beside it, on a host of its own; return its name."""
        twin = f"{name}-twin"
        settings = (copy / CONFIG_FILE).read_text()
        (copy / CONFIG_FILE).write_text(
            settings.replace(f'peer_host = "{name}"', f'peer_host = "{twin}"')
        )
        self.sites[twin] = Site(name=twin, home=copy, keyring=self.sites[name].keyring)
        return twin

    async def put_back(self, name: str, copy: Path, *, is_marked: bool = True) -> None:
        """Put a copy in the place of a home, as a restored backup or in silence."""
        await self.stop(name)
        site = self.sites[name]
        shutil.rmtree(site.home)
        shutil.copytree(copy, site.home)
        if is_marked:
            mark(site.home, now_ms=self.clock.now_ms())

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Let time pass until something holds; fail where it takes too long."""
        end = time.monotonic() + PATIENCE_S
        while not is_true():
            self._require_running()
            assert time.monotonic() < end, f"still waiting: {self.state()}"
            self.clock.advance(STEP_MS)
            await asyncio.sleep(0.002)

    def _require_running(self) -> None:
        """Fail where a node that is to run broke down."""
        for site in self.sites.values():
            if site.task is not None and site.task.done():
                site.task.result()

    async def pass_ms(self, ms: int) -> None:
        """Let time pass."""
        for _ in range(ms // STEP_MS):
            self.clock.advance(STEP_MS)
            await asyncio.sleep(0.001)

    async def publish(
        self, name: str, count: int = 1, *, refs: Sequence[EntryId] = ()
    ) -> list[StoredEntry]:
        """Publish entries by a node, waiting while it may not."""
        drafts = [Draft(kind="x.note", refs=refs, body=b"\x80")] * count
        ingest = self.sites[name].running.parts.ingest
        published: list[StoredEntry] = await self._while_time_passes(
            ingest.publish(self.fid, drafts)
        )
        return published

    async def _while_time_passes(self, awaited: Any) -> Any:
        task = asyncio.ensure_future(awaited)
        while not task.done():
            self._require_running()
            self.clock.advance(STEP_MS)
            await asyncio.sleep(0.001)
        return await task

    async def refusal(self, name: str) -> str | None:
        """Return the code that a publication is refused with; None where it is not."""
        try:
            await self.publish(name)
        except LocalProtocolError as exc:
            return exc.code
        return None

    def seq(self, name: str, of: str, wid: WriterId) -> int:
        """Return how far a node holds the log of a co-op's writer."""
        log = log_id(self.fid, self.sites[of].keyring.cid, wid)
        held = self.sites[name].running.parts.store.logs.get(log)
        return 0 if held is None else held.head.seq

    def entries(self, name: str, kind: str) -> list[StoredEntry]:
        """Return the entries of a kind that a node holds and that count."""
        held = self.sites[name].running.parts.store.entries_after(0, 10_000)
        return [each for each in held if each.kind == kind and each.no_effect is None]

    def is_free(self, name: str) -> bool:
        """Return whether a node runs and is not recovering."""
        node = self.sites[name].node
        return node is not None and not node.standing.is_recovering

    def is_in_use(self, name: str) -> bool:
        """Return whether a node runs and knows that its keys are in use elsewhere."""
        node = self.sites[name].node
        return node is not None and node.standing.in_use is not None

    def has_dialled(self, name: str) -> bool:
        """Return whether a node has a link that it dialled."""
        peering = self.sites[name].peering
        return peering is not None and any(peer.is_dialled for peer in peering.peers())

    def agree(self, *names: str) -> bool:
        """Return whether nodes hold the same logs to the same places."""
        nodes = [self.sites[name].node for name in names]
        if any(node is None for node in nodes):
            return False
        held = [node.parts.store.frontier(self.fid) for node in nodes if node is not None]
        return all(each == held[0] for each in held)

    async def show(self, name: str) -> Any:
        host = self.sites[name].running.hosts.by_federation[self.fid][NAME]
        return await host.view("show", Call())

    def state(self) -> dict[str, object]:
        """Return what each node waits for, for a message."""
        return {
            site.name: (
                site.opened,
                None if site.node is None else site.node.standing.marker,
                None if site.node is None else site.node.standing.waits_for,
                None if site.peering is None else site.peering.dials(),
            )
            for site in self.sites.values()
        }
