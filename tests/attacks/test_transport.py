"""Attacks on links and ports: handshakes, frames, sockets."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
import msgpack
import pytest
from tests.federation.conftest import PATIENCE_S

from sheaf_node.config import Limits, Waits
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import log_id
from sheaf_protocol.limits import CREDIT_BYTES, HANDSHAKE_MS, MAX_BATCH_BYTES
from sheaf_protocol.link import LinkClosed
from sheaf_protocol.link.handshake import Reply
from sheaf_protocol.link.messages import Credit, Entries, RangeItem, Want
from sheaf_protocol.testing.author import START_MS, make_coop
from sheaf_protocol.testing.link_pair import make_link_pair

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tests.federation.conftest import RunningNode, Scene, World

    from sheaf_protocol.link import Link
    from sheaf_protocol.testing.link_pair import LinkPair

QUIET_S = 0.7
SOON_S = 5.0
"""Long after the times that these tests set, long before those that a node has by default."""


def pair(seed: bytes = b"") -> LinkPair:
    return make_link_pair(make_coop("Hill"), make_coop("Dale"), now_ms=START_MS, seed=seed)


def code_of(link: Link) -> str | None:
    """Return why a link closed."""
    while (event := link.next_event()) is not None:
        if isinstance(event, LinkClosed):
            return event.code
    return None


def test_handshake_recorded_whole_opens_nothing_later() -> None:
    # Record the dialler's two messages of a handshake and send them to the same node again.
    recorded = pair()
    recorded.collect()
    hello = recorded.to_listening[0]
    recorded.carry()
    recorded.carry()
    proof = recorded.to_listening[0]
    later = pair(b"later").listening

    later.receive_data(hello, START_MS)
    later.receive_data(proof, START_MS)

    assert code_of(later) == "link.box"


def test_responders_identity_on_top_of_anothers_handshake_is_refused() -> None:
    # Stand between two nodes and answer the dialler with the box of a reply to somebody else.
    honest = pair()
    honest.collect()
    honest.carry()
    other = pair(b"other")
    other.collect()
    other.carry()
    box = decode(other.to_dialled[0], Reply, limit=65_536).box

    honest.to_dialled[0] = encode({**as_map(honest.to_dialled[0]), "box": box})
    honest.run()

    assert honest.codes[0] == "link.box"


def test_offer_of_a_later_version_is_answered_with_ours() -> None:
    # Offer a version that does not exist beside ours: nothing is agreed on but what both speak.
    ends = pair()
    ends.collect()
    offered = as_map(ends.to_listening[0])

    ends.listening.receive_data(encode({**offered, "versions": [1, 255]}), START_MS)
    [reply] = ends.listening.data_to_send()
    ends.dialled.receive_data(reply, START_MS)
    ends.collect()

    assert as_map(reply)["version"] == 1
    assert ends.codes[0] == "link.box"  # the dialler signed no such offer


@pytest.mark.parametrize("size", [0, -1, CREDIT_BYTES + 1, 2**53, 2**63])
async def test_grant_of_no_or_absurd_credit_ends_the_link(scene: Scene, size: int) -> None:
    # Grant nothing, a negative number, or so much that a counter overflows.
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send_plain(msgpack.packb(["credit", size]))

        assert await evil.ending() in {"link.message", "enc.int_range"}

    await scene.require_unharmed()


async def test_grant_beyond_what_was_spent_ends_the_link(scene: Scene) -> None:
    # Grant more than was used up, so that the victim would send without bound.
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(Credit(CREDIT_BYTES))

        assert await evil.ending() == "link.credit"

    await scene.require_unharmed()


async def test_peer_that_grants_nothing_gets_its_credit_and_no_more(scene: Scene) -> None:
    # Ask for everything and never say that it was stored: what waits must not pile up.
    await scene.victim.publish_large(60)
    async with scene.evil() as evil:
        await evil.become_ready()
        log = log_id(evil.fid, scene.victim.coop.cid, scene.victim.coop.wid)
        await evil.send(Want(evil.scope, [RangeItem(log, 1, scene.victim.store.arrival)]))
        got = 0
        least = CREDIT_BYTES - MAX_BATCH_BYTES
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(QUIET_S if got > least else PATIENCE_S):
                    batch = await evil.hear(Entries)
                assert isinstance(batch, Entries)
                got += sum(envelope.size for envelope in batch.envelopes)

        assert least < got <= CREDIT_BYTES


async def test_head_of_a_request_that_drips_in_is_not_waited_for(world: World) -> None:
    # Send a request one byte at a time, to hold a connection for ever.
    async with quick_network(head_ms=300) as network:
        victim = await world.start(0, network=network)
        reader, writer = await asyncio.open_connection(victim.host, victim.peering.port)
        ending = asyncio.ensure_future(reader.read())

        for byte in b"GET /sheaf/1/link HTTP/1.1\r\nHost: x\r\n":
            if ending.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

        async with asyncio.timeout(SOON_S):
            # What was on its way when the node hung up has it answer with a reset.
            with suppress(ConnectionResetError):
                assert await ending == b""
        writer.close()


async def test_upgrade_that_goes_no_further_is_not_waited_for(world: World) -> None:
    # Upgrade to a WebSocket and say nothing: the ping is not answered, the link ends.
    async with quick_network(idle_ms=300) as network:
        victim = await world.start(0, network=network)
        reader, writer = await asyncio.open_connection(victim.host, victim.peering.port)
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")

        async with asyncio.timeout(SOON_S):
            rest = await reader.read()

        assert rest[:1] != b""  # a ping, and perhaps the close
        writer.close()


async def test_compression_is_not_negotiated(scene: Scene) -> None:
    # Offer permessage-deflate, so that a kilobyte may become a gigabyte.
    async with aiohttp.ClientSession() as client:
        url = f"{scene.victim.url}/sheaf/1/link"
        async with client.ws_connect(url, compress=15) as offered:
            assert offered.compress == 0


async def test_compressed_frame_ends_the_connection(scene: Scene) -> None:
    # Send a deflated frame although nobody agreed to it.
    bomb = zlib.compress(bytes(50_000_000))
    reader, writer = await asyncio.open_connection(scene.victim.host, scene.victim.peering.port)
    writer.write(UPGRADE)
    await reader.readuntil(b"\r\n\r\n")
    writer.write(masked(bomb[:60_000], opcode=0xC2))

    async with asyncio.timeout(SOON_S):
        rest = await reader.read()

    assert rest[0] == 0x88  # a close frame
    writer.close()
    await scene.require_unharmed()


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        b"X: " + b"a" * 20_000 + b"\r\n\r\n",
        b"".join(b"X%d: a\r\n" % n for n in range(50_000)) + b"\r\n",
        b" folded: a\r\n\r\n",
        b"Na me: a\r\n\r\n",
    ],
    ids=["two lengths of two kinds", "two lengths", "two codings", "long header", "many headers",
         "folded header", "space in a name"],
)  # fmt: skip
async def test_request_of_two_meanings_is_refused(scene: Scene, head: bytes) -> None:
    # Smuggle one request inside another, or fill the memory with headers.
    status = await answered(scene.victim, b"GET /.well-known/sheaf HTTP/1.1\r\nHost: x\r\n" + head)

    assert status in {b"400", b""}
    await scene.require_unharmed()


async def test_ten_thousand_parameters_change_nothing(scene: Scene) -> None:
    # Ask with a query of ten thousand parameters.
    query = b"&".join(b"p%d=1" % n for n in range(10_000))
    head = b"GET /.well-known/sheaf?" + query + b" HTTP/1.1\r\nHost: x\r\n\r\n"

    assert await answered(scene.victim, head) in {b"400", b"414", b""}
    await scene.require_unharmed()


async def test_web_page_that_dials_the_peer_port_proves_nothing(scene: Scene) -> None:
    # Let a browser's page dial the peer port: it has no writer key, and so no link.
    url = f"{scene.victim.url}/sheaf/1/link"
    async with (
        aiohttp.ClientSession(headers={"Origin": "https://evil.example"}) as client,
        client.ws_connect(url) as page,
    ):
        await page.send_bytes(encode({"audience": "a"}))
        answer = await page.receive()

    assert answer.extra == "schema.invalid"
    await scene.require_unharmed()


UPGRADE = (
    b"GET /sheaf/1/link HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def as_map(data: bytes) -> dict[str, object]:
    """Return a handshake message as a plain map."""
    return dict(msgpack.unpackb(data))


def masked(payload: bytes, *, opcode: int) -> bytes:
    """Return a client's frame; the mask is zero, so the payload stands as it is."""
    return bytes([opcode, 0xFE]) + len(payload).to_bytes(2, "big") + bytes(4) + payload


def quick_network(
    *, head_ms: int = HANDSHAKE_MS, idle_ms: int = 30_000
) -> AbstractAsyncContextManager[AiohttpNetwork]:
    """Return the machine's network with other times."""
    return AiohttpNetwork.open(limits=Limits(), waits=Waits(idle_ms=idle_ms), head_ms=head_ms)


async def answered(node: RunningNode, request: bytes) -> bytes:
    """Return the status that the peer port answers with; none where it only hangs up."""
    reader, writer = await asyncio.open_connection(node.host, node.peering.port)
    writer.write(request)
    async with asyncio.timeout(SOON_S):
        line = await reader.readline()
    writer.close()
    return line.split(b" ")[1] if line else b""
