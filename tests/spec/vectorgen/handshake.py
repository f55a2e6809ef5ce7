"""Both sides of a handshake and of its frames, written from chapter 07 alone.

Nothing here checks anything: a side may be made to send whatever a vector wants sent.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from entries import BEGUN, CID, DELEGATED, delegate, inception, key_op
from kit import Key, array, blob, hashed, integer, mapping, tag, text
from nacl import bindings

AUDIENCE: Final = "dale.example:7701"
NOW_MS: Final = 1_767_225_600_000 + 1_000
ZERO_NONCE: Final = bytes(12)
BYE: Final = array(text("bye"), text("link.bye"))


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side: its co-op, its writer, and the randomness of this handshake."""

    cid: bytes
    key_log: bytes
    writer: Key
    writer_seed: bytes
    seed: bytes
    nonce: bytes

    @property
    def eph(self) -> bytes:
        """The fresh public key."""
        return bindings.crypto_scalarmult_base(self.seed)

    @property
    def wire(self) -> bytes:
        """The side as an input has it."""
        return array(
            blob(self.cid),
            self.key_log,
            blob(self.writer_seed),
            blob(self.seed),
            blob(self.nonce),
        )


def _side(letter: bytes, writer: bytes, cid: bytes, key_log: bytes) -> Side:
    return Side(
        cid=cid,
        key_log=key_log,
        writer=Key.of(writer),
        writer_seed=writer * 32,
        seed=letter * 32,
        nonce=letter * 16,
    )


DALE_BODY: Final = inception(name=text("Dale Co-op"))
DALE_CID: Final = hashed("coop", DALE_BODY)
DALE_LOG: Final = (
    key_op(DALE_BODY, Key.of(b"1"), Key.of(b"2")),
    key_op(
        delegate(
            hashed("key-op", DALE_BODY),
            cid=blob(DALE_CID),
            key=blob(Key.of(b"y").public),
        ),
        Key.of(b"m"),
    ),
)
HILL: Final = _side(b"i", b"w", CID, array(BEGUN, DELEGATED))
DALE: Final = _side(b"r", b"y", DALE_CID, array(*DALE_LOG))


def kdf(secret: bytes, salt: bytes, purpose: str) -> bytes:
    """Return one block of HKDF-SHA256."""
    extracted = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(extracted, tag(purpose) + b"\x01", hashlib.sha256).digest()


def sealed(plain: bytes, purpose: str, key: bytes, count: int = 0) -> bytes:
    """Return a box or a frame."""
    nonce = bytes(4) + count.to_bytes(8)
    return bindings.crypto_aead_chacha20poly1305_ietf_encrypt(plain, tag(purpose), nonce, key)


def hello(side: Side, audience: str = AUDIENCE, **changes: bytes) -> bytes:
    """Return M1; changes replace encoded values."""
    fields = {
        "audience": text(audience),
        "eph": blob(side.eph),
        "nonce": blob(side.nonce),
        "versions": array(integer(1)),
    }
    return mapping(**{**fields, **changes})


def reply_of(side: Side, box: bytes, **changes: bytes) -> bytes:
    """Return M2 around a box; changes replace encoded values."""
    fields = {
        "box": blob(box),
        "eph": blob(side.eph),
        "nonce": blob(side.nonce),
        "version": integer(1),
    }
    return mapping(**{**fields, **changes})


def proof_of(box: bytes) -> bytes:
    """Return M3 around a box."""
    return mapping(box=blob(box))


def inside(side: Side, purpose: str, transcript: bytes, **changes: bytes) -> bytes:
    """Return what a box holds; changes replace encoded values."""
    fields = {
        "cid": blob(side.cid),
        "key_log": side.key_log,
        "sig": blob(side.writer.sign(purpose, transcript + side.cid)),
        "wid": blob(side.writer.public),
    }
    return mapping(**{**fields, **changes})


@dataclass(frozen=True, kw_only=True)
class Run:
    """One handshake, message by message, from both seeds."""

    initiator: Side = HILL
    responder: Side = DALE
    m1: bytes = b""

    @property
    def hello(self) -> bytes:
        """M1."""
        return self.m1 or hello(self.initiator)

    @property
    def secret(self) -> bytes:
        """The secret that both sides share."""
        return bindings.crypto_scalarmult(self.initiator.seed, self.responder.eph)

    @property
    def opened(self) -> bytes:
        """The transcript up to M2, its box left out."""
        bare = reply_of(self.responder, b"")
        return hashed("link-opened", hashed("link-hello", self.hello), hashed("link-reply", bare))

    def first_box(self, plain: bytes | None = None) -> bytes:
        """Return the responder's box, or one around another inside."""
        honest = inside(self.responder, "handshake-responder", self.opened)
        key = kdf(self.secret, self.opened, "link-responder-box")
        return sealed(plain or honest, "link-box", key)

    @property
    def reply(self) -> bytes:
        """M2."""
        return reply_of(self.responder, self.first_box())

    @property
    def proven(self) -> bytes:
        """The transcript up to the end of M2."""
        box = hashed("link-box", self.first_box())
        return hashed("link-proven", self.opened, box, self.responder.writer.public)

    def second_box(self, plain: bytes | None = None) -> bytes:
        """Return the initiator's box, or one around another inside."""
        honest = inside(self.initiator, "handshake-initiator", self.proven)
        key = kdf(self.secret, self.proven, "link-initiator-box")
        return sealed(plain or honest, "link-box", key)

    @property
    def proof(self) -> bytes:
        """M3."""
        return proof_of(self.second_box())

    def frame(self, direction: str, plain: bytes = BYE, count: int = 0) -> bytes:
        """Return a frame in a direction, `initiator` or `responder`."""
        whole = hashed("link-whole", self.proven, hashed("link-box", self.second_box()))
        return sealed(plain, "link-frame", kdf(self.secret, whole, f"link-from-{direction}"), count)
