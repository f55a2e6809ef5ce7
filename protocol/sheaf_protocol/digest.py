"""Ids and the one hash they are made with: SHA-256 with a domain tag (spec 02, IDN-1)."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final, NewType

Digest = NewType("Digest", bytes)
"""32 bytes of SHA-256 over tagged input."""

CoopId = NewType("CoopId", bytes)
"""Digest of a co-op's inception; never changes."""

WriterId = NewType("WriterId", bytes)
"""Ed25519 public key of one node installation."""

FederationId = NewType("FederationId", bytes)
"""Digest of the body of a federation's genesis certificate, whoever signed it."""

EntryId = NewType("EntryId", bytes)
"""Digest of a header, the signature not included."""

LogId = NewType("LogId", bytes)
"""Digest of (federation, co-op, writer)."""

PREFIX: Final = b"sheaf/1/"
ZERO: Final = bytes(32)
"""`prev` of the first entry of a log and of the first operation of a key log."""


@lru_cache(maxsize=256)
def tag(purpose: str) -> bytes:
    """Return the domain tag that keeps a hash or signature of one purpose from serving another."""
    return PREFIX + purpose.encode("ascii") + b"\x00"


def digest(purpose: str, *parts: bytes) -> Digest:
    """Return SHA-256 over the domain tag of `purpose` and the concatenated parts.

    The caller sees to it that the parts have fixed lengths or one canonical encoding, for the
    concatenation alone does not mark where one part ends.
    """
    state = hashlib.sha256(tag(purpose))
    for part in parts:
        state.update(part)
    return Digest(state.digest())


@lru_cache(maxsize=4_096)
def log_id(fid: FederationId, cid: CoopId, wid: WriterId) -> LogId:
    """Return the name of one writer's log inside one federation.

    Remembered, since every step of an entry's way asks for it; nothing but the arguments counts.
    """
    return LogId(digest("log", fid, cid, wid))


def short(identifier: bytes) -> str:
    """Return the first eight hex digits of an id, for people."""
    return identifier[:4].hex()
