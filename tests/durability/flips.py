"""Single flipped bits in a closed database: each is found, or nobody can see it.

For each flip the node is started on the copy, and `sheaf verify` looks at it. Where neither
objects, all tables are read and compared with the sound ones: either they are equal, so the bit is
not used, or what differs is a note of the store's own (`HINTS`), which is not covered and harmless.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.node.taking import make_ingest

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.store import Change, Store
from sheaf_node.verifying import verify_store
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import WriterId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.link import Cursor
from sheaf_protocol.records import Erase
from sheaf_protocol.testing.author import START_MS, LogAuthor, make_coop, make_federation

HINTS = {
    "cursors": "when peers were last level with it: a wrong one costs a comparison",
    "store": "its own id and its last arrival number: a wrong id costs a comparison",
    "_sqlite_migrations": "when a step was applied: for people",
    "marks.taken_ms": "when it took an erase: a payload goes days earlier or later",
    "logs.bytes": "what counts against a quota",
}
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(slots=True)
class Tally:
    """What became of the flips."""

    flips: int = 0
    refused_at_start: int = 0
    found_by_verify: int = 0
    hints: dict[str, int] = field(default_factory=dict)
    unused: int = 0
    missed: list[str] = field(default_factory=list)


async def fill(path: Path) -> WriterId:
    """Make a store with every kind of row; return its owner."""
    mill, hill, dale = (make_coop(name) for name in ("Mill", "Hill Farm", "Dale Supplies"))
    certificate = make_federation([(mill, ["member"]), (hill, ["member"]), (dale, ["supplier"])])
    store = Store.open(path, random=Random(1).randbytes)
    ingest = make_ingest(store, mill, ManualClock(START_MS), Arrivals())
    for coop in (mill, hill, dale):
        await ingest.receive_key_ops(coop.cid, coop.key_ops)
    await ingest.receive_certificate(certificate)
    ours, theirs, forked = (LogAuthor(coop, certificate.fid) for coop in (mill, hill, dale))
    for number in range(12):
        body = encode({"text": "all hands to the pump " * number})
        await ingest.receive([ours.append("x.note", body)])
        await ingest.receive([theirs.append("x.note", body, refs=[ours.head.id])])
    await ingest.receive([theirs.publish(Erase(entry=theirs.head.id))])
    twin, other = forked.twin(), encode({"text": "another"})
    await ingest.receive([forked.append("x.note", body), forked.append("x.note", body)])
    await ingest.receive([twin.append("x.note", other)])
    cursor = Cursor(store_id=store.store_id, theirs=3, ours=3)
    await store.commit(Change(cursors={(hill.wid, certificate.fid): cursor}))
    await store.close()
    return WriterId(mill.wid)


def _rows(path: Path) -> Rows:
    """Return all tables as they read."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        master = connection.execute("SELECT * FROM sqlite_master ORDER BY rowid").fetchall()
        tables = [row[1] for row in master if row[0] == "table"]
        # NOT INDEXED: as a row is stored, and not as an index repeats it.
        rows = {
            name: connection.execute(f"SELECT * FROM {name} NOT INDEXED").fetchall()  # noqa: S608
            for name in tables
        }
        columns = {name: _columns(connection, name) for name in tables}
    # The definition of the library's own table counts as a note as its rows do.
    schema = [row[:3] + row[4:] for row in master if row[1] != "_sqlite_migrations"]
    own = [row[:3] + row[4:] for row in master if row[1] == "_sqlite_migrations"]
    rows["_sqlite_migrations"] = [*rows.get("_sqlite_migrations", ()), *own]
    return {"schema": schema, **rows, "columns": [(columns,)]}


def _columns(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    return tuple(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))


class _Flipping:
    def __init__(self, folder: Path, own: WriterId, seed: int) -> None:
        self._sound, self._copy = folder / "sheaf.db", folder / "flipped" / "sheaf.db"
        self._data = self._sound.read_bytes()
        self._own, self._random, self.tally = own, Random(seed), Tally()
        self._rows = _rows(self._sound)

    async def once(self) -> None:
        at, bit = self._random.randrange(len(self._data)), self._random.randrange(8)
        shutil.rmtree(self._copy.parent, ignore_errors=True)
        self._copy.parent.mkdir()
        data = bytearray(self._data)
        data[at] ^= 1 << bit
        self._copy.write_bytes(data)
        self.tally.flips += 1
        is_found, is_refused = bool(verify_store(self._copy)), await self._is_refused()
        self.tally.found_by_verify += is_found
        self.tally.refused_at_start += is_refused
        if not (is_found or is_refused):
            self._compare(f"byte {at}, bit {bit}")

    async def _is_refused(self) -> bool:
        # The start may write, which would hide what a reader sees; so it comes last.
        before = self._copy.read_bytes()
        try:
            store = Store.open(self._copy, random=bytes, own=self._own)
        except Refusal:
            return True
        await store.close()
        for name in ("sheaf.db-wal", "sheaf.db-shm"):
            (self._copy.parent / name).unlink(missing_ok=True)
        self._copy.write_bytes(before)
        return False

    def _compare(self, where: str) -> None:
        try:
            differing = {name for name, rows in self._differing()}
        except sqlite3.Error as exc:
            self.tally.missed.append(f"{where}: {exc}")
            return
        if not differing:
            self.tally.unused += 1
        elif differing <= set(HINTS):
            for name in differing:
                self.tally.hints[name] = self.tally.hints.get(name, 0) + 1
        else:
            self.tally.missed.append(f"{where}: {', '.join(sorted(differing))}")

    def _differing(self) -> list[tuple[str, Any]]:
        now = _rows(self._copy)
        found = []
        for name, rows in now.items():
            if rows == self._rows.get(name):
                continue
            columns = self._rows["columns"][0][0].get(name)
            if columns is None or name in HINTS or len(rows) != len(self._rows[name]):
                found.append((name, rows))
                continue
            pairs = zip(rows, self._rows[name], strict=True)
            for one, other in pairs:
                found += [
                    (f"{name}.{column}", one)
                    for column, a, b in zip(columns, one, other, strict=True)
                    if a != b
                ]
        return found


async def run(flips: int, seed: int) -> Tally:
    """Flip so many bits, one at a time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flipping = _Flipping(folder, await fill(folder / "sheaf.db"), seed)
        for _ in range(flips):
            await flipping.once()
    return flipping.tally
