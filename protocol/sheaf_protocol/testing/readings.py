"""How the input of a vector is read: one function for each folder of `spec/vectors`.

A reading takes the vector's bytes and returns its output, empty where the folder has none. It
refuses by RemoteProtocolError, whose code the vector's `expect` is compared with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from sheaf_protocol.blob import require_piece
from sheaf_protocol.charter import Certificate, Federation, found
from sheaf_protocol.codec import check, decode, encode
from sheaf_protocol.digest import (
    CoopId,
    Digest,  # msgspec reads the annotation
    FederationId,
    LogId,
    WriterId,
)
from sheaf_protocol.envelope import SEALED, Envelope, Header, body_of, open_header, verify_signature
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.fork import decode_fork_proof, verify_fork_proof
from sheaf_protocol.identity import (
    KeyOp,
    begin_history,
    fold_key_log,
    is_valid_key,
    merge,
    verify,
)
from sheaf_protocol.json_view import from_json, read_json
from sheaf_protocol.lifecycle import MACHINES, Party, advance
from sheaf_protocol.limits import BLOB_PIECE, MAX_BLOB, MAX_FRAME, MAX_INT
from sheaf_protocol.log import EMPTY, Head, require_next, require_writer
from sheaf_protocol.merkle import require_included
from sheaf_protocol.proof import Tail, split_runs
from sheaf_protocol.records import KINDS, PRIVATE, Price, decode_record, line_amount
from sheaf_protocol.retention import is_erased, mark_of
from sheaf_protocol.sealing import Author, Sealed, open_private
from sheaf_protocol.testing.chain import opened
from sheaf_protocol.testing.charter_readings import read_epoch, read_standing
from sheaf_protocol.testing.clearing_readings import read_award, read_own
from sheaf_protocol.testing.governance_readings import read_rounds, read_tally
from sheaf_protocol.testing.invitation_readings import read_exchange, read_link_text
from sheaf_protocol.testing.order_readings import read_bill, read_order, read_story
from sheaf_protocol.testing.private_demand_readings import (
    read_disclosure,
    read_opening,
    read_sum_tree,
    read_totals,
)
from sheaf_protocol.testing.recovery_readings import read_close, read_line, read_promise
from sheaf_protocol.testing.sync_readings import read_frontier, read_link, read_subscription
from sheaf_protocol.testing.treaty_readings import (
    read_agreement,
    read_export,
    read_import,
    read_projection,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sheaf_protocol.lifecycle import Machine


class _MerkleInput(msgspec.Struct, frozen=True, kw_only=True):
    index: Annotated[int, Meta(ge=0, le=MAX_INT)]
    leaf: Annotated[bytes, Meta(max_length=1_024)]
    path: Annotated[list[bytes], Meta(max_length=64)]
    root: Annotated[bytes, Meta(min_length=32, max_length=32)]
    size: Annotated[int, Meta(ge=0, le=MAX_INT)]


class _ErasureInput(msgspec.Struct, frozen=True, array_like=True):
    target: Envelope
    others: Annotated[list[Envelope], Meta(max_length=16)]


class _PieceInput(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    id: Annotated[bytes, Meta(min_length=32, max_length=32)]
    size: Annotated[int, Meta(ge=1, le=MAX_BLOB)]
    index: Annotated[int, Meta(ge=0, lt=MAX_BLOB // BLOB_PIECE)]
    path: Annotated[list[Annotated[bytes, Meta(min_length=32, max_length=32)]], Meta(max_length=8)]
    data: Annotated[bytes, Meta(min_length=1, max_length=BLOB_PIECE)]


class _LogInput(msgspec.Struct, frozen=True, array_like=True):
    key_log: list[KeyOp]
    entries: list[Envelope]
    tails: list[Tail]


class _HistoryInput(msgspec.Struct, frozen=True, array_like=True):
    anchors: list[Digest]
    runs: Annotated[list[list[KeyOp]], Meta(min_length=1)]


class _SignatureInput(msgspec.Struct, frozen=True, kw_only=True):
    key: bytes
    message: bytes
    purpose: Annotated[str, Meta(pattern=r"\A[a-z-]+\Z")]
    signature: bytes


class _ViewInput(msgspec.Struct, frozen=True, kw_only=True):
    json: bytes
    kind: str


class _RecordInput(msgspec.Struct, frozen=True, kw_only=True):
    body: bytes
    kind: str


class _AmountInput(msgspec.Struct, frozen=True, kw_only=True):
    amount: Annotated[int, Meta(ge=0, le=MAX_INT)]
    base: Annotated[int, Meta(ge=1, le=MAX_INT)]
    quantity: Annotated[int, Meta(ge=0, le=MAX_INT)]


class _LifecycleInput(msgspec.Struct, frozen=True, array_like=True):
    machine: Literal[
        "pool",
        "hold",
        "shipment",
        "order",
        "amendment",
        "cancellation",
        "delivery",
        "invoice",
        "return",
    ]
    events: list[tuple[str, Party]]


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    cid: CoopId
    fid: FederationId
    wid: WriterId


class _SealedInput(msgspec.Struct, frozen=True, kw_only=True):
    author: _Place
    body: bytes
    public: bytes
    secret: bytes


class _FederationInput(msgspec.Struct, frozen=True, array_like=True):
    key_logs: list[list[KeyOp]]
    certificate: Certificate
    entries: Annotated[list[Envelope], Meta(min_length=1)]


class _CharterInput(msgspec.Struct, frozen=True, array_like=True):
    key_logs: list[list[KeyOp]]
    certificate: Certificate


def _encoding(data: bytes) -> bytes:
    check(data)
    return b""


def _json_view(data: bytes) -> bytes:
    given = decode(data, _ViewInput)
    if given.kind not in KINDS:
        raise RemoteProtocolError("schema.invalid", f"expected a known kind, got {given.kind!r}")
    return encode(from_json(read_json(given.json), KINDS[given.kind]))


def _key(data: bytes) -> bytes:
    if not is_valid_key(data):
        raise RemoteProtocolError("key.invalid", "expected a key that may be registered (IDN-6)")
    return b""


def _signature(data: bytes) -> bytes:
    given = decode(data, _SignatureInput)
    if not verify(given.key, given.purpose, given.message, given.signature):
        raise RemoteProtocolError("env.signature", "expected a signature valid under strict-1")
    return b""


def _identity(data: bytes) -> bytes:
    return fold_key_log(decode(data, list[KeyOp], limit=MAX_FRAME)).cid


def _key_history(data: bytes) -> bytes:
    given = decode(data, _HistoryInput, limit=MAX_FRAME)
    history = begin_history(given.runs[0])
    for run in given.runs[1:]:
        history = merge(history, run, frozenset(given.anchors))
    return history.state.head


def _envelope(data: bytes) -> bytes:
    envelope = decode(data, Envelope, limit=MAX_FRAME)
    verify_signature(envelope, open_header(envelope))
    if envelope.payload:
        check(body_of(envelope.payload))
    return envelope.id


def _erasure(data: bytes) -> bytes:
    given = decode(data, _ErasureInput, limit=MAX_FRAME)
    marks = []
    for entry in map(opened, given.others):
        record = decode_record(entry.header.kind, body_of(entry.envelope.payload))
        mark = mark_of(entry.id, entry.header, record)
        if mark is not None:
            marks.append(mark)
    target = opened(given.target)
    return encode(is_erased(target.id, target.header, marks))


def _log(data: bytes) -> bytes:
    given = decode(data, _LogInput, limit=MAX_FRAME)
    keys, head = fold_key_log(given.key_log), EMPTY
    for run in split_runs([opened(envelope) for envelope in given.entries], given.tails):
        for index, entry in enumerate(run.entries):
            require_writer(keys, entry.header, entry.id)
            require_next(head, entry.header)
            run.require_proven(index)
            head = Head(seq=entry.header.seq, id=entry.id, time_ms=entry.header.time_ms)
    return head.id


def _fork_proof(data: bytes) -> bytes:
    return verify_fork_proof(decode_fork_proof(data)).wid


def _charter(data: bytes) -> bytes:
    given = decode(data, _CharterInput, limit=MAX_FRAME)
    logs = [fold_key_log(ops) for ops in given.key_logs]
    return found(given.certificate, {log.cid: log for log in logs}).fid


def _federation(data: bytes) -> bytes:
    given = decode(data, _FederationInput, limit=MAX_FRAME)
    logs = [fold_key_log(ops) for ops in given.key_logs]
    keys = {log.cid: log for log in logs}
    federation = found(given.certificate, keys)
    heads: dict[LogId, Head] = {}
    for envelope in given.entries:
        header = open_header(envelope)
        _require_member(federation, header)
        require_writer(keys[header.cid], header, envelope.id)
        require_next(heads.get(header.log, EMPTY), header)
        verify_signature(envelope, header)
        heads[header.log] = Head(seq=header.seq, id=envelope.id, time_ms=header.time_ms)
        _require_effect(federation, header, body_of(envelope.payload))
    return given.entries[-1].id


def _require_member(federation: Federation, header: Header) -> None:
    if header.fid != federation.fid:
        detail = "expected an entry of the federation founded"
        raise RemoteProtocolError("charter.unknown_federation", detail, Fault.NOT_YET)
    if not federation.is_member(header.cid):
        raise RemoteProtocolError("charter.not_member", "expected a member's entry", Fault.NOT_YET)


def _require_effect(federation: Federation, header: Header, body: bytes) -> None:
    if header.kind == SEALED:
        decode(body, Sealed)
    elif decode_record(header.kind, body) is None:
        check(body)
    if header.kind in PRIVATE:
        detail = "expected a private kind inside `sealed`"
        raise RemoteProtocolError("policy.unsealed", detail, Fault.AUTHOR)
    if not federation.may(header.cid, header.kind):
        detail = "expected a kind that the author's roles list"
        raise RemoteProtocolError("policy.role", detail, Fault.AUTHOR)


def _sealed(data: bytes) -> bytes:
    given = decode(data, _SealedInput)
    body = decode(given.body, Sealed)
    author = Author(fid=given.author.fid, cid=given.author.cid, wid=given.author.wid)
    inside = open_private(body, author=author, public=given.public, secret=given.secret)
    return b"" if inside is None else encode(inside)


def _merkle(data: bytes) -> bytes:
    given = decode(data, _MerkleInput)
    require_included(given.leaf, given.index, given.size, given.path, given.root)
    return b""


def _blob_piece(data: bytes) -> bytes:
    given = decode(data, _PieceInput, limit=MAX_FRAME)
    require_piece(given.id, given.size, given.index, given.data, given.path)
    return b""


def _record(data: bytes) -> bytes:
    given = decode(data, _RecordInput)
    if decode_record(given.kind, given.body) is None:
        check(given.body)
    return b""


def _amount(data: bytes) -> bytes:
    given = decode(data, _AmountInput)
    price = Price(amount=given.amount, base=given.base, currency="XXX")
    return encode(line_amount(price, given.quantity))


def _lifecycle(data: bytes) -> bytes:
    given = decode(data, _LifecycleInput)
    machine: Machine[Any] = _MACHINES[given.machine]
    state = None
    for event, party in given.events:
        state = advance(machine, state, event, party)
    return b"" if state is None else state.name.encode()


_MACHINES: Final[Mapping[str, Machine[Any]]] = {m.name: m for m in MACHINES}


def _strict(reading: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return the reading so that it refuses by RemoteProtocolError alone: the input was given."""

    def read(data: bytes) -> bytes:
        try:
            return reading(data)
        except LocalProtocolError as exc:
            raise RemoteProtocolError(exc.code, exc.detail) from exc

    return read


_PLAIN: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "02-identity": _identity,
    "02-key-history": _key_history,
    "02-key": _key,
    "02-signature": _signature,
    "03-encoding": _encoding,
    "03-json-view": _json_view,
    "04-envelope": _envelope,
    "04-erasure": _erasure,
    "04-sealed": _sealed,
    "05-log": _log,
    "05-fork-proof": _fork_proof,
    "06-blob": _blob_piece,
    "06-frontier": read_frontier,
    "06-subscription": read_subscription,
    "07-link": read_link,
    "09-charter": _charter,
    "09-epoch": read_epoch,
    "09-federation": _federation,
    "09-standing": read_standing,
    "10-amount": _amount,
    "10-bill": read_bill,
    "10-merkle": _merkle,
    "10-record": _record,
    "11-lifecycle": _lifecycle,
    "11-order": read_order,
    "11-story": read_story,
    "15-rounds": read_rounds,
    "15-tally": read_tally,
    "16-export": read_export,
    "16-import": read_import,
    "16-projection": read_projection,
    "16-treaty": read_agreement,
    "17-commitment": read_opening,
    "17-disclosure": read_disclosure,
    "17-sum-tree": read_sum_tree,
    "17-totals": read_totals,
    "18-close": read_close,
    "18-line": read_line,
    "18-promise": read_promise,
    "19-exchange": read_exchange,
    "19-link": read_link_text,
    "21-award": read_award,
    "21-own": read_own,
}

READINGS: Final = {folder: _strict(reading) for folder, reading in _PLAIN.items()}
