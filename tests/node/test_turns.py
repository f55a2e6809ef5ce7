"""Whose turn it is on the event loop: one piece of work for peers in a pass, and none while a
request of our own is at work."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from sheaf_node.turns import LAPSE_MS, LONGEST_MS, SMALL, Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def standing() -> Iterator[Callable[[int], None]]:
    """Let no time pass on the loop's clock but what is told, in milliseconds: turns are of a few,
    which a busy machine may take for any step of a test."""
    loop = asyncio.get_running_loop()
    now_s = loop.time()

    def let_pass(ms: int) -> None:
        nonlocal now_s
        now_s += ms / 1_000

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "time", lambda: now_s)
        yield let_pass


async def _passes(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_work_for_peers_is_done_one_piece_in_a_pass_in_the_order_of_asking() -> None:
    turns, done = Turns(), list[int]()

    async def piece(number: int) -> None:
        await turns.other()
        done.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(piece(number))
        counts = []
        for _ in range(8):
            await asyncio.sleep(0)
            counts.append(len(done))

    assert done == [0, 1, 2, 3, 4]
    assert all(after - before <= 1 for before, after in itertools.pairwise(counts))


async def test_who_has_no_rival_does_not_wait() -> None:
    turns = Turns()

    waiting = turns.other()

    with pytest.raises(StopIteration):
        waiting.send(None)


async def test_work_for_peers_waits_for_a_request_of_our_own() -> None:
    turns, done = Turns(), asyncio.Event()

    async def piece() -> None:
        await turns.other()
        done.set()

    async with asyncio.TaskGroup() as tasks:
        with standing(), turns.own():
            tasks.create_task(piece())
            await _passes(20)
            was_done = done.is_set()
        await done.wait()

    assert not was_done


async def test_work_for_peers_waits_for_a_request_whose_first_bytes_are_here() -> None:
    turns, done = Turns(), asyncio.Event()

    async def piece() -> None:
        await turns.other()
        done.set()

    async with asyncio.TaskGroup() as tasks:
        with standing():
            turns.expect()
            tasks.create_task(piece())
            await _passes(20)
            was_done = done.is_set()
        await done.wait()  # nothing came of it, and nobody waits for ever

    assert not was_done


async def test_requests_that_never_end_leave_peers_a_turn_now_and_then() -> None:
    turns, done = Turns(), 0

    async def pieces() -> None:
        nonlocal done
        while True:
            await turns.other()
            done += 1
            await asyncio.sleep(0)

    work = asyncio.create_task(pieces())
    last = ExitStack()
    with standing() as let_pass:
        for _ in range(10 * LONGEST_MS):
            request = ExitStack()
            request.enter_context(turns.own())
            last.close()
            last = request
            await asyncio.sleep(0)
            let_pass(1)
        last.close()
    work.cancel()

    assert done > 0


async def test_a_request_that_waits_for_something_else_holds_peers_up_for_a_moment_only() -> None:
    turns, done = Turns(), 0

    async def pieces() -> None:
        nonlocal done
        while True:
            await turns.other()
            done += 1
            await asyncio.sleep(0)

    with turns.own():
        work = asyncio.create_task(pieces())
        await asyncio.sleep(3 * LAPSE_MS / 1_000)
    work.cancel()

    assert done > 10 * LAPSE_MS / LONGEST_MS


async def test_who_gives_up_waiting_takes_nobodys_turn() -> None:
    turns, done = Turns(), list[str]()

    async def piece(name: str) -> None:
        await turns.other()
        done.append(name)

    with standing(), turns.own():
        gone = asyncio.create_task(piece("gone"))
        kept = asyncio.create_task(piece("kept"))
        await _passes(2)
        gone.cancel()
    await kept

    assert done == ["kept"]


async def test_pieces_are_small_while_our_own_people_are_at_work() -> None:
    turns = Turns()
    before = turns.piece

    with standing():
        with turns.own():
            pass
        after = turns.piece

    assert after == SMALL < before
