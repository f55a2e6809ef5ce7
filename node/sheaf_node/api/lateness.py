"""Whether the node keeps up: how late its event loop calls what is due, and what is refused then.

A loop that is late once had one long thing to do, and that is over by the time it is measured:
whoever asked meanwhile is served. One that is late each time has more to do than it gets done, and
whatever it takes on beside that makes everybody wait. So a request is refused only where several
measures in a row were late: first what would change something, and of a loop that is later still
whatever is asked. A refusal is said about two passes of the loop after the request came, and a pass
lasts as long as what is measured and the time between two measures: at these numbers that is within
a second.
"""

from __future__ import annotations

import asyncio
from typing import Final

from sheaf_protocol.errors import Refusal

EVERY_MS: Final = 100
IN_A_ROW: Final = 3
"""Measures that show a load which goes on; with what they are late by, a second or more."""
WRITES_MS: Final = 250
"""From this on no more commands are taken: a good disk is five commits later by then."""
READS_MS: Final = 400
"""And from this on no questions either: two passes take a second by then."""


class Lateness:
    """How late the loop was at each of the newest measures, as far as they are in a row."""

    def __init__(self) -> None:
        self._rows = {WRITES_MS: 0, READS_MS: 0}

    def note(self, late_ms: int) -> None:
        """Take the next measure: by how much what was due came late."""
        for level_ms, row in self._rows.items():
            # Few count as well as many, and nothing grows.
            self._rows[level_ms] = min(row + 1, IN_A_ROW) if late_ms >= level_ms else 0

    def is_over(self, *, is_write: bool) -> bool:
        """Return whether a request of this sort is one too many for now."""
        return self._rows[WRITES_MS if is_write else READS_MS] >= IN_A_ROW

    def require(self, *, is_write: bool) -> None:
        """Return if a request of this sort may be taken on, else raise Refusal `api.busy`."""
        if self.is_over(is_write=is_write):
            sort = "commands" if is_write else "questions"
            detail = f"expected a node that keeps up, got one that is too late for more {sort}"
            raise Refusal("api.busy", f"{detail}; ask again in a second")


class Pulse:
    """Measures one event loop from its start to its stop."""

    def __init__(self, lateness: Lateness) -> None:
        self._lateness = lateness
        self._due_s = 0.0
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure the loop that runs."""
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + EVERY_MS / 1_000
        self._next = loop.call_at(self._due_s, self._beat)

    def stop(self) -> None:
        """Measure no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _beat(self) -> None:
        now_s = asyncio.get_running_loop().time()
        self._lateness.note(int((now_s - self._due_s) * 1_000))
        self.start()
