"""Where members are dialled is told to fellow members, and to nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from sheaf_node.ingest import Draft
from sheaf_protocol.codec import encode
from sheaf_protocol.link.messages import Entries, Have, encode_message
from sheaf_protocol.records import AddressList
from sheaf_protocol.testing.author import LogAuthor, make_coop

if TYPE_CHECKING:
    from .conftest import RunningNode, World

HILL, DALE = 0, 1
URL = "wss://gate.hill.example"


async def telling(world: World) -> RunningNode:
    """Start Hill's node, whose log tells of an address."""
    node = await world.start(HILL)
    draft = Draft(kind="address.list", body=encode(AddressList(urls=[URL])))
    await node.ingest.publish(world.certificate.fid, [draft])
    return node


@pytest.mark.parametrize("knocks", [1, 3])
async def test_an_address_is_not_told_outside_of_the_federation(world: World, knocks: int) -> None:
    node = await telling(world)
    for number in range(knocks):
        stranger = make_coop(f"Stranger {number}", now_ms=world.now_ms)
        async with world.evil(node, stranger) as evil:
            await evil.shake_hands()
            await evil.send(Have(bytes(16), bytes(32), 1, []))

            assert await evil.ending() in {"link.not_member", "link.message", "link.scope"}
            assert [URL.encode() in encode_message(message) for message in evil.heard] == []

    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{node.peering.port}/.well-known/sheaf") as response,
    ):
        assert URL not in await response.text()


async def test_an_address_is_told_to_a_fellow_member(world: World) -> None:
    node = await telling(world)
    async with world.evil(node) as evil:
        await evil.become_ready()
        await evil.send(evil.want(LogAuthor(node.coop, world.certificate.fid).log))

        told = await evil.hear(Entries)

    assert URL.encode() in encode_message(told)
