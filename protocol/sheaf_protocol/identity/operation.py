"""The six operations of a key log as they travel (spec 02, section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity.keys import PublicKey, SigningKey
from sheaf_protocol.limits import (
    MAX_CUTS,
    MAX_ENDED_WRITERS,
    MAX_INT,
    MAX_KEY_LOG,
    MAX_KEY_OP,
    MAX_SIGNERS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Key = Annotated[PublicKey, Meta(min_length=32, max_length=32)]
_Hash = Annotated[Digest, Meta(min_length=32, max_length=32)]
_Coop = Annotated[CoopId, Meta(min_length=32, max_length=32)]
_Time = Annotated[int, Meta(ge=0, le=MAX_INT)]
_Seq = Annotated[int, Meta(ge=0, le=MAX_KEY_LOG - 1)]
_Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"\A[^\x00-\x1f]+\Z")]
_Keys = Annotated[list[_Key], Meta(min_length=1, max_length=MAX_SIGNERS)]
_Hashes = Annotated[list[_Hash], Meta(min_length=1, max_length=MAX_SIGNERS)]
_Threshold = Annotated[int, Meta(ge=1, le=MAX_SIGNERS)]
_Index = Annotated[int, Meta(ge=0, le=MAX_SIGNERS - 1)]
_By = Annotated[list[_Index], Meta(min_length=1, max_length=MAX_SIGNERS)]

SIGNED_AS: Final = "key-op"
"""The purpose under which operations are signed, and their ids hashed."""


class Inception(msgspec.Struct, frozen=True, kw_only=True):
    """Operation 0: the legal person, its rotation keys, its manager key, perhaps its guardians."""

    country: Annotated[str, Meta(pattern=r"\A[A-Z]{2}\Z")]
    gln: Annotated[str, Meta(pattern=r"\A[0-9]{13}\Z")] | UnsetType = UNSET
    guardian_threshold: _Threshold | UnsetType = UNSET
    guardians: _Keys | UnsetType = UNSET
    manager: _Key
    name: _Name
    next: _Hashes
    nonce: Annotated[bytes, Meta(min_length=16, max_length=16)]
    op: Literal["inception"]
    prev: _Hash
    rotation: _Keys
    seq: Annotated[int, Meta(ge=0, le=0)]
    threshold: _Threshold
    vat: Annotated[str, Meta(pattern=r"\A[A-Z0-9]{4,20}\Z")] | UnsetType = UNSET


class Delegate(msgspec.Struct, frozen=True, kw_only=True):
    """The manager lets a key write (`writer`) or be sealed to (`prekey`) until a time."""

    cid: _Coop
    expires_ms: _Time
    key: _Key
    op: Literal["delegate"]
    prev: _Hash
    role: Literal["writer", "prekey"]
    seq: _Seq


class FederationCut(msgspec.Struct, frozen=True, kw_only=True):
    """Where a writer's log is cut in one federation. A log of nothing is not listed."""

    fid: Annotated[FederationId, Meta(min_length=32, max_length=32)]
    last_head: Annotated[EntryId, Meta(min_length=32, max_length=32)]
    last_seq: Annotated[int, Meta(ge=1, le=MAX_INT)]


_Cuts = Annotated[list[FederationCut], Meta(max_length=MAX_CUTS)]


class Close(msgspec.Struct, frozen=True, kw_only=True):
    """The manager ends a writer: what lies beyond its cuts is void, and so is all that it wrote in
    federations without one, for a stolen key must not stay open where nobody thought of it.
    """

    cid: _Coop
    cuts: _Cuts
    key: _Key
    op: Literal["close"]
    prev: _Hash
    seq: _Seq


class EndedWriter(msgspec.Struct, frozen=True, kw_only=True):
    """A writer, or a prekey, that ends with the operation that names it, whatever was said."""

    cuts: _Cuts
    key: _Key


_Ended = Annotated[list[EndedWriter], Meta(max_length=MAX_ENDED_WRITERS)]


class Recover(msgspec.Struct, frozen=True, kw_only=True):
    """The guardians name new keys of every kind, for a co-op that lost its own."""

    by: _By
    cid: _Coop
    manager: _Key
    next: _Hashes
    op: Literal["recover"]
    prev: _Hash
    rotation: _Keys
    seq: _Seq
    threshold: _Threshold
    writers: _Ended


class Revoke(msgspec.Struct, frozen=True, kw_only=True):
    """The rotation keys name the manager key from here on, and end writers."""

    by: _By
    cid: _Coop
    manager: _Key
    op: Literal["revoke"]
    prev: _Hash
    seq: _Seq
    writers: _Ended


class Rotate(msgspec.Struct, frozen=True, kw_only=True):
    """The next keys, shown now, take the place of the rotation keys and promise new next ones."""

    by: _By
    cid: _Coop
    guardian_threshold: _Threshold | UnsetType = UNSET
    guardians: _Keys | UnsetType = UNSET
    manager: _Key
    next: _Hashes
    op: Literal["rotate"]
    prev: _Hash
    rotation: _Keys
    seq: _Seq
    threshold: _Threshold
    writers: _Ended


Later: TypeAlias = Delegate | Close | Revoke | Recover | Rotate
"""An operation that continues a key log."""

Operation: TypeAlias = Inception | Later

_OPERATIONS: Final[Mapping[str, type[Operation]]] = {
    "close": Close,
    "delegate": Delegate,
    "inception": Inception,
    "recover": Recover,
    "revoke": Revoke,
    "rotate": Rotate,
}


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One signature over an operation, by the key named."""

    key: _Key
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class KeyOp(msgspec.Struct, frozen=True, kw_only=True):
    """An operation's bytes as signed, with the signatures over them."""

    body: Annotated[bytes, Meta(max_length=MAX_KEY_OP)]
    signatures: Annotated[list[Signature], Meta(min_length=1, max_length=MAX_SIGNERS)]

    @property
    def id(self) -> Digest:
        """The operation's id: the hash of its body, whoever signed it."""
        return digest(SIGNED_AS, self.body)


class _OpName(msgspec.Struct, frozen=True, kw_only=True):
    op: Annotated[str, Meta(max_length=32)]


def decode_op(op: KeyOp) -> Operation:
    """Return what an operation's body says, its signatures unchecked.

    Raises RemoteProtocolError `enc.*`, `schema.invalid`, `key.operation` (one that this version
    does not know).
    """
    kind = decode(op.body, _OpName, limit=MAX_KEY_OP).op
    if kind not in _OPERATIONS:
        raise RemoteProtocolError("key.operation", f"expected a known operation, got {kind!r}")
    return decode(op.body, _OPERATIONS[kind], limit=MAX_KEY_OP)


def sign_op(operation: Operation, keys: Iterable[SigningKey]) -> KeyOp:
    """Return the operation signed by each of the keys."""
    body = encode(operation)
    return KeyOp(
        body=body,
        signatures=[Signature(key=k.public, signature=k.sign(SIGNED_AS, body)) for k in keys],
    )
