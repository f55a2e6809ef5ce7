"""The slow scrub: all that is held is read again and checked, little by little, once a day.

A damaged payload of another's entry is let go of and asked for again like any that is not here. Of
our own log any damage stops the node from signing: what it would decide on is not what it said.
Everything else is reported.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from sheaf_node.store import Change
from sheaf_node.store.model import WITHHELD, Absent
from sheaf_protocol.digest import short
from sheaf_protocol.envelope import Envelope

if TYPE_CHECKING:
    from sheaf_node.clock import Clock
    from sheaf_node.events import Arrivals
    from sheaf_node.store import Store
    from sheaf_node.store.scrub import Damage
    from sheaf_protocol.digest import CoopId, EntryId

FIRST_MS: Final = 300_000
"""After the start, by when links and services have caught up."""
EVERY_MS: Final = 86_400_000
STEP: Final = 64
"""Entries checked before the loop gets its turn again: 8 ms."""
PAUSE_MS: Final = 200
"""After each step: a million entries take an hour, at a twentieth of one core."""
_LOG = logging.getLogger("sheaf.scrubbing")


class Scrubbing:
    """Scrubs one store."""

    def __init__(self, *, store: Store, arrivals: Arrivals, clock: Clock, own: CoopId) -> None:
        self._store, self._arrivals, self._clock, self._own = store, arrivals, clock, own
        self._found: dict[int, Damage] = {}

    async def run(self) -> None:
        """Scrub daily until cancelled. A fault of ours is noted, and takes nothing with it."""
        await self._clock.sleep_ms(FIRST_MS)
        while True:
            try:
                await self.scrub()
            except Exception:
                # A store that failed ends the node by itself.
                _LOG.exception("the scrub was left undone")
            await self._clock.sleep_ms(EVERY_MS)

    async def scrub(self) -> None:
        """Check everything once. What is found shows at once; what healed is gone at the end."""
        self._found, last = {}, 0
        while True:
            page = self._store.scrub(last, STEP)
            for damage in page.damages:
                await self._note(damage)
            if page.last is None:
                break
            last = page.last
            await self._clock.sleep_ms(PAUSE_MS)
        self._store.damages = dict(self._found)

    async def _note(self, damage: Damage) -> None:
        self._found[damage.arrival] = damage
        self._store.damages = {**self._store.damages, damage.arrival: damage}
        whose = "an unreadable log" if damage.wid is None else f"log {short(damage.wid)}"
        _LOG.error("entry %d of %s is damaged: %s", damage.seq, whose, damage.detail)
        if damage.id is not None and damage.cid != self._own:
            await self._fetch_again(damage.id)

    async def _fetch_again(self, id_: EntryId) -> None:
        entry = self._store.entry(id_)
        if entry is None or entry.absence is not None:
            return
        # Whatever stands there by now, what was stored had the length that the header says.
        sound = Envelope(entry.envelope.header, b"", bytes(entry.header.payload_len))
        gone = Absent(entry=replace(entry, envelope=sound), absence=WITHHELD)
        await self._store.commit(Change(absences=[gone]))
        self._arrivals.announce_control()  # links ask again for what is not here
