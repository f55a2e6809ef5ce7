"""Seeks links to more members, by addresses that others told, where the operator's own lead to few.

In the background and slowly: pinned addresses are dialled at once and always (`dialer.py`), these
only while a federation has fewer linked co-ops than `discovery.links`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sheaf_node.address import link_address
from sheaf_node.peering.hints import Hints, Source
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.config import Config
    from sheaf_node.ingest import Ingest
    from sheaf_node.peering.hints import Hint
    from sheaf_node.peering.peering import Peering
    from sheaf_node.peering.saved import Saved
    from sheaf_protocol.digest import CoopId

_LOG = logging.getLogger("sheaf.peering")
EVERY_MS: Final = 5_000
"""Between looks; the pinned addresses have had a first answer by then."""


class Seeking:
    """Finds and dials hints for one node; `told` gives what a source says now."""

    def __init__(
        self,
        *,
        told: Sequence[Callable[[], Awaitable[Sequence[Hint]]]],
        saved: Saved,
        ingest: Ingest,
        own: CoopId,
        config: Config,
        clock: Clock,
        random: Randomness,
        every_ms: int = EVERY_MS,
    ) -> None:
        self._told, self._saved, self._ingest, self._own = told, saved, ingest, own
        self._config, self._clock, self._every_ms = config, clock, every_ms
        self.hints = Hints(random(16))

    async def run(self, peering: Peering) -> None:
        """Look and dial until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._clock.sleep_ms(self._every_ms)
                try:
                    due = await self.look(peering)
                except Exception:
                    # A fault of ours in a source of hints must not take the node's links with it.
                    _LOG.exception("addresses that others told could not be looked at")
                    continue
                for hint in due:
                    tasks.create_task(self._follow(peering, hint))

    async def look(self, peering: Peering) -> list[Hint]:
        """Take in what is known by now, and return what to dial."""
        now_ms, peers = self._clock.now_ms(), peering.peers()
        if not self._config.discovery.links:
            return []
        pinned = {link_address(peer.url)[0] for peer in self._config.peers}
        # What the operator wrote down, or took out again, is the settings' to remember.
        met = [
            (peer.cid, peer.url)
            for peer in peers
            if peer.is_dialled and peer.url not in pinned and self._fellow(peer.cid)
        ]
        self._saved.note(met, now_ms)
        self.hints.offer([hint for told in self._told for hint in await told()])
        linked, urls = {peer.cid for peer in peers}, {peer.url for peer in peers} | pinned
        short = self._short(linked)
        return self.hints.due(
            lambda hint: hint.url not in urls and self._is_wanted(hint, linked, short),
            now_ms,
            most=self._config.discovery.links * len(short),
        )

    def _short(self, linked: Collection[CoopId]) -> Sequence[Collection[CoopId]]:
        """Return the members of each federation of ours in which few are linked."""
        found = []
        for federation in self._ingest.federations.values():
            members = {member.cid for member in federation.charter.members}
            if self._own in members and len(members & set(linked)) < self._config.discovery.links:
                found.append(members)
        return found

    def _is_wanted(
        self, hint: Hint, linked: Collection[CoopId], short: Sequence[Collection[CoopId]]
    ) -> bool:
        if hint.cid is None:
            return bool(short)
        if hint.cid in linked or hint.cid == self._own or self._config.rule(hint.cid).paused:
            return False
        return any(hint.cid in members for members in short)

    def _fellow(self, cid: CoopId) -> bool:
        """Return whether a co-op shares a federation with us now."""
        return any(
            federation.is_member(cid) and federation.is_member(self._own)
            for federation in self._ingest.federations.values()
        )

    async def _follow(self, peering: Peering, hint: Hint) -> None:
        """Dial a hint and use the link to its end."""

        def admits(cid: CoopId) -> bool:
            return self._fellow(cid) if hint.cid is None else cid == hint.cid  # DSC-16

        was_open = False
        try:
            ended = await peering.follow(hint.url, admits, is_near=hint.source is Source.LAN)
            was_open = ended.was_open
        except Refusal:
            was_open = False  # no address at all: its author says so, and nobody else
        finally:
            self.hints.ended(hint, self._clock.now_ms(), was_open=was_open)
