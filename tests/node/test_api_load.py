"""What the local port does when asked too much, too slowly, or in what is no HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING

import pytest
from tests.node.local_port import DEMAND, TOKEN, Port, local_port

from sheaf_node.api.load import Allowance, AtWork
from sheaf_node.api.route import Scope
from sheaf_node.config import Limits
from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

VIEW, COMMAND = "/api/v1/services/slow/view", "/api/v1/services/slow/command"
MOST = 3


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    async with local_port(tmp_path, limits=Limits(api_requests=MOST), body_s=0.2) as each:
        yield each


async def hold_up(port: Port, method: str, path: str) -> list[asyncio.Task[int]]:
    """Return requests that are at work, as many as there may be."""

    async def ask() -> int:
        return (await port.ask(method, path)).status

    tasks = [asyncio.create_task(ask()) for _ in range(MOST)]
    for _ in tasks:
        await port.slow.asked.acquire()
    return tasks


async def test_one_request_too_many_is_told_within_a_second_when_to_ask_again(port: Port) -> None:
    held = await hold_up(port, "GET", VIEW)

    took_s = []
    for _ in range(5):
        started = time.monotonic()
        answer = await port.get("/api/v1/status")
        took_s.append(time.monotonic() - started)

        assert (answer.status, answer.code) == (503, "api.busy")
        assert int(answer.headers["Retry-After"]) >= 1
    assert min(took_s) < 1  # the others may have waited for this machine
    port.slow.gate.set()
    assert [await task for task in held] == [200] * MOST


async def test_requests_are_served_again_once_others_are_done(port: Port) -> None:
    held = await hold_up(port, "GET", VIEW)
    assert (await port.get("/api/v1/status")).status == 503
    port.slow.gate.set()
    await asyncio.gather(*held)

    assert (await port.get("/api/v1/status")).status == 200


async def test_commands_that_wait_do_not_keep_anybody_from_looking(port: Port) -> None:
    held = await hold_up(port, "POST", COMMAND)

    looked, commanded = await port.get("/api/v1/status"), await port.post_demand()

    assert (looked.status, commanded.status) == (200, 503)
    assert port.store.arrival == 0
    port.slow.gate.set()
    await asyncio.gather(*held)


async def test_a_caller_without_a_token_takes_no_place(port: Port) -> None:
    held = await hold_up(port, "GET", VIEW)

    assert (await port.get("/api/v1/status", token="0" * 64)).code == "api.unauthorized"
    port.slow.gate.set()
    await asyncio.gather(*held)


async def test_a_token_that_asks_too_often_is_told_when_to_ask_again(tmp_path: Path) -> None:
    """Two requests a second: four at once, and the fifth is one too many, or at most the sixth."""
    other = "12" * 32
    settings = {"limits": Limits(api_per_second=2), "grants": {other: frozenset({Scope.READ})}}
    async with local_port(tmp_path, **settings) as port:
        answers = [await port.get("/api/v1/log") for _ in range(12)]
        of_another = await port.get("/api/v1/log", token=other)

    refused = [answer for answer in answers if answer.status != 200]
    assert [answer.status for answer in answers[:4]] == [200] * 4
    assert {(answer.status, answer.code) for answer in refused} == {(429, "api.rate")}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert of_another.status == 200


async def test_a_token_that_asked_too_often_goes_on_and_nothing_is_lost_or_done_twice(
    tmp_path: Path,
) -> None:
    """Asked again under the same key a refused command is carried out, and a done one is not."""
    body = {"record": to_json(DEMAND)}
    async with local_port(tmp_path, limits=Limits(api_per_second=2)) as port:
        refused = 0

        async def posted(number: int) -> str:
            nonlocal refused
            headers = {"Idempotency-Key": f"{number:032x}"}
            while True:
                path = "/api/v1/records/demand.submit"
                answer = await port.ask("POST", path, json=body, headers=headers)
                if answer.status == 201:
                    return str(answer.body["id"])
                assert (answer.status, answer.code) == (429, "api.rate")
                refused += 1
                await asyncio.sleep(0.3)

        # At once: a slow disk may take longer for each than the next one has to wait.
        ids = set(await asyncio.gather(*map(posted, range(8))))
        held = port.store.arrival

    assert refused > 0
    assert (len(ids), held) == (8, 8)


async def test_a_token_opens_its_scopes_alone(tmp_path: Path) -> None:
    reader = "34" * 32
    async with local_port(tmp_path, grants={reader: frozenset({Scope.READ})}) as port:
        read = await port.get("/api/v1/status", token=reader)
        written = await port.ask("POST", COMMAND, token=reader)
        nowhere = await port.get("/api/v1/nothing", token=reader)

    assert read.status == 200
    assert (written.status, written.code) == (403, "api.scope")
    assert (nowhere.status, nowhere.code) == (404, "api.not_found")


async def test_a_body_that_does_not_come_is_not_waited_for(port: Port) -> None:
    head, body = await port.raw(
        f"POST /api/v1/records/demand.submit HTTP/1.1\r\nHost: 127.0.0.1:{port.api.port}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: 100\r\nConnection: close\r\n\r\n"
        '{"record'.encode()
    )

    assert b" 408 " in head.partition(b"\r\n")[0]
    assert json.loads(body)["code"] == "api.slow"
    assert port.store.arrival == 0


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", b" 400 ", "api.http"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b" 400 ", "api.http"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 20_000 + b"\r\n\r\n", b" 400 ", "api.http"),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b" 400 ",
            "api.http",
        ),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", b" 417 ", "api.http"),
    ],
    ids=["a NUL in a header", "TLS", "a header without end", "two lengths", "another Expect"],
)
async def test_what_no_route_ever_sees_is_a_problem_as_well(
    port: Port, sent: bytes, status: bytes, code: str
) -> None:
    head, body = await port.raw(sent)

    told = json.loads(body)
    assert status in head.partition(b"\r\n")[0]
    assert b"Content-Type: application/problem+json" in head
    assert told["code"] == code
    assert str(told["status"]).encode() == status.strip()


async def test_a_token_in_a_line_that_is_no_http_is_not_repeated(
    port: Port, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        _, body = await port.raw(f"GET / HTTP/1.1\r\nAuthorization: {TOKEN}\x00\r\n\r\n".encode())

    assert json.loads(body)["code"] == "api.http"
    assert TOKEN not in body.decode() + caplog.text


async def test_a_wrong_method_is_told_the_right_ones(port: Port) -> None:
    answer = await port.ask("DELETE", "/api/v1/log")

    assert (answer.status, answer.code) == (405, "api.method")
    assert answer.headers["Allow"] == "GET, HEAD"


async def test_each_problem_names_its_request_and_the_output_does_too(
    port: Port, caplog: pytest.LogCaptureFixture
) -> None:
    port.slow.view = None  # type: ignore[assignment,method-assign]  # a fault of ours

    first, second = await port.get(VIEW), await port.get(VIEW)

    assert first.code == "api.internal"
    assert first.body["instance"] != second.body["instance"]
    assert first.body["instance"].rpartition(":")[2] in caplog.text


# --- the rules by themselves


def test_an_allowance_grows_with_the_time_and_never_beyond_two_seconds() -> None:
    allowance = Allowance(10, now_ms=0)
    taken = [how_many(allowance, now_ms) for now_ms in (0, 99, 100, 1_100, 100_000, 99_000)]

    assert taken == [20, 0, 1, 10, 20, 0]


def how_many(allowance: Allowance, now_ms: int) -> int:
    """Return how many requests may be made at a time, having made them."""
    return sum(may_ask(allowance, now_ms) for _ in range(100))


def may_ask(allowance: Allowance, now_ms: int) -> bool:
    try:
        allowance.take("token", now_ms)
    except Refusal:
        return False
    return True


def test_a_request_that_fails_gives_its_place_back() -> None:
    at_work = AtWork(1)

    with pytest.raises(ZeroDivisionError), at_work.one("read"):
        raise ZeroDivisionError

    with at_work.one("read"), pytest.raises(Refusal, match=r"api\.busy"), at_work.one("read"):
        pass
