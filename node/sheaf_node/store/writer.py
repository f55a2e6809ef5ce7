"""The one thread that writes. It takes whatever is waiting and commits it as one transaction, so
that a hundred small changes cost one fsync.

Any error while writing ends it for good. After a failed fsync the kernel may have dropped the dirty
pages while reporting success to the next call, so trying again would be a lie about durability.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from sheaf_node.store.schema import BUSY_MS
from sheaf_protocol.charter import read_charter
from sheaf_protocol.codec import encode
from sheaf_protocol.proof import encode_proof

if TYPE_CHECKING:
    import asyncio
    import sqlite3
    from collections.abc import Callable, Sequence

    from sheaf_node.store.effects import Effects
    from sheaf_node.store.model import StoredEntry
    from sheaf_protocol.digest import LogId
    from sheaf_protocol.identity import Cut

_Rows: TypeAlias = "dict[str, list[tuple[Any, ...]]]"
COLLECT_S: Final = 0.01
"""For how long a commit waits for others that may wait as well, or for one that may not."""
GROUP_ENTRIES: Final = 4_096
"""Entries of one transaction, unless a single change has more: larger ones gain nothing more."""

_SQL: Final = {
    "logs": "INSERT INTO logs (number, fid, cid, wid, forked_at) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (number) DO UPDATE SET forked_at = excluded.forked_at",
    "entries": "INSERT INTO entries (arrival, log, seq, id, kind, header, proof, payload,"
    " time_ms, fault, void, absence, expires_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "refs": "INSERT INTO refs (target, arrival) VALUES (?, ?)",
    "marks": "INSERT OR IGNORE INTO marks VALUES (?, ?, ?, ?, ?, ?, ?)",
    "payloads": "UPDATE entries SET payload = ?, fault = ?, absence = NULL WHERE arrival = ?",
    "faults": "UPDATE entries SET fault = ? WHERE arrival = ?",
    "absences": "UPDATE entries SET payload = NULL, absence = ? WHERE arrival = ?",
    # What a retired log erased stays erased; what had no effect there is gone with it.
    "no_marks": "DELETE FROM marks WHERE id IN (SELECT id FROM entries WHERE log = ?"
    " AND void NOT NULL)",
    "no_refs": "DELETE FROM refs WHERE arrival IN (SELECT arrival FROM entries WHERE log = ?)",
    "no_entries": "DELETE FROM entries WHERE log = ?",
    "newest": "INSERT OR REPLACE INTO store (key, value) VALUES ('arrival', ?)",
    "sizes": "UPDATE logs SET bytes = bytes + column1 FROM (VALUES (?, ?)) WHERE number = column2",
    "no_key_ops": "DELETE FROM key_ops WHERE cid = ? AND branch = ? AND seq >= ?",
    "key_ops": "INSERT INTO key_ops (cid, branch, seq, data) VALUES (?, ?, ?, ?)",
    "certificates": "INSERT INTO certificates (id, fid, epoch, data) VALUES (?, ?, ?, ?)",
    "fork_proofs": "INSERT OR REPLACE INTO fork_proofs (log, data) VALUES (?, ?)",
    "cursors": "INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?, ?)",
    # First: its key may be used anew.
    "no_receipts": "DELETE FROM receipts WHERE id = ?",
    "receipts": "INSERT INTO receipts (id, request, taken_ms, reply) VALUES (?, ?, ?, ?)",
    # As `Line.void_of` has it. What is NULL compares to nothing, so no case of it applies.
    "judged": "UPDATE entries SET void = CASE WHEN seq >= ?1 THEN 'log.forked'"
    " WHEN seq > ?2 OR (seq = ?2 AND id <> ?3) THEN 'key.closed'"
    " WHEN seq > ?4 OR (seq = ?4 AND id <> ?5) THEN 'charter.left'"
    " WHEN time_ms > ?6 THEN 'key.expired' END WHERE log = ?7 AND seq >= ?8",
}
"""In the order in which they are run."""
AT_ONCE: Final = 64
"""Rows of entries, or sizes of logs, that one statement writes. After each the thread that writes
needs the interpreter again, which the event loop has, and may have for milliseconds."""


_MANY: Final = frozenset({"entries", "sizes"})
"""Of which a commit has as many as it has entries."""


@dataclass(frozen=True, slots=True)
class Job:
    """A planned change on its way to the disk, and who waits for it."""

    effects: Effects
    numbers: dict[LogId, int]
    """The short numbers of all logs that the effects name."""
    done: asyncio.Future[None]
    then: Callable[[Effects], None] | None
    """Called on the event loop before `done` is set."""
    is_foreign: bool = False
    """Whether peers brought it."""
    may_wait: bool = False
    """Whether it may wait for `COLLECT_S` for others to share its commit."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that waits."""
        return self.done.get_loop()


Finished: TypeAlias = "Callable[[Sequence[Job], Exception | None], None]"
"""Told of each group once, when it is durable or will never be."""


class Committing(Protocol):
    """What a store hands its changes to: a thread, or in a simulation a disk of its own."""

    def put(self, job: Job) -> None:
        """Queue a job. The store bounds how many there are."""

    def abandoned(self) -> list[Job]:
        """Return the jobs still queued after a failure; none of them will be committed."""

    def stop(self) -> None:
        """Commit what is queued and end. Blocks for as long as that takes."""


MakeWriter: TypeAlias = "Callable[[sqlite3.Connection, Finished], Committing]"


class Transactions:
    """Writes groups of jobs, each as one transaction of the write connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._is_purge_due = False

    def commit(self, group: Sequence[Job]) -> None:
        """Make a group durable. Whatever is raised, nothing may be written after it."""
        if all(job.effects.is_empty for job in group):
            return
        self._connection.execute("BEGIN IMMEDIATE")
        rows: _Rows = {table: [] for table in _SQL}
        for job in group:
            _add_rows(rows, job)
            if job.effects.has_control or job.effects.has_payloads:
                # It changes rows of the jobs before it, and those after it have heard of it.
                self._write(rows)
        self._write(rows)
        self._connection.execute("COMMIT")
        self._is_purge_due |= any(job.effects.is_purging for job in group)
        if self._is_purge_due:
            self._is_purge_due = not purge(self._connection)

    def _write(self, rows: _Rows) -> None:
        rows["sizes"] = _summed(rows["sizes"])
        for table, sql in _SQL.items():
            if table in _MANY:
                for at in range(0, len(rows[table]), AT_ONCE):
                    part = rows[table][at : at + AT_ONCE]
                    self._connection.execute(_for(len(part), sql), [*chain.from_iterable(part)])
            elif rows[table]:
                self._connection.executemany(sql, rows[table])
            rows[table].clear()


class Writer:
    """A thread that owns the write connection, and calls `finished` from there."""

    def __init__(self, connection: sqlite3.Connection, finished: Finished) -> None:
        self._transactions = Transactions(connection)
        self._finished = finished
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sheaf-store", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Queue a job. The store bounds how many there are."""
        self._waiting.put(job)

    def abandoned(self) -> list[Job]:
        """Return the jobs still queued after a failure; none of them will be committed."""
        jobs: list[Job] = []
        with suppress(queue.Empty):
            while job := self._waiting.get_nowait():
                jobs.append(job)
        return jobs

    def stop(self) -> None:
        """Commit what is queued and end. Blocks for as long as that takes."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._next_group()
            if not group:
                continue
            try:
                self._transactions.commit(group)
            except Exception as exc:  # whatever it is, the store stops for good
                self._finished(group, exc)
                return
            self._finished(group, None)

    def _next_group(self) -> tuple[list[Job], bool]:
        """Return the jobs that are waiting, at least one, and whether more may come."""
        group: list[Job] = []
        entries, until_s = 0, 0.0
        while entries < GROUP_ENTRIES:
            wait_s = max(0.0, until_s - time.monotonic()) if group else None
            try:
                job = self._waiting.get(block=wait_s != 0.0, timeout=wait_s or None)
            except queue.Empty:
                break
            if job is None:
                return group, False
            if not group:
                until_s = time.monotonic() + COLLECT_S
            if not job.may_wait:
                until_s = 0.0
            group.append(job)
            entries += len(job.effects.entries)
        return group, True


def purge(connection: sqlite3.Connection) -> bool:
    """Empty the WAL, which holds deleted payloads as they were; return whether that was possible.

    A backup or an administrator's reader holds it up. It is not waited for, since nobody could
    write meanwhile; the next commit tries again.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return not is_busy


@lru_cache(maxsize=len(_MANY) * AT_ONCE)
def _for(count: int, sql: str) -> str:
    """Return a statement with one row of values as the same with as many."""
    row = sql[sql.index("VALUES (") + len("VALUES ") :].partition(")")[0] + ")"
    return sql.replace(row, ", ".join([row] * count))


def _summed(sizes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what each log grows by in all, with its number: one statement changes a row once."""
    sums: dict[int, int] = {}
    for size, number in sizes:
        sums[number] = sums.get(number, 0) + size
    return [(size, number) for number, size in sums.items()]


def _add_rows(rows: _Rows, job: Job) -> None:
    effects, numbers = job.effects, job.numbers
    for held in effects.log_rows:
        rows["logs"].append((held.number, held.fid, held.cid, held.wid, held.forked_at))
    for entry in effects.entries:
        rows["entries"].append(_entry_row(entry, numbers[entry.log]))
        if entry.header.refs:
            rows["refs"] += ((target, entry.arrival) for target in set(entry.header.refs))
    _add_payload_rows(rows, job)
    for cid, branch, first, ops in effects.key_rows:
        rows["no_key_ops"].append((cid, branch, first))
        rows["key_ops"] += ((cid, branch, seq, encode(op)) for seq, op in enumerate(ops, first))
    for fid, certificate in effects.certificates:
        about = (certificate.id, fid, read_charter(certificate).epoch)
        rows["certificates"].append((*about, encode(certificate)))
    for log, proof in effects.fork_proofs.items():
        rows["fork_proofs"].append((numbers[log], encode(proof)))
    for (wid, fid), cursor in effects.cursors.items():
        rows["cursors"].append((wid, fid, cursor.store_id, cursor.theirs, cursor.ours))
    rows["no_receipts"] += ((dropped.id,) for dropped in effects.dropped_receipts)
    if (kept := effects.receipt) is not None:
        rows["receipts"].append((kept.id, kept.request, kept.taken_ms, kept.reply))
    for log, line, first in effects.judged:
        cuts = (*_place(line.cut), *_place(line.left))
        rows["judged"].append((line.forked_at, *cuts, line.expires_ms, numbers[log], first))


def _place(cut: Cut | None) -> tuple[int | None, bytes | None]:
    return (None, None) if cut is None else (cut.seq, cut.head)


def _add_payload_rows(rows: _Rows, job: Job) -> None:
    effects = job.effects
    for entry, mark in effects.marks:
        header = entry.header
        about = (entry.id, mark.target, header.fid, header.cid, mark.is_restore)
        rows["marks"].append((*about, header.time_ms, mark.taken_ms))
    for new in effects.payloads:
        rows["payloads"].append((new.payload, new.fault, new.entry.arrival))
    for judged in effects.faults:
        rows["faults"].append((judged.fault, judged.entry.arrival))
    for each in effects.absences:
        rows["absences"].append((each.absence, each.entry.arrival))
    for held in effects.forgotten:
        for table in ("no_marks", "no_refs", "no_entries"):
            rows[table].append((held.number,))
    if effects.forgotten:
        rows["newest"].append((effects.newest,))
    for log, size in effects.sizes.items():
        rows["sizes"].append((size, job.numbers[log]))


def _entry_row(entry: StoredEntry, number: int) -> tuple[Any, ...]:
    header, envelope = entry.header, entry.envelope
    proof = envelope.signature or (None if entry.tail is None else encode_proof(entry.tail))
    return (
        entry.arrival,
        number,
        header.seq,
        entry.id,
        header.kind,
        envelope.header,
        proof,
        envelope.payload or None,
        header.time_ms,
        entry.fault,
        entry.void,
        entry.absence,
        header.expires_ms or None,
    )
