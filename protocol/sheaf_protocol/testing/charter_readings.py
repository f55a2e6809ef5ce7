"""Readings of the vectors on epochs: `09-epoch` and `09-standing` (spec/vectors/README.md)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sheaf_protocol.charter import Certificate, Chain
from sheaf_protocol.charter.effect import barred_by, policy_fault
from sheaf_protocol.codec import check, decode, encode
from sheaf_protocol.digest import CoopId, WriterId  # msgspec reads the annotation
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity import KeyOp, fold_key_log
from sheaf_protocol.limits import MAX_FRAME, MAX_INT
from sheaf_protocol.records import decode_record

_Id = Meta(min_length=32, max_length=32)


class _ChainInput(msgspec.Struct, frozen=True, array_like=True):
    key_logs: list[list[KeyOp]]
    certificates: Annotated[list[Certificate], Meta(min_length=1)]


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    body: bytes
    cid: Annotated[CoopId, _Id]
    kind: str
    seq: Annotated[int, Meta(ge=1, le=MAX_INT)]
    wid: Annotated[WriterId, _Id]


class _StandingInput(msgspec.Struct, frozen=True, array_like=True):
    key_logs: list[list[KeyOp]]
    certificates: Annotated[list[Certificate], Meta(min_length=1)]
    entry: _Place


def read_epoch(data: bytes) -> bytes:
    """Return the id of the certificate in force at the end of a chain."""
    given = decode(data, _ChainInput, limit=MAX_FRAME)
    return _chain(given.key_logs, given.certificates).require_one().id


def read_standing(data: bytes) -> bytes:
    """Return the version of the policy that judges an entry, which has an effect by it."""
    given = decode(data, _StandingInput, limit=MAX_FRAME)
    entry, federation = given.entry, _chain(given.key_logs, given.certificates).federation
    if not federation.was_member(entry.cid):
        raise RemoteProtocolError("charter.not_member", "expected a member's entry", Fault.NOT_YET)
    cut = federation.cut_of(entry.cid, entry.wid)
    if cut is not None and entry.seq > cut.seq:
        detail = f"expected an entry up to {cut.seq}, got {entry.seq}"
        raise RemoteProtocolError("charter.left", detail, Fault.AUTHOR)
    standing = federation.standing(entry.cid, entry.wid, entry.seq)
    fault = barred_by(standing, entry.kind)
    record = decode_record(entry.kind, entry.body)
    if record is None:
        check(entry.body)
    elif fault is None:
        fault = policy_fault(record, standing.policy)
    if fault is not None:
        raise RemoteProtocolError(fault.code, fault.detail, Fault.AUTHOR)
    return encode(standing.policy.version)


def _chain(key_logs: list[list[KeyOp]], certificates: list[Certificate]) -> Chain:
    keys = {log.cid: log for log in map(fold_key_log, key_logs)}
    genesis, *later = certificates
    chain = Chain.found(genesis, keys)
    for certificate in later:
        chain = chain.add(certificate, keys)
    return chain
