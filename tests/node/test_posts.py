"""Requests posted to the peer port: bounded in size, time and number, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from sheaf_node.config import Limits, Waits
from sheaf_node.peering.aiohttp_listener import (
    MOST_POSTS,
    MOST_POSTS_PER_ADDRESS,
    AiohttpListener,
)
from sheaf_node.peering.network import MAX_POST, Front, Posted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sheaf_node.peering.network import Knock, Post

PATH = "/sheaf/1/test"


async def nobody(knock: Knock) -> None:
    await knock.refuse()


@asynccontextmanager
async def listening(post: Post, head_ms: int = 10_000) -> AsyncIterator[str]:
    front = Front(document="{}", answer=nobody, posts={PATH: post})
    listener = AiohttpListener(front, Limits(), Waits(), head_ms)
    await listener.open("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.port}{PATH}"
    finally:
        await listener.close()


async def echo(body: bytes, address: str) -> Posted:
    return Posted(status=200, body=body + address.encode())


@asynccontextmanager
async def busy(
    of_there: int = MOST_POSTS - MOST_POSTS_PER_ADDRESS,
) -> AsyncIterator[
    tuple[
        str,
        aiohttp.ClientSession,
        aiohttp.ClientSession,
        list[asyncio.Task[aiohttp.ClientResponse]],
        asyncio.Event,
    ]
]:
    """A port at which as many requests wait as one address may post, and some of another."""
    inside, free = asyncio.Semaphore(0), asyncio.Event()

    async def slow(body: bytes, address: str) -> Posted:
        inside.release()
        await free.wait()
        return Posted(status=200, body=b"")

    second = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with (
        listening(slow) as url,
        aiohttp.ClientSession() as here,
        aiohttp.ClientSession(connector=second) as there,
    ):
        begun = [here] * MOST_POSTS_PER_ADDRESS + [there] * of_there
        waiting = [asyncio.create_task(client.post(url)) for client in begun]
        for _ in waiting:
            await inside.acquire()
        yield url, here, there, waiting, free
        await asyncio.gather(*waiting)


async def test_a_request_is_answered_and_its_connection_ended() -> None:
    async with listening(echo) as url, aiohttp.ClientSession() as client:
        async with client.post(url, data=b"hello ") as response:
            body = await response.read()

        assert (response.status, body) == (200, b"hello 127.0.0.1")
        assert response.headers["Connection"] == "close"


async def test_a_body_larger_than_any_may_be_is_not_read() -> None:
    async with listening(echo) as url, aiohttp.ClientSession() as client:
        async with client.post(url, data=bytes(MAX_POST)) as whole:
            pass
        async with client.post(url, data=bytes(MAX_POST + 1)) as larger:
            pass

    assert (whole.status, larger.status) == (200, 413)


async def test_a_compressed_body_is_not_unpacked() -> None:
    """A kilobyte may stand for a megabyte, and whoever asks is a stranger."""
    bomb = gzip.compress(bytes(100 * MAX_POST))

    async with listening(echo) as url, aiohttp.ClientSession() as client:
        headers = {"Content-Encoding": "gzip"}
        async with client.post(url, data=bomb[:MAX_POST], headers=headers) as response:
            body = await response.read()

    assert (response.status, body) == (200, bomb[:MAX_POST] + b"127.0.0.1")


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async with listening(echo, head_ms=1_000) as url:
        port = int(url.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1".encode())

        head = await asyncio.wait_for(reader.readline(), 30)
        writer.close()
        await writer.wait_closed()

    assert b" 408 " in head


async def test_one_request_too_many_is_asked_to_come_again() -> None:
    async with busy() as (url, here, there, waiting, free):
        async with here.post(url) as refused, there.post(url) as other:
            pass
        free.set()
        statuses = [(await task).status for task in waiting]

    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    assert other.status == 503
    assert statuses == [200] * MOST_POSTS


async def test_one_address_leaves_places_to_others() -> None:
    async with busy(of_there=1) as (url, here, there, _, free):
        async with here.post(url) as refused:
            pass
        posting = asyncio.create_task(there.post(url))
        free.set()
        taken = await posting

    assert (refused.status, taken.status) == (503, 200)


async def test_a_path_that_nothing_answers_is_not_there() -> None:
    async with (
        listening(echo) as url,
        aiohttp.ClientSession() as client,
        client.post(url + "/else") as other,
        client.get(url) as got,
    ):
        pass

    assert (other.status, got.status) == (404, 405)
