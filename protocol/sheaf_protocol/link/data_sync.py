"""Entries: what to ask a peer for, what to tell it, and when not to (spec chapter 06).

Pure decisions over what we hold and what the peer said; the owner of the link carries them out.
The rules that keep a federation's traffic near one copy of each entry per node:

* One question at a time per peer and federation. What the peer tells meanwhile is kept, and the
  next question is made from it when the last one is served.
* A log is asked of one peer at a time (`Claims`). A claim lapses if its peer goes quiet.
* A log whose author is itself linked comes by the author's own pushes. Others that announce it
  are asked only if it has not come after a while.
* What a peer announced and did not deliver is not asked of it again until it announces more.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import (
    Frontier,
    FrontierItem,
    LogState,
    Range,
    Tree,
    agrees,
    compare,
    items,
)
from sheaf_protocol.link.messages import LIST

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from sheaf_protocol.digest import Digest, LogId

MAX_LOGS: Final = 16_384
"""Logs of one federation that a peer may tell of: 1,024 members with 16 writers each."""

PATIENCE_MS: Final = 2_000
"""How long a linked author is trusted to bring its own entries before another is asked."""

CLAIM_MS: Final = 10_000
"""How long a silent peer keeps others from being asked the same."""

LONGEST_CLAIM_MS: Final = 60_000
"""How long one that keeps delivering does: a peer that drips an entry now and then must not keep us
from those that hold the whole log."""


class Claims:
    """Which peer was asked for which log, over all links of a node."""

    def __init__(self) -> None:
        self._taken: dict[LogId, tuple[object, int, int]] = {}
        self._authors: dict[LogId, object] = {}

    def take(self, log: LogId, by: object, now_ms: int) -> bool:
        """Return whether the log may be asked of this peer, and reserve it if so."""
        owner, until_ms, since_ms = self._taken.get(log, (by, 0, now_ms))
        if owner is not by:
            if now_ms < until_ms:
                return False
            since_ms = now_ms
        self._taken[log] = (by, min(now_ms + CLAIM_MS, since_ms + LONGEST_CLAIM_MS), since_ms)
        return True

    def release(self, log: LogId, by: object) -> None:
        """Let others be asked for the log."""
        if self._taken.get(log, (None, 0, 0))[0] is by:
            del self._taken[log]

    def expect(self, log: LogId, author: object) -> None:
        """Note that the log's own writer is linked."""
        self._authors[log] = author

    def is_expected(self, log: LogId, besides: object) -> bool:
        """Return whether another link is the log's own writer's."""
        return self._authors.get(log, besides) is not besides

    def drop(self, peer: object) -> None:
        """Forget a link that ended."""
        self._taken = {log: held for log, held in self._taken.items() if held[0] is not peer}
        self._authors = {log: author for log, author in self._authors.items() if author is not peer}


class DataSync:
    """One federation on one link: what each side told, and what is being asked."""

    def __init__(self, claims: Claims) -> None:
        self.their_root: Digest | None = None
        self._claims = claims
        self._theirs: dict[LogId, FrontierItem] = {}
        self._open: dict[LogId, None] = {}
        self._heard_ms: dict[LogId, int] = {}
        self._told: dict[LogId, int] = {}
        self._news_from: Tree | None = None
        self._told_root: Digest | None = None
        self._next: dict[LogId, int] = {}
        self._last: dict[LogId, int] = {}
        self._answered_ms = 0
        self._vain: dict[LogId, int] = {}
        self._search: dict[LogId, Range] = {}
        self._searched: set[tuple[LogId, int]] = set()
        self._widths: dict[LogId, int] = {}
        self._is_patient = False

    def hear_root(self, theirs: Digest, ours: Frontier) -> bool:
        """Take the peer's root; return whether it is ours, and so the peer holds what we hold."""
        self.their_root = theirs
        if theirs != ours.root:
            return False
        self._theirs = dict(ours.items)
        self._open.clear()
        # A peer may tell of as many logs of nobody again: what is kept of them goes, too.
        self._heard_ms.clear()
        self._vain = {log: last for log, last in self._vain.items() if log in self._theirs}
        return True

    def hear(self, told: Iterable[FrontierItem], now_ms: int) -> None:
        """Take what the peer says it holds.

        Raises RemoteProtocolError `link.frontier_size`: log ids cost a liar nothing to make up.
        """
        for item in told:
            before = self._theirs.get(item.log)
            if before is None or item.seq > before.seq:
                self._heard_ms[item.log] = now_ms
            if before is None or item.seq < before.seq:
                self._news_from = None  # it may lack what was taken for known
            self._theirs[item.log] = item
            self._open[item.log] = None
        self._require_room()

    def assume(self, item: FrontierItem, now_ms: int) -> None:
        """Take it that the peer holds an entry, having sent it to us or got it from us.

        Raises RemoteProtocolError `link.frontier_size`: entries of made-up co-ops are as cheap.
        """
        before = self._theirs.get(item.log)
        if before is None or item.seq > before.seq:
            self._theirs[item.log] = item
            self._open[item.log] = None
            self._heard_ms[item.log] = now_ms
            self._require_room()

    def assume_same(self, logs: Mapping[LogId, LogState]) -> None:
        """Take it that the peer holds these logs as we do."""
        for item in items(logs):
            self._theirs[item.log] = item
            self._open.pop(item.log, None)

    def follows(self, log: LogId, first: int) -> bool:
        """Return whether the peer holds all before an entry, so that pushing it serves it."""
        held = self._theirs.get(log)
        return (0 if held is None else held.seq) == first - 1

    @property
    def is_asking(self) -> bool:
        """Whether an answer is due."""
        return bool(self._next)

    @property
    def is_waiting(self) -> bool:
        """Whether something is left to time: an answer, or an author's own push."""
        return self.is_asking or self._is_patient

    def is_stalled(self, now_ms: int, limit_ms: int) -> bool:
        """Return whether an answer has been due for too long."""
        return self.is_asking and now_ms - self._answered_ms > limit_ms

    def ask(
        self, ours: Mapping[LogId, LogState], now_ms: int, left: Container[LogId] = ()
    ) -> list[Range]:
        """Return the ranges to ask for now: none while an answer is due.

        Logs that are `left` with the peer are asked for once they are not left any more.
        """
        self._is_patient = False
        if self._next:
            return []
        difference = compare(ours, [self._theirs[log] for log in self._open])
        self._open = {wanted.log: None for wanted in difference.wanted if not self._is_vain(wanted)}
        # Lazily, since each one that may be asked for is claimed.
        wanted = (r for r in difference.wanted if r.log not in left)
        may_ask = (r for r in wanted if self._may_ask(r, now_ms))
        ranges = list(itertools.islice(may_ask, LIST))
        asked = {r.log for r in ranges}
        ranges += [r for r in self._to_search(difference.diverged, ours) if r.log not in asked]
        ranges = ranges[:LIST]
        self._next = {r.log: r.first for r in ranges}
        self._last = {r.log: r.last for r in ranges}
        self._answered_ms = now_ms
        return ranges

    def search(self, log: LogId, last: int) -> None:
        """Ask for entries that we hold, up to `last`: the peer's differ, and the first that does
        is the proof. Each stretch further back is twice as long, and is asked for once.

        Of a peer that contradicts us at more places than it may have logs no more is searched:
        what is remembered of it has to end, and a fork shows by other links as well.
        """
        if last < 1 or (log, last) in self._searched or len(self._searched) >= MAX_LOGS:
            return
        self._searched.add((log, last))
        width = self._widths[log] = 2 * self._widths.get(log, 0) or 1
        self._search[log] = Range(log=log, first=max(1, last - width + 1), last=last)

    def receive(self, log: LogId, seq: int, now_ms: int) -> None:
        """Take one entry of an answer.

        Raises RemoteProtocolError `link.range` unless it is the next of a range asked for: the
        answer to a range has no gap, or the peer should not have announced it.
        """
        expected = self._next.get(log)
        if expected != seq:
            detail = f"expected entry {expected or 'of a log asked for'}, got {seq}"
            raise RemoteProtocolError("link.range", detail)
        self._next[log] = seq + 1
        self._answered_ms = now_ms
        self._claims.take(log, self, now_ms)

    def served(self, ours: Mapping[LogId, LogState]) -> list[LogId]:
        """Close the question; return the logs of which not all that was asked for has come.

        What came and was not taken is asked for no more than what did not come, but without blame:
        whoever passes an entry on may know less than we do, or have a clock ahead of ours.
        """
        missing = []
        for log, last in self._last.items():
            self._claims.release(log, self)
            if log in self._theirs:
                self._open[log] = None
            held = ours.get(log)
            if held is None or (held.seq < last and not held.is_forked):
                self._vain[log] = last
                if self._next[log] <= last:
                    missing.append(log)
        self._next, self._last = {}, {}
        return missing

    def retry(self) -> None:
        """Let what came in vain be asked for again: time has passed, or control has changed."""
        self._vain.clear()
        self._open = dict.fromkeys(self._theirs)

    def is_root_told(self, ours: Digest) -> bool:
        """Return whether the peer was told this root last."""
        return self._told_root == ours

    def tell_root(self, ours: Digest) -> None:
        """Note that the peer is being told this root."""
        self._told_root = ours

    def news(self, ours: Frontier) -> list[FrontierItem]:
        """Return the items that the peer may not know of, and note that it is told them."""
        before, self._news_from = self._news_from, ours.tree
        fresh = [item for item in ours.news_since(before) if item.seq > self._known(item.log)]
        self.tell(fresh)
        return fresh

    def tell(self, told: Iterable[FrontierItem]) -> None:
        """Note that the peer is being told these items."""
        self._told.update((item.log, item.seq) for item in told)

    def explains(self, ours: Mapping[LogId, LogState]) -> bool:
        """Return whether what the peer told differs from what we hold.

        Unequal roots without such a difference hide one that items do not show.
        """
        return len(self._theirs) != len(ours) or not all(
            agrees(self._theirs.get(log), state) for log, state in ours.items()
        )

    def _known(self, log: LogId) -> int:
        held = self._theirs.get(log)
        return max(self._told.get(log, 0), 0 if held is None else held.seq)

    def _require_room(self) -> None:
        if len(self._theirs) > MAX_LOGS:
            detail = f"expected at most {MAX_LOGS} logs of one federation"
            raise RemoteProtocolError("link.frontier_size", detail)

    def _is_vain(self, wanted: Range) -> bool:
        return self._vain.get(wanted.log, 0) >= wanted.last

    def _may_ask(self, wanted: Range, now_ms: int) -> bool:
        if self._is_vain(wanted):
            return False
        heard_ms = self._heard_ms.get(wanted.log, now_ms - PATIENCE_MS)
        if self._claims.is_expected(wanted.log, self) and now_ms - heard_ms < PATIENCE_MS:
            self._is_patient = True
            return False
        if not self._claims.take(wanted.log, self, now_ms):
            self._is_patient = True
            return False
        return True

    def _to_search(self, diverged: Sequence[LogId], ours: Mapping[LogId, LogState]) -> list[Range]:
        """Return the stretches to search for a fork: at equal height, the last entry of each.

        Of a log that forked there already, the one below: only an earlier fork is news.
        """
        for log in diverged:
            self.search(log, self._theirs[log].seq - ours[log].is_forked)
        ranges, self._search = list(self._search.values()), {}
        return ranges
