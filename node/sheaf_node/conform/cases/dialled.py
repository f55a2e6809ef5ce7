"""The node under test as the dialling side: what it says and takes (chapters 07 and 08)."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import aiohttp
from aiohttp import web

from sheaf_node.conform.answering import Answering
from sheaf_node.conform.handshake import op_map
from sheaf_node.conform.listener import path_of
from sheaf_node.conform.model import Failed, case
from sheaf_node.conform.trace import words
from sheaf_protocol.digest import digest
from sheaf_protocol.errors import ProtocolError
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import MAX_HANDSHAKE
from sheaf_protocol.link.messages import (
    Compare,
    ControlHave,
    Scope,
    decode_message,
    encode_message,
)
from sheaf_protocol.testing.author import make_coop

if TYPE_CHECKING:
    from sheaf_node.conform.listener import Visit
    from sheaf_node.conform.model import Steps
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.link.messages import Message

_Socket: TypeAlias = "aiohttp.ClientWebSocketResponse | web.WebSocketResponse"
_NOTHING: Final = ControlHave([], [], [], True)


async def _dialled(scene: Scene, id_: str) -> tuple[Visit, web.WebSocketResponse, bytes]:
    """Wait until the node dials a case's path, and take its M1.

    A dial of which the node had enough before the case came to it is passed over.
    """
    while True:
        visit = await scene.listener.visit(path_of(id_))
        socket = await visit.accept()
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            scene.say(f"kit <- M1 ({len(message.data)} bytes)")
            return visit, socket, message.data
        visit.done.set()


async def _met(scene: Scene, id_: str) -> tuple[Visit, web.WebSocketResponse, Answering]:
    """Wait until the node dials a case's path, and hear its M1."""
    visit, socket, first = await _dialled(scene, id_)
    answering = Answering(scene.coops[0])
    answering.hear(first)
    return visit, socket, answering


async def _end(scene: Scene, socket: web.WebSocketResponse) -> str:
    """Return the code with which the node ends the connection, "" for none."""
    message = await socket.receive()
    if message.type is aiohttp.WSMsgType.BINARY:
        raise Failed(expected="the end of the link", got=f"{len(message.data)} bytes")
    reason = str(message.extra or "") if message.type is aiohttp.WSMsgType.CLOSE else ""
    scene.say(f"kit <- the end of the connection {reason}")
    if reason:
        scene.saw(reason)
    return reason


def _refused(id_: str, code: str, fields: dict[str, Any]) -> Steps:
    async def steps(scene: Scene) -> None:
        visit, socket, answering = await _met(scene, id_)
        data = fields.get("data")
        await socket.send_bytes(answering.reply(**fields) if data is None else data)
        scene.say("kit -> M2")
        got = await _end(scene, socket)
        visit.done.set()
        if got and got != code:
            raise Failed(expected=code, got=got)

    return steps


_REPLIES: Final = (
    ("version-2", "LNK-7", "of version 2", {"version": 2}, "link.version"),
    ("eph-zero", "LNK-5", "with a key of small order", {"eph": bytes(32)}, "link.key"),
    ("box-random", "LNK-8", "whose box does not open", {"box": bytes(400)}, "link.box"),
    ("sig-none", "LNK-9", "with a signature of zero bytes", {"sig": bytes(64)}, "link.signature"),
    (
        "purpose",
        "LNK-9",
        "signed for the initiator's part",
        {"purpose": "handshake-initiator"},
        "link.signature",
    ),
    (
        "garbage",
        "ENC-1",
        "of a byte that MessagePack does not use",
        {"data": b"\xc1"},
        "enc.malformed",
    ),
    ("no-keys", "LNK-27", "without keys", {"data": b"\x80"}, "schema.invalid"),
    ("too-long", "LNK-26", "of too many bytes", {"data": bytes(MAX_HANDSHAKE + 1)}, "enc.size"),
)
for _id, _clause, _words, _fields, _code in _REPLIES:
    case(
        f"dialled-{_id}",
        _clause,
        f"A dialler refuses an M2 {_words}, and shows nothing of itself",
        codes=(_code,),
        surface="dialled",
    )(_refused(f"dialled-{_id}", _code, _fields))


@case(
    "dialled-hello",
    ("DSC-2", "LNK-27"),
    "A dialler names the host and port that it dialled",
    surface="dialled",
)
async def _hello(scene: Scene) -> None:
    visit, _, answering = await _met(scene, "dialled-hello")
    visit.done.set()

    scene.expect(visit.request.host, answering.hello.audience, "audience")
    scene.expect(True, 1 in answering.hello.versions, "version 1 offered")


@case(
    "dialled-fresh",
    ("LNK-13", "DSC-6"),
    "A dialler tries again, with another key and nonce",
    surface="dialled",
)
async def _fresh(scene: Scene) -> None:
    seen = []
    for _ in range(2):
        visit, _, answering = await _met(scene, "dialled-fresh")
        seen.append((answering.hello.eph, answering.hello.nonce))
        visit.done.set()

    scene.expect((2, 2), tuple(len(set(each)) for each in zip(*seen, strict=True)), "different")


@case("dialled-redirect", ("LNK-4", "DSC-11"), "A dialler follows no redirect", surface="dialled")
async def _redirect(scene: Scene) -> None:
    visit = await scene.listener.visit(path_of("dialled-redirect"))
    elsewhere = path_of("dialled-redirect-elsewhere")
    visit.answer = web.Response(status=302, headers={"Location": elsewhere})
    scene.say("kit -> 302 to another path")
    visit.done.set()
    again = await scene.listener.visit(path_of("dialled-redirect"))
    again.done.set()

    scene.expect(0, scene.listener.heard[elsewhere], "requests for where it was redirected")


@case(
    "dialled-coop-of-another-log",
    "LNK-10",
    "A dialler refuses a co-op's id beside another's key log",
    codes=("link.coop",),
    surface="dialled",
)
async def _coop(scene: Scene) -> None:
    other = make_coop("Other", now_ms=scene.now_ms)
    fields = {"key_log": [op_map(op) for op in other.key_ops]}
    await _refused("dialled-coop-of-another-log", "link.coop", fields)(scene)


@case(
    "dialled-no-inception",
    "LNK-10",
    "A dialler refuses a key log that does not fold",
    surface="dialled",
)
async def _unfolded(scene: Scene) -> None:
    visit, socket, answering = await _met(scene, "dialled-no-inception")
    ops = [op_map(op) for op in scene.coops[0].key_ops[1:]]
    await socket.send_bytes(answering.reply(key_log=ops))
    code = await _end(scene, socket)
    visit.done.set()

    scene.expect(True, not code or code.startswith("key."), f"a key.* code, got {code}")


@case(
    "dialled-not-delegated",
    "LNK-11",
    "A dialler refuses a writer that was never delegated",
    codes=("link.not_delegated",),
    surface="dialled",
)
async def _not_delegated(scene: Scene) -> None:
    coop = scene.coops[0]
    visit, socket, _ = await _met(scene, "dialled-not-delegated")
    own, coop.writer = coop.writer, signing_key(os.urandom(32))
    visit.done.set()
    await socket.close()
    try:
        await _refused("dialled-not-delegated", "link.not_delegated", {})(scene)
    finally:
        coop.writer = own


@case(
    "dialled-expired",
    "LNK-11",
    "A dialler refuses a writer whose delegation has expired",
    codes=("link.expired",),
    surface="dialled",
    once=True,
)
async def _expired(scene: Scene) -> None:
    coop = scene.coops[0]
    coop.writer = signing_key(os.urandom(32))
    coop.delegate(coop.writer, scene.now_ms - 1)
    await _refused("dialled-expired", "link.expired", {})(scene)


@case(
    "dialled-closed",
    "LNK-11",
    "A dialler refuses a writer that its key log closed",
    codes=("link.writer_closed",),
    surface="dialled",
    once=True,
)
async def _closed(scene: Scene) -> None:
    scene.coops[0].close({})
    await _refused("dialled-closed", "link.writer_closed", {})(scene)


@case(
    "dialled-link",
    ("LNK-9", "SYN-6", "SYN-19"),
    "A dialler proves itself, tells of control items and compares",
    surface="dialled",
)
async def _link(scene: Scene) -> None:
    visit, socket, answering = await _met(scene, "dialled-link")
    await socket.send_bytes(answering.reply())
    session = answering.session(await socket.receive_bytes())
    scene.expect(scene.node.hex(), session.peer.cid.hex(), "co-op")
    ours = digest("scope-responder", session.secret, scene.fid)[:16]
    for message in (_NOTHING, Scope([ours], bytes(16))):
        await socket.send_bytes(session.sealer.seal(encode_message(message)))
    heard: list[Message] = []
    while not any(isinstance(message, Compare) for message in heard):
        heard.append(_message(scene, session.opener.open(await socket.receive_bytes())))
    visit.done.set()

    kinds = [type(message) for message in heard]
    scene.expect(True, kinds.index(ControlHave) < kinds.index(Scope), "control_have before scope")


@case(
    "dialled-stranger",
    "DSC-4",
    "At an address that no charter names a dialler tells of its own key log alone",
    surface="dialled",
)
async def _stranger(scene: Scene) -> None:
    scene.coops = [make_coop("Stranger", now_ms=scene.now_ms)]
    visit, socket, answering = await _met(scene, "dialled-stranger")
    await socket.send_bytes(answering.reply())
    session = answering.session(await socket.receive_bytes())
    await socket.send_bytes(session.sealer.seal(encode_message(_NOTHING)))
    while True:
        message = _message(scene, session.opener.open(await socket.receive_bytes()))
        if isinstance(message, ControlHave):
            break
    visit.done.set()

    told = {item.cid.hex() for item in message.key_logs}
    scene.expect(set(), told - {scene.node.hex()}, "other key logs told")
    scene.expect([], message.certificates, "certificates told")


@case(
    "dialled-itself",
    ("DSC-5", "LNK-6"),
    "A node that is led to itself ends the link, by its name or by its key",
    codes=("link.self",),
    surface="dialled",
)
async def _itself(scene: Scene) -> None:
    visit, near, first = await _dialled(scene, "dialled-itself")
    async with scene.client.ws_connect(scene.target.link, max_msg_size=0) as far:
        scene.say("kit: carries frames between the node and the node itself")
        await far.send_bytes(first)
        ways = [asyncio.create_task(_carry(*way)) for way in ((near, far), (far, near))]
        reasons = [await each for each in ways]
    visit.done.set()
    given = {reason for reason in reasons if reason}
    for reason in given:
        scene.saw(reason)

    scene.expect(set(), given - {"link.self", "link.audience"}, "other ends")


async def _carry(one: _Socket, other: _Socket) -> str:
    """Carry frames until one end closes; return the reason that it gave."""
    while True:
        message = await one.receive()
        if message.type is not aiohttp.WSMsgType.BINARY:
            await other.close()
            return str(message.extra or "") if message.type is aiohttp.WSMsgType.CLOSE else ""
        await other.send_bytes(message.data)


def _message(scene: Scene, plaintext: bytes) -> Message:
    try:
        message = decode_message(plaintext)
    except ProtocolError as exc:
        raise Failed(expected="a message", got=f"{exc} [{exc.code}]") from exc
    scene.say(f"kit <- {words(message)}")
    return message
