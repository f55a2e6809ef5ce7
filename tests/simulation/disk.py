"""The disk of one life of a node: commits take time, may fail, and death may come in between.

The database is a real one. What a death leaves of it is what a disk that honours fsync may leave:
all that was synced, and of the commit under way a random subset of its 512-byte sectors.
"""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from sheaf_node.store import DATABASE
from sheaf_node.store.writer import GROUP_ENTRIES, Transactions

if TYPE_CHECKING:
    import random
    from collections import Counter
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.simulation.loop import Life, VirtualLoop

    from sheaf_node.store.writer import Finished, Job

SECTOR: Final = 512
_WAL: Final = f"{DATABASE}-wal"
VOLATILE: Final = frozenset({f"{DATABASE}-shm", "lock"})


@dataclass
class Wear:
    """How bad a disk is; chances are per commit, times in seconds."""

    least_s: float = 0.001
    most_s: float = 0.01
    slow: float = 0.0
    failing: float = 0.0
    full: float = 0.0


@dataclass
class Disk:
    """Stands in for the writer thread of a store."""

    loop: VirtualLoop
    life: Life
    dice: random.Random
    wear: Wear
    seen: Counter[str]
    home: Path
    on_commit: Callable[[Sequence[Job]], None]
    """Told of a group that is durable, before its node is."""
    fuse: int = -1
    """The commit, counted from now, in the middle of which its node dies."""
    _waiting: list[Job] = field(default_factory=list)
    _is_busy: bool = False
    _has_failed: bool = False
    _under_way: Sequence[Job] = ()
    _untold: Sequence[Job] = ()
    """What is durable and its store does not know yet."""

    @property
    def under_way(self) -> Sequence[Job]:
        """The commit that would be on its way to the disk now; empty between two."""
        return self._under_way

    def anew(self) -> Disk:
        """Return the disk for the same life, which opens its home once more."""
        return replace(self, _waiting=[], _is_busy=False, _has_failed=False, _under_way=())

    def open(self, connection: sqlite3.Connection, finished: Finished) -> Disk:
        """Take the place of `Writer`."""
        self._connection, self._finished = connection, finished
        self._transactions = Transactions(connection)
        return self

    def put(self, job: Job) -> None:
        """Queue a job."""
        self._waiting.append(job)
        if not self._is_busy and not self._has_failed:
            self._begin()

    def abandoned(self) -> list[Job]:
        """Return what will not be committed."""
        jobs, self._waiting = self._waiting, []
        return jobs

    def stop(self) -> None:
        """Commit what is queued at once: the node closes in order."""
        if self._untold:
            self._tell(self._untold)
        if not self._has_failed and (group := [*self._under_way, *self._waiting]):
            self._under_way, self._waiting = (), []
            self._transactions.commit(group)
            self.on_commit(group)
            self._finished(group, None)

    def _begin(self) -> None:
        group, entries = [], 0
        while self._waiting and entries < GROUP_ENTRIES:
            group.append(self._waiting.pop(0))
            entries += len(group[-1].effects.entries)
        self._is_busy, self._under_way = True, group
        wear, dice = self.wear, self.dice
        delay = wear.least_s + (wear.most_s - wear.least_s) * dice.random()
        if wear.slow > dice.random():
            self.seen["slow fsync"] += 1
            delay += 5 * dice.random()
        self.fuse -= 1
        if self.fuse == 0:
            self.loop.schedule(self.life, delay * dice.random(), self.life.on_blown)
        self.loop.schedule(self.life, delay, self._sync, group)

    def _sync(self, group: Sequence[Job]) -> None:
        """Make a group durable, or fail for good."""
        if not self._under_way:
            return  # `stop` was quicker
        self._under_way = ()
        error = self._error()
        if error is not None:
            self._has_failed = True
            self._finished(group, error)
            return
        self._transactions.commit(group)
        self.on_commit(group)
        self._untold = group
        # A step of its own, so that death may come between the fsync and all that waits for it.
        self.loop.schedule(self.life, 0, self._tell, group)

    def _tell(self, group: Sequence[Job]) -> None:
        if group is not self._untold:
            return  # `stop` was quicker
        self._untold = ()
        self._finished(group, None)
        self._is_busy = False
        if self._waiting:
            self._begin()

    def _error(self) -> Exception | None:
        draw = self.dice.random()
        if draw < self.wear.failing:
            self.seen["disk failed"] += 1
            return sqlite3.OperationalError("disk I/O error")
        if draw < self.wear.failing + self.wear.full:
            self.seen["disk full"] += 1
            return sqlite3.OperationalError("database or disk is full")
        return None

    def survive(self, into: Path) -> Path:
        """Copy what the death of this life leaves of its home to another folder."""
        torn = self._torn() if self._under_way and not self._has_failed else None
        shutil.copytree(self.home, into, ignore=lambda _, names: VOLATILE & set(names))
        if torn is not None:
            self.seen["commit torn"] += 1
            (into / _WAL).write_bytes(torn)
        return into

    def _torn(self) -> bytes:
        """Return the log of the database where the commit under way reached the disk in part."""
        wal = self.home / _WAL
        before = wal.read_bytes()
        self._transactions.commit(self._under_way)
        after = wal.read_bytes()
        torn = bytearray(after)
        # Nothing arrived, all of it, the beginning of it, or any part of it in any order.
        cut = self.dice.choice((0.0, 1.0, self.dice.random(), None))
        first = len(before) // SECTOR * SECTOR
        for at in range(first, len(after), SECTOR):
            is_kept = (
                self.dice.random() < 0.5 if cut is None else at - first < cut * len(after[first:])
            )
            if not is_kept:
                old = before[at : at + SECTOR]
                torn[at : at + SECTOR] = old.ljust(len(after[at : at + SECTOR]), b"\0")
        wal.write_bytes(before)  # nobody reads it any more, but the copy is taken from here
        return bytes(torn)
