"""A bad network in user space: each link between two nodes goes through a wire of its own.

TCP repairs what a network loses, so a loss shows as a stall and, where it lasts, as a reset. A
wire carries bytes and knows nothing of what they mean.
"""

from __future__ import annotations

import asyncio
import enum
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

CHUNK: Final = 4_096
"""Bytes carried at a time: less than most batches of entries, so that faults hit inside frames."""


class Trouble(enum.StrEnum):
    """What may be wrong with a wire. FORTH is from the node that dialled to the one it dialled."""

    DELAY = "delay"
    """Each chunk waits up to 150 ms; chunks keep their order."""
    LOSS = "loss"
    """One chunk in ten waits for its repetition, 0.2 to 1 s; one in a hundred ends in a reset."""
    CUT_FORTH = "cut forth"
    """Bytes of one direction stop, the others flow, and the connection stays."""
    CUT_BACK = "cut back"
    CUT = "cut"
    """No byte passes and nobody is told."""
    REFUSE = "refuse"
    """Connections are reset, and new ones as soon as they are made."""
    NARROW = "narrow"
    """8 KiB a second in each direction."""
    FLIP = "flip"
    """One chunk in eight has a bit turned over."""
    MID_FRAME = "reset in mid frame"
    """The next chunk that passes is carried by half, then the connection is reset."""
    HALF_OPEN = "half open"
    """The node that dialled loses its connection; the other one is not told and hears nothing."""


_BYTES_PER_S: Final = 8_192


@dataclass(slots=True)
class _Pair:
    """The two connections that make one link."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter

    def reset(self) -> None:
        for each in (self.near, self.far):
            each.transport.abort()


class Wire:
    """A port that leads to another one, in whatever weather.

    async with Wire(target, random.Random(1)) as wire:
        wire.set({Trouble.DELAY})
    """

    def __init__(self, target: int, dice: random.Random) -> None:
        self.port = 0
        self.carried = 0
        """Bytes so far, in both directions."""
        self._target, self._dice = target, dice
        self._troubles: frozenset[Trouble] = frozenset()
        self._open: dict[int, _Pair] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Event()
        self._breaks_next = False

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes aborted connections in its next turn

    def set(self, troubles: Iterable[Trouble]) -> None:
        """Let these troubles hold from now on, and no others."""
        before, self._troubles = self._troubles, frozenset(troubles)
        new = self._troubles - before
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self._breaks_next = Trouble.MID_FRAME in self._troubles
        if Trouble.REFUSE in new:
            for pair in self._open.values():
                pair.reset()
        if Trouble.HALF_OPEN in new:
            for pair in self._open.values():
                pair.near.transport.abort()

    async def _end_of(self, *troubles: Trouble) -> None:
        """Wait until there is none of these troubles."""
        while self._has(*troubles):
            await self._changed.wait()

    def _has(self, *troubles: Trouble) -> bool:
        return not self._troubles.isdisjoint(troubles)

    async def _accept(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if not self._has(Trouble.REFUSE):
                await self._link(reader, near)
        except OSError:
            pass  # the node that was dialled is down
        except asyncio.CancelledError:
            pass  # the wire closes; asyncio's streams print what they find in a cancelled task
        finally:
            near.transport.abort()
            self._tasks.discard(task)

    async def _link(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        back, far = await asyncio.open_connection("127.0.0.1", self._target, limit=CHUNK)
        pair = _Pair(near, far)
        self._open[id(pair)] = pair
        if self._has(Trouble.REFUSE):  # while we connected
            pair.reset()
        try:
            cut_forth = (Trouble.CUT, Trouble.CUT_FORTH)
            cut_back = (Trouble.CUT, Trouble.CUT_BACK)
            async with asyncio.TaskGroup() as lanes:
                lanes.create_task(self._carry(reader, far, pair, cut_forth))
                lanes.create_task(self._carry(back, near, pair, cut_back))
        finally:
            del self._open[id(pair)]
            pair.reset()

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: _Pair,
        cuts: tuple[Trouble, ...],
    ) -> None:
        """Carry one direction until either side ends or the weather ends both."""
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._wait(len(data), cuts)
                if self._breaks_next:
                    self._breaks_next = False
                    writer.write(data[: len(data) // 2])
                    break
                if self._has(Trouble.LOSS) and self._dice.random() < 0.01:
                    break
                self.carried += len(data)
                writer.write(self._worn(data))
                await writer.drain()
        await self._end_of(Trouble.HALF_OPEN, *cuts)  # till then the other side is not told
        pair.reset()

    async def _wait(self, size: int, cuts: tuple[Trouble, ...]) -> None:
        """Wait as long as the weather holds so many bytes."""
        dice = self._dice.random
        delay_s = 0.15 * dice() if self._has(Trouble.DELAY) else 0.0
        if self._has(Trouble.LOSS) and dice() < 0.1:
            delay_s += 0.2 + 0.8 * dice()
        if self._has(Trouble.NARROW):
            delay_s += size / _BYTES_PER_S
        if delay_s:
            await asyncio.sleep(delay_s)
        await self._end_of(*cuts)

    def _worn(self, data: bytes) -> bytes:
        if not self._has(Trouble.FLIP) or self._dice.random() >= 1 / 8:
            return data
        worn = bytearray(data)
        worn[self._dice.randrange(len(worn))] ^= 1 << self._dice.randrange(8)
        return bytes(worn)
