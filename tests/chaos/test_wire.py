"""The network that goes wrong on purpose does what its troubles say."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.chaos.wire import CHUNK, Trouble, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOON_S = 10.0
SHORT_S = 0.1


@dataclass
class Line:
    """A connection through a wire: the end of the node that dialled, and the other one."""

    wire: Wire
    near: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    far: tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def line() -> AsyncIterator[Line]:
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(
        lambda *streams: accepted.put_nowait(streams), "127.0.0.1", 0
    )
    dice = random.Random(7)  # noqa: S311  # repeatable, not secret
    async with server, Wire(server.sockets[0].getsockname()[1], dice) as wire:
        near = await asyncio.open_connection("127.0.0.1", wire.port)
        far = await accepted.get()
        near[1].write(b"!")
        await arrives(far[0], 1)  # so the wire has both ends
        yield Line(wire, near, far)
        for _, writer in (near, far):
            writer.transport.abort()
        await asyncio.sleep(0)  # the loop closes aborted connections in its next turn


async def arrives(reader: asyncio.StreamReader, size: int) -> bytes:
    return await asyncio.wait_for(reader.readexactly(size), SOON_S)


async def is_silent(reader: asyncio.StreamReader) -> bool:
    """Return whether nothing comes and the connection stays, for a moment."""
    try:
        await asyncio.wait_for(reader.read(1), SHORT_S)
    except TimeoutError:
        return True
    except OSError:
        pass
    return False


async def ends(reader: asyncio.StreamReader) -> bool:
    """Return whether the connection ends without another byte."""
    try:
        return await asyncio.wait_for(reader.read(), SOON_S) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("trouble", [(), (Trouble.DELAY,), (Trouble.NARROW,)])
async def test_bytes_arrive_whole_and_in_order(trouble: tuple[Trouble, ...]) -> None:
    sent = bytes(range(256)) * 4
    async with line() as made:
        made.wire.set(trouble)

        made.near[1].write(sent)
        made.far[1].write(sent[::-1])

        assert await arrives(made.far[0], len(sent)) == sent
        assert await arrives(made.near[0], len(sent)) == sent[::-1]


@pytest.mark.parametrize(
    ("trouble", "forth", "back"),
    [
        (Trouble.CUT_FORTH, False, True),
        (Trouble.CUT_BACK, True, False),
        (Trouble.CUT, False, False),
    ],
)
async def test_a_cut_holds_its_direction_and_the_connection_stays(
    trouble: Trouble, *, forth: bool, back: bool
) -> None:
    async with line() as made:
        made.wire.set({trouble})

        made.near[1].write(b"x")
        made.far[1].write(b"y")

        for reader, byte, flows in ((made.far[0], b"x", forth), (made.near[0], b"y", back)):
            if flows:
                assert await arrives(reader, 1) == byte
            assert await is_silent(reader)
        made.wire.set(())
        if not forth:
            assert await arrives(made.far[0], 1) == b"x"


async def test_a_refusing_wire_ends_connections_and_new_ones() -> None:
    async with line() as made:
        made.wire.set({Trouble.REFUSE})

        assert await ends(made.near[0])
        assert await ends(made.far[0])
        again, writer = await asyncio.open_connection("127.0.0.1", made.wire.port)
        assert await ends(again)
        writer.transport.abort()


async def test_a_reset_in_mid_frame_carries_half_of_it() -> None:
    async with line() as made:
        made.wire.set({Trouble.MID_FRAME})

        made.near[1].write(b"frame of twenty byte")

        assert await arrives(made.far[0], 10) == b"frame of t"
        assert await ends(made.far[0])
        assert await ends(made.near[0])


async def test_half_open_tells_the_one_that_dialled_and_not_the_other() -> None:
    async with line() as made:
        made.wire.set({Trouble.HALF_OPEN})

        assert await ends(made.near[0])
        assert await is_silent(made.far[0])
        made.wire.set(())
        assert await ends(made.far[0])


async def test_a_flip_turns_single_bits_over_and_loses_none() -> None:
    sent = bytes(64 * CHUNK)
    async with line() as made:
        made.wire.set({Trouble.FLIP})

        made.near[1].write(sent)
        came = await arrives(made.far[0], len(sent))

        assert 1 <= sum(byte.bit_count() for byte in came) <= 64


async def test_loss_ends_in_a_reset_in_the_end() -> None:
    async with line() as made:
        made.wire.set({Trouble.LOSS})

        made.near[1].write(bytes(200 * CHUNK))
        came = 0
        try:
            while data := await asyncio.wait_for(made.far[0].read(CHUNK), SOON_S):
                came += len(data)
        except ConnectionError:
            pass

        assert came < 200 * CHUNK
