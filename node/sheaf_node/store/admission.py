"""Places for changes on their way to the disk, and whose turn it is to be decided.

They are few, so that whoever brings more than the disk takes waits where it costs nobody memory.
One in `_OWN_PART` is for our own changes alone: however much peers bring, who publishes here waits
for no place behind it. Peers' changes also wait for their turn (`Turns`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sheaf_node.turns import Turns

QUEUED: Final = 64
"""Changes waiting for the disk, where the caller sets no other limit. Full batches: 16 MiB."""
_OWN_PART: Final = 4


class Admission:
    """The places of one store."""

    def __init__(self, queued: int, turns: Turns) -> None:
        self._room = asyncio.Semaphore(queued)
        self._foreign_room = asyncio.Semaphore(max(1, queued - queued // _OWN_PART))
        self._turns = turns

    @property
    def may_wait(self) -> bool:
        """Whether peers' changes may wait for others to share their commit."""
        return self._turns.is_busy

    async def enter(self, *, is_foreign: bool) -> None:
        """Take a place. What is decided before anything else is awaited is decided in turn."""
        if not is_foreign:
            await self._room.acquire()
            return
        await self._foreign_room.acquire()
        try:
            await self._room.acquire()
        except BaseException:
            self._foreign_room.release()
            raise
        try:
            await self._turns.other()
        except BaseException:
            self.leave(is_foreign=True)
            raise

    def leave(self, *, is_foreign: bool) -> None:
        """Give back the place of a change that is durable, or will never be."""
        self._room.release()
        if is_foreign:
            self._foreign_room.release()
