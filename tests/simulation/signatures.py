"""Signatures, each checked once in a run though eight nodes ask."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from nacl import bindings
from nacl.exceptions import BadSignatureError

if TYPE_CHECKING:
    from collections.abc import Callable


def is_signed(key: bytes, purpose: str, message: bytes, signature: bytes) -> bool:
    """Return whether a key signed a message for that purpose (spec 02)."""
    try:
        bindings.crypto_sign_open(signature + f"sheaf/1/{purpose}\0".encode() + message, key)
    except (BadSignatureError, ValueError):
        return False
    return True


def remember_signatures() -> Callable[[], None]:
    """Let libsodium answer each question once; return how to undo that.

    What is remembered is its own answer to the same bytes, so nothing but time is saved.
    """
    real = bindings.crypto_sign_open

    @lru_cache(maxsize=200_000)
    def answer(signed: bytes, key: bytes) -> bytes | None:
        try:
            return real(signed, key)
        except BadSignatureError:
            return None

    def crypto_sign_open(signed: bytes, key: bytes) -> bytes:
        message = answer(signed, key)
        if message is None:
            raise BadSignatureError("Signature was forged or corrupt")
        return message

    bindings.crypto_sign_open = crypto_sign_open
    real_point = bindings.crypto_core_ed25519_is_valid_point
    bindings.crypto_core_ed25519_is_valid_point = lru_cache(maxsize=10_000)(real_point)

    def undo() -> None:
        bindings.crypto_sign_open = real
        bindings.crypto_core_ed25519_is_valid_point = real_point

    return undo
