"""Power cuts on the real store over a modelled disk (`vfs.py`), torn and reordered.

A disk lives through several cuts, each at a random operation of its life: while the store opens and
recovers from the cut before, while it commits, while it copies the write-ahead log.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import apsw
from tests.durability.disk import Disk
from tests.durability.vfs import DiskVFS, connecting
from tests.durability.workload import OWN, judge, unsound, work, zeros

from sheaf_node.store import Store
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.durability.disk import Image

    from sheaf_protocol.digest import EntryId

CUTS_OF_A_DISK = 10
LATEST = 400
"""Operations after which the power goes at the latest: opening a store takes about thirty."""
ROUNDS = 60


@dataclass(slots=True)
class Tally:
    """What a run found."""

    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    cuts_with_loss: int = 0
    cut_while_opening: int = 0
    cut_at: dict[str, int] = field(default_factory=dict)
    """How many cuts came at each kind of operation."""
    faults: list[str] = field(default_factory=list)


class Power:
    """Goes off at an operation, and stays off."""

    def __init__(self, left: int) -> None:
        self._left = left
        self.cut_at: str | None = None

    def __call__(self, kind: str) -> int | None:
        self._left -= 1
        if self._left >= 0:
            return None
        self.cut_at = self.cut_at or kind
        return int(apsw.SQLITE_IOERR)


async def cut_power(
    cuts: int,
    seed: int,
    *,
    pragmas: Mapping[str, str] | None = None,
    acknowledges_first: bool = False,
) -> Tally:
    """Cut the power so often and return what was lost."""
    tally, random = Tally(), Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        while tally.cuts < cuts and not tally.faults:
            disk = _OneDisk(Path(folder), Random(random.randbytes(16)), tally)
            for _ in range(CUTS_OF_A_DISK):
                if tally.cuts < cuts:
                    await disk.live(pragmas or {}, acknowledges_first=acknowledges_first)
    return tally


class _OneDisk:
    """A disk and what its owner was told."""

    def __init__(self, folder: Path, random: Random, tally: Tally) -> None:
        self._path, self._random, self._tally = folder / "sheaf.db", random, tally
        self._acknowledged: dict[int, EntryId] = {}
        self._image: Image = {}

    async def live(self, pragmas: Mapping[str, str], *, acknowledges_first: bool) -> None:
        """Run until the power goes, then see what is left."""
        checkpoints = {"wal_autocheckpoint": self._random.choice(["30", "200", "20000"])}
        power = Power(self._random.randrange(LATEST))
        disk, before = Disk(self._image), len(self._acknowledged)
        vfs = DiskVFS("cut", disk, power)
        try:
            store = self._open(vfs, {**checkpoints, **pragmas})
        except Refusal:
            self._tally.cut_while_opening += 1
        else:
            told = self._acknowledged.__setitem__
            first = {"acknowledges_first": acknowledges_first}
            await work(store, self._random, told, rounds=ROUNDS, **first)
            await store.close()
        finally:
            vfs.unregister()
        self._tally.cuts += 1
        self._tally.acknowledged += len(self._acknowledged) - before
        self._note(power.cut_at or "after the work")
        self._image = disk.after_cut(self._random)
        await self._look()

    async def _look(self) -> None:
        """Open what is left on a sound disk, and compare."""
        vfs = DiskVFS("look", Disk(self._image))
        try:
            store = self._open(vfs, {})
            verdict = judge(store, self._acknowledged)
            held = len(store.logs)
            await store.close()
            verdict.faults += unsound(connecting(vfs)(self._path))
        except Refusal as refusal:
            self._tally.faults.append(f"cut {self._tally.cuts}: {refusal.code}: {refusal}")
            return
        finally:
            vfs.unregister()
        self._tally.faults += verdict.faults
        self._tally.lost += verdict.lost
        self._tally.cuts_with_loss += bool(verdict.lost)
        if verdict.lost or not held:
            self._acknowledged.clear()
            self._image = {}

    def _open(self, vfs: DiskVFS, pragmas: Mapping[str, str]) -> Store:
        return Store.open(self._path, random=zeros, own=OWN, connect=connecting(vfs, pragmas))

    def _note(self, kind: str) -> None:
        self._tally.cut_at[kind] = self._tally.cut_at.get(kind, 0) + 1


def run(cuts: int, seed: int, **planted: Any) -> Tally:
    """Cut the power so often, from outside an event loop."""
    return asyncio.run(cut_power(cuts, seed, **planted))
