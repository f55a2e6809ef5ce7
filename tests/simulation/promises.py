"""Sequences of blows around promises, which hardly ever come about by chance.

`LateWord`: what a lost writer said last comes to a member after it promised. An owner confirms a
hold, and one member alone learns of that before the owner's disk is lost. The operator does without
that member. While the owner still waits for another one, cut off from all, the first comes back to
those who have promised: they may not take what it brings, for the log will end before it.

`EarlyCopy`: the copy that is put back knows nothing yet of the member that knows the last word.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.plan import ASKERS, WITNESS

from sheaf_node.recovery import name_absent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.simulation.world import World

OWNER: Final = "hill"
SLOW: Final = "dale"
"""The member whose promise takes its time."""
_BEFORE_S: Final = 10.0


class _Sequence:
    def __init__(self, world: World) -> None:
        self.world = world

    def _part(self, some: Iterable[str], others: Sequence[str]) -> None:
        self.world.network.blocked |= _ways(some, others)

    def _join(self, some: Iterable[str], others: Sequence[str]) -> None:
        self.world.network.blocked -= _ways(some, others)


class LateWord(_Sequence):
    """A word that comes to those who promised to take no more."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._said = world.loop.create_future()

    def begin(self) -> None:
        """Wait for the owner's word."""
        self.world.on_commit.append(self._look)
        self.world.loop.spawn(None, self._go())

    def _look(self, name: str, entries: Sequence[Any]) -> None:
        """Cut the owner off but for its witness as soon as its word is on its disk."""
        askers = {self.world.ledger.cids[each] for each in ASKERS}
        words = [each for each in entries if each.kind == "hold.confirmed"]
        if name != OWNER or not words or self.world.loop.time() < _BEFORE_S or self._said.done():
            return
        ledger = self.world.ledger
        if any(ledger.author(each.header.refs[0]) in askers for each in words):
            self._part([OWNER, WITNESS], ASKERS)
            self._part([OWNER, WITNESS, *ASKERS], [SLOW])
            self._said.set_result(None)

    async def _go(self) -> None:
        world = self.world
        while not self._said.done():
            world.back_up(OWNER)
            await asyncio.wait([self._said], timeout=1.0)
        world.seen["late word"] += 1
        await asyncio.sleep(3)
        world.restore(OWNER, world.sites[OWNER].backups[-1])
        name_absent(world.sites[OWNER].home, [world.ledger.cids[WITNESS].hex()])
        self._part([OWNER], [WITNESS])
        self._join([OWNER], ASKERS)
        world.start(OWNER)
        await asyncio.sleep(20)
        for name in ASKERS:
            world.kill(name)
            world.start(name)
        await asyncio.sleep(1)
        self._part([OWNER], ASKERS)
        self._join([WITNESS], ASKERS)
        await asyncio.sleep(20)
        self._join([OWNER], [SLOW])
        await asyncio.sleep(15)
        world.network.blocked.clear()


class EarlyCopy(_Sequence):
    """A copy of the first seconds, and a witness of all that came after."""

    def begin(self) -> None:
        """Make the copy, and cut the owner and its witness off."""
        self.world.loop.spawn(None, self._go())

    async def _go(self) -> None:
        world = self.world
        others = [name for name in world.names if name not in (OWNER, WITNESS)]
        await asyncio.sleep(2.5)
        world.back_up(OWNER)
        self._part([OWNER, WITNESS], others)
        await asyncio.sleep(50)
        self._part([OWNER], [WITNESS])
        if not world.sites[OWNER].backups:
            return
        world.seen["early copy"] += 1
        world.restore(OWNER, world.sites[OWNER].backups[-1])
        self._join([OWNER], others)
        world.start(OWNER)
        await asyncio.sleep(60)
        world.network.blocked.clear()


def _ways(some: Iterable[str], others: Sequence[str]) -> set[tuple[str, str]]:
    return {way for a in some for b in others for way in ((a, b), (b, a))}
