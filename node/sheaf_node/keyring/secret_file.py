"""Secrets at rest: 32 plain bytes, or a box that a passphrase opens (spec 02, section 6).

A passphrase becomes a key by Argon2id, whose cost stands in each file, so that it can grow with the
years; it is bounded when read, or a file from a stranger could ask for all memory. All files of a
folder share one salt and so one derivation; each has its own nonce, and its name is authenticated,
so that no file can take another's place.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta
from nacl import bindings
from nacl.exceptions import CryptoError

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import Refusal, RemoteProtocolError

if TYPE_CHECKING:
    from sheaf_node.clock import Randomness

SECRET: Final = 32
"""Bytes of every secret: Ed25519 seeds and X25519 secrets alike."""
MAX_MEMORY: Final = 2**30
"""1 GiB, libsodium's `SENSITIVE`: a file that asks for more is an attack on the reader."""
MAX_OPERATIONS: Final = 8
_MAX_SEALED: Final = 512
"""Bytes of a sealed file; its keys and values make 200."""
_SALT: Final = bindings.crypto_pwhash_SALTBYTES
_NONCE: Final = 24


class SealedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A key file under a passphrase."""

    box: Annotated[bytes, Meta(min_length=SECRET + 16, max_length=SECRET + 16)]
    kdf: Literal["argon2id13"]
    memory: Annotated[int, Meta(ge=8_192, le=MAX_MEMORY)]
    nonce: Annotated[bytes, Meta(min_length=_NONCE, max_length=_NONCE)]
    operations: Annotated[int, Meta(ge=1, le=MAX_OPERATIONS)]
    salt: Annotated[bytes, Meta(min_length=_SALT, max_length=_SALT)]
    v: Literal[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one derivation costs: passes over memory, and its bytes."""

    operations: int
    memory: int


MODERATE: Final = Cost(
    operations=bindings.crypto_pwhash_argon2id_OPSLIMIT_MODERATE,
    memory=bindings.crypto_pwhash_argon2id_MEMLIMIT_MODERATE,
)
"""256 MiB, three passes: under a second on a small computer, and a fortune per guessed word."""
LEAST: Final = Cost(
    operations=bindings.crypto_pwhash_argon2id_OPSLIMIT_MIN,
    memory=bindings.crypto_pwhash_argon2id_MEMLIMIT_MIN,
)
"""The least that libsodium takes, for tests."""


@dataclass(frozen=True, slots=True, repr=False)
class Lock:
    """A key derived of a passphrase, with what it was derived by."""

    key: bytes
    salt: bytes
    cost: Cost

    def seal(self, name: str, secret: bytes, nonce: bytes) -> bytes:
        """Return the bytes of the file of that name. `nonce` is 24 fresh bytes."""
        box = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            secret, name.encode(), nonce, self.key
        )
        return encode(
            SealedSecret(
                box=box,
                kdf="argon2id13",
                memory=self.cost.memory,
                nonce=nonce,
                operations=self.cost.operations,
                salt=self.salt,
                v=1,
            )
        )

    def __repr__(self) -> str:
        return "Lock()"


class Passphrase:
    """A passphrase, and the keys derived of it so far: each costs a second."""

    def __init__(self, text: str) -> None:
        # Two keyboards write one letter in two ways.
        self._text = unicodedata.normalize("NFC", text).encode()
        self._locks: dict[tuple[bytes, Cost], Lock] = {}

    def lock(self, salt: bytes, cost: Cost) -> Lock:
        """Return the key under a salt. Raises Refusal `key.passphrase` where memory runs out."""
        held = self._locks.get((salt, cost))
        if held is None:
            held = self._locks[salt, cost] = Lock(self._derive(salt, cost), salt, cost)
        return held

    def new_lock(self, random: Randomness, cost: Cost = MODERATE) -> Lock:
        """Return the key under a fresh salt."""
        return self.lock(random(_SALT), cost)

    def _derive(self, salt: bytes, cost: Cost) -> bytes:
        try:
            return bindings.crypto_pwhash_alg(
                SECRET,
                self._text,
                salt,
                cost.operations,
                cost.memory,
                bindings.crypto_pwhash_ALG_ARGON2ID13,
            )
        except (CryptoError, RuntimeError, MemoryError) as exc:
            detail = f"expected {cost.memory // 2**20} MiB of memory to derive a key in"
            raise Refusal("key.passphrase", detail) from exc

    def __repr__(self) -> str:
        return "Passphrase()"


def is_sealed(data: bytes) -> bool:
    """Return whether a key file is under a passphrase: a plain one is its 32 bytes."""
    return len(data) != SECRET


def put_secret(name: str, secret: bytes, lock: Lock | None, random: Randomness) -> bytes:
    """Return the bytes of a key file, under a lock or plain."""
    return secret if lock is None else lock.seal(name, secret, random(_NONCE))


def open_secret(name: str, data: bytes, passphrase: Passphrase | None) -> tuple[bytes, Lock | None]:
    """Return the secret in the file of that name, and the lock it was under.

    Raises Refusal `key.corrupt` for bytes that are no key file, `key.passphrase` where none or a
    wrong one was given.
    """
    if not is_sealed(data):
        return data, None
    try:
        sealed = decode(data, SealedSecret, limit=_MAX_SEALED)
    except RemoteProtocolError as exc:
        raise Refusal("key.corrupt", f"expected a secret in {name}: {exc.detail}") from exc
    if passphrase is None:
        raise Refusal("key.passphrase", f"expected a passphrase: {name} is under one")
    lock = passphrase.lock(sealed.salt, Cost(operations=sealed.operations, memory=sealed.memory))
    try:
        secret = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed.box, name.encode(), sealed.nonce, lock.key
        )
    except CryptoError as exc:
        # The two look the same, or a thief could tell a guess from a damaged file.
        detail = f"this passphrase does not open {name}: it is another one, or the file is damaged"
        raise Refusal("key.passphrase", detail) from exc
    return secret, lock
