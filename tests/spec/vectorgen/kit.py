"""A byte-level kit for vectors: it can write wrong bytes on purpose, and knows no code of ours.

MessagePack headers are spelled out with `struct`, hashes come from `hashlib`, signatures from
libsodium. What these programs and the library agree on, two readings of the spec agree on.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from nacl import bindings

ZERO: Final = bytes(32)
LABEL: Final = "sheaf/1/"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One vector: a file, a fault, a clause."""

    id: str
    clause: str
    expect: str
    comment: str
    input: bytes
    output: bytes | None = None


@dataclass(frozen=True)
class Key:
    """An Ed25519 key pair from a seed of one repeated byte."""

    public: bytes
    secret: bytes

    @classmethod
    def of(cls, letter: bytes) -> Key:
        """Return the key pair of a seed of 32 equal bytes."""
        return cls(*bindings.crypto_sign_seed_keypair(letter * 32))

    def sign(self, purpose: str, message: bytes) -> bytes:
        """Return the signature over the tagged message."""
        return bindings.crypto_sign(tag(purpose) + message, self.secret)[:64]


def tag(purpose: str) -> bytes:
    """Return the domain tag."""
    return (LABEL + purpose).encode() + b"\x00"


def hashed(purpose: str, *parts: bytes) -> bytes:
    """Return SHA-256 over the tag and the parts."""
    return hashlib.sha256(tag(purpose) + b"".join(parts)).digest()


def integer(value: int) -> bytes:
    """Return an integer >= 0 in its shortest form."""
    for most, head, form in ((127, b"", ">B"), (255, b"\xcc", ">B"), (65_535, b"\xcd", ">H")):
        if value <= most:
            return head + struct.pack(form, value)
    return b"\xce" + struct.pack(">I", value) if value < 2**32 else b"\xcf" + value.to_bytes(8)


def text(value: str) -> bytes:
    """Return text of at most 65,535 bytes."""
    raw = value.encode()
    if len(raw) > 255:
        return b"\xda" + len(raw).to_bytes(2) + raw
    return (bytes([0xA0 | len(raw)]) if len(raw) < 32 else b"\xd9" + bytes([len(raw)])) + raw


def blob(value: bytes) -> bytes:
    """Return bytes."""
    size = len(value)
    if size > 65_535:
        return b"\xc6" + size.to_bytes(4) + value
    return (b"\xc4" + bytes([size]) if size < 256 else b"\xc5" + size.to_bytes(2)) + value


def array(*items: bytes) -> bytes:
    """Return an array of encoded items."""
    head = bytes([0x90 | len(items)]) if len(items) < 16 else b"\xdc" + len(items).to_bytes(2)
    return head + b"".join(items)


def mapping(**pairs: bytes) -> bytes:
    """Return a map in the order given and not in any other."""
    size = len(pairs)
    head = bytes([0x80 | size]) if size < 16 else b"\xde" + size.to_bytes(2)
    return head + b"".join(text(k) + v for k, v in pairs.items())
