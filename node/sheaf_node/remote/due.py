"""When a service of another process is asked for its next turn. Pure; times do not jump."""

from __future__ import annotations

from typing import Final

IDLE_MS: Final = 60_000
"""Longest time without a turn, so that a clock set by hand is noticed within a minute."""
REFUSED_MS: Final = 1_000
"""Shortest time to the next turn after a refusal: what may not be said is asked for at once."""


class Due:
    """Why and when a turn is due: news to decide on, a time that was asked for, or idleness."""

    def __init__(self) -> None:
        self.has_news = False
        """Whether something was shown, or happened, since the turn before."""
        self._wake_ms = self._by_ms = 0
        self._control = -1

    def begin(self) -> None:
        """Let the first turn of a connection be due at once."""
        self.has_news, self._wake_ms = True, 0

    def wake(self, wait_ms: int, now_ms: int) -> None:
        """Note that the service wants a turn after so long."""
        self._wake_ms = now_ms + min(max(0, wait_ms), IDLE_MS)

    def note_refusal(self, now_ms: int) -> None:
        """Let the service ask again soon, and not at once."""
        self.has_news, self._wake_ms = False, now_ms + REFUSED_MS

    def is_now(self, now_ms: int, control: int) -> bool:
        """Return whether a turn is due; `control` grows when members or their keys may change."""
        is_time = 0 < self._wake_ms <= now_ms or self._by_ms <= now_ms
        return self.has_news or is_time or control != self._control

    def take(self, now_ms: int, control: int) -> None:
        """Note that the turn is told."""
        self.has_news, self._wake_ms, self._by_ms = False, 0, now_ms + IDLE_MS
        self._control = control

    def times_ms(self) -> list[int]:
        """Return when a turn is due without news."""
        return [ms for ms in (self._wake_ms, self._by_ms) if ms]
