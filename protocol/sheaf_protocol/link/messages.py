"""What travels inside a frame once the handshake is done (spec chapter 07, section 4).

Every message is an array whose first element names it, so a frame is decoded in one pass. (The
codec refuses tags on records, because a decoder lets a map's tag be absent; an array has no
absent elements.) Inside, federations are named by a blinded scope and never by their id.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias, cast

import msgspec
from msgspec import Meta

from sheaf_protocol.charter import Certificate
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, LogId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import FrontierItem
from sheaf_protocol.identity import KeyOp
from sheaf_protocol.limits import (
    CREDIT_BYTES,
    MAX_BATCH_BYTES,
    MAX_BATCH_ENTRIES,
    MAX_FRAME,
    MAX_INT,
    MAX_KEY_LOG,
)
from sheaf_protocol.log import ForkProof

LIST = 1_000
"""Items of one list in a message; longer lists go as several messages, which add up."""

Code = Annotated[str, Meta(pattern=r"\A[a-z0-9_]{1,32}\.[a-z0-9_]{1,32}\Z")]
Scope16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
_Hash = Annotated[Digest, Meta(min_length=32, max_length=32)]
_Coop = Annotated[CoopId, Meta(min_length=32, max_length=32)]
_Fid = Annotated[FederationId, Meta(min_length=32, max_length=32)]
_Seq = Annotated[int, Meta(ge=1, le=MAX_INT)]
_Size = Annotated[int, Meta(ge=0, le=MAX_KEY_LOG)]


class KeyLogItem(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One key log as held: how many operations, and eight bytes of the last one's id."""

    cid: _Coop
    size: _Size
    head8: Annotated[bytes, Meta(min_length=8, max_length=8)]


class KeyLogWant(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A key log from operation `first` on."""

    cid: _Coop
    first: _Size


class KeyOps(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Operations of one key log, in order and without a gap."""

    cid: _Coop
    ops: Annotated[list[KeyOp], Meta(min_length=1, max_length=MAX_KEY_LOG)]


class RangeItem(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Entries `first` to `last` of a log, both included."""

    log: Annotated[LogId, Meta(min_length=32, max_length=32)]
    first: _Seq
    last: _Seq


class ControlHave(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="control_have"
):
    """The key logs, certificates and fork proofs held; data is judged only after these."""

    key_logs: Annotated[list[KeyLogItem], Meta(max_length=LIST)]
    certificates: Annotated[list[_Fid], Meta(max_length=LIST)]
    proofs: Annotated[list[_Hash], Meta(max_length=LIST)]
    is_last: bool
    """False where the lists go on in the next message."""


class ControlWant(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="control_want"
):
    """What the sender lacks of the other's `control_have`."""

    key_logs: Annotated[list[KeyLogWant], Meta(max_length=LIST)]
    certificates: Annotated[list[_Fid], Meta(max_length=LIST)]
    proofs: Annotated[list[_Hash], Meta(max_length=LIST)]


class ControlItems(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="control_items"
):
    """The answer to `control_want`: key logs first, as the others are checked by them."""

    key_logs: Annotated[list[KeyOps], Meta(max_length=LIST)]
    certificates: Annotated[list[Certificate], Meta(max_length=LIST)]
    proofs: Annotated[list[ForkProof], Meta(max_length=LIST)]
    is_last: bool
    """True in the last message of an answer."""


class Scope(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="scope"):
    """The federations whose data the sender is ready for, blinded; and which store speaks."""

    scopes: Annotated[list[Scope16], Meta(max_length=LIST)]
    store_id: Annotated[bytes, Meta(min_length=16, max_length=32)]


class Compare(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="compare"
):
    """The sender's root. Whoever has another answers with a `have` of all its logs."""

    scope: Scope16
    root: _Hash


class Have(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="have"):
    """The sender's root, and those of its logs that the other may not know of."""

    scope: Scope16
    root: _Hash
    items: Annotated[list[FrontierItem], Meta(max_length=LIST)]


class Want(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="want"):
    """Ranges to send. A new `want` takes the place of one still being answered."""

    scope: Scope16
    ranges: Annotated[list[RangeItem], Meta(min_length=1, max_length=LIST)]


class Entries(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="entries"
):
    """A batch: of the ranges wanted, or of the sender's own newest entries (`is_live`)."""

    scope: Scope16
    is_live: bool
    envelopes: Annotated[list[Envelope], Meta(min_length=1, max_length=MAX_BATCH_ENTRIES)]


class Served(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="served"
):
    """The last `want` is answered: what has not come by now will not come."""

    scope: Scope16


class Credit(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="credit"
):
    """The other may send this many bytes more; granted once what it sent is stored."""

    size: Annotated[int, Meta(ge=1, le=CREDIT_BYTES)]


class Reject(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="reject"
):
    """An entry of the other was not stored, and why."""

    entry: Annotated[EntryId, Meta(min_length=32, max_length=32)]
    code: Code


class Bye(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="bye"):
    """The last message of a link, and why it ends."""

    code: Code


ControlMessage: TypeAlias = ControlHave | ControlWant | ControlItems | Scope
DataMessage: TypeAlias = Compare | Have | Want | Entries | Served
Message: TypeAlias = ControlMessage | DataMessage | Credit | Reject | Bye


def encode_message(message: Message) -> bytes:
    """Return the plaintext of a frame."""
    return encode(message)


def decode_message(data: bytes) -> Message:
    """Return the message of a frame's plaintext.

    Raises RemoteProtocolError `enc.*`, `link.message` (no message of version 1) and `link.batch`.
    """
    try:
        message = decode(data, cast("type[Message]", Message), limit=MAX_FRAME)
    except RemoteProtocolError as exc:
        if exc.code != "schema.invalid":
            raise
        raise RemoteProtocolError("link.message", f"expected a message: {exc.detail}") from exc
    if isinstance(message, Entries) and cost(message) > MAX_BATCH_BYTES:
        detail = f"expected at most {MAX_BATCH_BYTES} bytes, got {cost(message)}"
        raise RemoteProtocolError("link.batch", detail)
    return message


def cost(message: Message) -> int:
    """Return the credit that a message uses up: what makes the receiver verify and store."""
    if isinstance(message, Entries):
        return sum(envelope.size for envelope in message.envelopes)
    if isinstance(message, ControlItems):
        return (
            sum(key_op_size(op) for log in message.key_logs for op in log.ops)
            + sum(certificate_size(certificate) for certificate in message.certificates)
            + sum(proof_size(proof) for proof in message.proofs)
        )
    return 0


def key_op_size(op: KeyOp) -> int:
    """Return the bytes of an operation and its signatures."""
    return len(op.body) + sum(len(s.key) + len(s.signature) for s in op.signatures)


def certificate_size(certificate: Certificate) -> int:
    """Return the bytes of a certificate and its approvals."""
    return len(certificate.body) + sum(len(a.cid) + len(a.signature) for a in certificate.approvals)


def proof_size(proof: ForkProof) -> int:
    """Return the bytes of both sides of a proof."""
    return proof.first.size + proof.second.size
