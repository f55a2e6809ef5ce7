"""Ed25519 keys and the signature rule "strict-1" (spec 02, IDN-4 to IDN-8).

libsodium's verification is strict-1: S < L, canonical A and R, neither of small order, the
cofactorless equation. OpenSSL's is not: under the identity point it accepts one forged signature
for every message. So nothing else may verify here.
"""

from __future__ import annotations

from typing import NewType

from nacl import bindings
from nacl.exceptions import BadSignatureError

from sheaf_protocol.digest import tag
from sheaf_protocol.errors import LocalProtocolError

PublicKey = NewType("PublicKey", bytes)
"""32 bytes of an Ed25519 public key."""


class SigningKey:
    """An Ed25519 key pair. Its secret never shows in a repr, an error or a comparison."""

    __slots__ = ("_secret", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != 32:
            raise LocalProtocolError("key.seed", f"expected a 32-byte seed, got {len(seed)} bytes")
        public, self._secret = bindings.crypto_sign_seed_keypair(seed)
        self.public = PublicKey(public)

    def sign(self, purpose: str, message: bytes) -> bytes:
        """Return the 64-byte signature over the tagged message."""
        return bindings.crypto_sign(tag(purpose) + message, self._secret)[:64]

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()[:8]})"


def signing_key(seed: bytes) -> SigningKey:
    """Return the key pair of a 32-byte seed that the caller drew from the system."""
    return SigningKey(seed)


def verify(public: bytes, purpose: str, message: bytes, signature: bytes) -> bool:
    """Return whether the signature over the tagged message is valid under strict-1."""
    return verify_untagged(public, tag(purpose) + message, signature)


def verify_untagged(public: bytes, signed: bytes, signature: bytes) -> bool:
    """Return whether a signature over bytes as they stand is valid under strict-1.

    For the public edge vectors, which know no tags. The protocol signs tagged messages only:
    use `verify`.
    """
    if len(signature) != 64 or len(public) != 32:
        return False
    try:
        bindings.crypto_sign_open(signature + signed, public)
    except BadSignatureError:
        return False
    return True


def is_valid_key(public: bytes) -> bool:
    """Return whether a key may be registered: a canonical point of the prime-order subgroup.

    A key of mixed order passes verification about half of the time, so implementations would
    disagree about its signatures (IDN-6).
    """
    return len(public) == 32 and bool(bindings.crypto_core_ed25519_is_valid_point(public))
