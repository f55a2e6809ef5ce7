"""Time and randomness as arguments, so that a simulation drives the real node."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Protocol, TypeAlias

Randomness: TypeAlias = Callable[[int], bytes]
"""Returns that many random bytes: `os.urandom` in `app.py`, a seeded stream in tests."""


class Clock(Protocol):
    """What a node knows of time."""

    def now_ms(self) -> int:
        """Return the wall clock as UTC milliseconds. It may jump; nothing safe rests on it."""

    async def sleep_ms(self, ms: int) -> None:
        """Sleep that long by a clock that does not jump."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Return the wall clock as UTC milliseconds."""
        return time.time_ns() // 1_000_000

    async def sleep_ms(self, ms: int) -> None:
        """Sleep on the event loop's monotonic clock."""
        await asyncio.sleep(ms / 1000)


class ManualClock:
    """A clock that stands still until it is advanced, for tests."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms
        self._order = 0
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        """Return the time set by the last advance."""
        return self._now_ms

    async def sleep_ms(self, ms: int) -> None:
        """Sleep until the clock was advanced by `ms`."""
        if ms <= 0:
            await asyncio.sleep(0)
            return
        waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order += 1
        heapq.heappush(self._sleepers, (self._now_ms + ms, self._order, waking))
        await waking

    def advance(self, ms: int) -> None:
        """Move the clock on and wake everyone whose time has come, the earliest first."""
        self._now_ms += ms
        while self._sleepers and self._sleepers[0][0] <= self._now_ms:
            _, _, waking = heapq.heappop(self._sleepers)
            if not waking.done():  # cancelled sleepers stay in the heap until their time
                waking.set_result(None)
