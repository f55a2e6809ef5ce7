"""Signed wrappers: a header whose thirteen elements are chosen, under a real signature (spec 04).

A byte fuzzer signs nothing. So the input chooses what a forger could: each element of the header,
what is done to its bytes before or after they are signed, by which key, and which payload comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgpack
from tests.fuzz.choice import Choices
from tests.fuzz.target import require, require_listed, vectors

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.envelope import (
    Envelope,
    body_of,
    entry_id,
    open_header,
    payload_hash,
    verify_signature,
)
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import MAX_FRAME, MAX_HEADER, MAX_INT
from sheaf_protocol.records import KINDS
from sheaf_protocol.records.registry import decode_record

if TYPE_CHECKING:
    from collections.abc import Iterator

RAW, BUILT = range(2)
KEYS: Final = [signing_key(bytes([n]) * 32) for n in (1, 2)]
PURPOSES: Final = ("entry-signature", "entry-signature", "certificate", "key-op")
_IDS: Final = (bytes(32), b"\x01" * 32, b"\xff" * 32, bytes(31), bytes(33), "text", 1)
_SEQS: Final = (1, 2, 0, -1, MAX_INT, MAX_INT + 1, 2**64 - 1, b"", True)
_TIMES: Final = (0, 1, 1_767_225_600_000, MAX_INT, MAX_INT + 1, -1)
_KINDS: Final = (*sorted(KINDS), "sealed", "x.note", "", "X", "a" * 24, "a" * 25, "a\n", "a\x00", 7)
_VERSIONS: Final = (1, 1, 1, 0, 2, MAX_INT, "1", True, None, 1.0)
_FLAGS: Final = (0, 0, 0, 1, -1, False, MAX_INT)
TOKENS: Final = (b"\x9d\x01\xc4\x20", b"\x9e\x01", b"\x9c\x01", b"\xc4\x00", b"\xc5\x04\x00")


def run(data: bytes) -> None:
    """Read raw bytes as an envelope, or one made of choices."""
    choices = Choices(data)
    shown = _built(choices) if choices.below(2) == BUILT else choices.rest()
    try:
        envelope = decode(shown, Envelope, limit=MAX_FRAME)
    except RemoteProtocolError as exc:
        require_listed(exc.code)
    else:
        _judge(envelope)


def seeds() -> Iterator[bytes]:
    """Give the vectors, a plain envelope, and one with each element chosen otherwise."""
    for data in vectors("04-envelope"):
        yield bytes([RAW]) + data
    for at in range(24):
        yield bytes([BUILT]) + bytes(at) + b"\x02" + bytes(24)
        yield bytes([BUILT]) + bytes(at) + b"\xf1" + bytes(24)


def _judge(envelope: Envelope) -> None:
    """Take an envelope as a node does; what is taken is what its bytes say."""
    try:
        header = open_header(envelope)
        require(encode(header) == envelope.header, "a header survives its own bytes")
        require(len(envelope.header) <= MAX_HEADER, "a header keeps its limit")
        require(1 <= header.seq <= MAX_INT and header.flags == 0, "a header keeps its bounds")
        if envelope.payload:
            require(payload_hash(envelope.payload) == header.payload_hash, "the payload is hashed")
        verify_signature(envelope, header)
        is_signed = header.wid in {bytes(key.public) for key in KEYS}
        if envelope.payload and is_signed:
            decode_record(header.kind, body_of(envelope.payload))
    except RemoteProtocolError as exc:
        require_listed(exc.code)
    require(envelope.id == entry_id(envelope.header), "the id is that of the header")


def _built(choices: Choices) -> bytes:
    key = choices.of(KEYS)
    payload = choices.take(16) + choices.some()
    said = payload if choices.often() else choices.some()
    elements: list[object] = [
        choices.of(_VERSIONS),
        choices.of(_IDS),
        choices.of(_IDS),
        key.public if choices.often() else choices.of(_IDS),
        choices.of(_SEQS),
        choices.of(_IDS),
        choices.of(_KINDS),
        choices.of(_TIMES),
        choices.of(_TIMES),
        payload_hash(said) if choices.often() else choices.of(_IDS),
        len(said) if choices.often() else choices.of(_SEQS),
        [choices.of(_IDS)] * choices.of((0, 0, 1, 2, 16, 17, 18)),
        choices.of(_FLAGS),
    ]
    if not choices.often():
        elements.insert(choices.below(len(elements)), choices.of(_IDS))
    if not choices.often():
        del elements[choices.below(len(elements))]
    raw = msgpack.packb(elements, use_bin_type=True)
    if not choices.often():
        raw += choices.some()
    return _signed(raw, payload, choices)


def _signed(raw: bytes, payload: bytes, choices: Choices) -> bytes:
    """Return the envelope, its bytes altered before or after they were signed, or not at all."""
    at = choices.byte()
    altered = raw[:at] + choices.take(1) + raw[at + 1 :]
    is_before, is_after = not choices.often(), not choices.often()
    signed = altered if is_before else raw
    signature = choices.of(KEYS).sign(choices.of(PURPOSES), signed)
    if not choices.often():
        signature = signature[: choices.byte()] + choices.some()
    kept = payload if choices.often() else choices.some()
    return encode([altered if is_before or is_after else raw, signature, kept])
