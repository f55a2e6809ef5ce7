"""A co-op's key log: which installations write for it, and until where (spec 02, section 3).

The log begins with an inception whose hash is the co-op's id, so no directory is needed to check
it. Offline rotation keys sign the inception; the manager key, named there, delegates writer keys
and sealing prekeys and closes writers at a cut line. A cut is a place in the writer's log and not
a time, so every node voids the same entries whatever its clock says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, assert_never

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import (
    ZERO,
    CoopId,
    Digest,
    EntryId,
    FederationId,
    WriterId,
    digest,
    short,
)
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity.keys import PublicKey, SigningKey, is_valid_key, verify
from sheaf_protocol.limits import MAX_CUTS, MAX_INT, MAX_KEY_LOG, MAX_KEY_OP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_Key = Annotated[PublicKey, Meta(min_length=32, max_length=32)]
_Hash = Annotated[Digest, Meta(min_length=32, max_length=32)]
_Time = Annotated[int, Meta(ge=0, le=MAX_INT)]
_Seq = Annotated[int, Meta(ge=0, le=MAX_KEY_LOG - 1)]
_Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"\A[^\x00-\x1f]+\Z")]
_SIGNED_AS = "key-op"


class Inception(msgspec.Struct, frozen=True, kw_only=True):
    """Operation 0: the legal person, its rotation keys and its manager key."""

    country: Annotated[str, Meta(pattern=r"\A[A-Z]{2}\Z")]
    gln: Annotated[str, Meta(pattern=r"\A[0-9]{13}\Z")] | UnsetType = UNSET
    manager: _Key
    name: _Name
    next: Annotated[list[_Hash], Meta(min_length=1, max_length=16)]
    nonce: Annotated[bytes, Meta(min_length=16, max_length=16)]
    op: Literal["inception"]
    prev: _Hash
    rotation: Annotated[list[_Key], Meta(min_length=1, max_length=16)]
    seq: Annotated[int, Meta(ge=0, le=0)]
    threshold: Annotated[int, Meta(ge=1, le=16)]
    vat: Annotated[str, Meta(pattern=r"\A[A-Z0-9]{4,20}\Z")] | UnsetType = UNSET


class Delegate(msgspec.Struct, frozen=True, kw_only=True):
    """The manager lets a key write (`writer`) or be sealed to (`prekey`) until a time."""

    cid: Annotated[CoopId, Meta(min_length=32, max_length=32)]
    expires_ms: _Time
    key: _Key
    op: Literal["delegate"]
    prev: _Hash
    role: Literal["writer", "prekey"]
    seq: _Seq


class FederationCut(msgspec.Struct, frozen=True, kw_only=True):
    """Where a close cuts the writer's log in one federation. A log of nothing is not listed."""

    fid: Annotated[FederationId, Meta(min_length=32, max_length=32)]
    last_head: Annotated[EntryId, Meta(min_length=32, max_length=32)]
    last_seq: Annotated[int, Meta(ge=1, le=MAX_INT)]


class Close(msgspec.Struct, frozen=True, kw_only=True):
    """The manager ends a writer: what lies beyond its cuts is void, and so is all that it wrote in
    federations without one, for a stolen key must not stay open where nobody thought of it.
    """

    cid: Annotated[CoopId, Meta(min_length=32, max_length=32)]
    cuts: Annotated[list[FederationCut], Meta(max_length=MAX_CUTS)]
    key: _Key
    op: Literal["close"]
    prev: _Hash
    seq: _Seq


Operation: TypeAlias = Inception | Delegate | Close
_OPERATIONS: Mapping[str, type[Inception] | type[Delegate] | type[Close]] = {
    "inception": Inception,
    "delegate": Delegate,
    "close": Close,
}


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One signature over an operation, by the key named."""

    key: _Key
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class KeyOp(msgspec.Struct, frozen=True, kw_only=True):
    """An operation's bytes as signed, with the signatures over them."""

    body: Annotated[bytes, Meta(max_length=MAX_KEY_OP)]
    signatures: Annotated[list[Signature], Meta(min_length=1, max_length=16)]

    @property
    def id(self) -> Digest:
        """The operation's id: the hash of its body, whoever signed it."""
        return digest("key-op", self.body)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """The last place of a log that still counts, and the entry there."""

    seq: int
    head: EntryId

    def is_void(self, seq: int, id_: EntryId) -> bool:
        """Return whether an entry lies beyond the cut, or at it and is not the one named.

        A stolen key can sign another past; the manager said which one counts.
        """
        return seq > self.seq or (seq == self.seq and id_ != self.head)


_NOTHING = Cut(seq=0, head=EntryId(ZERO))


@dataclass(frozen=True, kw_only=True, slots=True)
class Writer:
    """A delegated installation, open until the manager closes it, then in all federations."""

    wid: WriterId
    expires_ms: int
    is_closed: bool = False
    cuts: Mapping[FederationId, Cut] = field(default_factory=dict)
    """Where its logs end once it is closed; those not named have nothing that counts."""

    def cut_in(self, fid: FederationId) -> Cut | None:
        """Return where its log in a federation ends; None while the writer is open."""
        # IDN-28: a close that does not list the federation cuts there before the first entry.
        return self.cuts.get(fid, _NOTHING) if self.is_closed else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Prekey:
    """An X25519 key that private bodies are sealed to."""

    key: PublicKey
    expires_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyLog:
    """What a key log says so far. Immutable: an operation makes a new one."""

    cid: CoopId
    inception: Inception
    heads: tuple[Digest, ...]
    """The ids of its operations, first to last: each was the head once."""
    writers: Mapping[WriterId, Writer] = field(default_factory=dict)
    prekeys: Sequence[Prekey] = ()

    @property
    def head(self) -> Digest:
        """The id of its last operation."""
        return self.heads[-1]

    @property
    def size(self) -> int:
        """The number of its operations."""
        return len(self.heads)

    @property
    def name(self) -> str:
        """The co-op's name as its inception gives it."""
        return self.inception.name

    def prekey_at(self, now_ms: int) -> Prekey | None:
        """Return the newest prekey not expired at a time, or None."""
        live = [prekey for prekey in self.prekeys if now_ms <= prekey.expires_ms]
        return live[-1] if live else None


def next_delegate(
    log: KeyLog, key: PublicKey, role: Literal["writer", "prekey"], expires_ms: int
) -> Delegate:
    """Return the delegation of a key that continues a key log, not yet signed."""
    return Delegate(
        cid=log.cid,
        expires_ms=expires_ms,
        key=key,
        op="delegate",
        prev=log.head,
        role=role,
        seq=log.size,
    )


def sign_op(operation: Operation, keys: Iterable[SigningKey]) -> KeyOp:
    """Return the operation signed by each of the keys."""
    body = encode(operation)
    return KeyOp(
        body=body,
        signatures=[Signature(key=k.public, signature=k.sign(_SIGNED_AS, body)) for k in keys],
    )


def fold_key_log(ops: Sequence[KeyOp]) -> KeyLog:
    """Return the state after all operations, first to last.

    Raises RemoteProtocolError `key.*` at the first operation that breaks a rule.
    """
    if not ops:
        raise RemoteProtocolError("key.empty", "expected an inception, got no operation")
    state = _begin(ops[0])
    for op in ops[1:]:
        state = append_op(state, op)
    return state


def append_op(state: KeyLog, op: KeyOp) -> KeyLog:
    """Return the state after one more operation.

    Raises RemoteProtocolError: `key.gap` (not yet), `key.fork`, `key.signature`, `key.invalid`,
    `key.operation` (an operation this version does not know), `key.wrong_coop`, `key.reused`,
    `key.not_open`, `key.cuts`.
    """
    operation = _decode_op(op)
    if isinstance(operation, Inception):
        raise RemoteProtocolError("key.fork", "expected one inception, got a second")
    if operation.cid != state.cid:
        raise RemoteProtocolError("key.wrong_coop", f"expected co-op {short(state.cid)}")
    if operation.seq > state.size:
        detail = f"expected operation {state.size}, got {operation.seq}"
        raise RemoteProtocolError("key.gap", detail, Fault.NOT_YET)
    if operation.seq < state.size or operation.prev != state.head:
        raise RemoteProtocolError("key.fork", f"expected operation {state.size} on our head")
    _require_signatures(op, [state.inception.manager], 1)
    advanced = replace(state, heads=(*state.heads, op.id))
    match operation:
        case Delegate():
            return _delegate(advanced, operation)
        case Close():
            return _close(advanced, operation)
        case _:
            assert_never(operation)


def _begin(op: KeyOp) -> KeyLog:
    operation = _decode_op(op)
    if not isinstance(operation, Inception):
        raise RemoteProtocolError("key.no_inception", f"expected inception, got {operation.op}")
    if operation.threshold > len(operation.rotation) or operation.prev != ZERO:
        raise RemoteProtocolError("key.invalid", "expected threshold <= rotation keys and no prev")
    for key in (*operation.rotation, operation.manager):
        _require_valid(key)
    _require_signatures(op, operation.rotation, operation.threshold)
    cid = CoopId(digest("coop", op.body))
    return KeyLog(cid=cid, inception=operation, heads=(op.id,))


def _decode_op(op: KeyOp) -> Operation:
    kind = decode(op.body, _OpName, limit=MAX_KEY_OP).op
    if kind not in _OPERATIONS:
        raise RemoteProtocolError("key.operation", f"expected a known operation, got {kind!r}")
    return decode(op.body, _OPERATIONS[kind], limit=MAX_KEY_OP)


class _OpName(msgspec.Struct, frozen=True, kw_only=True):
    op: Annotated[str, Meta(max_length=32)]


def _require_signatures(op: KeyOp, allowed: Sequence[PublicKey], threshold: int) -> None:
    signers = {s.key for s in op.signatures if s.key in allowed}
    if len(signers) < threshold or len(signers) != len(op.signatures):
        detail = f"expected {threshold} of {len(allowed)} keys, got {len(signers)}"
        raise RemoteProtocolError("key.signature", detail)
    for s in op.signatures:
        if not verify(s.key, _SIGNED_AS, op.body, s.signature):
            raise RemoteProtocolError("key.signature", f"invalid signature of {short(s.key)}")


def _require_valid(key: bytes) -> None:
    if not is_valid_key(key):
        raise RemoteProtocolError("key.invalid", f"{short(key)} is no key of prime order")


def _delegate(state: KeyLog, op: Delegate) -> KeyLog:
    if op.role == "prekey":
        prekey = Prekey(key=op.key, expires_ms=op.expires_ms)
        return replace(state, prekeys=(*state.prekeys, prekey))
    _require_valid(op.key)
    wid = WriterId(op.key)
    if wid in state.writers:
        raise RemoteProtocolError("key.reused", f"writer {short(wid)} was delegated before")
    return replace(state, writers={**state.writers, wid: Writer(wid=wid, expires_ms=op.expires_ms)})


def _close(state: KeyLog, op: Close) -> KeyLog:
    wid = WriterId(op.key)
    writer = state.writers.get(wid)
    if writer is None or writer.is_closed:
        raise RemoteProtocolError("key.not_open", f"expected an open writer, got {short(wid)}")
    fids = [cut.fid for cut in op.cuts]
    if fids != sorted(set(fids)):
        detail = "expected each federation once, in the order of their ids"
        raise RemoteProtocolError("key.cuts", detail)
    cuts = {cut.fid: Cut(seq=cut.last_seq, head=cut.last_head) for cut in op.cuts}
    closed = replace(writer, is_closed=True, cuts=cuts)
    return replace(state, writers={**state.writers, wid: closed})
