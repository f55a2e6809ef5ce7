"""Private bodies: sealed to named co-ops inside an entry of kind `sealed` (spec 04, section 5).

A random content key encrypts the padded body; it is sealed to each recipient's X25519 prekey. The
true kind and refs are inside, so that the header tells nobody what was sent; sizes come in steps,
and decoys stand among the recipients. The ciphertext is bound to (federation, co-op, writer) and
cannot be moved into another's log. XChaCha20-Poly1305 does not commit to its key: without the
commitment below, one ciphertext could show two recipients two different orders.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta
from nacl import bindings
from nacl.exceptions import CryptoError

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, WriterId, digest, tag
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.limits import MAX_PAYLOAD, MAX_REFS

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_TRIES = 2
"""Slots of one body that a recipient tries to open with one key: each costs a tenth of a ms."""
PAD_TO = 256
"""Insides of up to 4 KiB are padded to multiples of this, so that a length tells little."""
MAX_PAD = 4_096
"""A sixteenth of the largest payload: what padding adds to a body is an eighth of it at most."""
MAX_SLOTS = 64


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """The content key for one recipient; by the hint it, and nobody else, knows that it is."""

    hint: Annotated[bytes, Meta(min_length=4, max_length=4)]
    key: Annotated[bytes, Meta(min_length=80, max_length=80)]


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an entry of kind `sealed`."""

    box: Annotated[bytes, Meta(max_length=MAX_PAYLOAD)]
    commitment: Annotated[Digest, Meta(min_length=32, max_length=32)]
    nonce: Annotated[bytes, Meta(min_length=24, max_length=24)]
    slots: Annotated[list[Slot], Meta(min_length=1, max_length=MAX_SLOTS)]


class Private(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipient finds inside."""

    body: Annotated[bytes, Meta(max_length=MAX_PAYLOAD)]
    kind: Annotated[str, Meta(pattern=r"\A[a-z0-9_.]{1,24}\Z")]
    pad: Annotated[bytes, Meta(max_length=MAX_PAD)]
    refs: Annotated[
        list[Annotated[EntryId, Meta(min_length=32, max_length=32)]], Meta(max_length=MAX_REFS)
    ]


@dataclass(frozen=True, slots=True)
class Author:
    """The log a sealed body is bound to."""

    fid: FederationId
    cid: CoopId
    wid: WriterId


def seal_private(
    kind: str,
    refs: Sequence[EntryId],
    body: bytes,
    recipients: Sequence[bytes],
    *,
    author: Author,
    random: bytes,
) -> bytes:
    """Return the canonical body of a `sealed` entry that the recipients' prekeys open.

    `random` is 56 fresh bytes: what the keys are made of, and the nonce. With the same ones for
    another body, whoever sees both ciphertexts learns where they differ, and can forge.
    Raises LocalProtocolError `seal.recipient` for a key that cannot be sealed to, or more of them
    than `MAX_SLOTS`.
    """
    if len(random) != 56 or not 0 < len(recipients) <= MAX_SLOTS:
        expected = f"expected 56 random bytes and 1 to {MAX_SLOTS} recipients"
        raise LocalProtocolError("seal.recipient", f"{expected}, got {len(recipients)}")
    # Who opens a slot knows the content key, and is not to know from it who the others are.
    seed, nonce = random[:32], random[32:]
    key = digest("content-seed", seed)
    ephemeral = bindings.crypto_box_seed_keypair(digest("ephemeral", seed, nonce))
    box = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        _padded(kind, refs, body), _bound(author), nonce, key
    )
    named = list(dict.fromkeys(recipients))  # one twice would show as two slots alike
    readers = [*named, *_decoys(seed, len(named))]
    slots = [_slot(key, nonce, reader, ephemeral) for reader in readers]
    slots.sort(key=lambda slot: slot.hint)  # ENV-43: a hash's order says nothing of whose it is
    return encode(Sealed(box=box, commitment=digest("content-key", key), nonce=nonce, slots=slots))


def open_private(sealed: Sealed, *, author: Author, public: bytes, secret: bytes) -> Private | None:
    """Return what was sealed to this prekey, or None where no slot is for it.

    Raises RemoteProtocolError `seal.opening` where a slot is ours and the rest does not fit: one
    code for all causes, and the author's fault, since no relay could look inside.
    """
    hint = _own_hint(sealed, secret)
    # Two recipients share a hint once in four thousand million; 64 slots with ours are an attack.
    for slot in [slot for slot in sealed.slots if slot.hint == hint][:MAX_TRIES]:
        try:
            key = bindings.crypto_box_seal_open(slot.key, public, secret)
        except CryptoError:
            continue
        return _open_box(sealed, author, key)
    return None


def _open_box(sealed: Sealed, author: Author, key: bytes) -> Private:
    if digest("content-key", key) != sealed.commitment:
        raise _unopened("expected the content key committed to")
    try:
        plain = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed.box, _bound(author), sealed.nonce, key
        )
        return decode(plain, Private)
    except CryptoError as exc:
        raise _unopened("expected a body sealed for this log") from exc
    except RemoteProtocolError as exc:
        raise _unopened(f"expected a private body, got {exc}") from exc


def _unopened(detail: str) -> RemoteProtocolError:
    return RemoteProtocolError("seal.opening", detail, Fault.AUTHOR)


def _padded(kind: str, refs: Sequence[EntryId], body: bytes) -> bytes:
    """Return the inside with the shortest padding that gives it a length of the steps (ENV-42)."""

    def inside(pad: int) -> bytes:
        return encode(Private(body=body, kind=kind, pad=bytes(pad), refs=list(refs)))

    bare = len(inside(0))
    target = padded_size(bare)
    if target - bare == PAD_TO:
        # From 256 bytes on a pad has one byte more before it: this one length is out of reach.
        target = padded_size(target + 1)
    missing = target - bare
    return inside(missing if missing < PAD_TO else missing - 1)


def padded_size(size: int) -> int:
    """Return the smallest length of the steps that is not less: what a sealed inside is padded to.

    Steps are of `PAD_TO` bytes up to 4 KiB, and of a sixteenth of the next power of two above.
    """
    step = max(PAD_TO, (1 << (size - 1).bit_length()) // 16)
    return -(-size // step) * step


def _decoys(seed: bytes, recipients: int) -> list[bytes]:
    """Return prekeys of nobody that fill the slots up to the next power of two."""
    count = 1 << (recipients - 1).bit_length()
    made = (digest("decoy", seed, at.to_bytes(8, "big")) for at in range(recipients, count))
    return [bindings.crypto_scalarmult_base(secret) for secret in made]


def _bound(author: Author) -> bytes:
    return tag("sealed") + author.fid + author.cid + author.wid


def _own_hint(sealed: Sealed, secret: bytes) -> bytes | None:
    """Return the hint of the slot that a prekey's secret opens; None where it can open none.

    All slots have one ephemeral key (ENV-45), so that this takes one key agreement, not one a slot.
    """
    try:
        shared = bindings.crypto_scalarmult(secret, sealed.slots[0].key[:32])
    except (CryptoError, RuntimeError):
        return None
    return _hint(shared, sealed.nonce)


def _hint(shared: bytes, nonce: bytes) -> bytes:
    # Prekeys are public: a hash of one would name its owner to all who have its key log.
    return digest("hint", shared, nonce)[:4]


def _slot(key: bytes, nonce: bytes, recipient: bytes, ephemeral: tuple[bytes, bytes]) -> Slot:
    """Return a slot with libsodium's sealed box of the content key, under a given ephemeral key.

    `crypto_box_seal` would draw one from the system, and this library rolls no dice.
    """
    public, secret = ephemeral
    box_nonce = hashlib.blake2b(public + recipient, digest_size=24).digest()
    try:
        hint = _hint(bindings.crypto_scalarmult(secret, recipient), nonce)
        return Slot(
            hint=hint, key=public + bindings.crypto_box_easy(key, box_nonce, recipient, secret)
        )
    except (CryptoError, RuntimeError, TypeError, ValueError) as exc:
        raise LocalProtocolError("seal.recipient", "expected a usable X25519 prekey") from exc
