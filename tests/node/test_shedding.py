"""What the local port refuses where the node does not keep up: commands first, then questions."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.node.local_port import TOKEN, Port, local_port
from tests.node.notebook import until

from sheaf_node.api.lateness import EVERY_MS, IN_A_ROW, READS_MS, WRITES_MS, Lateness, Pulse
from sheaf_node.api.server import MAX_CONNECTIONS
from sheaf_node.config import Limits
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def late(*measures_ms: int) -> Lateness:
    lateness = Lateness()
    for late_ms in measures_ms:
        lateness.note(late_ms)
    return lateness


# --- the rule by itself


@pytest.mark.parametrize(
    ("measures", "refused"),
    [
        ([], []),
        ([10_000], []),  # a process that was halted for ten seconds, and goes on
        ([WRITES_MS] * (IN_A_ROW - 1), []),
        ([WRITES_MS] * IN_A_ROW, ["write"]),
        ([READS_MS] * IN_A_ROW, ["write", "read"]),
        ([WRITES_MS, READS_MS, READS_MS], ["write"]),
        ([READS_MS] * IN_A_ROW + [WRITES_MS], ["write"]),
        ([READS_MS] * 100 + [WRITES_MS - 1], []),  # one measure in time, and all is taken again
        ([WRITES_MS, 0] * IN_A_ROW, []),
    ],
)
def test_what_is_late_again_and_again_is_refused(measures: list[int], refused: list[str]) -> None:
    lateness = late(*measures)

    over = {sort: lateness.is_over(is_write=sort == "write") for sort in ("write", "read")}
    assert [sort for sort, is_over in over.items() if is_over] == refused


def test_a_refusal_can_be_said_within_a_second() -> None:
    """A pass lasts as long as it was late, and the time between two measures; it takes two."""
    assert 2 * (READS_MS + EVERY_MS) <= 1_000


def test_who_is_refused_is_told_when_to_ask_again() -> None:
    with pytest.raises(Refusal, match=r"api\.busy: .*too late for more commands; ask again"):
        late(*[WRITES_MS] * IN_A_ROW).require(is_write=True)


# --- the loop, and the port


async def test_a_loop_that_is_kept_busy_is_found_late_and_one_that_rests_is_not() -> None:
    lateness = Lateness()
    pulse = Pulse(lateness)
    pulse.start()

    for _ in range(2 * IN_A_ROW):
        time.sleep((EVERY_MS + WRITES_MS) / 1_000 + 0.05)  # noqa: ASYNC251 - what is to be found
        await asyncio.sleep(0)
    was_over = lateness.is_over(is_write=True)
    await until(lambda: not lateness.is_over(is_write=True))
    pulse.stop()

    assert was_over


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    async with local_port(tmp_path, lateness=late(*[WRITES_MS] * IN_A_ROW)) as each:
        yield each


async def test_a_late_node_takes_no_command_and_answers_questions(port: Port) -> None:
    commanded, asked = await port.post_demand(), await port.get("/api/v1/status")

    assert (commanded.status, commanded.code, asked.status) == (503, "api.busy", 200)
    assert int(commanded.headers["Retry-After"]) >= 1
    assert port.store.arrival == 0


async def test_a_later_node_answers_nothing_but_that(tmp_path: Path) -> None:
    async with local_port(tmp_path, lateness=late(*[READS_MS] * IN_A_ROW)) as port:
        answers = [await port.post_demand(), await port.get("/api/v1/status")]
        stranger = await port.get("/api/v1/status", token="0" * 64)

    assert [(answer.status, answer.code) for answer in answers] == [(503, "api.busy")] * 2
    assert stranger.code == "api.unauthorized"


async def test_a_full_queue_of_the_disk_takes_no_command_and_answers_questions(
    tmp_path: Path,
) -> None:
    has_room = [False]
    async with local_port(tmp_path, has_room=lambda: has_room[0]) as port:
        refused, asked = await port.post_demand(), await port.get("/api/v1/status")
        has_room[0] = True
        taken = await port.post_demand()

    assert (refused.status, refused.code, asked.status) == (503, "api.busy", 200)
    assert "limits.queued_commits" in refused.body["detail"]
    assert taken.status == 201


# --- connections


async def test_a_connection_too_many_ends_one_that_waits_and_nobody_hangs(tmp_path: Path) -> None:
    async with local_port(tmp_path) as port:
        idle = [await open_to(port) for _ in range(MAX_CONNECTIONS)]
        answer = await port.get("/api/v1/status")
        async with asyncio.timeout(60):
            ended = await idle[0][0].read()
        for _, writer in idle:
            writer.close()

    assert (answer.status, ended) == (200, b"")


async def test_a_head_that_drips_in_is_not_waited_for(tmp_path: Path) -> None:
    async with local_port(tmp_path, head_ms=300) as port:
        reader, writer = await open_to(port)
        ending = asyncio.ensure_future(reader.read())

        for byte in f"GET /api/v1/status HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n".encode():
            if ending.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

        async with asyncio.timeout(60):
            # What was on its way when the node hung up has it answer with a reset.
            with suppress(ConnectionResetError):
                assert await ending == b""
        writer.close()


async def test_who_never_reads_its_answers_takes_no_place_of_others(tmp_path: Path) -> None:
    # By a loop that is not measured: on a slow machine so many answers make it late.
    settings = {"limits": Limits(api_per_second=100_000), "lateness": Lateness()}
    async with local_port(tmp_path, **settings) as port:
        head = f"Host: 127.0.0.1:{port.api.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        asked = f"GET /api/v1/openapi.json HTTP/1.1\r\n{head}\r\n".encode() * 50
        deaf = [await open_to(port, limit=1) for _ in range(MAX_CONNECTIONS)]
        for _, writer in deaf:
            writer.write(asked)
        answers = [await port.get("/api/v1/status") for _ in range(3)]
        for _, writer in deaf:
            writer.transport.abort()

    assert [answer.status for answer in answers] == [200] * 3


async def open_to(
    port: Port, limit: int = 65_536
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port.api.port, limit=limit)
