"""How often one network address is told what is wrong with what it asks."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

WINDOW_MS: Final = 60_000
MOST_WRONG: Final = 20
"""Of one address in a minute: people mistype a code a few times, and several sit behind a router.
With 128 bits to guess this is about work, not about chance."""
MOST_ADDRESSES: Final = 1_024


class Attempts:
    """Wrong asks by address, in the minute that began with the first of them."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def is_spent(self, address: str, now_ms: int) -> bool:
        """Return whether an address asked wrongly too often to be heard now."""
        begun_ms, count = self._wrong.get(address, (0, 0))
        return count >= MOST_WRONG and abs(now_ms - begun_ms) < WINDOW_MS

    def note_wrong(self, address: str, now_ms: int) -> None:
        """Count one; of too many addresses the one that asked longest ago is forgotten."""
        begun_ms, count = self._wrong.pop(address, (now_ms, 0))
        if abs(now_ms - begun_ms) >= WINDOW_MS:
            begun_ms, count = now_ms, 0
        self._wrong[address] = (begun_ms, count + 1)
        if len(self._wrong) > MOST_ADDRESSES:
            self._wrong.popitem(last=False)
