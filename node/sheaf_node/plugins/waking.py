"""When a service is to take its next turn: something arrived, a job is done, or it is time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sheaf_node.clock import Clock
    from sheaf_node.events import Arrivals
    from sheaf_node.turns import Turns

_IDLE_MS = 60_000
"""Longest sleep without a reason, so that a clock set by hand is noticed within a minute."""
_COLLECT_S = 0.02
"""What arrives is taken in once for so long, since most of it is for others."""
_COLLECT_BUSY_S = 0.1
"""The same while our own people are at work, who wait for what a loop does besides."""
_REFUSED_MS = 1_000
"""Shortest sleep after a refusal: what is overdue and may not be said is asked for at once."""


class Waking:
    """What a service was told of when it last took a turn, and when it wants the next one."""

    def __init__(self, arrivals: Arrivals, clock: Clock, turns: Turns) -> None:
        self._arrivals, self._clock, self._turns = arrivals, clock, turns
        self.again = asyncio.Event()
        """Set where there is something to decide whatever has arrived."""
        self._control, self._payloads = arrivals.control, arrivals.payloads
        self._due_ms = 0

    def take_up(self) -> bool:
        """Take up what there is, at the start of a turn; return whether there may be something to
        decide besides what is read next.
        """
        is_due = self._is_due()
        self.again.clear()
        self._control, self._payloads = self._arrivals.control, self._arrivals.payloads
        return is_due

    def note_decided(self, wake_ms: int | None, *, is_refused: bool) -> None:
        """Note when to decide again, if nothing happens before: at `wake_ms`, but for the bounds of
        a sleep.
        """
        self._due_ms = next_due_ms(self._clock.now_ms(), wake_ms, is_refused=is_refused)

    async def wait(self, cursor: int) -> None:
        """Sleep until something arrives, a job or command is done, or it is time."""
        delay = max(0, self._due_ms - self._clock.now_ms())
        news = self._arrivals.wait_news(cursor, control=self._control, payloads=self._payloads)
        waits = [
            asyncio.ensure_future(self._clock.sleep_ms(delay)),
            asyncio.ensure_future(news),
            asyncio.ensure_future(self.again.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if not self._is_due():
            with suppress(TimeoutError):
                async with asyncio.timeout(_COLLECT_BUSY_S if self._turns.is_busy else _COLLECT_S):
                    await self.again.wait()

    def _is_due(self) -> bool:
        """Return whether there may be something to decide besides what is read next."""
        arrivals = self._arrivals
        is_other = arrivals.control > self._control or arrivals.payloads > self._payloads
        return is_other or self.again.is_set() or self._clock.now_ms() >= self._due_ms


def next_due_ms(now_ms: int, wake_ms: int | None, *, is_refused: bool) -> int:
    """Return when a service decides again that has just decided and asked to be woken."""
    least = _REFUSED_MS if is_refused else 0
    delay = _IDLE_MS if wake_ms is None else max(least, min(wake_ms - now_ms, _IDLE_MS))
    return now_ms + delay
