"""What a node tells of a service of another process: there or not, since when, how far, refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sheaf_node.api.lookout import Lookout
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.author import START_MS

from .service_apart import Apart, apart, demand, offer, published, until, write_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sheaf_node.observing.beside import SeenService


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Apart]:
    async with apart(tmp_path) as each:
        yield each


async def seen(made: Apart) -> SeenService:
    lookout = Lookout(remotes=made.remotes, webhooks=None, seating=None)
    [service] = (await lookout.look()).services
    return service


async def test_a_service_that_never_came_is_told_of_with_all_that_it_lacks(
    made: Apart, tmp_path: Path
) -> None:
    made.add(write_service(tmp_path / "plain"))
    await made.publish(demand("r1"), demand("r2"))

    service = await seen(made)

    assert (service.name, service.is_connected, service.seen_ms) == ("plain", False, None)
    assert (service.behind, service.refused, service.refusals) == (2, None, 0)


async def test_a_service_is_last_seen_when_it_answered_or_went(made: Apart, tmp_path: Path) -> None:
    listener = made.listen("plain", made.add(write_service(tmp_path / "plain")))
    await made.publish(demand("r1"))
    _, step = await listener.until_step()
    came = await seen(made)
    made.clock.advance(5_000)

    await listener.answer(step)
    answered = await seen(made)
    made.clock.advance(1_000)
    await listener.close()
    await made.publish(demand("r2"))  # what is written to nobody shows that nobody is there
    await until(lambda: not any(host.is_connected for host in made.remotes))

    assert (came.is_connected, came.seen_ms, came.behind) == (True, START_MS, 0)
    assert answered.seen_ms == START_MS + 5_000
    gone = await seen(made)
    assert (gone.is_connected, gone.seen_ms) == (False, START_MS + 6_000)


async def test_refused_answers_are_counted_also_once_the_next_one_is_taken(
    made: Apart, tmp_path: Path
) -> None:
    listener = made.listen("plain", made.add(write_service(tmp_path / "plain")))
    _, step = await listener.until_step()

    with pytest.raises(Refusal, match=r"service\.kind"):
        await listener.answer(step, publications=published(offer("o1")))
    refused = await seen(made)
    made.clock.advance(2_000)
    await asyncio.sleep(0)
    _, step = await listener.until_step()
    await listener.answer(step)

    assert (refused.refused, refused.refusals) == ("service.kind", 1)
    after = await seen(made)
    assert (after.refused, after.refusals) == (None, 1)
