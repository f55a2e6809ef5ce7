"""The clock of one node: off by an offset, drifting, and set by hand now and then."""

from __future__ import annotations

import asyncio
from typing import Final

START_MS: Final = 1_790_000_000_000
"""The true time at which every run begins."""


class NodeClock:
    """A wall clock that may jump, and a monotonic one that only drifts."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.offset_ms = 0
        self.drift_ppm = 0
        self.latest_ms = 0
        """The latest time that anybody was told."""

    def now_ms(self) -> int:
        """Return what this node believes to be the time."""
        elapsed_us = round(self._loop.time() * 1_000_000)
        drifted_us = elapsed_us + elapsed_us * self.drift_ppm // 1_000_000
        now_ms = START_MS + self.offset_ms + drifted_us // 1_000
        self.latest_ms = max(self.latest_ms, now_ms)
        return now_ms

    async def sleep_ms(self, ms: int) -> None:
        """Sleep by the monotonic clock."""
        await asyncio.sleep(ms / 1_000 * 1_000_000 / (1_000_000 + self.drift_ppm))
