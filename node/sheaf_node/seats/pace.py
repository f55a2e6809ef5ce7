"""How often lists may be changed under one link: reading a file of thousands of lines takes a node
a quarter of a second in which it does nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST_STEPS: Final = 12
"""Files read and lines added under one link in a minute; a person at a telephone makes two."""
WITHIN_MS: Final = 60_000
MOST_LINKS: Final = 1_024
"""Links remembered; of more the one that was used longest ago is forgotten."""


class Pace:
    """Counts the steps of each link."""

    def __init__(self) -> None:
        self._steps: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def take(self, link: str, now_ms: int) -> bool:
        """Return whether a link may make one more step now, and count it if it may."""
        begun_ms, count = self._steps.pop(link, (now_ms, 0))
        if not 0 <= now_ms - begun_ms < WITHIN_MS:
            begun_ms, count = now_ms, 0
        may = count < MOST_STEPS
        self._steps[link] = (begun_ms, count + may)
        if len(self._steps) > MOST_LINKS:
            self._steps.popitem(last=False)
        return may
