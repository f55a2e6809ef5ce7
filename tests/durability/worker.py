"""A process that works on one store and writes down what was acknowledged.

`python -m tests.durability.worker` takes its task as JSON in the first argument, and answers
with one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sqlite3
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
from tests.durability.workload import OWN, reading, work, zeros

from sheaf_node.store import Store
from sheaf_protocol.digest import EntryId
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ACKNOWLEDGED = "acknowledged"
"""The file beside the store in which what was acknowledged is written down."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker does."""

    folder: str
    seed: int
    rounds: int
    pragmas: dict[str, str] = {}
    """By name, what takes the place of what the store sets."""
    acknowledges_first: bool = False
    notes: str | None = None
    """The folder in which what was acknowledged is written down; else that of the store."""
    largest_file: int | None = None
    """Bytes beyond which the system lets no file of the process grow."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker ended: by the code of a refusal, at opening or later, or with all done."""

    opening: str | None = None
    working: str | None = None
    detail: str = ""
    after: list[str | None] = []
    """After a failure, the codes of further calls: of a read and of a write."""


def replacing(pragmas: Mapping[str, str]) -> Callable[..., sqlite3.Connection]:
    """Return what connects like `sqlite3.connect` and sets these pragmas otherwise than asked."""

    class Replacing(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            name = sql.removeprefix("PRAGMA ").partition(" = ")[0]
            if sql.startswith("PRAGMA ") and name in pragmas:
                sql = f"PRAGMA {name} = {pragmas[name]}"
            return super().execute(sql, *args)

    return lambda *args, **options: sqlite3.connect(*args, factory=Replacing, **options)


async def carry_out(task: Task) -> Answer:
    """Work on the store until all is done or it refuses."""
    folder = Path(task.folder)
    path = Path(task.notes or task.folder) / ACKNOWLEDGED
    notes = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def told(seq: int, id_: EntryId) -> None:
        os.write(notes, f"{seq} {id_.hex()}\n".encode())

    if task.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (task.largest_file, resource.RLIM_INFINITY))
    try:
        store = Store.open(
            folder / "sheaf.db", random=zeros, own=OWN, connect=replacing(task.pragmas)
        )
    except Refusal as refusal:
        return Answer(opening=refusal.code, detail=refusal.detail)
    random = Random(task.seed)
    first = {"acknowledges_first": task.acknowledges_first}
    refusal = await work(store, random, told, rounds=task.rounds, **first)
    after = [] if refusal is None else [reading(store), await _writing(store)]
    await store.close()
    code = None if refusal is None else refusal.code
    detail = "" if refusal is None else refusal.detail
    return Answer(working=code, detail=detail, after=after)


async def _writing(store: Store) -> str | None:
    refusal = await work(store, Random(0), lambda *_: None, rounds=1)
    return None if refusal is None else refusal.code


def acknowledged_in(data: bytes) -> dict[int, EntryId]:
    """Return what the notes of workers say was acknowledged, by number."""
    lines = data.decode("ascii").splitlines()
    return {int(seq): EntryId(bytes.fromhex(id_)) for seq, id_ in map(str.split, lines)}


if __name__ == "__main__":
    task = msgspec.json.decode(sys.argv[1], type=Task)
    json.dump(msgspec.to_builtins(asyncio.run(carry_out(task))), sys.stdout)
