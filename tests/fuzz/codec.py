"""CMP-1: one spelling for each value, and two readers of it that never disagree (spec 03).

The first byte says what the rest is: raw bytes for one of the wire's types, or choices of values
in a type's shape, written by our encoder or by msgpack's, which writes what ours refuses to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgpack
from msgspec import inspect
from tests.fuzz.choice import Choices
from tests.fuzz.shape import plain
from tests.fuzz.target import require, require_listed, vectors

from sheaf_protocol.charter import Certificate, Charter
from sheaf_protocol.codec import check, decode, encode
from sheaf_protocol.envelope import Envelope, Header
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.fork import ForkProof
from sheaf_protocol.identity import Close, Delegate, Inception, KeyOp, Recover, Revoke, Rotate
from sheaf_protocol.limits import MAX_FRAME
from sheaf_protocol.link.handshake import Hello, Identification, Reply
from sheaf_protocol.link.messages import Message
from sheaf_protocol.records import KINDS
from sheaf_protocol.sealing import Private, Sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPES: Final[tuple[Any, ...]] = (
    Message, Envelope, Header, KeyOp, Inception, Delegate, Close, Revoke, Recover, Rotate, Charter,
    Certificate, ForkProof, Hello, Reply, Identification, Sealed, Private,
    *(KINDS[kind] for kind in sorted(KINDS)),
)  # fmt: skip
SHAPES: Final = [inspect.type_info(type_) for type_ in TYPES]
RAW, OURS, THEIRS = range(3)
TOKENS: Final = (
    *(bytes([head]) for head in (0x80, 0x81, 0x90, 0x91, 0xA0, *range(0xC0, 0xE0), 0xFF)),
    b"\xdd\xff\xff\xff\xff",
    b"\xcf\x00\x1f" + b"\xff" * 6,
    b"\xcb" + bytes(8),
    b"\xa1\x00",
    b"\xa3\xed\xa0\x80",
)


def run(data: bytes) -> None:
    """Read the input in the way that its first byte says, as the type that its second names."""
    choices = Choices(data)
    form, at = choices.below(3), choices.below(len(TYPES))
    if form == RAW:
        _agree(choices.rest(), TYPES[at])
        return
    value = plain(SHAPES[at], choices)
    if form == OURS:
        _round_trip(value, TYPES[at])
    else:
        _agree(msgpack.packb(value, use_bin_type=True), TYPES[at])


def seeds() -> Iterator[bytes]:
    """Give the vectors as every kind of value, and some choices for each type."""
    for data in vectors("03-encoding"):
        yield bytes([RAW, 0]) + data
    for data in vectors("02-identity", "04-envelope", "05-log", "05-fork-proof", "09-charter"):
        yield bytes([RAW, 1]) + data
    for at in range(len(TYPES)):
        for form in (OURS, THEIRS):
            yield bytes([form, at]) + bytes(60)
            yield bytes([form, at]) + bytes(range(100, 160))


def _agree(data: bytes, type_: Any) -> None:
    """Both readers take the bytes, or both refuse them by one name."""
    generic, value = _outcome(lambda: check(data, limit=MAX_FRAME))
    typed, made = _outcome(lambda: decode(data, type_, limit=MAX_FRAME))
    if generic != "ok":
        require(typed == generic, f"check says {generic}, decode as {type_} says {typed}")
        return
    require(encode(value) == data, "what check accepts is encoded to the same bytes")
    require(typed in {"ok", "schema.invalid"}, f"canonical bytes as {type_} gave {typed}")
    if typed == "ok":
        again = encode(made)
        require(decode(again, type_, limit=MAX_FRAME) == made, "a value survives its own bytes")


def _round_trip(value: object, type_: Any) -> None:
    """What our encoder writes is canonical; what it refuses has a code."""
    try:
        data = encode(value)
    except LocalProtocolError as exc:
        require_listed(exc.code)
        return
    require(check(data, limit=MAX_FRAME) == value, "a plain value survives its own bytes")
    _agree(data, type_)


def _outcome(reading: Any) -> tuple[str, Any]:
    try:
        return "ok", reading()
    except RemoteProtocolError as exc:
        require_listed(exc.code)
        return exc.code, None
