"""How many entries a bridge took across on one day (spec 16, section 8)."""

from __future__ import annotations

from collections import Counter
from typing import Final

from sheaf_protocol.treaty.projection import refusal

DAY_MS: Final = 86_400_000
"""A UTC day: 24 hours from midnight, without leap seconds."""


class DayCount:
    """The exports that counted in one log of a bridge, under one treaty in one direction.

    Ask in the order of the log and for each entry that nothing else speaks against. One log alone
    decides, since those of several have no order among them that all nodes share.
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, left_ms: int, most: int) -> None:
        """Count one more at the time of its export, or raise.

        `most` is `Terms.most`. Raises RemoteProtocolError `bridge.rate`; then nothing was counted.
        """
        day = left_ms // DAY_MS
        require_place(self._counts[day] + 1, most)
        self._counts[day] += 1


def require_place(place: int, most: int) -> None:
    """Return if a place among those of one day, from 1, is one of the first `most`.

    Raises RemoteProtocolError `bridge.rate`.
    """
    if place > most:
        detail = f"expected at most {most} entries across on one day of this log"
        raise refusal("bridge.rate", detail)
