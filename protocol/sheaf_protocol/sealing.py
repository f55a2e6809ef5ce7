"""Private bodies: sealed to named co-ops inside an entry of kind `sealed` (spec 04, section 5).

A random content key encrypts the padded body; it is sealed to each recipient's X25519 prekey. The
true kind and refs are inside, so that the header tells nobody what was sent. The ciphertext is
bound to (federation, co-op, writer) and cannot be moved into another's log. XChaCha20-Poly1305
does not commit to its key: without the commitment below, one ciphertext could show two recipients
two different orders.
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
"""Bodies are padded to multiples of this, so that a length tells little."""


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """The content key for one recipient; the hint spares the others a decryption."""

    hint: Annotated[bytes, Meta(min_length=4, max_length=4)]
    key: Annotated[bytes, Meta(min_length=80, max_length=80)]


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an entry of kind `sealed`."""

    box: Annotated[bytes, Meta(max_length=MAX_PAYLOAD)]
    commitment: Annotated[Digest, Meta(min_length=32, max_length=32)]
    nonce: Annotated[bytes, Meta(min_length=24, max_length=24)]
    slots: Annotated[list[Slot], Meta(min_length=1, max_length=64)]


class Private(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipient finds inside."""

    body: Annotated[bytes, Meta(max_length=MAX_PAYLOAD)]
    kind: Annotated[str, Meta(pattern=r"\A[a-z0-9_.]{1,24}\Z")]
    pad: Annotated[bytes, Meta(max_length=PAD_TO)]
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

    `random` is 56 fresh bytes: the content key and the nonce. Raises LocalProtocolError
    `seal.recipient` for a key that cannot be sealed to.
    """
    if len(random) != 56 or not recipients:
        raise LocalProtocolError("seal.recipient", "expected 56 random bytes and a recipient")
    key, nonce = random[:32], random[32:]
    box = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        _padded(kind, refs, body), _bound(author), nonce, key
    )
    slots = [Slot(hint=_hint(r, nonce), key=_seal_key(key, r, nonce)) for r in recipients]
    return encode(Sealed(box=box, commitment=digest("content-key", key), nonce=nonce, slots=slots))


def open_private(sealed: Sealed, *, author: Author, public: bytes, secret: bytes) -> Private | None:
    """Return what was sealed to this prekey, or None where no slot is for it.

    Raises RemoteProtocolError `seal.opening` where a slot is ours and the rest does not fit: one
    code for all causes, and the author's fault, since no relay could look inside.
    """
    hint = _hint(public, sealed.nonce)
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
    bare = len(encode(Private(body=body, kind=kind, pad=b"", refs=list(refs))))
    missing = -bare % PAD_TO
    return encode(Private(body=body, kind=kind, pad=bytes(missing), refs=list(refs)))


def _bound(author: Author) -> bytes:
    return tag("sealed") + author.fid + author.cid + author.wid


def _hint(public: bytes, nonce: bytes) -> bytes:
    return digest("hint", public, nonce)[:4]


def _seal_key(key: bytes, recipient: bytes, nonce: bytes) -> bytes:
    """Return libsodium's sealed box of the content key, its ephemeral key drawn from our input.

    `crypto_box_seal` would draw from the system, and this library rolls no dice. Who can derive
    the ephemeral key knows the content key already.
    """
    public, secret = bindings.crypto_box_seed_keypair(digest("ephemeral", key, nonce, recipient))
    box_nonce = hashlib.blake2b(public + recipient, digest_size=24).digest()
    try:
        return public + bindings.crypto_box_easy(key, box_nonce, recipient, secret)
    except (CryptoError, RuntimeError) as exc:
        raise LocalProtocolError("seal.recipient", "expected a usable X25519 prekey") from exc
