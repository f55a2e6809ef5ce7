"""The method of SQLite's own authors: the first operation on the disk fails, then the second, and
so on until a run passes without reaching the one that was to fail.

Whatever fails, the store must stop for good: no operation follows, every call is refused, and what
was acknowledged is there afterwards, even if the power goes at the same moment.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import apsw
from tests.durability.disk import Disk
from tests.durability.vfs import DiskVFS, connecting
from tests.durability.workload import OWN, judge, reading, work, zeros

from sheaf_node.store import Change, Store
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.durability.disk import Image

    from sheaf_protocol.digest import EntryId

ERRORS = {
    "write": int(apsw.SQLITE_IOERR_WRITE),
    "sync": int(apsw.SQLITE_IOERR_FSYNC),
    "full": int(apsw.SQLITE_FULL),
}
"""What fails, and how SQLite is told."""
ROUNDS = 12
PRAGMAS = {"wal_autocheckpoint": "20"}


@dataclass(slots=True)
class Report:
    """What the errors led to."""

    errors: int = 0
    """Runs in which an operation failed."""
    refused_opening: int = 0
    failed: int = 0
    unnoticed: int = 0
    """Runs that went on: SQLite needs not every operation, such as shortening the log."""
    lost: int = 0
    faults: list[str] = field(default_factory=list)


class NthFails:
    """Lets one operation fail, and counts those that are tried after it."""

    def __init__(self, kind: str, number: int) -> None:
        self._code = ERRORS[kind]
        self._needed = {"write": ("write", "truncate", "remove"), "sync": ("sync",)}.get(
            kind, ("write",)
        )
        self._left = number
        self.failed: str | None = None
        self.after: list[str] = []

    def __call__(self, operation: str) -> int | None:
        if self.failed is not None:
            self.after.append(operation)
            return None
        if not operation.startswith(self._needed):
            return None
        self._left -= 1
        if self._left:
            return None
        self.failed = operation
        return self._code


async def fail_each(kind: str, step: int = 1, *, passes_over: str | None = None) -> Report:
    """Let each operation of a kind fail in its own run, or each `step`th.

    `passes_over` plants a fault: what fails of statements that begin so is taken for done.
    """
    report, number = Report(), 1
    with tempfile.TemporaryDirectory() as folder:
        begun = await _begun(Path(folder) / "sheaf.db")
        opened = partial(_open, passes_over=passes_over)
        while await _fail(report, begun, NthFails(kind, number), opened):
            number += step
    return report


@dataclass(frozen=True, slots=True)
class _Begun:
    """A disk with a store on it, and what was acknowledged so far."""

    path: Path
    image: Image
    told: dict[int, EntryId]


async def _begun(path: Path) -> _Begun:
    """Return a disk on which a store has some entries, all in its write-ahead log."""
    disk, told = Disk(), {}
    vfs = DiskVFS("begun", disk)
    store = _open(path, vfs)
    await work(store, Random(1), told.__setitem__, rounds=5)
    await store.close()
    vfs.unregister()
    return _Begun(path, disk.after_cut(Random(1)), told)


async def _fail(
    report: Report, begun: _Begun, trouble: NthFails, opened: Callable[..., Store]
) -> bool:
    """Return whether the run reached the operation that fails."""
    disk, path, told = Disk(begun.image), begun.path, dict(begun.told)
    vfs = DiskVFS("fails", disk, trouble)
    try:
        store = opened(path, vfs)
    except Refusal as refusal:
        report.refused_opening += 1
        if refusal.code != "store.unreadable":
            report.faults.append(f"{trouble.failed}: {refusal}")
    else:
        refusal = await work(store, Random(2), told.__setitem__, rounds=ROUNDS)
        await _note(report, store, refusal, trouble)
        await store.close()
        if refusal is not None and trouble.after:
            report.faults.append(f"after {trouble.failed}: {trouble.after[:3]}")
    finally:
        vfs.unregister()
    report.errors += trouble.failed is not None
    for image_after in (disk.after_cut(Random(4)), _as_seen(disk)):
        await _look(report, path, image_after, told, trouble)
    return trouble.failed is not None


async def _note(report: Report, store: Store, refusal: Refusal | None, trouble: NthFails) -> None:
    if refusal is None:
        report.unnoticed += trouble.failed is not None
        return
    report.failed += 1
    codes = [refusal.code, reading(store), await _writing(store)]
    if codes != ["store.failed"] * 3:
        report.faults.append(f"{trouble.failed}: expected store.failed thrice, got {codes}")


async def _writing(store: Store) -> str | None:
    try:
        await store.commit(Change())
    except Refusal as refusal:
        return refusal.code
    return None


def _as_seen(disk: Disk) -> Image:
    disk.sync_names()
    for name in disk.after_cut(Random(0)):
        disk.open(name).sync()
    return disk.after_cut(Random(0))


async def _look(
    report: Report, path: Path, image: Image, told: dict[int, EntryId], trouble: NthFails
) -> None:
    vfs = DiskVFS("look", Disk(image))
    try:
        store = _open(path, vfs)
        verdict = judge(store, told)
        await store.close()
    except Refusal as refusal:
        report.faults.append(f"after {trouble.failed}: {refusal}")
        return
    finally:
        vfs.unregister()
    report.lost += verdict.lost
    report.faults += [f"after {trouble.failed}: {fault}" for fault in verdict.faults]


def _open(path: Path, vfs: DiskVFS, passes_over: str | None = None) -> Store:
    connect = connecting(vfs, PRAGMAS, passes_over)
    return Store.open(path, random=zeros, own=OWN, connect=connect)


def run(step: int = 1) -> dict[str, Report]:
    """Let each operation fail, by what fails."""
    return {kind: asyncio.run(fail_each(kind, step)) for kind in ERRORS}
