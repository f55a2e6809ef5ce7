"""Points of chapter 17 by libsodium's arithmetic: generators, blindings, commitments."""

from __future__ import annotations

import hashlib

from kit import hashed
from nacl import bindings
from nacl.exceptions import RuntimeError as NoPoint

L = 2**252 + 27742317777372353535851937790883648493
CAP = 10**12
IDENTITY = bytes([1]) + bytes(31)
ORDER_2 = (2**255 - 20).to_bytes(32, "little")
ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")

plus = bindings.crypto_core_ed25519_add


def generator(level: int) -> bytes:
    """Return eight times the first hash that encodes a point."""
    for attempt in range(100):
        point = hashed("curve-level", level.to_bytes(8), attempt.to_bytes(8))
        try:
            return _twice(_twice(_twice(point)))
        except NoPoint:
            continue
    raise AssertionError


def _twice(point: bytes) -> bytes:
    return bytes(plus(point, point))


H = [generator(level) for level in range(64)]


def scalar(number: int) -> bytes:
    """Return a number, the lowest byte first."""
    return number.to_bytes(32, "little")


def commitment(line: list[int], blinding: int) -> bytes:
    """Return the point that a line and a blinding make."""
    point = bindings.crypto_scalarmult_ed25519_base_noclamp(scalar(blinding % L))
    for level, quantity in enumerate(line):
        if quantity % L:
            term = bindings.crypto_scalarmult_ed25519_noclamp(scalar(quantity % L), H[level])
            point = plus(point, term)
    return bytes(point)


def secret(name: str) -> int:
    """Return a blinding."""
    return int.from_bytes(hashlib.sha512(name.encode()).digest(), "little") % L
