"""Revokes, rotates and recovers as the vectors of chapter 02 use them."""

from __future__ import annotations

from entries import (
    BEGUN,
    CID,
    DELEGATED,
    DELEGATED_ID,
    GUARDIANS,
    NEXT,
    ROTATION,
    cut,
    delegate,
    ended,
    inception,
    key_op,
    keys,
    recover,
    revoke,
    rotate,
)
from kit import Case, Key, array, blob, hashed, integer, text

OPEN = (BEGUN, DELEGATED)
LOW, HIGH = (cut(7, fid=bytes([letter]) * 32) for letter in b"ab")
GUARDED_BODY = inception(guardian_threshold=integer(2), guardians=keys(GUARDIANS))
GUARDED = key_op(GUARDED_BODY, *ROTATION[:2])
GUARDED_CID, GUARDED_ID = hashed("coop", GUARDED_BODY), hashed("key-op", GUARDED_BODY)


def revoked(*by: int, signers: tuple[Key, ...] | None = None, **changes: bytes) -> bytes:
    """Return a revoke on the delegation, signed by those it names unless others are given."""
    body = revoke(DELEGATED_ID, 2, *by, **changes)
    return key_op(body, *([ROTATION[i] for i in by] if signers is None else signers))


def rotated(*by: int, signers: tuple[Key, ...] | None = None, **changes: bytes) -> bytes:
    """Return a rotate on the delegation, signed by those it names unless others are given."""
    body = rotate(DELEGATED_ID, 2, *by, **changes)
    return key_op(body, *([NEXT[i] for i in by] if signers is None else signers))


def recovered(*by: int, signers: tuple[Key, ...] | None = None, **changes: bytes) -> bytes:
    """Return a recover on the guarded inception, signed by those it names unless by others."""
    body = recover(GUARDED_ID, 1, *by, **{"cid": blob(GUARDED_CID), **changes})
    return key_op(body, *([GUARDIANS[i] for i in by] if signers is None else signers))


def after(*ops: bytes, body: bytes, signers: tuple[Key, ...]) -> tuple[bytes, ...]:
    """Return operations with one more, signed."""
    return (*ops, key_op(body, *signers))


def row(name: str, clause: str, expect: str, comment: str, *ops: bytes) -> Case:
    """Return the vector of a key log that is refused with a code."""
    return Case(
        id=f"02-identity/{name}", clause=clause, expect=expect, comment=comment, input=array(*ops)
    )


def good(name: str, clause: str, comment: str, *ops: bytes) -> Case:
    """Return the vector of a key log that holds; the first operation names the co-op."""
    return Case(
        id=f"02-identity/{name}",
        clause=clause,
        expect="ok",
        comment=comment,
        input=array(*ops),
        output=GUARDED_CID if ops[0] == GUARDED else CID,
    )


def forged(op: bytes) -> bytes:
    """Return an operation whose last signature differs by one bit."""
    return op[:-1] + bytes([op[-1] ^ 1])


REVOKED_ID = hashed("key-op", revoke(DELEGATED_ID, 2, 0, 1))
ROTATED_ID = hashed("key-op", rotate(DELEGATED_ID, 2, 0, 1))
RECOVERED_ID = hashed("key-op", recover(GUARDED_ID, 1, 0, 1, cid=blob(GUARDED_CID)))
ENDED = array(ended(LOW, HIGH))
ENDED_ID = hashed("key-op", revoke(DELEGATED_ID, 2, 0, 1, writers=ENDED))
PREKEY = delegate(DELEGATED_ID, 2, role=text("prekey"), key=blob(b"k" * 32))
SEVENTEEN = tuple(Key.of(bytes([letter])) for letter in range(65, 82))
