"""Asking again under an Idempotency-Key: at once, after restarts, with other requests."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from tests.node.notebook import CERTIFICATE, MILL, OTHER, Notebook, demand, opened
from tests.node.notebook import Bench as Books

from sheaf_node.api import LocalApi
from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.hosting import Hosts
from sheaf_node.plugins import ServiceHost
from sheaf_protocol.charter import Federation
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import Record

TOKEN = "ab" * 32
KEY = "0f" * 16
RECORD = "/api/v1/records/demand.submit"
ADD = "/api/v1/services/notebook/add"


def posted(record: Record) -> bytes:
    return json.dumps({"record": to_json(record), "refs": []}).encode()


ONE, TWO = posted(demand("one")), posted(demand("two"))


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def code(self) -> Any:
        return json.loads(self.body)["code"]

    @property
    def was_given_before(self) -> bool:
        return self.headers.get("Idempotency-Replayed") == "true"


@dataclass
class Bench:
    books: Books
    api: LocalApi
    session: ClientSession

    async def post(
        self, path: str, body: bytes = b"", keys: tuple[str, ...] = (KEY,), **headers: str
    ) -> Answer:
        sent = [("Authorization", f"Bearer {TOKEN}"), *headers.items()]
        sent += [("Idempotency-Key", key) for key in keys]
        url = f"http://127.0.0.1:{self.api.port}{path}"
        async with self.session.post(url, data=body, headers=sent) as answer:
            return Answer(answer.status, await answer.read(), dict(answer.headers))

    @property
    def arrival(self) -> int:
        return self.books.parts.store.arrival


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        books = await stack.enter_async_context(opened(folder, MILL))
        parts = books.parts
        await parts.ingest.receive_certificate(OTHER)

        def make(federation: Federation) -> ServiceHost:
            return ServiceHost("notebook", Notebook, {}, federation=federation, parts=parts)

        blobs = Blobs(folder)
        stack.push_async_callback(blobs.close)
        api = LocalApi(
            token=TOKEN,
            port=0,
            store=parts.store,
            ingest=parts.ingest,
            keyring=parts.keyring,
            hosts=Hosts(parts.ingest, parts.arrivals, {"notebook": make}).by_federation,
            peering=None,
            blobs=Fetching(blobs, parts.clock),
            arrivals=parts.arrivals,
            clock=parts.clock,
            random=parts.random,
        )
        await api.start()
        stack.push_async_callback(api.stop)
        session = await stack.enter_async_context(ClientSession())
        yield Bench(books, api, session)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as made:
        yield made


def sql(folder: Path, statement: str) -> list[Any]:
    """Run a statement on the store beside the node."""
    connection = sqlite3.connect(next(folder.rglob("sheaf.db")), isolation_level=None)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


# --- keys


@pytest.mark.parametrize(
    "keys",
    [
        (),  # a record that is posted twice would be published twice
        ("short12",),
        ("x" * 81,),
        ("with a space in it",),
        ("tab\tinside-it",),
        ("größenordnung",),
        (KEY, KEY),
    ],
)
async def test_a_record_without_one_good_key_is_refused(
    bench: Bench, keys: tuple[str, ...]
) -> None:
    answer = await bench.post(RECORD, ONE, keys)

    assert (answer.status, answer.code) == (400, "api.idempotency_key")
    assert bench.arrival == 0


@pytest.mark.parametrize("key", ["!" * 8, "~" * 80])
async def test_keys_of_8_to_80_visible_characters_are_taken(bench: Bench, key: str) -> None:
    answer = await bench.post(RECORD, ONE, (key,))

    assert (answer.status, bench.arrival) == (201, 1)


async def test_a_command_needs_no_key(bench: Bench) -> None:
    answers = [await bench.post(ADD, b"one", ()) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert bench.arrival == 2


# --- asking again


async def test_a_record_posted_again_is_published_once_and_answered_alike(bench: Bench) -> None:
    first = await bench.post(RECORD, ONE)

    again = await bench.post(RECORD, ONE)

    assert (first.status, first.was_given_before) == (201, False)
    assert (again.status, again.was_given_before) == (201, True)
    assert again.body == first.body
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert bench.arrival == 1


async def test_a_command_asked_again_is_carried_out_once_and_answered_alike(bench: Bench) -> None:
    first = await bench.post(ADD, b"one two")

    again = await bench.post(ADD, b"one two")

    assert (again.body, again.was_given_before) == (first.body, True)
    assert bench.arrival == 2


async def test_a_command_that_published_nothing_is_answered_alike_too(bench: Bench) -> None:
    first = await bench.post(ADD)

    again = await bench.post(ADD)

    assert (again.body, again.was_given_before, bench.arrival) == (first.body, True, 0)


async def test_an_erase_and_its_restore_are_answered_alike(bench: Bench) -> None:
    entry = json.loads((await bench.post(RECORD, ONE)).body)["id"]
    answers = []
    for key, what in (("erase-it", "erase"), ("restore-it", "restore")):
        bench.books.clock.advance(1_000)
        answers += [await bench.post(f"/api/v1/entries/{entry}/{what}", b"", (key,))]
        bench.books.clock.advance(1_000)
        answers += [await bench.post(f"/api/v1/entries/{entry}/{what}", b"", (key,))]

    assert [answer.status for answer in answers] == [200] * 4
    assert [answer.was_given_before for answer in answers] == [False, True, False, True]
    assert (answers[0].body, answers[2].body) == (answers[1].body, answers[3].body)
    assert bench.arrival == 3


async def test_a_reply_outlives_the_node(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        first = await bench.post(RECORD, ONE)

    async with running(tmp_path) as bench:
        again = await bench.post(RECORD, ONE)

        assert (again.status, again.body, again.was_given_before) == (201, first.body, True)
        assert bench.arrival == 1


async def test_a_refused_request_may_be_mended_and_sent_again_under_its_key(bench: Bench) -> None:
    refused = await bench.post(RECORD, posted(demand("one")).replace(b'"one"', b'"! "'))

    mended = await bench.post(RECORD, ONE)

    assert (refused.status, mended.status, bench.arrival) == (422, 201, 1)


# --- other requests


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (RECORD, TWO),
        (RECORD, ONE + b" "),
        (f"{RECORD}?federation={OTHER.fid.hex()}", ONE),
        (f"{RECORD}?federation={CERTIFICATE.fid.hex()}", ONE),
        ("/api/v1/records/supply.offer", ONE),
        (ADD, ONE),
    ],
    ids=["body", "space", "federation", "spelling", "kind", "route"],
)
async def test_another_request_under_a_used_key_is_refused(
    bench: Bench, path: str, body: bytes
) -> None:
    await bench.post(RECORD, ONE)

    answer = await bench.post(path, body)

    assert (answer.status, answer.code) == (422, "api.idempotency_reused")
    assert bench.arrival == 1


async def test_what_is_kept_is_not_readable_without_the_request(
    bench: Bench, tmp_path: Path
) -> None:
    first = await bench.post(RECORD, ONE)

    [row] = sql(tmp_path, "SELECT id, request, reply FROM receipts")

    assert len(row[2]) > len(first.body)
    for secret in (KEY.encode(), bytes.fromhex(KEY), b"demand.submit", b"feed", first.body[:40]):
        assert not any(secret in column for column in row)


async def test_a_reply_that_the_disk_damaged_is_not_given_and_nothing_is_published(
    bench: Bench, tmp_path: Path
) -> None:
    await bench.post(RECORD, ONE)
    sql(tmp_path, "UPDATE receipts SET reply = zeroblob(LENGTH(reply))")

    answer = await bench.post(RECORD, ONE)

    assert (answer.status, answer.code, bench.arrival) == (500, "api.internal", 1)


# --- at once


async def test_of_many_at_once_one_publishes_and_all_get_its_reply(bench: Bench) -> None:
    answers: list[Answer] = []

    async def ask() -> None:
        while True:
            answer = await bench.post(RECORD, ONE)
            answers.append(answer)
            if answer.status == 201:
                return
            assert (answer.code, answer.headers["Retry-After"]) == ("api.idempotency_busy", "1")
            await asyncio.sleep(0.05)  # all together ask more rarely than a token may

    await asyncio.gather(*(ask() for _ in range(12)))

    replies = {answer.body for answer in answers if answer.status == 201}
    assert (len(replies), bench.arrival) == (1, 1)
    assert sum(not each.was_given_before for each in answers if each.status == 201) == 1


async def test_who_hangs_up_and_asks_again_publishes_once(bench: Bench) -> None:
    for number in range(10):
        key, body = f"hang-up-{number}", posted(demand(f"r{number}"))
        _, writer = await asyncio.open_connection("127.0.0.1", bench.api.port)
        head = (
            f"POST {RECORD} HTTP/1.1\r\nHost: 127.0.0.1:{bench.api.port}\r\n"
            f"Authorization: Bearer {TOKEN}\r\nIdempotency-Key: {key}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        await asyncio.sleep(0.001 * number)
        writer.transport.abort()

        answer = await bench.post(RECORD, body, (key,))
        while answer.status in {409, 429}:
            await asyncio.sleep(0.05)
            answer = await bench.post(RECORD, body, (key,))

        assert answer.status == 201, answer.body
        assert bench.arrival == number + 1
