"""Power cuts on SQLite as the node has it: the standard library's, with its own files.

A worker runs with `recorder.c` loaded, which writes down each write, sync and change of names in
order, and among them what was acknowledged. The record is then played on the modelled disk
(`disk.py`) up to random places; what a cut leaves there is written to a folder and opened. One
record so stands for many cuts; the next worker goes on from what one of them left.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from tests.durability.disk import Disk, Image
from tests.durability.power_cut import Tally
from tests.durability.worker import ACKNOWLEDGED, Answer, Task, acknowledged_in
from tests.durability.workload import OWN, judge, unsound, zeros

from sheaf_node.store import Store
from sheaf_node.store.schema import open_reader
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sheaf_protocol.digest import EntryId

COMPILER = os.environ.get("CC", "cc")
NO_COMPILER = f"no C compiler ({COMPILER}) here, or no Linux: recorder.c cannot be built"
CUTS_OF_A_RECORD = 50
ROUNDS = 60
SOURCE = Path(__file__).with_name("recorder.c")
ROOT = Path(__file__).parents[2]


class Operation(NamedTuple):
    """One line of a record: see `recorder.c`."""

    what: str
    name: str
    place: int
    data: bytes


def compiler() -> str | None:
    """Return the C compiler, or None where this machine has none or is no Linux."""
    return shutil.which(COMPILER) if sys.platform == "linux" else None


@lru_cache(maxsize=1)
def _built() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="recorder-")
    command = [COMPILER, "-shared", "-fPIC", "-O1", "-o", f"{folder.name}/recorder.so", SOURCE]
    subprocess.run([*command, "-ldl", "-lpthread"], check=True)
    return folder


def run_worker(task: Task, **settings: str) -> Answer:
    """Run a worker; with settings for the recorder, under it."""
    environment = {**os.environ, **settings}
    if settings:
        environment |= {"LD_PRELOAD": f"{_built().name}/recorder.so", "DISK_FOLDER": task.folder}
    result = subprocess.run(
        [sys.executable, "-m", "tests.durability.worker", msgspec.json.encode(task).decode()],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    return msgspec.json.decode(result.stdout, type=Answer)


def operations(path: Path) -> Iterator[Operation]:
    """Yield what a recorder wrote down."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        length = data[at + 1]
        name = data[at + 2 : at + 2 + length].decode()
        place, size = struct.unpack_from("QQ", data, at + 2 + length)
        start = at + 2 + length + 16
        yield Operation(chr(data[at]), name, place, data[start : start + size])
        at = start + size


def apply(disk: Disk, operation: Operation) -> None:
    """Do to a disk what a process did."""
    what, name, place, data = operation
    match what:
        case "c":
            disk.open(name)
        case "w":
            disk.open(name).write(place, data)
        case "t":
            disk.open(name).truncate(place)
        case "s":
            if name:
                disk.open(name).sync()
            else:
                disk.sync_names()
        case "u":
            disk.remove(name)


class _Records:
    """Records one after another, each begun from what a cut of the one before left."""

    def __init__(self, folder: Path, random: Random, tally: Tally) -> None:
        self._folder, self._random, self._tally = folder, random, tally
        self._image: Image = {}
        self._acknowledged: dict[int, EntryId] = {}

    def cut(self, cuts: int, pragmas: Mapping[str, str], *, acknowledges_first: bool) -> None:
        """Make one record and cut the power in it so often."""
        work, record = self._folder / "work", self._folder / "record"
        lay(work, self._image)
        task = Task(
            folder=str(work),
            seed=self._random.randrange(2**32),
            rounds=ROUNDS,
            pragmas={"wal_autocheckpoint": self._random.choice(["30", "200"]), **pragmas},
            acknowledges_first=acknowledges_first,
        )
        record.unlink(missing_ok=True)
        run_worker(task, DISK_RECORD=str(record))
        done = list(operations(record))
        places = sorted(self._random.randrange(len(done) + 1) for _ in range(cuts))
        goes_on_from = self._random.randrange(cuts)
        disk, at, told = Disk(self._image), 0, dict(self._acknowledged)
        for number, place in enumerate(places):
            for operation in done[at:place]:
                self._play(disk, operation, told)
            at = place
            left = disk.after_cut(self._random)
            is_good = self._look(left, told)
            self._note(done[place].what if place < len(done) else "the end")
            if number == goes_on_from and is_good:
                self._image, self._acknowledged = left, dict(told)

    def _play(self, disk: Disk, operation: Operation, told: dict[int, EntryId]) -> None:
        if operation.what == "a":
            told |= acknowledged_in(operation.data)
            self._tally.acknowledged += 1
        elif operation.name != ACKNOWLEDGED:
            apply(disk, operation)

    def _look(self, left: Image, told: dict[int, EntryId]) -> bool:
        folder = self._folder / "left"
        lay(folder, left)
        try:
            lost, faults = asyncio.run(_judged(folder / "sheaf.db", told))
        except Refusal as refusal:
            lost, faults = 0, [f"cut {self._tally.cuts}: {refusal.code}: {refusal}"]
        self._tally.lost += lost
        self._tally.cuts_with_loss += bool(lost)
        self._tally.faults += faults
        return not lost and not faults

    def _note(self, what: str) -> None:
        self._tally.cuts += 1
        self._tally.cut_at[what] = self._tally.cut_at.get(what, 0) + 1


async def _judged(path: Path, told: dict[int, EntryId]) -> tuple[int, list[str]]:
    store = Store.open(path, random=zeros, own=OWN)
    verdict = judge(store, told)
    await store.close()
    return verdict.lost, verdict.faults + unsound(open_reader(path, sqlite3.connect))


def lay(folder: Path, image: Image) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in image.items():
        (folder / name).write_bytes(data)


def run(
    cuts: int,
    seed: int,
    *,
    pragmas: Mapping[str, str] | None = None,
    acknowledges_first: bool = False,
    cuts_of_a_record: int = CUTS_OF_A_RECORD,
) -> Tally:
    """Cut the power so often and return what was lost."""
    tally, random = Tally(), Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        records = _Records(Path(folder).resolve(), random, tally)
        while tally.cuts < cuts and not tally.faults:
            most = min(cuts_of_a_record, cuts - tally.cuts)
            records.cut(most, pragmas or {}, acknowledges_first=acknowledges_first)
    return tally
