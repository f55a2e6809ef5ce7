"""Limits by address behind a proxy: whose word counts, and that nobody else's does."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from sheaf_node.config import Limits, Waits
from sheaf_node.peering.aiohttp_listener import MOST_POSTS_PER_ADDRESS
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_node.peering.forwarded import FORWARDED, MOST_HOPS, counted_address, trusted_networks
from sheaf_node.peering.network import Front, Posted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sheaf_node.peering.network import Knock, Post

PATH = "/sheaf/1/test"
TRUSTED = trusted_networks(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("remote", "told", "counted"),
    [
        ("127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("::ffff:127.0.0.1", ["203.0.113.7"], "203.0.113.7"),  # a socket of both versions
        ("127.0.0.1", ["203.0.113.7:51000"], "203.0.113.7"),  # some proxies add the port
        ("127.0.0.1", ["[2001:db8::7]:51000"], "2001:db8::7"),
        ("127.0.0.1", ["1.1.1.1, 203.0.113.7"], "203.0.113.7"),  # the first is the asker's lie
        ("127.0.0.1", ["1.1.1.1", "203.0.113.7"], "203.0.113.7"),  # the same in two headers
        ("127.0.0.1", ["203.0.113.7, 10.0.0.2"], "203.0.113.7"),  # two proxies
        ("127.0.0.1", ["1.1.1.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ("127.0.0.1", ["1.1.1.1, unknown"], "127.0.0.1"),  # not what stands before it
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("203.0.113.7", ["1.1.1.1"], "203.0.113.7"),  # no proxy of ours: not read
        ("203.0.113.7", ["127.0.0.1"], "203.0.113.7"),
        ("", ["1.1.1.1"], ""),
    ],
)
def test_the_last_address_that_is_no_trusted_proxy_counts(
    remote: str, told: Sequence[str], counted: str
) -> None:
    assert counted_address(remote, told, TRUSTED) == counted


def test_a_long_list_is_read_from_its_end_and_not_for_ever() -> None:
    told = [", ".join(["1.1.1.1"] + ["10.0.0.2"] * (2 * MOST_HOPS))]

    assert counted_address("127.0.0.1", told, TRUSTED) == "10.0.0.2"


async def nobody(knock: Knock) -> None:
    await knock.refuse()


@asynccontextmanager
async def listening(post: Post, *trusted: str) -> AsyncIterator[str]:
    """Give the url of a peer port that answers posts."""
    async with AiohttpNetwork.open(
        limits=Limits(), waits=Waits(), trusted_proxies=trusted
    ) as network:
        front = Front(document="{}", answer=nobody, posts={PATH: post})
        listener = await network.listen("127.0.0.1", 0, front)
        try:
            yield f"http://127.0.0.1:{listener.port}{PATH}"
        finally:
            await listener.close()


async def places_taken(trusted: str, told: Sequence[str], *, then: str) -> int:
    """Return the status of a post for one asker while others of these addresses hold places."""
    begun, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def wait(body: bytes, address: str) -> Posted:
        begun.release()
        await go_on.wait()
        return Posted(status=200, body=b"")

    async with listening(wait, trusted) as url, aiohttp.ClientSession() as client:

        async def posted(address: str) -> int:
            async with client.post(url, data=b"x", headers={FORWARDED: address}) as response:
                return response.status

        slow = [asyncio.create_task(posted(address)) for address in told]
        for _ in slow:
            await begun.acquire()
        last = asyncio.create_task(posted(then))
        started = asyncio.create_task(begun.acquire())
        await asyncio.wait({last, started}, return_when=asyncio.FIRST_COMPLETED)
        go_on.set()
        started.cancel()
        await asyncio.gather(*slow)
        return await last


async def test_one_behind_a_trusted_proxy_leaves_places_to_the_others() -> None:
    slow = ["203.0.113.7"] * MOST_POSTS_PER_ADDRESS

    assert await places_taken("127.0.0.1", slow, then="203.0.113.7") == 503
    assert await places_taken("127.0.0.1", slow, then="203.0.113.8") == 200


async def test_who_writes_the_header_without_a_trusted_proxy_gets_no_more_places() -> None:
    made_up = [f"203.0.113.{n}" for n in range(MOST_POSTS_PER_ADDRESS)]

    assert await places_taken("10.0.0.1", made_up, then="203.0.113.99") == 503


async def test_who_adds_addresses_before_a_trusted_proxy_gets_no_more_places() -> None:
    made_up = [f"203.0.113.{n}, 198.51.100.1" for n in range(MOST_POSTS_PER_ADDRESS)]

    assert await places_taken("127.0.0.1", made_up, then="203.0.113.99, 198.51.100.1") == 503
