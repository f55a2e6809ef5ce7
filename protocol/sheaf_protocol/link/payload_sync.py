"""Payloads that were left out: which to ask a peer for, and when not to (spec 06, section 7).

Headers come by ranges and are complete. A payload may be missing since a filter left it out, ours
or that of whoever brought its header, or since somebody withheld it. Nobody can tell which, so each
peer is asked for it; that finds it as soon as one linked peer holds it. A peer that has the header
may have the payload a moment later, so it is asked again, at growing intervals, for what has to be
somewhere.

What a peer was asked for is remembered as a place in our own store, up to which it was asked, so
that a million missing payloads cost one number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import Range
from sheaf_protocol.link.messages import LIST, PAYLOADS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.digest import LogId


AGAIN_MS: Final = 1_000
"""Until a peer is asked again for what it did not bring; doubled each time in vain."""

AGAIN_MOST_MS: Final = 300_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Lack:
    """A place whose payload is wanted and not here, by the arrival number of its header."""

    arrival: int
    log: LogId
    seq: int


class PayloadSync:
    """One federation on one link: the payloads that the peer was asked for, and owes an answer to.

    A question shares the turn of the ranges: whoever owns both has one of the two open at a time.
    """

    def __init__(self) -> None:
        self.after = 0
        """The arrival number up to which the peer was asked."""
        self._open: dict[LogId, list[Range]] = {}
        self._least: dict[LogId, int] = {}
        self._heard_ms = 0
        self._missing = 0
        self._wait_ms = AGAIN_MS

    @property
    def is_asking(self) -> bool:
        """Whether an answer is due."""
        return bool(self._open)

    def is_stalled(self, now_ms: int, limit_ms: int) -> bool:
        """Return whether an answer has been due for too long."""
        return self.is_asking and now_ms - self._heard_ms > limit_ms

    def ask(self, lacking: Sequence[Lack], upto: int, now_ms: int) -> list[Range]:
        """Return the ranges to ask for of what is lacking behind `after`, by order of arrival.

        `upto` is the arrival number up to which the store was looked through. What does not fit in
        one question is left for the next one.
        """
        ranges: list[Range] = []
        newest: dict[LogId, int] = {}
        for lack in lacking[:PAYLOADS]:
            at = newest.get(lack.log)
            if at is not None and ranges[at].last + 1 == lack.seq:
                ranges[at] = Range(log=lack.log, first=ranges[at].first, last=lack.seq)
            elif len(ranges) == LIST:
                break
            else:
                newest[lack.log] = len(ranges)
                ranges.append(Range(log=lack.log, first=lack.seq, last=lack.seq))
            self.after = lack.arrival
        else:
            if len(lacking) <= PAYLOADS:
                self.after = max(self.after, upto)
        for each in ranges:
            self._open.setdefault(each.log, []).append(each)
            self._missing += each.last - each.first + 1
        self._heard_ms = now_ms
        return ranges

    def receive(self, log: LogId, seq: int, now_ms: int) -> None:
        """Take it that a payload came.

        Raises RemoteProtocolError `link.range` unless it was asked for, and those before it of its
        log came before.
        """
        is_asked = any(r.first <= seq <= r.last for r in self._open.get(log, ()))
        if not is_asked or seq < self._least.get(log, 0):
            detail = f"expected a payload asked for, in the order of its log, got entry {seq}"
            raise RemoteProtocolError("link.range", detail)
        self._least[log] = seq + 1
        self._missing -= 1
        self._heard_ms, self._wait_ms = now_ms, AGAIN_MS

    def served(self, now_ms: int) -> None:
        """Close the question: what has not come is not held there now, or not what we want."""
        self._open, self._least = {}, {}
        self._heard_ms = now_ms

    @property
    def has_missed(self) -> bool:
        """Whether the peer did not bring all that it was asked for."""
        return not self._open and self._missing > 0

    def renew(self, now_ms: int) -> None:
        """Let everything be asked for again where some was missed, if it is time for that."""
        if self.has_missed and now_ms - self._heard_ms >= self._wait_ms:
            self._wait_ms = min(2 * self._wait_ms, AGAIN_MOST_MS)
            self.restart()

    def restart(self) -> None:
        """Let everything be asked for again: what is wanted may be other than it was."""
        self._missing = self.after = 0
