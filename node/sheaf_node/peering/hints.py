"""Addresses that others told: which are kept, and which is dialled next (spec 08, sections 3 to 5).

Pure: what the sources say comes in, with the time; what to dial goes out. A hint never takes the
place of an address that the operator wrote down: those are dialled whatever stands here.
"""

from __future__ import annotations

import enum
import hashlib
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sheaf_protocol.digest import CoopId

MOST_OF_COOP: Final = 8
MOST: Final = 256
MOST_A_MINUTE: Final = 16
"""DSC-12, all three."""
_MINUTE_MS: Final = 60_000
AGAIN_MS: Final = 60_000
"""Before a hint that failed is dialled again; doubled each time, up to `AGAIN_MOST_MS`. Whoever
told a wrong address is not to have a thousand nodes knock there for ever."""
AGAIN_MOST_MS: Final = 6 * 3_600_000
_MOST_DOUBLED: Final = 9


class Source(enum.IntEnum):
    """Where a hint comes from; of several, the smaller number is the stronger."""

    SAVED = 1
    """The co-op proved itself there once."""
    DIRECTORY = 2
    """The co-op says so in its log."""
    LAN = 3
    """Somebody on this network says that a node is there, and not whose."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hint:
    """One address that others told."""

    url: str
    source: Source
    cid: CoopId | None
    """The co-op that has to prove itself there; None where any fellow member may."""


@dataclass(slots=True)
class _Tried:
    failures: int
    not_before_ms: int


class Hints:
    """The hints of one node. `salt` orders co-ops, so that no two nodes prefer the same ones."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._known: list[Hint] = []
        self._tried: OrderedDict[str, _Tried] = OrderedDict()
        self._under_way: set[str] = set()
        self._dialled_ms: deque[int] = deque(maxlen=MOST_A_MINUTE)

    @property
    def known(self) -> list[Hint]:
        """The hints that are kept, in the order in which they would be dialled."""
        return list(self._known)

    def offer(self, hints: Iterable[Hint]) -> None:
        """Keep what the sources say now, within bounds; what they say no more is forgotten.

        Each address once, by its strongest source; of each co-op its first before any second, so
        that no co-op's many leave another without one.
        """
        ranks: Counter[CoopId | None] = Counter()
        rows: dict[str, tuple[int, int, bytes, Hint]] = {}
        for hint in sorted(hints, key=lambda hint: hint.source):
            if hint.url not in rows and ranks[hint.cid] < MOST_OF_COOP:
                rows[hint.url] = (ranks[hint.cid], hint.source, self._order(hint), hint)
                ranks[hint.cid] += 1
        self._known = [row[-1] for row in sorted(rows.values(), key=lambda row: row[:-1])][:MOST]

    def due(
        self, is_wanted: Callable[[Hint], bool], now_ms: int, *, most: int = MOST_A_MINUTE
    ) -> list[Hint]:
        """Return what to dial now, and count it as being dialled until `ended` is called.

        One address for each co-op at a time, and of all together `most`, those that are under way
        or in use counted.
        """
        busy = {hint.cid for hint in self._known if hint.url in self._under_way and hint.cid}
        found: list[Hint] = []
        for hint in self._known:
            if len(found) >= min(most - len(self._under_way), self._left(now_ms)):
                break
            if hint.cid in busy or not self._is_ready(hint, now_ms) or not is_wanted(hint):
                continue
            found.append(hint)
            if hint.cid is not None:
                busy.add(hint.cid)
        for hint in found:
            self._under_way.add(hint.url)
            self._dialled_ms.append(now_ms)
        return found

    def ended(self, hint: Hint, now_ms: int, *, was_open: bool) -> None:
        """Note that a dial failed or its link is over, and when to dial there again."""
        self._under_way.discard(hint.url)
        before = self._tried.pop(hint.url, None)
        failures = 0 if was_open else 1 + (0 if before is None else before.failures)
        wait_ms = min(AGAIN_MS << min(max(failures - 1, 0), _MOST_DOUBLED), AGAIN_MOST_MS)
        self._tried[hint.url] = _Tried(failures, now_ms + wait_ms)
        while len(self._tried) > 4 * MOST:
            self._tried.popitem(last=False)

    def _is_ready(self, hint: Hint, now_ms: int) -> bool:
        if hint.url in self._under_way:
            return False
        tried = self._tried.get(hint.url)
        # A clock that was put back must not leave an address alone for years.
        return tried is None or not 0 < tried.not_before_ms - now_ms <= AGAIN_MOST_MS

    def _left(self, now_ms: int) -> int:
        """Return how many more may be dialled in the minute that ends now."""
        recent = sum(0 <= now_ms - at_ms < _MINUTE_MS for at_ms in self._dialled_ms)
        return MOST_A_MINUTE - recent

    def _order(self, hint: Hint) -> bytes:
        what = hint.url.encode() if hint.cid is None else hint.cid
        return hashlib.blake2b(what, key=self._salt, digest_size=16).digest()
