"""A federation of whole nodes in one process: who lives, who died, what the world does to them."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from tests.simulation.clock import NodeClock
from tests.simulation.dice import dice
from tests.simulation.disk import VOLATILE, Disk, Wear
from tests.simulation.loop import Life, VirtualLoop
from tests.simulation.network import Network
from tests.simulation.rows import short
from tests.simulation.trace import Trace

from sheaf_node.app import make_peering, make_watch, open_node, run_services
from sheaf_node.backup import lay_down, snapshot
from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.plugins import Call
from sheaf_node.recovery import Progress
from sheaf_node.store import DATABASE
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from tests.simulation.ledger import Ledger
    from tests.simulation.liars import Lies

    from sheaf_node.app import Node
    from sheaf_node.backup import Manifest
    from sheaf_node.clock import Randomness
    from sheaf_node.plugins import ServiceFactory
    from sheaf_node.store.writer import Job


T = TypeVar("T")


class Unknown(Exception):
    """Whoever was asked died or did not answer in time: it may have happened or not."""


@dataclass(eq=False)
class Site:
    """A co-op's computer: its home folder, its clock, and the life that runs there now, if any."""

    name: str
    home: Path
    clock: NodeClock
    wear: Wear
    life: Life | None = None
    disk: Disk | None = None
    node: Node | None = None
    lives: int = 0
    lies: Lies | None = None
    """What its operator does that no honest node would."""
    backups: list[tuple[Manifest, Path]] = field(default_factory=list)
    copies: list[Path] = field(default_factory=list)
    """Of its folder as it stood while the node ran."""
    whole: Path | None = None
    """Its folder before a bit flipped in it."""
    reason: str | None = None
    """Why its newest life ended by itself, or did not begin."""


@dataclass(eq=False)
class World:
    """Everything that exists in a run."""

    seed: int
    folder: Path
    homes: Mapping[str, Path]
    services: Mapping[str, ServiceFactory]
    ledger: Ledger
    loop: VirtualLoop = field(default_factory=VirtualLoop)
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.trace = Trace(self.loop.time)
        self.network = Network(self.loop, self.dice("network"), self.trace, seen=self.seen)
        self.network.on_forged = lambda name: self.ledger.fault(
            "I5", f"{name} went on after a frame that its peer did not send"
        )
        self.sites: dict[str, Site] = {}
        self.on_commit: list[Callable[[str, Sequence[Any]], None]] = []
        """Told of the entries that a site has just synced."""
        self.names = list(self.homes)
        """The co-ops' own nodes; `sites` has copies of some beside them."""
        for name, template in self.homes.items():
            home = self.folder / f"{name}-0"
            shutil.copytree(template, home)
            self.sites[name] = Site(name, home, NodeClock(self.loop), Wear())

    @property
    def honest(self) -> list[str]:
        """The nodes that keep to the protocol."""
        return [name for name in self.names if self.sites[name].lies is None]

    def dice(self, *name: object) -> random.Random:
        """Return a stream of randomness of this run."""
        return dice(self.seed, *name)

    # --- life and death -----------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start a node on its home, as its last life left it."""
        site = self.sites.get(name)
        if site is None or site.life is not None:
            return
        site.lives += 1
        life = site.life = Life(name)
        life.on_blown = lambda: self.kill(name, "fuse")
        site.disk = Disk(
            self.loop,
            life,
            self.dice("disk", name, site.lives),
            site.wear,
            self.seen,
            site.home,
            lambda group: self._committed(site, group),
        )
        site.reason = None
        self.trace.note("start", name, site.lives)
        self.loop.spawn(life, self._live(site, life))

    def kill(self, name: str, why: str = "kill") -> None:
        """End a node between two of its effects; its home is what its disk keeps of it."""
        site = self.sites.get(name)
        if site is None:
            return
        life, disk = site.life, site.disk
        if life is None or disk is None:
            return
        self.seen[f"death by {why}"] += 1
        if disk.under_way:
            self.seen["death between append and fsync"] += 1
        self.ledger.dying(name, [job.effects.entries for job in disk.under_way])
        self.trace.note("kill", name, why)
        self._bury(site, life)
        site.home = disk.survive(self.folder / f"{name}-{site.lives}")

    def _bury(self, site: Site, life: Life) -> None:
        life.is_over = True
        site.life = site.node = None
        self.network.drop_host(site.name, is_silent=self.network.dice.random() < 0.3)

    async def _live(self, site: Site, life: Life) -> None:
        """Run a node until its store fails or it will not start."""
        random = self.dice("node", site.name, site.lives).randbytes
        try:
            progress = Progress()
            while await self._open(site, random, progress):
                self.seen["home opened anew"] += 1
        except Refusal as refusal:
            site.reason = f"{refusal.code}: {refusal.detail}"
        self.trace.note("ended", site.name, site.reason)
        self.seen[f"node ended: {(site.reason or 'disk').split(':')[0]}"] += 1
        self.loop.schedule(None, 0, self.kill, site.name, "failure")

    async def _open(self, site: Site, random: Randomness, progress: Progress) -> bool:
        """Run a node until its store fails, or its home asks to be opened anew."""
        services = self.services
        assert site.disk is not None
        site.disk = site.disk.anew()
        async with open_node(
            site.home,
            clock=site.clock,
            random=random,
            writer=site.disk.open,
            services=services if site.lies is None else site.lies.services(services),
            progress=progress,
        ) as node:
            fetching = Fetching(Blobs(site.home, quota_bytes=1 << 20), site.clock)
            peering = make_peering(node, self.network.host(site.name), fetching)
            watch = make_watch(node, peering)
            if site.lies is not None:
                site.lies.tamper(node)
            await peering.start()
            site.node = node
            self._compare(site)
            is_again = await run_services(node, site.home, watch=watch)
            site.node = None
            await peering.stop()
            return is_again

    # --- disks that go back --------------------------------------------------------------------

    def back_up(self, name: str) -> None:
        """Make a backup of a node that runs."""
        site = self.sites[name]
        if site.node is None or site.node.standing.is_recovering:
            return
        into = self.folder / f"{name}-backup-{len(site.backups)}"
        manifest = snapshot(site.home, into, created_ms=site.clock.now_ms())
        site.backups.append((manifest, into))

    def restore(self, name: str, backup: tuple[Manifest, Path]) -> None:
        """Lose a disk, and put a backup back in the way that operators are told to."""
        site = self.sites[name]
        self.kill(name, "lost disk")
        home = self.folder / f"{name}-restored-{site.lives}"
        lay_down(*backup, home, now_ms=site.clock.now_ms())
        site.home = home
        self.ledger.lost_disk(name)

    def copy_of(self, name: str) -> Path:
        """Copy the folder of a node as it stands, as nobody should."""
        site = self.sites[name]
        self.seen["folder copied"] += 1
        into = self.folder / f"{name}-copy-{self.seen['folder copied']}"
        shutil.copytree(site.home, into, ignore=lambda _, names: VOLATILE & set(names))
        return into

    def roll_back(self, name: str, copy: Path) -> None:
        """Put back an old copy of a disk, and tell nobody."""
        site = self.sites[name]
        self._may_fork(site)
        self.kill(name, "rolled back disk")
        home = self.folder / f"{name}-rolled-{site.lives}"
        shutil.copytree(copy, home)
        site.home = home
        self.ledger.lost_disk(name)

    def clone(self, name: str) -> str:
        """Start a second node on a copy of a home; return its name."""
        site, twin = self.sites[name], f"{name}~"
        self._may_fork(site)
        self.sites[twin] = Site(twin, self.copy_of(name), NodeClock(self.loop), Wear())
        self.sites[twin].lies = site.lies
        self.ledger.cids[twin] = self.ledger.cids[name]
        self.start(twin)
        return twin

    def end_clones(self) -> None:
        """Stop all copies for good."""
        for twin in [name for name in self.sites if name not in self.homes]:
            self.kill(twin, "operator")
            del self.sites[twin]

    def _may_fork(self, site: Site) -> None:
        self.ledger.excused.add(self.ledger.cids[site.name])

    def _committed(self, site: Site, group: Sequence[Job]) -> None:
        entries = [entry for job in group for entry in job.effects.entries]
        self.trace.note("commit", site.name, *(entry.id.hex()[:8] for entry in entries))
        self.ledger.durable(site.name, entries, site.clock.latest_ms)
        for certificate in [c for job in group for _, c in job.effects.certificates]:
            latest_ms = max(each.clock.latest_ms for each in self.sites.values())
            self.ledger.certified(encode(certificate), latest_ms)
        for look in self.on_commit:
            look(site.name, entries)
        own = self.ledger.cids[site.name]
        if any(e.kind == "writer.succeed" and e.header.cid == own for e in entries):
            self.seen["writer succeeded another"] += 1
            self._compare(site, is_recovering=False)
        elif any(job.effects.judged for job in group):
            self._compare(site)  # entries lost their effect, or got it back

    # --- what people ask of it -----------------------------------------------------------------

    async def command(
        self, name: str, service: str, what: str, body: bytes = b"", **options: str
    ) -> Any:
        """Have a node carry out a command of a service. Raises Unknown, Refusal."""
        call = Call(body=body, options=options)
        return await self._within(name, lambda host: host.command(what, call), service)

    async def insist(
        self,
        name: str,
        service: str,
        what: str,
        body: bytes = b"",
        *,
        final: tuple[str, ...] = (),
        **options: str,
    ) -> None:
        """Ask for the same until there is an answer that is no refusal, or a `final` one."""

        async def is_answered() -> bool:
            try:
                await self.command(name, service, what, body, **options)
            except Refusal as refusal:
                if refusal.code not in final:
                    raise
                self.seen[f"refused: {refusal.code}"] += 1
            return True

        await self.until(is_answered)

    async def until(
        self,
        ask: Callable[[], Awaitable[T | None]],
        *,
        wait_s: float = 1.0,
        most_s: float = 8.0,
        is_counted: bool = True,
    ) -> T:
        """Ask, ever more rarely, until there is an answer that is neither a refusal nor None.

        `is_counted` says whether what came in its stead stands in `seen`.
        """
        seen = self.seen if is_counted else Counter[str]()
        while True:
            try:
                answer = await ask()
                if answer is not None:
                    return answer
            except Unknown:
                seen["answer unknown"] += 1
            except Refusal as refusal:
                seen[f"refused: {refusal.code}"] += 1
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, most_s)

    async def view(self, name: str, service: str, what: str, **options: str) -> Any:
        """Return a view of a service of a node. Raises Unknown, Refusal."""
        call = Call(options=options)
        return await self._within(name, lambda host: host.view(what, call), service)

    async def _within(self, name: str, ask: Callable[[Any], Any], service: str) -> Any:
        site = self.sites.get(name)
        if site is None or site.node is None or site.life is None:
            raise Unknown(name)
        hosts = next(iter(site.node.hosts.by_federation.values()), {})
        if service not in hosts:
            raise Unknown(name)
        task = self.loop.spawn(site.life, ask(hosts[service]))
        answer: asyncio.Future[Any] = self.loop.create_future()
        task.add_done_callback(lambda done: self._pass_on(done, answer))
        try:
            return await asyncio.wait_for(answer, 20)
        except TimeoutError:
            raise Unknown(name) from None

    def _compare(self, site: Site, *, is_recovering: bool | None = None) -> None:
        """Check that a node holds what it had synced (I13), and read its entries anew."""
        if site.node is None:
            return  # it is read when it has started
        if is_recovering is None:
            is_recovering = site.node.standing.is_recovering
        path, order = site.home / DATABASE, self.writers(site.name)
        self.ledger.reopened(site.name, path, order, is_recovering=is_recovering)

    def writers(self, name: str) -> dict[bytes, list[bytes]]:
        """Return the writers of each co-op in the order of its key log, as a node knows them."""
        node = self.sites[name].node
        logs = {} if node is None else node.parts.store.key_logs
        return {cid: list(log.writers) for cid, log in logs.items()}

    def stopped_services(self, name: str) -> list[str]:
        """Return the services of a node that a fault ended."""
        node = self.sites[name].node
        return [] if node is None else [host.name for host in node.hosts if host.is_stopped]

    def view_of(self, name: str) -> frozenset[str]:
        """Return what a node holds, to compare with others: logs, forks, keys, certificates."""
        node = self.sites[name].node
        if node is None:
            return frozenset({f"{name} is down: {self.sites[name].reason}"})
        store = node.parts.store
        [fid, *_] = store.chains
        frontier = store.frontier(fid)
        logs = [f"log {short(log)} {at.seq} {short(at.head)}" for log, at in frontier.items()]
        forks = [f"fork {short(log)}" for log, held in store.logs.items() if held.forked_at]
        keys = [f"key log {short(cid)} {short(log.head)}" for cid, log in store.key_logs.items()]
        chain = [f"certificate {short(id_)}" for id_ in store.chains[fid].links]
        return frozenset((*logs, *forks, *keys, *chain))

    def database(self, name: str) -> Path:
        """Return where a node's store is."""
        return self.sites[name].home / DATABASE

    def _pass_on(self, done: asyncio.Task[Any], answer: asyncio.Future[Any]) -> None:
        """Give the answer of a node to who asked; what is no refusal is a fault of the node."""
        if answer.done():
            return
        exc = None if done.cancelled() else done.exception()
        if done.cancelled():
            answer.set_exception(Unknown())
        elif exc is None:
            answer.set_result(done.result())
        else:
            if not isinstance(exc, Refusal):
                self.loop.faults.append({"exception": exc})
            answer.set_exception(exc)
