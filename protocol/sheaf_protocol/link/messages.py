"""What travels inside a frame once the handshake is done (spec chapter 07, section 4).

Every message is an array whose first element names it, so a frame is decoded in one pass. (The
codec refuses tags on records, because a decoder lets a map's tag be absent; an array has no
absent elements.) Inside, federations are named by a blinded scope and never by their id.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias, cast

import msgspec
from msgspec import UNSET, Meta

from sheaf_protocol.blob import BlobId
from sheaf_protocol.charter import Approval, Certificate
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, Digest, EntryId, LogId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.fork import ForkProof
from sheaf_protocol.frontier import DEEPEST, FANOUT, FrontierItem
from sheaf_protocol.identity import KeyOp
from sheaf_protocol.limits import (
    BLOB_PIECE,
    CREDIT_BYTES,
    MAX_BATCH_BYTES,
    MAX_BATCH_ENTRIES,
    MAX_BLOB,
    MAX_FRAME,
    MAX_INT,
    MAX_KEY_LOG,
    MAX_PAYLOAD,
    SALT_BYTES,
)
from sheaf_protocol.proof import Tail
from sheaf_protocol.subscription import Filter

LIST = 1_000
"""Items of one list in a message; longer lists go as several messages, which add up."""

NODES: Final = 256
"""Nodes of one `tree`: 139 KB."""

PAYLOADS: Final = 2_048
"""Entries that one `payload_want` covers: the other may look into all of them for nothing."""

Code = Annotated[str, Meta(pattern=r"\A[a-z0-9_]{1,32}\.[a-z0-9_]{1,32}\Z")]
Scope16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
_Hash = Annotated[Digest, Meta(min_length=32, max_length=32)]
_Coop = Annotated[CoopId, Meta(min_length=32, max_length=32)]
_Arrival = Annotated[int, Meta(ge=0, le=MAX_INT)]
_Prefix = Annotated[str, Meta(pattern=rf"\A[0-9a-f]{{0,{DEEPEST}}}\Z")]
_Seq = Annotated[int, Meta(ge=1, le=MAX_INT)]
_Size = Annotated[int, Meta(ge=1, le=MAX_KEY_LOG)]
_First = Annotated[int, Meta(ge=0, le=MAX_KEY_LOG - 1)]
_Blob = Annotated[BlobId, Meta(min_length=32, max_length=32)]
_Piece = Annotated[int, Meta(ge=0, le=MAX_BLOB // BLOB_PIECE - 1)]


class KeyLogItem(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One key log as held: how many operations, and the head of the state in force, in full: two
    operations whose ids begin alike are made in a night."""

    cid: _Coop
    size: _Size
    head: _Hash


class KeyLogWant(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A key log from operation `first` on."""

    cid: _Coop
    first: _First


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
    """The key logs, certificates and fork proofs held, each certificate behind those it stands on;
    data is judged only after these."""

    key_logs: Annotated[list[KeyLogItem], Meta(max_length=LIST)]
    certificates: Annotated[list[_Hash], Meta(max_length=LIST)]
    proofs: Annotated[list[_Hash], Meta(max_length=LIST)]
    is_last: bool
    """False where the lists go on in the next message."""


class ControlWant(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="control_want"
):
    """What the sender lacks of the other's `control_have`."""

    key_logs: Annotated[list[KeyLogWant], Meta(max_length=LIST)]
    certificates: Annotated[list[_Hash], Meta(max_length=LIST)]
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


class Idle(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="idle"):
    """The sender's roots of all common federations in one digest. Whoever computes another sends a
    `compare` for each federation."""

    digest: Annotated[bytes, Meta(min_length=16, max_length=16)]


class Compare(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="compare"
):
    """The sender's root, and up to which arrival number it knows the receiver's store (0: not at
    all). The answer is a `have` or, of large frontiers, a `tree`."""

    scope: Scope16
    root: _Hash
    since: _Arrival


class Have(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="have"):
    """The sender's root and latest arrival number, and those of its logs that the other may not
    know of."""

    scope: Scope16
    root: _Hash
    arrival: _Arrival
    items: Annotated[list[FrontierItem], Meta(max_length=LIST)]


class TreeNode(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One node of the digest tree: the hex digits that lead to it, and its sixteen parts."""

    prefix: _Prefix
    digests: Annotated[list[_Hash], Meta(min_length=FANOUT, max_length=FANOUT)]


class Tree(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="tree"):
    """Nodes of the sender's digest tree, to be compared with the receiver's."""

    scope: Scope16
    nodes: Annotated[list[TreeNode], Meta(min_length=1, max_length=NODES)]


class TreeWant(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="tree_want"
):
    """Prefixes below which the sender wants all logs told, in a `have` with full heads."""

    scope: Scope16
    prefixes: Annotated[list[_Prefix], Meta(min_length=1, max_length=LIST)]


class Lagged(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="lagged"
):
    """Pushes were left out for want of credit: the receiver compares again."""

    scope: Scope16


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
    tails: Annotated[list[Tail], Meta(max_length=MAX_BATCH_ENTRIES)]
    """What proves those at the end of a run that carry no signature, run by run (LOG-6)."""


class Served(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="served"
):
    """The last `want` or `payload_want` is answered: what has not come by now will not come."""

    scope: Scope16


class Subscribe(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="subscribe"
):
    """Which payloads the sender wants from now on; before the first one it is all of them."""

    scope: Scope16
    filter: Filter


class PayloadWant(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="payload_want"
):
    """Entries whose payloads to send, as far as they are held and wanted. It takes the place of a
    `want` still being answered."""

    scope: Scope16
    ranges: Annotated[list[RangeItem], Meta(min_length=1, max_length=LIST)]


class PayloadItem(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The payload of one entry."""

    log: Annotated[LogId, Meta(min_length=32, max_length=32)]
    seq: _Seq
    payload: Annotated[bytes, Meta(min_length=SALT_BYTES, max_length=MAX_PAYLOAD)]


class Payloads(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="payloads"
):
    """Payloads of the entries asked for, in the order of the question."""

    scope: Scope16
    items: Annotated[list[PayloadItem], Meta(min_length=1, max_length=MAX_BATCH_ENTRIES)]


class BlobWant(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="blob_want"
):
    """Pieces of a blob to send, `first` to `last`, both included; those beyond its end are not
    meant."""

    scope: Scope16
    id: _Blob
    first: _Piece
    last: _Piece


class BlobPiece(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="blob_piece"
):
    """One piece of a blob, with the blob's size and what proves both to whoever knows the id."""

    scope: Scope16
    id: _Blob
    size: Annotated[int, Meta(ge=1, le=MAX_BLOB)]
    index: _Piece
    path: Annotated[list[_Hash], Meta(max_length=8)]
    data: Annotated[bytes, Meta(min_length=1, max_length=BLOB_PIECE)]


class BlobEnd(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="blob_end"
):
    """The `blob_want` for this blob is answered: `ok`, or why there is no more to come."""

    scope: Scope16
    id: _Blob
    code: Annotated[str, Meta(pattern=r"\A(ok|[a-z0-9_]{1,32}\.[a-z0-9_]{1,32})\Z")]


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
EntryMessage: TypeAlias = Compare | Have | Tree | TreeWant | Want | Entries | Served | Lagged
PayloadMessage: TypeAlias = Subscribe | PayloadWant | Payloads
BlobMessage: TypeAlias = BlobWant | BlobPiece | BlobEnd
DataMessage: TypeAlias = EntryMessage | PayloadMessage | BlobMessage
Message: TypeAlias = ControlMessage | DataMessage | Idle | Credit | Reject | Bye


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
    if isinstance(message, Entries | Payloads) and cost(message) > MAX_BATCH_BYTES:
        detail = f"expected at most {MAX_BATCH_BYTES} bytes, got {cost(message)}"
        raise RemoteProtocolError("link.batch", detail)
    if isinstance(message, PayloadWant) and covered(message) > PAYLOADS:
        detail = f"expected at most {PAYLOADS} entries, got {covered(message)}"
        raise RemoteProtocolError("link.batch", detail)
    return message


def cost(message: Message) -> int:
    """Return the credit that a message uses up: what makes the receiver verify and store."""
    if isinstance(message, Entries):
        return sum(e.size for e in message.envelopes) + sum(t.size for t in message.tails)
    if isinstance(message, Payloads):
        return sum(len(item.payload) for item in message.items)
    if isinstance(message, BlobPiece):
        return len(message.data) + sum(map(len, message.path))
    if isinstance(message, ControlItems):
        return (
            sum(key_op_size(op) for log in message.key_logs for op in log.ops)
            + sum(certificate_size(certificate) for certificate in message.certificates)
            + sum(proof_size(proof) for proof in message.proofs)
        )
    return 0


def covered(message: PayloadWant) -> int:
    """Return how many entries a question is about."""
    return sum(max(0, r.last - r.first + 1) for r in message.ranges)


def key_op_size(op: KeyOp) -> int:
    """Return the bytes of an operation and its signatures."""
    return len(op.body) + sum(len(s.key) + len(s.signature) for s in op.signatures)


def certificate_size(certificate: Certificate) -> int:
    """Return the bytes of a certificate and its approvals."""
    return len(certificate.body) + sum(map(_approval_size, certificate.approvals))


def _approval_size(approval: Approval) -> int:
    writer = 0 if approval.wid is UNSET else len(approval.wid)
    return len(approval.cid) + len(approval.signature) + writer


def proof_size(proof: ForkProof) -> int:
    """Return the bytes of both sides of a proof."""
    return proof.first.size + proof.second.size
