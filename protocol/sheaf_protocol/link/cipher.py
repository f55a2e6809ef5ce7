"""Keys and frames of a link: X25519, HKDF-SHA256, ChaCha20-Poly1305 (spec chapter 07, section 3).

A frame's nonce is a counter that never travels. A frame that was replayed, dropped, reordered or
altered therefore does not open, and one code covers all four, since nobody can tell them apart.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from nacl import bindings
from nacl.exceptions import CryptoError

from sheaf_protocol.digest import Digest, tag
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import MAX_FRAME

OVERHEAD: Final = bindings.crypto_aead_chacha20poly1305_ietf_ABYTES
"""Bytes that sealing adds to a plaintext."""

_FRAME: Final = tag("link-frame")


def public_of(seed: bytes) -> bytes:
    """Return the X25519 public key of a 32-byte secret."""
    return bytes(bindings.crypto_scalarmult_base(seed))


def shared_secret(seed: bytes, public: bytes) -> bytes:
    """Return the X25519 secret shared with the owner of a public key.

    Raises RemoteProtocolError `link.key` for a key of small order: the secret would be zero for
    everybody, and whoever sits between could read along.
    """
    try:
        return bytes(bindings.crypto_scalarmult(seed, public))
    except (CryptoError, RuntimeError) as exc:  # libsodium refuses the all-zero result itself
        raise RemoteProtocolError("link.key", "expected an X25519 key of full order") from exc


def derive(secret: bytes, transcript: Digest, purpose: str) -> bytes:
    """Return 32 bytes of HKDF-SHA256, salted with the transcript, for one purpose."""
    extracted = hmac.new(transcript, secret, hashlib.sha256).digest()
    return hmac.new(extracted, tag(purpose) + b"\x01", hashlib.sha256).digest()


class Sealer:
    """One direction's sending half: each frame takes the next counter."""

    def __init__(self, key: bytes) -> None:
        self._key, self._count = key, 0

    def seal(self, plaintext: bytes) -> bytes:
        """Return the next frame."""
        nonce, self._count = _nonce(self._count), self._count + 1
        frame = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
            plaintext, _FRAME, nonce, self._key
        )
        return bytes(frame)


class Opener:
    """One direction's receiving half: each frame must be the next one, unaltered."""

    def __init__(self, key: bytes) -> None:
        self._key, self._count = key, 0

    def open(self, frame: bytes) -> bytes:
        """Return the plaintext of the next frame.

        Raises RemoteProtocolError `link.frame_size`, `link.frame`.
        """
        if len(frame) > MAX_FRAME:
            detail = f"expected at most {MAX_FRAME} bytes, got {len(frame)}"
            raise RemoteProtocolError("link.frame_size", detail)
        try:
            plaintext = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
                frame, _FRAME, _nonce(self._count), self._key
            )
        except (CryptoError, ValueError) as exc:
            raise RemoteProtocolError("link.frame", f"expected frame {self._count}") from exc
        self._count += 1
        return bytes(plaintext)


def _nonce(count: int) -> bytes:
    return bytes(4) + count.to_bytes(8, "big")
