"""The one thread that writes. It takes whatever is waiting and commits it as one transaction, so
that a hundred small changes cost one fsync.

Any error while writing ends it for good. After a failed fsync the kernel may have dropped the dirty
pages while reporting success to the next call, so trying again would be a lie about durability.
"""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sheaf_protocol.codec import encode

if TYPE_CHECKING:
    import asyncio
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from sheaf_node.store.model import StoredEntry
    from sheaf_node.store.state import Effects
    from sheaf_protocol.digest import LogId

_GROUP_ENTRIES: Final = 4_096
"""Entries of one transaction, unless a single change has more: larger ones gain nothing more."""

_SQL: Final = {
    "logs": "INSERT INTO logs (number, fid, cid, wid, forked_at) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (number) DO UPDATE SET forked_at = excluded.forked_at",
    "entries": "INSERT INTO entries (arrival, log, seq, id, kind, header, signature, payload,"
    " no_effect, proven_by_seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "key_ops": "INSERT INTO key_ops (cid, seq, data) VALUES (?, ?, ?)",
    "certificates": "INSERT INTO certificates (fid, data) VALUES (?, ?)",
    "fork_proofs": "INSERT OR REPLACE INTO fork_proofs (log, data) VALUES (?, ?)",
    # A fork outweighs a cut, whichever came first, so that replicas agree on the reason.
    "closed": "UPDATE entries SET no_effect = 'key.closed'"
    " WHERE log = ? AND (seq > ? OR (seq = ? AND id <> ?)) AND no_effect IS NOT 'log.forked'",
    "forked": "UPDATE entries SET no_effect = 'log.forked' WHERE log = ? AND seq >= ?",
}
"""In the order in which a group runs them."""


@dataclass(frozen=True, slots=True)
class Job:
    """A planned change on its way to the disk, and who waits for it."""

    effects: Effects
    numbers: dict[LogId, int]
    """The short numbers of all logs that the effects name."""
    done: asyncio.Future[None]
    then: Callable[[Effects], None] | None
    """Called on the event loop before `done` is set."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that waits."""
        return self.done.get_loop()


class Writer:
    """Owns the write connection. `finished` is called in the thread, once for each group."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        finished: Callable[[Sequence[Job], Exception | None], None],
    ) -> None:
        self._connection = connection
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
                self._commit(group)
            except Exception as exc:  # whatever it is, the store stops for good
                self._finished(group, exc)
                return
            self._finished(group, None)

    def _next_group(self) -> tuple[list[Job], bool]:
        """Return the jobs that are waiting, at least one, and whether more may come."""
        group: list[Job] = []
        entries = 0
        while entries < _GROUP_ENTRIES:
            try:
                job = self._waiting.get(block=not group)
            except queue.Empty:
                break
            if job is None:
                return group, False
            group.append(job)
            entries += len(job.effects.entries)
        return group, True

    def _commit(self, group: Sequence[Job]) -> None:
        rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _SQL}
        for job in group:
            for table, row in _rows(job):
                rows[table].append(row)
        if not any(rows.values()):
            return
        self._connection.execute("BEGIN IMMEDIATE")
        for table, sql in _SQL.items():
            if rows[table]:
                self._connection.executemany(sql, rows[table])
        self._connection.execute("COMMIT")


def _rows(job: Job) -> Iterator[tuple[str, tuple[Any, ...]]]:
    effects, numbers = job.effects, job.numbers
    for held in effects.log_rows:
        yield "logs", (held.number, held.fid, held.cid, held.wid, held.forked_at)
    for entry in effects.entries:
        yield "entries", _entry_row(entry, numbers[entry.header.log])
    for cid, seq, op in effects.key_ops:
        yield "key_ops", (cid, seq, encode(op))
    for certificate in effects.certificates:
        yield "certificates", (certificate.fid, encode(certificate))
    for log, proof in effects.fork_proofs.items():
        yield "fork_proofs", (numbers[log], encode(proof))
    for log, cut in effects.closed_at:
        yield "closed", (numbers[log], cut.seq, cut.seq, cut.head)
    for log, seq in effects.forked_from:
        yield "forked", (numbers[log], seq)


def _entry_row(entry: StoredEntry, number: int) -> tuple[Any, ...]:
    envelope = entry.envelope
    return (
        entry.arrival,
        number,
        entry.header.seq,
        entry.id,
        entry.kind,
        envelope.header,
        envelope.signature or None,
        envelope.payload or None,
        entry.no_effect,
        entry.proven_by_seq,
    )
