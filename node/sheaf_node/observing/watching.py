"""What is seen over time only: how long a peer was not in step, how late the event loop is."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sheaf_node.clock import Clock
    from sheaf_node.peering import PeerStatus
    from sheaf_protocol.digest import WriterId

EVERY_MS: Final = 1_000
LOOKS: Final = 60
"""Looks of which the latest turn of the loop is told: those of a minute."""


class Watching:
    """Looks at one node's links each second."""

    def __init__(
        self,
        peers: Callable[[], Iterable[PeerStatus]],
        clock: Clock,
        elapsed_s: Callable[[], float],
    ) -> None:
        self._peers, self._clock, self._elapsed_s = peers, clock, elapsed_s
        self._in_step_s: dict[WriterId, float] = {}
        self._looked_s = elapsed_s()
        self._late_s: deque[float] = deque([0.0], maxlen=LOOKS)

    @property
    def late_s(self) -> float:
        """By how much the loop's latest turn of the last minute was late, in seconds."""
        return max(self._late_s)

    def lag_s(self, wid: WriterId) -> float:
        """Return for how long a linked peer was not seen to hold the same as we do, in seconds."""
        since_s = self._in_step_s.get(wid, self._looked_s)
        # What was in step at the newest look, a second ago, is taken to be so.
        return 0.0 if since_s >= self._looked_s else self._elapsed_s() - since_s

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            before_s = self._elapsed_s()
            self.look()
            await self._clock.sleep_ms(EVERY_MS)
            late_s = self._elapsed_s() - before_s - EVERY_MS / 1_000
            self._late_s.append(max(late_s, 0.0))

    def look(self) -> None:
        """Note which links are in step now. A new link's time begins when it is first seen."""
        now_s, seen = self._elapsed_s(), self._in_step_s
        self._looked_s = now_s
        self._in_step_s = {
            peer.wid: now_s if peer.in_sync else seen.get(peer.wid, now_s) for peer in self._peers()
        }
