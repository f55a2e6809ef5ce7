"""The well-known document and the WebSocket's door (chapters 07 and 08)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sheaf_node.conform.model import Failed, case
from sheaf_node.conform.peer import Ended

if TYPE_CHECKING:
    import aiohttp

    from sheaf_node.conform.scene import Scene

MOST: int = 4_096
"""Bytes of a well-known document."""
BINARY = 32


async def _document(scene: Scene) -> tuple[aiohttp.ClientResponse, bytes]:
    scene.say(f"kit -> GET {scene.target.document}")
    async with scene.client.get(scene.target.document, allow_redirects=False) as answer:
        data = await answer.content.read(MOST + 1)
        scene.say(f"kit <- {answer.status}, {len(data)} bytes of {answer.content_type}")
        return answer, data


async def _told(scene: Scene) -> dict[str, Any]:
    answer, _ = await _document(scene)
    async with scene.client.get(scene.target.document, allow_redirects=False) as again:
        told = await again.json(content_type=None)
    scene.expect(200, answer.status, "status")
    if not isinstance(told, dict):
        raise Failed(expected="a JSON object", got=type(told).__name__)
    return told


@case("document-is-json", "DSC-15", "The well-known document is a small JSON object")
async def _small(scene: Scene) -> None:
    answer, data = await _document(scene)

    scene.expect(200, answer.status, "status")
    scene.expect("application/json", answer.content_type, "media type")
    scene.expect(True, len(data) <= MOST, f"at most {MOST} bytes")


@case("document-names-the-coop", "DSC-15", "The document names the co-op that the handshake proves")
async def _coop(scene: Scene) -> None:
    told = await _told(scene)
    peer = await scene.link()

    scene.expect(peer.session.peer.cid.hex(), told.get("cid"), "cid")
    scene.expect(peer.session.peer.wid.hex(), told.get("wid"), "wid")
    scene.expect(scene.node.hex(), told.get("cid"), "cid of the card")


@case(
    "document-lists-versions", "DSC-15", "The document lists the versions of the link, 1 among them"
)
async def _versions(scene: Scene) -> None:
    versions = (await _told(scene)).get("versions")

    if not isinstance(versions, list) or 1 not in versions or not 1 <= len(versions) <= 16:
        raise Failed(expected="1 to 16 versions with 1 among them", got=str(versions))


@case("document-has-a-name", "DSC-15", "The document has a name for people")
async def _name(scene: Scene) -> None:
    name = (await _told(scene)).get("name")

    scene.expect(True, isinstance(name, str) and bool(name), "a text as name")


@case("link-without-compression", "LNK-1", "The node agrees to no compression of the WebSocket")
async def _plain(scene: Scene) -> None:
    scene.say("kit -> WebSocket that offers permessage-deflate")
    async with scene.client.ws_connect(scene.target.link, compress=15, max_msg_size=0) as socket:
        scene.expect(0, socket.compress, "bits of the window agreed to")


@case(
    "link-text-message",
    "LNK-2",
    "A text message in place of M1 ends the link",
    codes=("link.message",),
)
async def _text(scene: Scene) -> None:
    peer = await scene.dial()
    await peer.send_text("hello")

    await peer.ended("link.message")


@case(
    "link-text-message-later",
    "LNK-2",
    "A text message on an open link ends it",
    codes=("link.message",),
)
async def _text_later(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.send_text("hello")

    await peer.ended("link.message", is_coded=False)


@case("link-plain-http", "LNK-1", "A request for the link that is no WebSocket gets no link")
async def _plain_http(scene: Scene) -> None:
    url = scene.target.link.replace("ws", "http", 1)
    async with scene.client.get(url, allow_redirects=False) as answer:
        scene.say(f"kit <- {answer.status}")
        scene.expect(True, 400 <= answer.status < 500, "a status of 400 to 499")


@case("link-answers-a-ping", "LNK-1", "A ping of the WebSocket is answered and ends nothing")
async def _ping(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.socket.ping(b"kit")

    await peer.still_open()


@case("link-silent-before-hello", "LNK-12", "The responder says nothing before M1")
async def _silent(scene: Scene) -> None:
    peer = await scene.dial()
    await peer.send_frame(peer.shaking.hello(), "M1")
    await peer.reply()
    try:
        await peer.send_frame(b"\x80", "a map without a box")
        data = await peer.receive()
    except Ended:
        return
    raise Failed(expected="the end of the link", got=f"{len(data)} bytes")
