"""How many entries a service may still publish: so many in a minute, and no more at once. Pure."""

from __future__ import annotations

from typing import Final

from sheaf_protocol.errors import Refusal

_MINUTE_MS: Final = 60_000


class Entries:
    """What one service may publish. Counted in 60,000ths of an entry, so that none is a float."""

    def __init__(self, per_minute: int, now_ms: int) -> None:
        self._per_minute, self._at_ms = per_minute, now_ms
        self._left = self._most = per_minute * _MINUTE_MS

    def take(self, count: int, now_ms: int) -> None:
        """Take so many. Raises Refusal `service.rate`; nothing is taken then."""
        passed_ms = max(0, now_ms - self._at_ms)
        self._left = min(self._most, self._left + passed_ms * self._per_minute)
        self._at_ms = now_ms
        if count * _MINUTE_MS > self._left:
            detail = f"expected at most {self._per_minute} entries a minute of this service"
            raise Refusal("service.rate", f"{detail}, got {count} more than are left")
        self._left -= count * _MINUTE_MS
