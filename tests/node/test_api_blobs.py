"""`/api/v1/blobs`: bytes in, bytes out, and nothing that is no id becomes a path."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from contextlib import AsyncExitStack
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession
from tests.node.blobbed import DATA, ID, OTHER
from yarl import URL

from sheaf_node.api import LocalApi
from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest
from sheaf_node.keyring import Keyring
from sheaf_node.store import Store
from sheaf_protocol.limits import MAX_BLOB
from sheaf_protocol.testing.author import START_MS, make_coop, make_federation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TOKEN = "cd" * 32
PATIENCE_S = 20
MILL = make_coop("Mill")
CERTIFICATE = make_federation([(MILL, ["member"])])
FID = CERTIFICATE.fid
PATH = f"/api/v1/blobs/{ID.hex()}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Any
    data: bytes
    body: Any

    @property
    def problem(self) -> tuple[int, str]:
        assert self.headers["Content-Type"].startswith("application/problem+json")
        return self.status, self.body["code"]


class Bench:
    """A node's local API on a real port; no peer but what a test says by hand."""

    def __init__(self, api: LocalApi, fetching: Fetching, session: ClientSession) -> None:
        self.api, self.fetching, self._session = api, fetching, session

    async def ask(self, method: str, path: str, *, token: str = TOKEN, **kwargs: Any) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        url = URL(f"http://127.0.0.1:{self.api.port}{path}", encoded=True)
        async with self._session.request(method, url, headers=headers, **kwargs) as response:
            data = await response.read()
            body = await response.json() if "json" in response.content_type else None
            return Answer(status=response.status, headers=response.headers, data=data, body=body)

    async def put(self, data: bytes, query: str = "") -> Answer:
        return await self.ask("PUT", f"/api/v1/blobs{query}", data=BytesIO(data))

    async def get(self, path: str = PATH) -> Answer:
        return await self.ask("GET", path)


async def started(stack: AsyncExitStack, folder: Path, *, is_member: bool) -> Bench:
    keyring = Keyring(
        cid=MILL.cid, writer=MILL.writer, manager=MILL.manager, prekeys=[], key_ops=MILL.key_ops
    )
    store = Store.open(folder / "sheaf.db", random=os.urandom)
    stack.push_async_callback(store.close)
    clock = ManualClock(START_MS)
    ingest = Ingest(
        store=store, arrivals=Arrivals(), clock=clock, random=os.urandom, keyring=keyring
    )
    await ingest.receive_key_ops(MILL.cid, MILL.key_ops)
    if is_member:
        await ingest.receive_certificate(CERTIFICATE)
    blobs = Blobs(folder)
    stack.push_async_callback(blobs.close)
    fetching = Fetching(blobs, clock)
    api = LocalApi(
        token=TOKEN,
        port=0,
        store=store,
        ingest=ingest,
        keyring=keyring,
        hosts={},
        peering=None,
        blobs=fetching,
        arrivals=Arrivals(),
        clock=clock,
        random=os.urandom,
    )
    await api.start()
    stack.push_async_callback(api.stop)
    session = await stack.enter_async_context(ClientSession())
    return Bench(api, fetching, session)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        yield await started(stack, tmp_path, is_member=True)


async def test_blob_comes_back_as_it_was_put(bench: Bench) -> None:
    put = await bench.put(DATA)

    got = await bench.get()

    assert (put.status, put.body) == (201, {"id": ID.hex(), "size": len(DATA)})
    assert (got.status, got.data) == (200, DATA)


async def test_bytes_are_nothing_that_a_browser_would_run(bench: Bench) -> None:
    put = await bench.put(b"<script>alert(1)</script>")

    got = await bench.get(f"/api/v1/blobs/{put.body['id']}")

    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Disposition"] == "attachment"


async def test_putting_it_again_changes_nothing(bench: Bench) -> None:
    first = await bench.put(DATA)

    assert (await bench.put(DATA)).body == first.body
    assert bench.fetching.held.used == len(DATA)


async def test_largest_blob_is_taken_and_a_larger_one_refused(bench: Bench) -> None:
    assert (await bench.put(bytes(MAX_BLOB))).status == 201
    assert (await bench.put(bytes(MAX_BLOB + 1))).problem == (413, "api.too_large")


async def test_blob_without_bytes_is_refused(bench: Bench) -> None:
    assert (await bench.put(b"")).problem == (422, "blob.size")


async def test_what_is_not_here_is_on_its_way(bench: Bench) -> None:
    got = await bench.get(f"{PATH}?size={len(DATA)}")

    assert (got.status, got.headers["Retry-After"]) == (202, "1")
    assert got.body == {"id": ID.hex(), "size": len(DATA), "pieces": 0, "of": 3}
    assert bench.fetching.sync.wants(ID)


async def test_what_every_peer_said_no_to_is_unknown(bench: Bench) -> None:
    bench.fetching.join("link", lambda: {FID}, lambda: None)
    await bench.get()
    bench.fetching.sync.ask("link", {FID}, START_MS)
    bench.fetching.sync.end("link", FID, ID, "blob.unknown", START_MS)

    assert (await bench.get()).problem == (404, "blob.unknown")


async def test_blob_of_another_size_than_stated_is_refused(bench: Bench) -> None:
    await bench.put(DATA)

    assert (await bench.get(f"{PATH}?size=1")).problem == (422, "blob.size")


@pytest.mark.parametrize("size", ["0", "-1", "x", str(MAX_BLOB + 1), "9" * 400, "٣"])
async def test_size_that_no_blob_has_is_refused(bench: Bench, size: str) -> None:
    url = str(URL(PATH).with_query(size=size))

    assert (await bench.get(url)).problem == (422, "api.query")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("..%2f..%2fkeys%2fwriter.key", (422, "blob.id")),
        ("%2e%2e%2f%2e%2e%2fapi.token", (422, "blob.id")),
        ("..", (422, "blob.id")),
        ("../../api.token", (404, "api.not_found")),
        ("%2fetc%2fpasswd", (422, "blob.id")),
        ("..%5c..%5capi.token", (422, "blob.id")),
        (ID.hex() + "%00", (422, "blob.id")),
        (ID.hex() + ".draft", (422, "blob.id")),
        (ID.hex().upper(), (422, "blob.id")),
        (ID.hex() + "%0a", (422, "blob.id")),
        (ID.hex()[:-1], (422, "blob.id")),
        ("con", (422, "blob.id")),
        ("a" * 5_000, (422, "blob.id")),
    ],
)
async def test_name_that_is_no_id_is_refused(
    bench: Bench, tmp_path: Path, name: str, problem: tuple[int, str]
) -> None:
    (tmp_path / "api.token").write_text(TOKEN)

    assert (await bench.get(f"/api/v1/blobs/{name}")).problem == problem


async def test_federation_may_be_named(bench: Bench) -> None:
    put = await bench.put(DATA, f"?federation={FID.hex()}")

    assert put.status == 201
    assert bench.fetching.held.is_registered(ID, FID)


@pytest.mark.parametrize("query", [f"?federation={OTHER.hex()}", "?federation=..", "?federation="])
async def test_federation_that_this_node_is_not_in_is_refused(bench: Bench, query: str) -> None:
    assert (await bench.put(DATA, query)).problem == (422, "api.query")
    assert (await bench.get(PATH + query)).problem == (422, "api.query")


async def test_token_is_asked_for_as_everywhere(bench: Bench) -> None:
    for method, path in (("PUT", "/api/v1/blobs"), ("GET", PATH)):
        assert (await bench.ask(method, path, token="no")).problem == (401, "api.unauthorized")  # noqa: S106


@pytest.mark.parametrize("is_reset", [True, False])
@pytest.mark.parametrize("path", ["/api/v1/blobs", "/api/v1/records/x.note"])
async def test_client_that_goes_away_in_the_middle_of_an_upload_leaves_no_traceback(
    bench: Bench, caplog: pytest.LogCaptureFixture, path: str, *, is_reset: bool
) -> None:
    method = "PUT" if path.endswith("blobs") else "POST"
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{bench.api.port}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: 100000\r\n\r\n"
    )
    with (
        caplog.at_level(logging.INFO),
        socket.create_connection(("127.0.0.1", bench.api.port)) as client,
    ):
        client.sendall(head.encode() + bytes(5_000))
        await asyncio.sleep(0.1)  # for the request to be waiting for the rest
        if is_reset:
            linger = struct.pack("ii", 1, 0)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.close()
        record = await first_line(caplog)

    assert caplog.records == [record]
    assert (record.levelno, record.exc_info) == (logging.INFO, None)
    assert record.getMessage() == f"{method} {path}: the client went away"
    assert (await bench.put(DATA)).status == 201


async def first_line(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    """Return the first line of the log, once there is one."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for record in caplog.records:
                return record
            await asyncio.sleep(0.01)


async def test_node_in_no_federation_has_nobody_to_share_with(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        bench = await started(stack, tmp_path, is_member=False)

        assert (await bench.put(DATA)).problem == (422, "node.no_federation")
        assert (await bench.get()).problem == (422, "node.no_federation")
