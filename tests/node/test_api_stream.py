"""The stream of entries: where it begins, how it goes on, and what a slow or rude client gets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.node.notebook import CERTIFICATE, MILL, OTHER, demand, opened
from tests.node.notebook import Bench as Books

from sheaf_node.api.stream import MOST, PING_MS, WRITE_MS, Streams
from sheaf_node.clock import ManualClock
from sheaf_node.ingest import Draft
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import FederationId

PATIENCE_S = 60
FIDS = {"main": CERTIFICATE.fid, "other": OTHER.fid}


@dataclass
class Event:
    """One event, or a comment with the id behind it."""

    fields: dict[str, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)

    @property
    def data(self) -> Any:
        return json.loads(self.fields["data"])


class Listener:
    """A client of a stream, on a socket of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.status, self.headers = 0, {}

    async def begin(self) -> None:
        head = await self._within(self._reader.readuntil(b"\r\n\r\n"))
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {
            name.lower(): value for name, _, value in (x.partition(": ") for x in lines)
        }

    async def next(self) -> Event:
        """Return the next event; raises IncompleteReadError where the stream ended."""
        event = Event()
        while line := (await self._line()).rstrip("\n"):
            name, _, value = line.partition(":")
            if name:
                event.fields[name] = value.removeprefix(" ")
            else:
                event.comments.append(value.strip())
        return event

    async def arrivals(self, count: int) -> list[int]:
        """Return the arrival numbers of so many entries."""
        events = [await self.next() for _ in range(count)]
        assert {event.fields["event"] for event in events} == {"entry"}
        return [event.data["arrival"] for event in events]

    async def problem(self) -> Any:
        """Return the body of an answer that is no stream."""
        size = int(self.headers["content-length"])
        return json.loads(await self._within(self._reader.readexactly(size)))

    async def to_the_end(self) -> None:
        while True:
            await self.next()

    async def close(self) -> None:
        self._writer.transport.abort()

    async def _line(self) -> str:
        # Chunked: each write is a chunk, and each line here is whole within one.
        while not self._pending:
            size = int(await self._within(self._reader.readuntil(b"\r\n")), 16)
            data = await self._within(self._reader.readexactly(size + 2))
            if not size:
                raise asyncio.IncompleteReadError(b"", None)
            self._pending = data[:-2].decode().splitlines(keepends=True)
        return self._pending.pop(0)

    _pending: list[str] = []  # noqa: RUF012 - replaced, never changed in place

    async def _within(self, wait: Any) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            data: bytes = await wait
            return data


@dataclass
class Bench:
    books: Books
    streams: Streams
    port: int

    @property
    def clock(self) -> ManualClock:
        return self.books.clock

    @property
    def store_digits(self) -> str:
        return self.books.parts.store.store_id[:4].hex()

    async def publish(self, *refs: str, fid: FederationId = CERTIFICATE.fid) -> None:
        drafts = [Draft(kind="demand.submit", body=encode(demand(ref))) for ref in refs]
        await self.books.parts.ingest.publish(fid, drafts)

    @asynccontextmanager
    async def listening(self, query: str = "", last: str | None = None) -> AsyncIterator[Listener]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        header = "" if last is None else f"Last-Event-ID: {last}\r\n"
        writer.write(f"GET /{query} HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())
        listener = Listener(reader, writer)
        await listener.begin()
        try:
            yield listener
        finally:
            await listener.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(tmp_path, MILL) as books:
        await books.parts.ingest.receive_certificate(OTHER)
        parts = books.parts
        streams = Streams(store=parts.store, arrivals=parts.arrivals, clock=parts.clock)

        async def answer(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            # The system would buffer megabytes, and no client of a test be slow.
            request.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096
            )
            since, name = request.query.get("since"), request.query.get("federation")
            fid = None if name is None else FIDS[name]
            return await streams.serve(
                request, since=None if since is None else int(since), fid=fid
            )

        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        yield Bench(books, streams, runner.addresses[0][1])
        streams.end()
        await runner.cleanup()


async def settled(bench: Bench) -> None:
    """Return once what is due by now has been done."""
    for _ in range(20):
        await asyncio.sleep(0.005)


# --- where it begins


async def test_a_stream_begins_with_what_comes_from_now_on(bench: Bench) -> None:
    await bench.publish("before")

    async with bench.listening() as listener:
        first = await listener.next()
        await bench.publish("after")
        event = await listener.next()

    assert (listener.status, listener.headers["content-type"]) == (
        200,
        "text/event-stream; charset=utf-8",
    )
    assert (first.fields["id"], "data" in first.fields) == (f"1.{bench.store_digits}", False)
    assert (event.fields["id"], event.data["arrival"]) == (f"2.{bench.store_digits}", 2)
    assert event.data["record"]["ref"] == "after"


async def test_since_begins_behind_an_arrival_number(bench: Bench) -> None:
    await bench.publish(*"abcd")

    async with bench.listening("?since=2") as listener:
        await listener.next()
        arrivals = await listener.arrivals(2)

    assert arrivals == [3, 4]


async def test_a_client_goes_on_behind_its_last_id_and_misses_nothing(bench: Bench) -> None:
    await bench.publish(*"abc")
    async with bench.listening("?since=0") as listener:
        await listener.next()
        last = (await listener.next()).fields["id"]
    await bench.publish("d")

    async with bench.listening("?since=0", last=last) as listener:
        first = await listener.next()
        arrivals = await listener.arrivals(3)

    assert first.fields["id"] == last
    assert arrivals == [2, 3, 4]


@pytest.mark.parametrize(
    "last",
    ["4.{store}", "2.ffffffff", "2", "two", "", "2.{store}0", "-1.{store}", "9" * 40],
    ids=["ahead", "other store", "bare", "word", "empty", "long", "negative", "huge"],
)
async def test_an_id_that_is_not_of_this_store_resets(bench: Bench, last: str) -> None:
    await bench.publish(*"abc")

    async with bench.listening("?since=0", last=last.format(store=bench.store_digits)) as listener:
        event = await listener.next()
        await listener.next()
        await bench.publish("d")
        arrivals = await listener.arrivals(1)

    assert (event.fields["event"], event.data) == ("reset", {"latest": 3})
    assert event.fields["id"] == f"3.{bench.store_digits}"
    assert arrivals == [4]


async def test_a_since_that_is_ahead_resets(bench: Bench) -> None:
    async with bench.listening("?since=1") as listener:
        event = await listener.next()

    assert (event.fields["event"], event.data) == ("reset", {"latest": 0})


# --- how it goes on


async def test_entries_of_other_federations_than_the_one_named_are_left_out(bench: Bench) -> None:
    async with bench.listening("?federation=other&since=0") as listener:
        await listener.next()
        await bench.publish("a")
        await bench.publish("b", fid=OTHER.fid)
        arrivals = await listener.arrivals(1)

    assert arrivals == [2]


async def test_silence_is_broken_by_a_comment_with_the_id_so_far(bench: Bench) -> None:
    async with bench.listening("?federation=other&since=0") as listener:
        await listener.next()
        await bench.publish("a")
        await settled(bench)
        bench.clock.advance(PING_MS)
        event = await listener.next()

    assert (event.comments, event.fields) == (["ping"], {"id": f"1.{bench.store_digits}"})


async def test_a_long_log_comes_whole_and_in_order(bench: Bench) -> None:
    count = 300
    await bench.publish(*(f"r{number}" for number in range(count)))

    async with bench.listening("?since=0") as listener:
        await listener.next()
        arrivals = await listener.arrivals(count)

    assert arrivals == list(range(1, count + 1))


async def test_what_arrives_while_a_stream_catches_up_is_not_missed(bench: Bench) -> None:
    await bench.publish(*(f"r{number}" for number in range(100)))

    async with bench.listening("?since=0") as listener:
        await listener.next()
        told = asyncio.ensure_future(listener.arrivals(200))
        for number in range(100):
            await bench.publish(f"s{number}")
        arrivals = await told

    assert arrivals == list(range(1, 201))


# --- slow and rude clients, and the end


async def test_a_client_that_does_not_read_is_cut_off_and_goes_on_later(bench: Bench) -> None:
    count = 3_000
    for first in range(0, count, 500):
        await bench.publish(*(f"r{number:0>60}" for number in range(first, first + 500)))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", bench.port))
        client.sendall(b"GET /?since=0 HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            while not _has_begun(client):  # noqa: ASYNC110 - what the system holds has no event
                await asyncio.sleep(0.005)
            while bench.streams._open:
                bench.clock.advance(WRITE_MS)
                await settled(bench)
        data = await asyncio.to_thread(_read_all, client)

    assert 0 < data.count(b"event: entry") < count
    async with bench.listening() as listener:
        assert (await listener.next()).fields["id"] == f"{count}.{bench.store_digits}"


def _has_begun(client: socket.socket) -> bool:
    """Return whether an entry has come, without reading it."""
    with suppress(BlockingIOError):
        return b"event: entry" in client.recv(65_536, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    return False


def _read_all(client: socket.socket) -> bytes:
    client.settimeout(PATIENCE_S)
    data = b""
    try:
        while piece := client.recv(65_536):
            data += piece
    except ConnectionResetError:
        pass
    return data


async def test_beyond_their_limit_streams_are_refused_until_one_ends(bench: Bench) -> None:
    reached = [bench.listening() for _ in range(MOST)]
    for listening in reached:
        await listening.__aenter__()

    async with bench.listening() as refused:
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        assert (await refused.problem())["code"] == "api.streams"
    await reached[0].__aexit__(None, None, None)
    async with asyncio.timeout(PATIENCE_S):
        while bench.streams._open == MOST:  # until a ping is written to a connection that is gone
            await settled(bench)
            bench.clock.advance(PING_MS)
    async with bench.listening() as taken:
        assert taken.status == 200
    for listening in reached[1:]:
        await listening.__aexit__(None, None, None)


async def test_streams_end_when_the_node_stops(bench: Bench) -> None:
    async with bench.listening() as listener:
        await listener.next()
        bench.streams.end()

        with pytest.raises(asyncio.IncompleteReadError):
            await listener.next()


async def test_a_store_that_is_closed_ends_the_streams(bench: Bench) -> None:
    async with bench.listening() as listener:
        await listener.next()
        await bench.publish("a")
        await listener.next()
        await bench.books.parts.store.close()
        bench.clock.advance(PING_MS)

        with pytest.raises(asyncio.IncompleteReadError):
            await listener.to_the_end()
