"""How the inputs of vectors on private demand (chapter 17) are read."""

from __future__ import annotations

from typing import Annotated, TypeAlias, cast

import msgspec
from msgspec import Meta

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.limits import MAX_FRAME, MAX_ITEMS
from sheaf_protocol.private_demand import (
    Bounds,
    Line,
    Opening,
    SumNode,
    SumProof,
    check_disclosure,
    check_opening,
    check_published,
    read_commitment,
    verify_sum,
    verify_totals,
)
from sheaf_protocol.records.curve import Point, Scalar
from sheaf_protocol.records.values import CoopRef, Count, Hash

_Numbers: TypeAlias = Annotated[list[Count], Meta(max_length=128)]


class _Opened(msgspec.Struct, frozen=True, kw_only=True):
    blinding: Scalar
    cap: Count
    levels: Count
    line: _Numbers

    @property
    def bounds(self) -> Bounds:
        return Bounds(levels=self.levels, cap=self.cap)

    @property
    def opening(self) -> Opening:
        return Opening(tuple(self.line), self.blinding)


class _CommitmentInput(_Opened, frozen=True, kw_only=True):
    commitment: Point


class _TotalsInput(_Opened, frozen=True, kw_only=True):
    commitments: Annotated[list[Point], Meta(max_length=MAX_ITEMS)]


class _Step(msgspec.Struct, frozen=True, array_like=True):
    hash: Hash
    sums: _Numbers


class _SumInput(msgspec.Struct, frozen=True, kw_only=True):
    cap: Count
    index: Count
    levels: Count
    line: _Numbers
    path: Annotated[list[_Step], Meta(max_length=16)]
    root: Hash
    salt: Annotated[bytes, Meta(min_length=16, max_length=16)]


_Table: TypeAlias = list[tuple[CoopRef, _Numbers]]


class _LinesInput(msgspec.Struct, frozen=True, array_like=True, tag="lines"):
    lines: _Table
    earlier: list[_Table]
    k_min: Count
    dominance_bps: Count


class _CoopsInput(msgspec.Struct, frozen=True, array_like=True, tag="coops"):
    coops: list[CoopRef]
    earlier: list[list[CoopRef]]
    k_min: Count


_DisclosureInput: TypeAlias = _LinesInput | _CoopsInput


def read_opening(data: bytes) -> bytes:
    """Check that a commitment opens to a line."""
    given = decode(data, _CommitmentInput)
    check_opening(read_commitment(given.commitment), given.opening, given.bounds)
    return b""


def read_totals(data: bytes) -> bytes:
    """Check totals against the commitments that they are of."""
    given = decode(data, _TotalsInput, limit=MAX_FRAME)
    bids = [read_commitment(point) for point in given.commitments]
    verify_totals(bids, given.opening, given.bounds)
    return b""


def read_sum_tree(data: bytes) -> bytes:
    """Return the sums at the root that a line is part of."""
    given = decode(data, _SumInput)
    path = tuple(SumNode(step.hash, tuple(step.sums)) for step in given.path)
    bounds = Bounds(levels=given.levels, cap=given.cap)
    proof = SumProof(given.index, path)
    sums = verify_sum(tuple(given.line), given.salt, proof, given.root, bounds)
    return encode(list(sums))


def read_disclosure(data: bytes) -> bytes:
    """Judge whether sums may be published: as the coordinator sees it, or as everybody does."""
    given = decode(data, cast("type[_DisclosureInput]", _DisclosureInput))
    if isinstance(given, _CoopsInput):
        check_published(set(given.coops), map(set, given.earlier), given.k_min)
        return b""
    earlier = map(_by_coop, given.earlier)
    code = check_disclosure(_by_coop(given.lines), earlier, given.k_min, given.dominance_bps)
    if code is not None:
        raise RemoteProtocolError(code, "expected sums that may be published", Fault.AUTHOR)
    return b""


def _by_coop(table: _Table) -> dict[CoopRef, Line]:
    return {cid: tuple(line) for cid, line in table}
