"""The signed wrapper: header, signature and payload (spec chapter 04).

The entry's id hashes the header alone, because the owner of a key can make any number of valid
signatures over one header. The header holds the payload's hash, so a payload may be erased or
withheld while the chain stays whole. Bytes are kept and relayed as received.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import (
    CoopId,
    Digest,
    EntryId,
    FederationId,
    LogId,
    WriterId,
    digest,
    log_id,
)
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity import SigningKey, verify
from sheaf_protocol.limits import (
    MAX_HEADER,
    MAX_INT,
    MAX_PAYLOAD,
    MAX_REFS,
    SALT_BYTES,
    SIGNATURE_BYTES,
)

VERSION = 1
SEALED = "sealed"
"""Kind of every private entry: the true kind and refs are inside the payload (ENV-7)."""
_SIGNED_AS = "entry-signature"

_Time = Annotated[int, Meta(ge=0, le=MAX_INT)]


class Header(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The thirteen signed elements of an entry, in wire order."""

    v: Literal[1]
    fid: Annotated[FederationId, Meta(min_length=32, max_length=32)]
    cid: Annotated[CoopId, Meta(min_length=32, max_length=32)]
    wid: Annotated[WriterId, Meta(min_length=32, max_length=32)]
    seq: Annotated[int, Meta(ge=1, le=MAX_INT)]
    prev: Annotated[EntryId, Meta(min_length=32, max_length=32)]
    kind: Annotated[str, Meta(pattern=r"\A[a-z0-9_.]{1,24}\Z")]
    time_ms: _Time
    expires_ms: _Time
    payload_hash: Annotated[Digest, Meta(min_length=32, max_length=32)]
    payload_len: Annotated[int, Meta(ge=SALT_BYTES, le=MAX_PAYLOAD)]
    refs: Annotated[
        list[Annotated[EntryId, Meta(min_length=32, max_length=32)]], Meta(max_length=MAX_REFS)
    ]
    flags: Annotated[int, Meta(ge=0, le=0)]

    @property
    def log(self) -> LogId:
        """The log this entry belongs to."""
        return log_id(self.fid, self.cid, self.wid)


class Envelope(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An entry as it travels. An empty signature was left out, as a later one proves the entry
    (LOG-6); an empty payload was withheld or erased.
    """

    header: Annotated[bytes, Meta(max_length=MAX_HEADER)]
    signature: Annotated[bytes, Meta(max_length=SIGNATURE_BYTES)]
    payload: Annotated[bytes, Meta(max_length=MAX_PAYLOAD)]

    def __post_init__(self) -> None:
        if len(self.signature) not in {0, SIGNATURE_BYTES}:  # ENV-18
            detail = f"expected a signature of {SIGNATURE_BYTES} bytes or none"
            raise ValueError(f"{detail}, got {len(self.signature)}")

    @property
    def id(self) -> EntryId:
        """The entry's id: the hash of the header bytes."""
        return entry_id(self.header)

    @property
    def size(self) -> int:
        """Bytes that count against a link's credit."""
        return len(self.header) + len(self.signature) + len(self.payload)


def entry_id(header: bytes) -> EntryId:
    """Return the id of the entry with these header bytes."""
    return EntryId(digest("entry", header))


def payload_hash(payload: bytes) -> Digest:
    """Return the hash that a header carries for a payload, salt included."""
    return digest("payload", payload)


def make_payload(body: bytes, salt: bytes) -> bytes:
    """Return the payload bytes: 16 random bytes, then the canonical body."""
    if len(salt) != SALT_BYTES:
        raise LocalProtocolError("env.salt", f"expected {SALT_BYTES} bytes, got {len(salt)}")
    return salt + body


def seal(header: Header, payload: bytes, key: SigningKey) -> Envelope:
    """Return the signed envelope of a header and its payload.

    Raises LocalProtocolError `env.*` where the header does not describe the payload or the key.
    """
    if bytes(header.wid) != bytes(key.public):
        raise LocalProtocolError("env.wrong_key", "expected the key of the header's writer")
    if header.payload_hash != payload_hash(payload) or header.payload_len != len(payload):
        raise LocalProtocolError("env.payload_hash", "expected the hash and length of the payload")
    raw = encode(header)
    if len(raw) > MAX_HEADER or len(payload) > MAX_PAYLOAD:
        raise LocalProtocolError("enc.size", f"expected at most {MAX_PAYLOAD} bytes of payload")
    return Envelope(raw, key.sign(_SIGNED_AS, raw), payload)


def open_header(envelope: Envelope) -> Header:
    """Return the header of a received envelope after checking its form and its payload's hash.

    Raises RemoteProtocolError: those of `decode_header`, and `env.payload_hash`.
    Signatures are checked apart (`proof.Run`), since a later one may prove it.
    """
    header = decode_header(envelope.header)
    if envelope.payload:
        if len(envelope.payload) != header.payload_len:
            detail = f"expected {header.payload_len} bytes, got {len(envelope.payload)}"
            raise RemoteProtocolError("env.payload_hash", detail)
        if payload_hash(envelope.payload) != header.payload_hash:
            raise RemoteProtocolError("env.payload_hash", "expected the payload the header hashes")
    return header


def decode_header(raw: bytes) -> Header:
    """Return the header of received bytes.

    Raises RemoteProtocolError: `enc.*`, `env.header`, `env.version`.
    """
    try:
        return decode(raw, Header, limit=MAX_HEADER)
    except RemoteProtocolError as exc:
        if exc.code == "schema.invalid":
            raise _header_error(raw, exc) from exc
        raise


def verify_signature(envelope: Envelope, header: Header) -> None:
    """Return if the envelope carries its own writer's signature, else raise `env.signature`."""
    verify_header(header.wid, envelope.header, envelope.signature)


def verify_header(wid: WriterId, raw: bytes, signature: bytes) -> None:
    """Return if this is the writer's signature over header bytes, else raise `env.signature`."""
    if not verify(wid, _SIGNED_AS, raw, signature):
        detail = f"expected a valid signature, got {len(signature)} bytes that are none"
        raise RemoteProtocolError("env.signature", detail)


def body_of(payload: bytes) -> bytes:
    """Return the canonical body behind the salt."""
    return payload[SALT_BYTES:]


def _header_error(raw: bytes, exc: RemoteProtocolError) -> RemoteProtocolError:
    """Tell a header of another version from one that is merely wrong."""
    elements = msgspec.msgpack.decode(raw)
    if isinstance(elements, list) and elements:
        version = elements[0]
        # ENV-2: `true` is no 1, though this language takes them for equal.
        if version != VERSION or version is True:
            return RemoteProtocolError("env.version", f"expected {VERSION}, got {version}")
    return RemoteProtocolError("env.header", f"expected the 13 header elements: {exc.detail}")
