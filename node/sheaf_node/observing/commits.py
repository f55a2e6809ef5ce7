"""What the store commits, counted where it is handed to the disk: `MeteredWriter` stands between.

Every entry that becomes durable passes here once, its own and others', so nothing else counts them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from sheaf_protocol.envelope import SEALED
from sheaf_protocol.records import KINDS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from sheaf_node.store.writer import Committing, Finished, Job, MakeWriter
    from sheaf_protocol.digest import CoopId

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: an fsync of an SSD takes one to ten milliseconds, one that takes five is a fault."""


def kind_class(kind: str) -> str:
    """Return the first word of a kind that the spec names; `other` for all that it does not.

    Anybody may make up kinds, and must not make up series by it.
    """
    return kind.partition(".")[0] if kind in KINDS or kind == SEALED else "other"


class Commits:
    """Counts since the node was opened. Written by the event loop and the writer thread."""

    def __init__(self, elapsed_s: Callable[[], float]) -> None:
        """`elapsed_s` is a clock that never goes back."""
        self._elapsed_s = elapsed_s
        self.own: CoopId | None = None
        """Our co-op, once the home is open; nobody signs entries before."""
        self._since: dict[int, float] = {}
        self.entries: Counter[tuple[str, str]] = Counter()
        """Entries made durable, by `own` or `other` author and class of their kind."""
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        """Commits by how long they took; the last is beyond all bounds."""
        self.sum_s = 0.0

    @property
    def pending(self) -> int:
        """Changes on their way to the disk."""
        return len(self._since)

    def begin(self, job: Job) -> None:
        """Note that a change was handed over."""
        self._since[id(job)] = self._elapsed_s()

    def end(self, jobs: Sequence[Job], error: Exception | None) -> None:
        """Note that changes are durable, or never will be. Called on the writer thread."""
        now_s = self._elapsed_s()
        for job in jobs:
            taken_s = now_s - self._since.pop(id(job), now_s)
            if error is not None or job.effects.is_empty:
                continue  # what reaches no disk says nothing of it
            self.buckets[bisect_left(BOUNDS_S, taken_s)] += 1
            self.sum_s += taken_s
            for entry in job.effects.entries:
                author = "own" if entry.header.cid == self.own else "other"
                self.entries[author, kind_class(entry.header.kind)] += 1


class MeteredWriter:
    """A writer of the store whose commits are counted."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        finished: Finished,
        *,
        commits: Commits,
        make: MakeWriter,
    ) -> None:
        self._commits, self._finished = commits, finished
        self._writer: Committing = make(connection, self._end)

    def put(self, job: Job) -> None:
        """Queue a job."""
        self._commits.begin(job)
        self._writer.put(job)

    def abandoned(self) -> list[Job]:
        """Return the jobs still queued after a failure."""
        return self._writer.abandoned()

    def stop(self) -> None:
        """Commit what is queued and end."""
        self._writer.stop()

    def _end(self, group: Sequence[Job], error: Exception | None) -> None:
        self._commits.end(group, error)
        self._finished(group, error)


def metered(commits: Commits, make: MakeWriter) -> MakeWriter:
    """Return what makes writers like `make`'s whose commits are counted."""
    return partial(MeteredWriter, commits=commits, make=make)
