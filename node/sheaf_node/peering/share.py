"""What one co-op may bring while others want something of this node, too.

A node has one event loop and one disk. Whoever sends as fast as it can would have most of both, and
everybody else, this co-op's own people first, what it leaves. So the bytes and the entries that a
co-op brings are counted, over all its links and beyond their ends, against a quota by the second.
What is beyond is left unread for a while, and with it goes the credit that would bring more.
Nothing is refused.

While nobody else wants anything there is no quota: a node that was away catches up at full speed.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Final

from sheaf_protocol.limits import CREDIT_BYTES, MAX_MEMBERS

if TYPE_CHECKING:
    from sheaf_protocol.digest import CoopId

BUSY: Final = 16
"""Entries of others, our own included, in this second and the one before, from which on a node
counts as wanted by others. Fewer wait for nobody long enough to notice."""
MAX_WAIT_MS: Final = 10_000
"""How long bytes are left unread at most: a third of what an answer may take, which may come behind
them (`policy.ANSWER_MS`)."""
ENTRY_BYTES: Final = 512
"""What an entry counts at least, however small: it is proven, judged and folded as any other."""
_WINDOW_MS: Final = 1_000


class Activity:
    """How many entries came lately, and of whom; None stands for this node itself."""

    def __init__(self) -> None:
        self._window = 0
        self._now: Counter[CoopId | None] = Counter()
        self._before: Counter[CoopId | None] = Counter()

    def note(self, who: CoopId | None, entries: int, now_ms: int) -> None:
        """Count entries. Who is linked is known, so that there are not many counts."""
        self._turn(now_ms)
        self._now[who] += entries

    def of_others(self, who: CoopId, now_ms: int) -> int:
        """Return how many came of all others, in this second and the one before."""
        self._turn(now_ms)
        return sum(window.total() - window[who] for window in (self._now, self._before))

    def _turn(self, now_ms: int) -> None:
        window = now_ms // _WINDOW_MS
        if window == self._window:
            return
        is_next = window == self._window + 1
        self._before = self._now if is_next else Counter()
        self._now, self._window = Counter(), window


class Shares:
    """The quotas of all co-ops that bring anything."""

    def __init__(self, kib_per_s: int) -> None:
        self.activity = Activity()
        self._per_second = kib_per_s << 10
        self._left: OrderedDict[CoopId, tuple[int, int]] = OrderedDict()

    def wait_ms(self, cid: CoopId, size: int, now_ms: int, *, entries: int = 0) -> int:
        """Count bytes that a co-op brought, and the entries among them; return how long to leave
        them unread for now.

        A quota fills with time, up to the credit of one link, and is not overdrawn by more.
        """
        left, before_ms = self._left.get(cid, (CREDIT_BYTES, now_ms))
        filled = left + max(0, now_ms - before_ms) * self._per_second // 1_000
        spent = max(size, entries * ENTRY_BYTES)
        left = max(min(CREDIT_BYTES, filled) - spent, -CREDIT_BYTES)
        self._keep(cid, left, now_ms)
        if left >= 0 or self.activity.of_others(cid, now_ms) < BUSY:
            return 0
        return min(-left * 1_000 // self._per_second, MAX_WAIT_MS)

    def _keep(self, cid: CoopId, left: int, now_ms: int) -> None:
        self._left[cid] = (left, now_ms)
        self._left.move_to_end(cid)
        if len(self._left) > MAX_MEMBERS:
            self._left.popitem(last=False)
