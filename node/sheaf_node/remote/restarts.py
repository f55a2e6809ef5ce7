"""When a service's process is ended, and when it is started again. Pure; times do not jump."""

from __future__ import annotations

from typing import Final

FIRST_MS: Final = 1_000
MOST_MS: Final = 300_000
"""Between two starts of what fails whenever it starts."""
SOUND_MS: Final = 600_000
"""What ran for so long failed for a new reason, and is started as soon as the first time."""
SILENT_MS: Final = 60_000
"""Without a feed: far longer than a start takes, and than it takes to connect again."""
MOST_MISSED: Final = 3
"""Steps in a row, of ten seconds each."""


class Restarts:
    """The starts of one service in one federation."""

    def __init__(self) -> None:
        self.next_ms = 0
        """When it may be started."""
        self._wait_ms = FIRST_MS
        self._began_ms = self._heard_ms = 0

    def begin(self, now_ms: int) -> None:
        """Note that the process was started."""
        self._began_ms = self._heard_ms = now_ms

    def is_stuck(self, now_ms: int, *, is_connected: bool, missed: int) -> bool:
        """Return whether a process that runs is to be ended, for it does nothing."""
        if is_connected:
            self._heard_ms = now_ms
        return missed >= MOST_MISSED or now_ms - self._heard_ms >= SILENT_MS

    def end(self, now_ms: int) -> None:
        """Note that the process has ended, and when it is started again."""
        if now_ms - self._began_ms >= SOUND_MS:
            self._wait_ms = FIRST_MS
        self.next_ms = now_ms + self._wait_ms
        self._wait_ms = min(MOST_MS, 2 * self._wait_ms)
