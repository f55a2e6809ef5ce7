"""What a node takes on of its local callers: so many requests at a time, so many in a second.

Both are told at once and never waited for, so that whoever asks too much hears of it within a
second and the node goes on serving its peers. Reads and writes are counted apart: commands may
wait, for the disk or for peers to compare logs with, and it must be possible to look why.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

MOST_BEARERS: Final = 1_024
"""Ten times the tokens and sessions that a home may have at once."""
WEIGHT: Final = 4_096
"""Bytes of JSON that cost as much as a small request, where every second byte is a value."""
_MS: Final = 1_000


class AtWork:
    """How many requests of a sort are at work."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: dict[Hashable, int] = {}

    @contextmanager
    def one(self, sort: Hashable) -> Iterator[None]:
        """Count one more while it is at work. Raises Refusal `api.busy` for one too many."""
        count = self._counts.get(sort, 0)
        if count >= self._most:
            raise Refusal("api.busy", f"expected at most {self._most} requests at a time")
        self._counts[sort] = count + 1
        try:
            yield
        finally:
            self._counts[sort] -= 1


class Allowance:
    """How many requests each bearer may still make: it grows with time, up to that of two seconds.

    Counted in thousandths of a request, so that no fraction is lost and none is a float. Of too
    many bearers the one that asked longest ago is forgotten, and then has all of its allowance: a
    second gives that back anyway.
    """

    def __init__(self, per_second: int, now_ms: int) -> None:
        self._per_second, self._start_ms = per_second, now_ms
        self._most = 2 * per_second * _MS
        self._left: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    def take(self, bearer: Hashable, now_ms: int) -> None:
        """Take one request of a bearer's allowance. Raises Refusal `api.rate`; nothing is taken."""
        left = self._grown(bearer, now_ms)
        is_over = left < _MS
        self._keep(bearer, left if is_over else left - _MS, now_ms)
        if is_over:
            raise Refusal("api.rate", f"expected at most {self._per_second} requests a second")

    def weigh(self, bearer: Hashable, size: int, now_ms: int) -> None:
        """Take more for a request whose body has so many bytes, if need be in advance.

        Its bearer then waits with the next one until what was taken has grown again.
        """
        self._keep(bearer, self._grown(bearer, now_ms) - size // WEIGHT * _MS, now_ms)

    def _grown(self, bearer: Hashable, now_ms: int) -> int:
        left, before_ms = self._left.pop(bearer, (self._most, self._start_ms))
        return min(self._most, left + max(0, now_ms - before_ms) * self._per_second)

    def _keep(self, bearer: Hashable, left: int, now_ms: int) -> None:
        self._left[bearer] = left, now_ms
        if len(self._left) > MOST_BEARERS:
            self._left.popitem(last=False)
