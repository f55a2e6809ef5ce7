"""The tasks that serve all links together: what is pushed, announced and compared again, and when.

Nothing polls. One task waits for entries and pushes our own, one lets announcements fall due while
something is unsettled, one waits for control items, one compares everything every few minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.peering.live import own_batches
from sheaf_node.peering.policy import CONTROL_REST_MS, rest_after
from sheaf_node.store import Change
from sheaf_protocol.link import Phase

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from sheaf_node.clock import Randomness
    from sheaf_node.config import Waits
    from sheaf_node.events import Arrivals
    from sheaf_node.peering.session import Session
    from sheaf_node.peering.shared import Shared
    from sheaf_node.store import Store
    from sheaf_node.turns import Turns
    from sheaf_protocol.digest import WriterId

SETTLE_TICKS: Final = 4
"""A peer that lacks nothing is told our root at every fourth tick: it only wants to know that we
agree, so it may wait a second."""
CONTROL_MS: Final = 50
"""How long control items are collected before peers are told: a charter brings many key logs."""
READ: Final = 256
PUSH_MS: Final = 50
"""How long our own new entries are collected while our people publish, so that fifty links are
pushed to twenty times a second, and not after each."""


class Rounds:
    """Goes round the links that are up, for each of its reasons in a task of its own."""

    def __init__(
        self,
        links: Mapping[WriterId, Session],
        shared: Shared,
        *,
        arrivals: Arrivals,
        random: Randomness,
        waits: Waits,
        turns: Turns,
        unsettled: asyncio.Event,
    ) -> None:
        self._links, self._shared, self._arrivals = links, shared, arrivals
        self._random, self._waits, self._turns = random, waits, turns
        self._unsettled = unsettled

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begin all of them in a task group, which ends them."""
        for each in (self.push(), self.tick(), self.watch_control(), self.recheck()):
            tasks.create_task(each)

    async def push(self) -> None:
        """Send our own new entries to all links, as one batch per log of what came together."""
        seen = self._arrivals.latest
        while True:
            latest = await self._arrivals.wait_beyond(seen)
            if self._turns.is_busy:
                await self._shared.clock.sleep_ms(PUSH_MS)
                latest = self._arrivals.latest
            while seen < latest and self._links:
                await self._turns.other()
                entries = self._shared.store.entries_after(seen, READ)
                for live in own_batches(entries, self._shared.own):
                    self._shared.shares.activity.note(
                        None, len(live.entries), self._shared.clock.now_ms()
                    )
                    for session in self._links.values():
                        session.push(live)
                seen = entries[-1].arrival if entries else latest
            seen = max(seen, latest)
            self._unsettled.set()

    async def tick(self) -> None:
        """Announce what is new at intervals, for as long as some link has not settled."""
        ticks = 0
        while True:
            await self._unsettled.wait()
            self._unsettled.clear()
            await self._shared.clock.sleep_ms(self._waits.announce_ms)
            ticks += 1
            is_settling = ticks % SETTLE_TICKS == 0
            moment = self._shared.frontiers.moment()
            for session in list(self._links.values()):
                await self._turns.other()
                is_open = session.link.phase is Phase.OPEN
                if is_open and session.tick(moment, is_settling=is_settling):
                    self._unsettled.set()

    async def watch_control(self) -> None:
        """Compare again with every peer when control items have changed, some at a time."""
        seen, rest_ms = self._arrivals.control, CONTROL_REST_MS
        while True:
            await self._arrivals.wait_control_beyond(seen)
            await self._shared.clock.sleep_ms(CONTROL_MS)
            seen = self._arrivals.control
            for session in self._links.values():
                session.recheck()
            await self._shared.clock.sleep_ms(rest_ms)
            is_quiet = self._arrivals.control == seen
            rest_ms = rest_after(rest_ms, is_quiet=is_quiet)

    async def recheck(self) -> None:
        """Compare everything every few minutes, whatever was told before."""
        while True:
            spread = self._waits.recheck_ms // 5
            jitter = int.from_bytes(self._random(4), "big") % (2 * spread + 1) - spread
            await self._shared.clock.sleep_ms(self._waits.recheck_ms + jitter)
            for session in list(self._links.values()):
                session.recheck()
                await keep_cursors(session, self._shared.store)
            await self._shared.blobs.forget_lapsed()


async def keep_cursors(session: Session, store: Store) -> None:
    """Store when the peer last held what we hold, so that the next link begins from there."""
    wid = session.wid
    known = {} if wid is None else {(wid, fid): c for fid, c in session.cursors().items()}
    cursors = {key: c for key, c in known.items() if store.cursor(*key) != c}
    if cursors:
        await store.commit(Change(cursors=cursors))
