"""Who works next on the one event loop: what our own people asked for goes before what peers bring.

The loop runs whatever is ready, in one pass after another. Fifty links with something to do would
fill one pass with all of it, and whoever publishes here would wait for the last of them. So work
for peers is done in small pieces, one in a pass, and none while a request of our own is at work,
but for a respite now and then: however much is asked for here, peers are served, too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_MS: Final = 12
"""For how long work for peers waits for our own."""
RESPITE_MS: Final = 6
"""For how long it goes on then, which makes a third of a loop that always has our own to do."""
LAPSE_MS: Final = 100
"""For which a request goes before peers. One that takes longer waits for them, or for a clock."""

EXPECT_MS: Final = 5
"""For which a request is waited for whose first bytes are here."""
BUSY_MS: Final = 1_000
"""For how long after a request of our own the next one is likely."""
LARGE: Final = 64
"""Entries that are decided without a pause: five milliseconds where each has its own signature."""
SMALL: Final = 5
"""The same while our own people are at work: half a millisecond."""


class Turns:
    """The turns of one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False
        self._own = 0
        self._until_s = self._expected_s = self._respite_s = self._since_s = 0.0
        self._last_s = -float("inf")
        self._overdue: asyncio.TimerHandle | None = None

    @property
    def piece(self) -> int:
        """How many entries of peers are taken in one turn: few while our own people are at work."""
        return SMALL if self.is_busy else LARGE

    @property
    def is_busy(self) -> bool:
        """Whether a request of our own was at work a moment ago, so that the next one is likely."""
        return asyncio.get_running_loop().time() < self._last_s + BUSY_MS / 1_000

    def expect(self) -> None:
        """Have work for peers wait for a request of our own that is being read."""
        self._expected_s = self._note_own() + EXPECT_MS / 1_000

    @contextmanager
    def own(self) -> Iterator[None]:
        """Have work for peers wait while a request of our own is at work."""
        self._last_s = self._note_own()
        self._own += 1
        self._until_s = self._last_s + LAPSE_MS / 1_000
        try:
            yield
        finally:
            self._own -= 1
            if not self._own:
                self._expected_s = 0.0
                self._let_on()

    async def other(self) -> None:
        """Return when it is the caller's turn, which ends where it waits for anything next."""
        if not (self._is_taken or self._waiting or self._is_own_first):
            self._take()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._watch()
        await turn

    @property
    def _is_own_first(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._respite_s:
            return False
        return now_s < self._expected_s or (self._own > 0 and now_s < self._until_s)

    def _note_own(self) -> float:
        """Note that our own has something to do; return the time by the loop."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._respite_s and not self._is_own_first:
            self._since_s = now_s
        return now_s

    def _take(self) -> None:
        """Note that the rest of this pass is taken, or the next one up to what is ready by now."""
        self._is_taken = True
        asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self._is_taken = False
        if not self._is_own_first:
            self._let_on()

    def _let_on(self) -> None:
        """Give the next one its turn, unless somebody has it."""
        while self._waiting and not self._is_taken:
            turn = self._waiting.popleft()
            if not turn.done():  # else whoever waited was cancelled
                turn.set_result(None)
                self._take()

    def _watch(self) -> None:
        """Look after those that wait once our own has had its time."""
        if self._overdue is None:
            loop = asyncio.get_running_loop()
            due_s = max(self._since_s, loop.time() - LONGEST_MS / 2_000) + LONGEST_MS / 1_000
            self._overdue = loop.call_at(due_s, self._relent)

    def _relent(self) -> None:
        """Let work for peers go on for a moment, where our own has held it up for long enough."""
        self._overdue = None
        now_s = asyncio.get_running_loop().time()
        if not self._is_own_first:
            self._let_on()
        elif now_s >= self._since_s + LONGEST_MS / 1_000:
            self._since_s = self._respite_s = now_s + RESPITE_MS / 1_000
            self._let_on()
        if self._waiting:
            self._watch()
