"""M1: what a responder takes from whoever dials (chapter 07, section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sheaf_node.conform.model import case
from sheaf_node.conform.peer import NOTHING
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.limits import MAX_HANDSHAKE, MAX_HELLO
from sheaf_protocol.link.handshake import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.conform.model import Steps
    from sheaf_node.conform.scene import Scene


async def _greet(scene: Scene, hello: bytes, *codes: str) -> None:
    """Send something in place of M1 and hear the link end."""
    peer = await scene.dial()
    await peer.send_frame(hello, "M1")
    await peer.ended(*codes)


_CHANGED: Final[Sequence[tuple[str, str, str, dict[str, Any], str]]] = (
    ("audience-other", "LNK-6", "for another name", {"audience": "other.example"}, "link.audience"),
    ("audience-empty", "LNK-27", "with an empty audience", {"audience": ""}, "schema.invalid"),
    (
        "audience-space",
        "LNK-27",
        "with a space in its audience",
        {"audience": "a b"},
        "schema.invalid",
    ),
    (
        "audience-long",
        "LNK-27",
        "with an audience of 256",
        {"audience": "a" * 256},
        "schema.invalid",
    ),
    ("audience-bytes", "LNK-27", "with bytes as audience", {"audience": b"a"}, "schema.invalid"),
    ("eph-short", "LNK-27", "with a key of 31 bytes", {"eph": bytes(31)}, "schema.invalid"),
    ("eph-zero", "LNK-5", "with a key of small order, all zero", {"eph": bytes(32)}, "link.key"),
    (
        "eph-one",
        "LNK-5",
        "with the key 1, of small order",
        {"eph": b"\x01" + bytes(31)},
        "link.key",
    ),
    (
        "eph-order-8",
        "LNK-5",
        "with a key of order 8",
        {"eph": bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")},
        "link.key",
    ),
    (
        "eph-minus-one",
        "LNK-5",
        "with the key p - 1",
        {"eph": b"\xec" + b"\xff" * 30 + b"\x7f"},
        "link.key",
    ),
    ("nonce-short", "LNK-27", "with a nonce of 15 bytes", {"nonce": bytes(15)}, "schema.invalid"),
    ("versions-later", "LNK-7", "that offers version 2 alone", {"versions": [2]}, "link.version"),
    ("versions-none", "LNK-27", "that offers no version", {"versions": []}, "schema.invalid"),
    ("versions-zero", "LNK-27", "that offers version 0", {"versions": [0, 1]}, "schema.invalid"),
    (
        "versions-many",
        "LNK-27",
        "that offers 17 versions",
        {"versions": list(range(1, 18))},
        "schema.invalid",
    ),
    ("versions-text", "LNK-27", "with a text as version", {"versions": ["1"]}, "schema.invalid"),
    (
        "too-long",
        "LNK-26",
        f"of more than {MAX_HELLO} bytes",
        {"pad": bytes(MAX_HELLO)},
        "enc.size",
    ),
)


def _changed(fields: dict[str, Any], code: str) -> Steps:
    async def steps(scene: Scene) -> None:
        peer = await scene.dial()
        await peer.send_frame(peer.shaking.hello(**fields), "M1")
        await peer.ended(code)

    return steps


for _id, _clause, _words, _fields, _code in _CHANGED:
    case(f"hello-{_id}", _clause, f"An M1 {_words} is refused", codes=(_code,), coops=0)(
        _changed(_fields, _code)
    )

_EPH: Final = encode("eph") + encode(bytes(32))
_AUDIENCE: Final = encode("audience") + encode("a")
_WRONG: Final = (
    ("empty", "ENC-1", "nothing at all", b"", "enc.malformed"),
    ("no-messagepack", "ENC-1", "a byte that MessagePack does not use", b"\xc1", "enc.malformed"),
    ("cut-off", "ENC-1", "a map that is cut off", b"\x84\xa8aud", "enc.malformed"),
    ("trailing", "ENC-2", "a byte behind the map", b"\x80\x00", "enc.trailing"),
    ("nil", "ENC-7", "a nil", b"\x81\xa8audience\xc0", "enc.nil"),
    ("float", "ENC-8", "a float", b"\x81\xa8audience\xca\x00\x00\x00\x00", "enc.float"),
    ("ext", "ENC-9", "an extension type", b"\x81\xa8audience\xd4\x01\x00", "enc.ext"),
    (
        "long-int",
        "ENC-3",
        "an integer longer than it need be",
        b"\x81\xa8versions\x91\xcc\x01",
        "enc.not_shortest",
    ),
    (
        "long-map",
        "ENC-3",
        "a map header longer than it need be",
        b"\xde\x00\x00",
        "enc.not_shortest",
    ),
    (
        "key-order",
        "ENC-4",
        "keys out of order",
        b"\x82\xa3eph\xa0\xa8audience\xa0",
        "enc.key_order",
    ),
    ("key-twice", "ENC-5", "a key twice", b"\x82\xa3eph\xa0\xa3eph\xa0", "enc.duplicate_key"),
    ("key-int", "ENC-6", "a key that is a number", b"\x81\x01\x01", "enc.key"),
    ("utf8", "ENC-11", "text that is no UTF-8", b"\x81\xa8audience\xa2\xc3\x28", "enc.utf8"),
    ("nul", "ENC-12", "text with a NUL", b"\x81\xa8audience\xa1\x00", "enc.nul"),
    (
        "int-range",
        "ENC-10",
        "an integer beyond 2^53 - 1",
        b"\x81\xa8versions\x91\xcf" + b"\xff" * 8,
        "enc.int_range",
    ),
    (
        "depth",
        "ENC-13",
        "nine levels of nesting",
        b"\x81\xa8versions" + b"\x91" * 8 + b"\x01",
        "enc.depth",
    ),
    ("array", "ENC-17", "an array in place of a map", b"\x90", "schema.invalid"),
    ("no-keys", "ENC-17", "a map without keys", b"\x80", "schema.invalid"),
    ("no-nonce", "ENC-17", "a map that lacks a key", b"\x82" + _AUDIENCE + _EPH, "schema.invalid"),
)


def _wrong(data: bytes, code: str) -> Steps:
    async def steps(scene: Scene) -> None:
        await _greet(scene, data, code)

    return steps


for _id, _clause, _words, _data, _code in _WRONG:
    case(f"hello-bytes-{_id}", _clause, f"As M1, {_words} is refused", codes=(_code,), coops=0)(
        _wrong(_data, _code)
    )


@case("hello-versions-several", "LNK-7", "Of several versions the node answers with 1, and goes on")
async def _several(scene: Scene) -> None:
    peer = await scene.dial()
    await peer.send_frame(peer.shaking.hello(versions=[1, 2, 255]), "M1")
    await peer.reply()
    await peer.send_frame(peer.shaking.proof(), "M3")
    peer.agree()

    await peer.send(NOTHING)
    await peer.open_scope()


@case(
    "hello-unknown-key", "VER-3", "An M1 with a key that nobody knows is answered, and signed whole"
)
async def _unknown_key(scene: Scene) -> None:
    peer = await scene.dial()
    await peer.send_frame(peer.shaking.hello(zeal=1), "M1")
    await peer.reply()
    await peer.send_frame(peer.shaking.proof(), "M3")
    peer.agree()

    await peer.send(NOTHING)
    await peer.open_scope()


@case(
    "hello-twice",
    "LNK-27",
    "A second M1 in place of M3 is refused",
    codes=("schema.invalid",),
    coops=0,
)
async def _twice(scene: Scene) -> None:
    peer = await scene.dial()
    hello = peer.shaking.hello()
    await peer.send_frame(hello, "M1")
    await peer.reply()
    await peer.send_frame(hello, "M1 again")

    await peer.ended("schema.invalid")


@case(
    "hello-fresh-replies",
    "LNK-13",
    "To one M1 sent twice the node answers with two keys and nonces",
)
async def _fresh(scene: Scene) -> None:
    first, second = await scene.dial(), await scene.dial()
    hello = first.shaking.hello()
    replies = []
    for peer in (first, second):
        await peer.send_frame(hello, "M1")
        replies.append(decode(await peer.receive(), Reply, limit=MAX_HANDSHAKE))

    scene.expect(2, len({reply.eph for reply in replies}), "different keys")
    scene.expect(2, len({reply.nonce for reply in replies}), "different nonces")


@case(
    "hello-hides-the-coop", "LNK-8", "M2 shows the responder's ids and key log inside its box alone"
)
async def _hides(scene: Scene) -> None:
    peer = await scene.dial()
    await peer.send_frame(peer.shaking.hello(), "M1")
    data = await peer.receive()
    shown = peer.shaking.hear(data)

    scene.expect(False, data.count(shown.cid) > 0, "the co-op's id in the clear")
    scene.expect(False, data.count(shown.wid) > 0, "the writer's id in the clear")


@case(
    "hello-signed-transcript",
    ("LNK-9", "LNK-10"),
    "M2 proves the writer and co-op over this transcript",
)
async def _signed(scene: Scene) -> None:
    peer = await scene.dial()
    await peer.send_frame(peer.shaking.hello(), "M1")
    await peer.reply()

    shown = peer.shaking.shown
    scene.expect(True, peer.shaking.is_signed(), "a valid signature of the responder")
    scene.expect(scene.node.hex(), shown.cid.hex(), "co-op")
    scene.expect(scene.node.hex(), fold_key_log(shown.key_log).cid.hex(), "co-op of the key log")
