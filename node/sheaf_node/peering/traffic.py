"""What passed over all links since the node started, and how far peers' clocks are from ours."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sheaf_protocol.digest import WriterId

MAX_CLOCKS: Final = 256
"""Peers whose clock is remembered; as many as links may be open with twice the usual limits."""


class Traffic:
    """Counters that only grow, by whether entries were pushed by their author or asked for."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.clock_lead_ms: dict[WriterId, int] = {}
        """By how much the newest entry that a peer pushed was ahead of our clock when it came.

        That is the lead of its clock less the time that the entry travelled.
        """

    def note_sent(self, entries: int, *, is_live: bool) -> None:
        """Count entries sent to a peer."""
        self.sent[_way(is_live)] += entries

    def note_received(self, entries: int, *, is_live: bool) -> None:
        """Count entries that a peer sent, whatever becomes of them."""
        self.received[_way(is_live)] += entries

    def note_clock(self, peer: WriterId, lead_ms: int) -> None:
        """Note a peer's clock by an entry that it signed and pushed just now."""
        self.clock_lead_ms.pop(peer, None)
        self.clock_lead_ms[peer] = lead_ms
        if len(self.clock_lead_ms) > MAX_CLOCKS:
            del self.clock_lead_ms[next(iter(self.clock_lead_ms))]


def _way(is_live: bool) -> str:
    return "pushed" if is_live else "asked"
