"""What befalls nodes while a run is unsafe, and how the world heals afterwards."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tests.simulation.liars import WAYS, Lies
from tests.simulation.network import Weather
from tests.simulation.promises import EarlyCopy, LateWord
from tests.simulation.users import use_twin
from tests.simulation.versions import make_older, speak_newer

from sheaf_node.recovery import mark, name_absent
from sheaf_node.store import DATABASE

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.simulation.plan import Plan
    from tests.simulation.world import World

RESTORES_APART_S: Final = 60.0
PATIENCE_S: Final = 120.0
"""After which an operator who restores does without members that say nothing."""


@dataclass
class Blows:
    """Deals one blow after another until told to stop."""

    world: World
    plan: Plan
    is_over: bool = False
    _restored: float = 0.0
    _healed: float = 0.0

    def begin(self) -> None:
        """Set weather, wear and clocks, and deal the first blow."""
        world, plan = self.world, self.plan
        self.dice = world.dice("blows")
        world.network.weather = plan.weather
        for site in world.sites.values():
            site.wear = replace(plan.wear)
            if "offset" in plan.kinds:
                site.clock.offset_ms = self.dice.randint(-300_000, 300_000)
            if "drift" in plan.kinds:
                site.clock.drift_ppm = self.dice.randint(-20_000, 20_000)
        if "liar" in plan.kinds:
            self._turn_bad()
        if "older" in plan.kinds:
            make_older(world.sites[self._any()].home, self.dice)
            world.seen["began with an older store"] += 1
        if "newer" in plan.kinds and "holds" in plan.profile.work:
            world.loop.spawn(None, speak_newer(world, self._any()))
        for name in world.sites:
            world.start(name)
        if "late_word" in plan.kinds:
            LateWord(world).begin()
        if "early_copy" in plan.kinds:
            EarlyCopy(world).begin()
        self._later()

    def _turn_bad(self) -> None:
        """Let one of the members lie, in some of the ways there are, maybe with two tongues."""
        world, name = self.world, self._any()
        ways = frozenset(way for way in WAYS if self.dice.random() < 0.5)
        site = world.sites[name]
        site.lies = Lies(ways, world.dice("lies"), world.seen)
        world.ledger.turned_bad(name)
        if self.dice.random() < 0.6:
            world.loop.schedule(None, 5 + 30 * self.dice.random(), self._clone, name)

    def heal(self) -> None:
        """End all faults, and start whoever is down."""
        world = self.world
        self.is_over = True
        self._healed = world.loop.time()
        world.network.weather = Weather()
        world.network.blocked.clear()
        world.end_clones()
        for site in world.sites.values():
            site.wear.slow = site.wear.failing = site.wear.full = 0.0
            site.clock.offset_ms = site.clock.drift_ppm = 0
            if site.life is not None:
                site.life.fuse = -1
            if site.disk is not None:
                site.disk.fuse = -1
        self.revive()

    def revive(self) -> None:
        """Start all that are down, and do what the status of a node asks of its operator."""
        for name, site in self.world.sites.items():
            if site.reason is not None and site.reason.startswith("store.corrupt"):
                self._repair(name)
            if site.life is None:
                self.world.start(name)
            else:
                self._mend_identity(name)
        if self.world.loop.time() > self._healed + PATIENCE_S:
            self._do_without_liars()

    def _do_without_liars(self) -> None:
        """Name those absent that keep a restore waiting: nobody can make a liar speak."""
        liars = sorted(cid.hex() for cid in self.world.ledger.liars)
        for name in self.world.honest if liars else ():
            site = self.world.sites[name]
            marker = None if site.node is None else site.node.standing.marker
            if marker is not None and not set(liars) <= set(marker.without):
                self.world.seen["done without a liar"] += 1
                name_absent(site.home, liars)

    def _mend_identity(self, name: str) -> None:
        """Do what the status says where another node signed with the same keys."""
        site = self.world.sites[name]
        if site.node is None or site.node.standing.in_use is None or f"{name}~" in self.world.sites:
            return
        if name in self.world.homes and not site.node.standing.is_recovering:
            self.world.seen["recovery begun by an operator"] += 1
            mark(site.home, now_ms=site.clock.now_ms())
            site.node.standing.restart.set()

    def _later(self) -> None:
        wait_s = self.dice.expovariate(1 / self.plan.every_s)
        self.world.loop.schedule(None, wait_s, self._deal)

    def _deal(self) -> None:
        if self.is_over:
            return
        if self.plan.blows:
            kind = self.dice.choice(self.plan.blows)
            self.world.trace.note("blow", kind)
            getattr(self, f"_{kind}")()
        for name, site in self.world.sites.items():
            if site.life is None:  # it failed by itself
                self._repair(name)
                self._start_later(name)
            else:
                self._mend_identity(name)
        self._later()

    def _start_later(self, name: str) -> None:
        wait_s = 0.05 + 20 * self.dice.random() ** 3
        self.world.loop.schedule(None, wait_s, self.world.start, name)

    def _any(self) -> str:
        return str(self.dice.choice(self.world.names))

    def _kill(self) -> None:
        name = self._any()
        self.world.kill(name)
        self._start_later(name)

    def _fuse(self) -> None:
        """Let a node die some steps on, between any two of its effects, or within a commit."""
        site = self.world.sites[self._any()]
        if site.life is None or site.disk is None:
            return
        if self.dice.random() < 0.5:
            site.life.fuse = site.life.steps + self.dice.randint(1, self.plan.fuse_steps)
        else:
            site.disk.fuse = self.dice.randint(1, 12)

    def _partition(self) -> None:
        """Part the nodes into two groups for a while."""
        names = list(self.world.names)
        self.dice.shuffle(names)
        at = self.dice.randint(1, len(names) - 1)
        self._block([(a, b) for a in names[:at] for b in names[at:]], both=True)

    def _one_way(self) -> None:
        """Let nothing arrive in one direction between some of the nodes."""
        one, other = self.dice.sample(self.world.names, 2)
        self._block([(one, other)], both=False)

    def _block(self, pairs: list[tuple[str, str]], *, both: bool) -> None:
        directions = {*pairs, *((b, a) for a, b in pairs if both)}
        self.world.seen["partition" if both else "one way cut"] += 1
        self.world.network.blocked |= directions
        wait_s = 1 + 40 * self.dice.random() ** 2
        self.world.loop.schedule(None, wait_s, self._unblock, directions)

    def _unblock(self, directions: set[tuple[str, str]]) -> None:
        self.world.network.blocked -= directions

    def _restore(self) -> None:
        """Back up all nodes; now and then one has lost its disk, and the backup is put back."""
        world, now = self.world, self.world.loop.time()
        for name in world.names:
            if self.dice.random() < 0.7:
                world.back_up(name)
        if now - self._restored < RESTORES_APART_S:
            return
        name = self._any()
        backups = world.sites[name].backups
        if not backups:
            return
        self._restored = now
        world.seen["restored"] += 1
        if world.sites[name].node is not None and world.sites[name].node.standing.is_recovering:
            world.seen["restored while recovering"] += 1
        if world.network.blocked:
            world.seen["restored while parted"] += 1
        world.restore(name, self.dice.choice(backups[-3:]))
        world.loop.schedule(None, 0.05 + 3 * self.dice.random(), world.start, name)

    def _rollback(self) -> None:
        """Keep a copy of a running node's folder; later put it back without a word."""
        name = self._any()
        site = self.world.sites[name]
        if not site.copies:
            if site.node is not None:
                site.copies.append(self.world.copy_of(name))
            return
        self.world.seen["rolled back"] += 1
        self.world.roll_back(name, site.copies.pop())
        self._start_later(name)

    def _clone(self, name: str = "") -> None:
        """Start a second node on a copy of a running one's folder, until the world heals."""
        name = name or self._any()
        site, twin = self.world.sites[name], f"{name}~"
        if site.node is None or twin in self.world.sites or site.node.standing.is_recovering:
            return
        self.world.seen["cloned"] += 1
        self.world.clone(name)
        for at in range(3):
            op = f"{twin}{at}"
            wait_s = 1 + 20 * self.dice.random()
            self.world.loop.schedule(
                None, wait_s, self.world.loop.spawn, None, use_twin(self.world, twin, op)
            )

    def _bit_rot(self) -> None:
        """Let a bit of a node's own newest entries flip while it is down."""
        name = self._any()
        site = self.world.sites[name]
        self.world.kill(name)
        if site.life is None and site.whole is None:
            site.whole = self.world.copy_of(name)
            if rot(site.home / DATABASE, self.world.ledger.cids[name], self.dice):
                self.world.seen["bit rotted"] += 1
            else:
                site.whole = None
        self._start_later(name)

    def _repair(self, name: str) -> None:
        """Put back the whole file of a node that refused its rotten one."""
        site = self.world.sites[name]
        if site.life is None and site.whole is not None:
            self.world.seen["bit rot found"] += 1
            site.home, site.whole, site.reason = site.whole, None, None

    def _jump(self) -> None:
        """Set a clock forward or back."""
        clock = self.world.sites[self._any()].clock
        clock.offset_ms += round(self.dice.gauss(0, 120_000))
        self.world.seen["clock jumped"] += 1


def rot(path: Path, cid: bytes, dice: random.Random) -> bool:
    """Flip a bit in one of the newest entries of a co-op; return whether it has any."""
    sql = (
        "SELECT arrival, header FROM entries JOIN logs ON log = number WHERE cid = ?"
        " ORDER BY arrival DESC LIMIT 20"
    )
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(sql, (cid,)).fetchall()
        if not rows:
            return False
        arrival, header = dice.choice(rows)
        at = dice.randrange(8 * len(header))
        flipped = bytearray(header)
        flipped[at // 8] ^= 1 << at % 8
        connection.execute(
            "UPDATE entries SET header = ? WHERE arrival = ?", (bytes(flipped), arrival)
        )
        connection.commit()
    return True
