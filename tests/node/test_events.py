from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sheaf_node.events import Arrivals

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_a_waiter_is_told_the_newest_arrival() -> None:
    arrivals = Arrivals()
    waiting = asyncio.ensure_future(arrivals.wait_beyond(3))
    await asyncio.sleep(0)

    arrivals.announce(3)
    await asyncio.sleep(0)
    woke_early = waiting.done()
    arrivals.announce(5)

    assert not woke_early
    assert await waiting == 5


async def test_what_arrived_before_the_wait_is_not_missed() -> None:
    arrivals = Arrivals()
    arrivals.announce(7)

    assert await asyncio.wait_for(arrivals.wait_beyond(6), 1) == 7


async def test_all_waiters_are_woken() -> None:
    arrivals = Arrivals()
    waiting = [asyncio.ensure_future(arrivals.wait_beyond(0)) for _ in range(3)]
    await asyncio.sleep(0)

    arrivals.announce(1)

    assert await asyncio.gather(*waiting) == [1, 1, 1]


def test_arrivals_never_go_back() -> None:
    arrivals = Arrivals()

    arrivals.announce(5)
    arrivals.announce(2)

    assert arrivals.latest == 5


async def test_control_changes_are_told_apart_from_entries() -> None:
    arrivals = Arrivals()
    waiting = asyncio.ensure_future(arrivals.wait_control_beyond(0))
    await asyncio.sleep(0)

    arrivals.announce(1)
    await asyncio.sleep(0)
    woke_early = waiting.done()
    arrivals.announce_control()

    assert not woke_early
    assert await waiting == arrivals.control == 1


@pytest.mark.parametrize(
    "announce",
    [
        lambda arrivals: arrivals.announce(2),
        lambda arrivals: arrivals.announce_control(),
        lambda arrivals: arrivals.announce_payloads(),
    ],
    ids=["entries", "control", "payloads"],
)
async def test_whoever_waits_for_news_is_woken_by_each_kind(
    announce: Callable[[Arrivals], None],
) -> None:
    arrivals = Arrivals()
    arrivals.announce(1)
    waiting = asyncio.ensure_future(arrivals.wait_news(1, control=0, payloads=0))
    await asyncio.sleep(0)

    arrivals.announce(1)  # nothing new
    await asyncio.sleep(0)
    woke_early = waiting.done()
    announce(arrivals)

    assert not woke_early
    await asyncio.wait_for(waiting, 1)


async def test_news_that_came_before_the_wait_are_not_missed() -> None:
    arrivals = Arrivals()
    arrivals.announce_payloads()

    await asyncio.wait_for(arrivals.wait_news(0, control=0, payloads=0), 1)
