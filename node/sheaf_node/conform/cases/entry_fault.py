"""Entries that a member signs and no node takes (chapters 03 to 05)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.conform.cases.entry import BODY, KIND, fields_of, payload_of, signed
from sheaf_node.conform.model import case
from sheaf_protocol.codec import encode
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.testing.author import LogAuthor, unsigned
from sheaf_protocol.testing.link_pair import flipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_node.conform.model import Steps
    from sheaf_node.conform.scene import Scene


def _headed(**changes: object) -> Callable[[LogAuthor], Envelope]:
    def made(author: LogAuthor) -> Envelope:
        payload = payload_of()
        return signed(author, fields_of(author, payload, **changes), payload)

    return made


def _sized(length: int) -> Callable[[LogAuthor], Envelope]:
    def made(author: LogAuthor) -> Envelope:
        payload = payload_of()
        return signed(author, fields_of(author, payload)[:length] + [0] * (length - 13), payload)

    return made


def _bodied(body: bytes) -> Callable[[LogAuthor], Envelope]:
    def made(author: LogAuthor) -> Envelope:
        return author.append(KIND, body)

    return made


def _long_header(author: LogAuthor) -> Envelope:
    good = author.append(KIND, BODY)
    header = b"\xdc\x00\x0d" + good.header[1:]
    return Envelope(header, author.key.sign("entry-signature", header), good.payload)


def _bent(author: LogAuthor) -> Envelope:
    good = author.append(KIND, BODY)
    return Envelope(good.header, flipped(good.signature, 5), good.payload)


def _bare(author: LogAuthor) -> Envelope:
    return unsigned(author.append(KIND, BODY))


def _purposed(author: LogAuthor) -> Envelope:
    good = author.append(KIND, BODY)
    return Envelope(good.header, author.key.sign("key-operation", good.header), good.payload)


def _swapped(author: LogAuthor) -> Envelope:
    good = author.append(KIND, BODY)
    return Envelope(good.header, good.signature, flipped(good.payload, 0))


def _cut(author: LogAuthor) -> Envelope:
    good = author.append(KIND, encode({"a": 1}))
    return Envelope(good.header, good.signature, good.payload[:-1])


def _at_zero(author: LogAuthor) -> Envelope:
    return _headed(seq=0)(author)


_FAULTS: Final = (
    ("version-2", ("ENV-2", "VER-1"), "of header version 2", _headed(v=2), "env.version"),
    ("seq-0", "ENV-1", "of number 0", _at_zero, "env.header"),
    ("kind-capital", "ENV-1", "of a kind in capitals", _headed(kind="X.NOTE"), "env.header"),
    ("kind-empty", "ENV-1", "of no kind", _headed(kind=""), "env.header"),
    ("kind-long", "ENV-1", "of a kind of 25 letters", _headed(kind="x" * 25), "env.header"),
    ("flags", "ENV-1", "with a flag", _headed(flags=1), "env.header"),
    ("refs-many", "ENV-1", "with 17 refs", _headed(refs=[bytes(32)] * 17), "env.header"),
    ("ref-short", "ENV-1", "with a ref of 31 bytes", _headed(refs=[bytes(31)]), "env.header"),
    ("fid-short", "ENV-1", "with a federation of 31 bytes", _headed(fid=bytes(31)), "env.header"),
    ("prev-short", "ENV-1", "with a prev of 31 bytes", _headed(prev=bytes(31)), "env.header"),
    ("time-negative", "ENV-1", "of a time before 0", _headed(time_ms=-1), "env.header"),
    (
        "length-0",
        "ENV-1",
        "that claims a payload of no bytes",
        _headed(payload_len=0),
        "env.header",
    ),
    (
        "length-large",
        "ENV-1",
        "that claims 65,537 bytes",
        _headed(payload_len=65_537),
        "env.header",
    ),
    ("twelve", "ENV-1", "with a header of 12 elements", _sized(12), "env.header"),
    ("fourteen", ("ENV-1", "ENC-16"), "with a header of 14 elements", _sized(14), "env.header"),
    (
        "header-not-shortest",
        "ENC-3",
        "with a header written longer than need be",
        _long_header,
        "enc.not_shortest",
    ),
    (
        "payload-swapped",
        "ENV-4",
        "with another payload of the same length",
        _swapped,
        "env.payload_hash",
    ),
    ("payload-cut", "ENV-4", "with a payload that lacks a byte", _cut, "env.payload_hash"),
    ("signature-bent", "ENV-5", "whose signature has one bit turned over", _bent, "env.signature"),
    ("signature-none", ("ENV-5", "LOG-23"), "that nothing proves", _bare, "env.signature"),
    ("signature-purpose", "ENV-5", "signed for another purpose", _purposed, "env.signature"),
    (
        "body-trailing",
        "ENV-10",
        "with a byte behind its body",
        _bodied(b"\x80\x00"),
        "enc.trailing",
    ),
    ("body-empty", "ENV-10", "without a body", _bodied(b""), "enc.malformed"),
    ("body-nil", "ENV-10", "with a nil in its body", _bodied(b"\x81\xa1a\xc0"), "enc.nil"),
    ("body-float", "ENV-10", "with a float in its body", _bodied(b"\xcb" + bytes(8)), "enc.float"),
    (
        "body-ext",
        "ENV-10",
        "with a timestamp in its body",
        _bodied(b"\xd6\xff" + bytes(4)),
        "enc.ext",
    ),
    (
        "body-key-order",
        "ENV-10",
        "with keys out of order",
        _bodied(b"\x82\xa1b\x01\xa1a\x01"),
        "enc.key_order",
    ),
    (
        "body-key-twice",
        "ENV-10",
        "with a key twice",
        _bodied(b"\x82\xa1a\x01\xa1a\x01"),
        "enc.duplicate_key",
    ),
    ("body-key-form", "ENV-10", "with a key in capitals", _bodied(b"\x81\xa1A\x01"), "enc.key"),
    (
        "body-not-shortest",
        "ENV-10",
        "with a number written longer than need be",
        _bodied(b"\xcc\x01"),
        "enc.not_shortest",
    ),
    ("body-utf8", "ENV-10", "with text that is no UTF-8", _bodied(b"\xa2\xc3\x28"), "enc.utf8"),
    ("body-nul", "ENV-10", "with a NUL in a text", _bodied(b"\xa1\x00"), "enc.nul"),
    (
        "body-int-range",
        "ENV-10",
        "with a number beyond 2^53 - 1",
        _bodied(b"\xcf" + b"\xff" * 8),
        "enc.int_range",
    ),
    ("body-depth", "ENV-10", "with nine levels", _bodied(b"\x91" * 8 + b"\x90"), "enc.depth"),
    (
        "body-items",
        "ENV-10",
        "with an array of 1,025",
        _bodied(b"\xdc\x04\x01" + b"\x01" * 1_025),
        "enc.items",
    ),
)


def _faulty(make: Callable[[LogAuthor], Envelope], code: str) -> Steps:
    async def steps(scene: Scene) -> None:
        peer = await scene.ready()
        author = scene.author()
        await peer.push(make(peer.author))

        await peer.ended(code)
        await scene.require_not_held(author)

    return steps


for _id, _clauses, _words, _make, _code in _FAULTS:
    case(
        f"entry-{_id}",
        _clauses,
        f"A member's entry {_words} is refused and not stored",
        codes=(_code,),
    )(_faulty(_make, _code))


@case(
    "entry-header-too-long",
    "ENV-3",
    "A header of more than 1,024 bytes is no part of an envelope",
    codes=("link.message",),
)
async def _too_long(scene: Scene) -> None:
    peer = await scene.ready()
    envelope = [bytes(1_025), bytes(64), b""]
    await peer.send_plain(encode(["entries", peer.scope(), True, [envelope], []]))

    await peer.ended("link.message")


@case(
    "entry-signature-of-63",
    "ENV-18",
    "A signature of 63 bytes is no part of an envelope",
    codes=("link.message",),
)
async def _short(scene: Scene) -> None:
    peer = await scene.ready()
    good = peer.author.append(KIND, BODY)
    envelope = [good.header, good.signature[:63], good.payload]
    await peer.send_plain(encode(["entries", peer.scope(), True, [envelope], []]))

    await peer.ended("link.message")
