"""Key logs of Hill with several writers, for the vectors of chapter 18."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entries import CID, EXPIRES_MS, FID, INCEPTION_ID, MANAGER, ROTATION, cut, inception, key_op
from kit import Key, array, blob, hashed, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE, TWO, THREE, FOUR = (Key.of(letter) for letter in (b"w", b"W", b"v", b"V"))
"""Writers in the order in which most of these key logs delegate them."""
DALE, MOOR, FELL = (hashed("coop", name) for name in (b"dale", b"moor", b"fell"))


def head(seq: int) -> bytes:
    """Return what stands for the id of entry `seq` of a log; zeros for 0."""
    return hashed("test", b"entry", seq.to_bytes(8)) if seq else bytes(32)


def opens(key: Key) -> tuple[Key, int | None]:
    """Return a step of a key log: a writer is delegated."""
    return key, None


def ends(key: Key, seq: int) -> tuple[Key, int | None]:
    """Return a step of a key log: a writer is closed at an entry, at 0 without naming any."""
    return key, seq


def key_log(*steps: tuple[Key, int | None], fid: bytes = FID) -> bytes:
    """Return the operations of these steps after the inception."""
    operations, prev = [key_op(inception(), *ROTATION)], INCEPTION_ID
    for number, (key, seq) in enumerate(steps, 1):
        body = _delegate(key, prev, number) if seq is None else _close(key, seq, prev, number, fid)
        operations.append(key_op(body, MANAGER))
        prev = hashed("key-op", body)
    return array(*operations)


def _delegate(key: Key, prev: bytes, number: int) -> bytes:
    return mapping(
        cid=blob(CID),
        expires_ms=integer(EXPIRES_MS),
        key=blob(key.public),
        op=text("delegate"),
        prev=blob(prev),
        role=text("writer"),
        seq=integer(number),
    )


def _close(key: Key, seq: int, prev: bytes, number: int, fid: bytes) -> bytes:
    cuts = [cut(seq, head(seq), fid)] if seq else []
    return mapping(
        cid=blob(CID),
        cuts=array(*cuts),
        key=blob(key.public),
        op=text("close"),
        prev=blob(prev),
        seq=integer(number),
    )


def blobs(values: Sequence[bytes]) -> bytes:
    """Return an array of bytes."""
    return array(*map(blob, values))
