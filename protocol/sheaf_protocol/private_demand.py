"""Sums of hidden lines: vector Pedersen commitments over Ed25519 (spec 17).

A line is what one co-op would take at each price level of a round. Its commitment is a point,

    C = quantities[0] H_0 + quantities[1] H_1 + ... + blinding G

and commitments add up as lines do: the sum of all commitments is the commitment to the sum of all
lines, with the sum of the blindings. So who sees the commitments one by one and the sum in the
clear checks that nothing was added, left out or altered, and sees no line. Chapter 13, section 7,
says what this rests on and what it does not hide.

Points and scalars are bytes, 32 each, as libsodium takes them. What libsodium does not look at, or
answers with an error for valid input, is met in four places: a point from outside is checked once
(`read_commitment`), a scalar from outside is checked wherever it is used (`_scalar`), terms of zero
are left out (`_combine`), and adding starts at the identity, so that a sum may be of nothing.

libsodium multiplies in a time that does not depend on the scalar; leaving zeros out does. Who
measures a bid on the member's own machine learns how many of its levels are zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, NewType, TypeAlias

from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_core_ed25519_scalar_reduce,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)
from nacl.exceptions import RuntimeError as SodiumError

from sheaf_protocol.digest import CoopId, Digest, digest
from sheaf_protocol.errors import Fault, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Set

Line: TypeAlias = tuple[int, ...]
"""What is wanted at each price level, from the lowest price to the highest."""

Commitment = NewType("Commitment", bytes)
"""The encoding of a point of prime order: what `commit` returned or `read_commitment` let pass."""

Withheld: TypeAlias = Literal["curve.too_few", "curve.dominance", "curve.differencing"]

ORDER: Final = 2**252 + 27742317777372353535851937790883648493
"""L, the order of G and of every H; scalars are numbers below it."""

IDENTITY: Final = bytes([1]) + bytes(31)
"""The encoding of the sum of no points."""


@dataclass(frozen=True)
class Opening:
    """A line and the blinding of its commitment, or the sums of several. No repr shows them."""

    line: Line = field(repr=False)
    blinding: bytes = field(repr=False)


@dataclass(frozen=True)
class Bounds:
    """What a line of a round may be: so many levels, and at none of them more than `cap`."""

    levels: int
    cap: int


# Lines


def check_line(line: Sequence[int], bounds: Bounds) -> None:
    """Return if a co-op may bid this line (PRV-10 to PRV-12).

    Raises RemoteProtocolError `curve.levels`, `curve.cap` or `curve.order`.
    """
    if len(line) != bounds.levels:
        raise _refused("curve.levels", f"expected {bounds.levels} quantities, got {len(line)}")
    if not all(0 <= quantity <= bounds.cap for quantity in line):
        raise _refused("curve.cap", f"expected quantities of 0 to {bounds.cap} at every level")
    if any(lower < higher for lower, higher in pairwise(line)):
        raise _refused("curve.order", "expected no more at a higher price than at a lower one")


# Commitments


@cache
def generator(level: int) -> bytes:
    """Return H of a level, of which nobody knows how it is made from other points (PRV-1).

    Eight times the first hash that is the encoding of a point. About every second hash is none.
    """
    attempt = 0
    while True:
        point = _eightfold(digest("curve-level", level.to_bytes(8), attempt.to_bytes(8)))
        if point is not None and crypto_core_ed25519_is_valid_point(point):
            return point
        attempt += 1


def blinding_from(random: bytes) -> bytes:
    """Return the blinding that 64 random bytes make, as good as uniform below L (PRV-3)."""
    return crypto_core_ed25519_scalar_reduce(random)


def commit(opening: Opening) -> Commitment:
    """Return the commitment to a line (PRV-2).

    Raises RemoteProtocolError `curve.scalar` for a blinding that is none, and `curve.point` for
    a line of zeros with a blinding of zero.
    """
    point = _combine(opening)
    if point == IDENTITY:
        raise _refused("curve.point", "expected a line or a blinding that is not zero")
    return Commitment(point)


def read_commitment(point: bytes) -> Commitment:
    """Return 32 bytes from outside as a commitment, or raise `curve.point` (PRV-4).

    libsodium checks for all at once: one encoding per point, on the curve, of order L and so
    neither the identity nor of small or mixed order.
    """
    if len(point) != 32 or not crypto_core_ed25519_is_valid_point(point):
        raise _refused("curve.point", "expected the encoding of a point of prime order")
    return Commitment(point)


def check_opening(commitment: Commitment, opening: Opening, bounds: Bounds) -> None:
    """Return if the commitment is to this line and the line may be bid (PRV-10 to PRV-13).

    Raises RemoteProtocolError `curve.mismatch`, `curve.scalar` or one of `check_line`.
    """
    check_line(opening.line, bounds)
    if _combine(opening) != commitment:
        raise _refused("curve.mismatch", "expected the line and blinding of the commitment")


def add_openings(openings: Sequence[Opening]) -> Opening:
    """Return the sums of lines of one length, level by level, and of their blindings modulo L."""
    lines = zip(*(opening.line for opening in openings), strict=True)
    blinding = sum(_scalar(opening.blinding) for opening in openings) % ORDER
    return Opening(tuple(map(sum, lines)), blinding.to_bytes(32, "little"))


def verify_totals(commitments: Sequence[Commitment], totals: Opening, bounds: Bounds) -> None:
    """Return if the totals are the sums of what all these commitments are to (PRV-24).

    1,024 times the largest cap is less than 2^53, so that no sum reaches L and begins anew.

    Raises RemoteProtocolError `curve.sum`, `curve.scalar` or one of `check_line`.
    """
    check_line(totals.line, Bounds(bounds.levels, bounds.cap * len(commitments)))
    if _combine(totals) != _sum(commitments):
        raise _refused("curve.sum", "expected totals that the sum of all bids is to")


def _combine(opening: Opening) -> bytes:
    """Return the point of a line and a blinding, the identity where both are zero."""
    terms = [
        crypto_scalarmult_ed25519_noclamp(quantity.to_bytes(32, "little"), generator(level))
        for level, quantity in enumerate(opening.line)
        if quantity
    ]
    if _scalar(opening.blinding):
        terms.append(crypto_scalarmult_ed25519_base_noclamp(opening.blinding))
    return _sum(terms)


def _sum(points: Iterable[bytes]) -> bytes:
    return reduce(crypto_core_ed25519_add, points, IDENTITY)


def _scalar(blinding: bytes) -> int:
    """Return the number that 32 bytes, the lowest first, spell; PRV-5: there is one spelling."""
    number = int.from_bytes(blinding, "little")
    if len(blinding) != 32 or number >= ORDER:
        raise _refused("curve.scalar", "expected a blinding of 32 bytes and less than L")
    return number


def _eightfold(encoding: bytes) -> bytes | None:
    """Return eight times the point of this encoding, or None where it is no point's."""
    try:
        for _ in range(3):
            encoding = crypto_core_ed25519_add(encoding, encoding)
    except SodiumError:
        return None
    return encoding


# Disclosure


def check_disclosure(
    lines: Mapping[CoopId, Line],
    earlier: Iterable[Mapping[CoopId, Line]],
    k_min: int,
    dominance_bps: int,
) -> Withheld | None:
    """Return why the sum of these lines may not be published, or None (PRV-26 to PRV-28).

    Asked by the coordinator, who alone knows the lines. `earlier` are those behind the sums that it
    published before for the same item, zone and levels.
    """
    bidding = {cid: line for cid, line in lines.items() if any(line)}
    if len(bidding) < k_min:
        return "curve.too_few"
    if any(
        _dominates(max(level), sum(level), dominance_bps)
        for level in zip(*bidding.values(), strict=True)
    ):
        return "curve.dominance"
    if any(0 < _changed(lines, before) < k_min for before in earlier):
        return "curve.differencing"
    return None


def check_published(coops: Set[CoopId], earlier: Iterable[Set[CoopId]], k_min: int) -> None:
    """Return if sums over the bids of these co-ops may have been published (PRV-26, PRV-29).

    This much every member can tell, who sees whose bids a close lists and not which are of zeros.
    `earlier` are the co-ops behind the sums that the same coordinator published for the same item
    and zone at most `DIFFERENCING_MS` before.

    Raises RemoteProtocolError `curve.too_few` or `curve.differencing`.
    """
    if len(coops) < k_min:
        raise _refused("curve.too_few", f"expected bids of {k_min} co-ops, got {len(coops)}")
    for before in earlier:
        apart = len(before ^ coops)
        if 0 < apart < k_min:
            detail = f"expected {k_min} co-ops between two totals or none, got {apart}"
            raise _refused("curve.differencing", detail)


def check_own_share(line: Line, totals: Line, dominance_bps: int) -> None:
    """Return if one's own line dominates no level of the totals (PRV-27).

    Raises RemoteProtocolError `curve.dominance`.
    """
    pairs = zip(line, totals, strict=True)
    if any(_dominates(own, total, dominance_bps) for own, total in pairs):
        raise _refused("curve.dominance", "expected no totals where one line makes most of a level")


def _dominates(largest: int, total: int, dominance_bps: int) -> bool:
    return largest * 10_000 > total * dominance_bps


def _changed(lines: Mapping[CoopId, Line], before: Mapping[CoopId, Line]) -> int:
    """Return how many co-ops want something else than before; no line is a line of zeros."""
    return sum(
        any(lines.get(cid, ())) or any(before.get(cid, ()))
        for cid in lines.keys() | before.keys()
        if lines.get(cid) != before.get(cid)
    )


# Sums inside a co-op


@dataclass(frozen=True)
class SumNode:
    """A node of a Merkle-sum tree: the hash, and the sums of all lines below it."""

    hash: Digest
    sums: Line


@dataclass(frozen=True)
class SumProof:
    """Where a leaf stands, and the nodes beside the way from there up to the root."""

    index: int
    path: tuple[SumNode, ...]


def sum_leaves(count: int) -> int:
    """Return how many leaves, and so salts, the tree over `count` lines has: a power of two."""
    return 1 << max(count - 1, 0).bit_length()


def sum_root(lines: Sequence[Line], salts: Sequence[bytes]) -> SumNode:
    """Return the root over the lines of those that a co-op bids for (PRV-40 to PRV-42).

    `salts` are 16 random bytes for each of `sum_leaves(len(lines))` leaves: those of lines are
    drawn by whose they are, so that nobody else is shown the same leaf, and the rest are of zeros.
    """
    return _layers(lines, salts)[-1][0]


def prove_sum(lines: Sequence[Line], salts: Sequence[bytes], which: int) -> SumProof:
    """Return the proof that the line with this number is in the sums at the root."""
    layers = _layers(lines, salts)
    index = layers[0].index(_leaf(lines[which], salts[which]))
    path = (layer[index >> height ^ 1] for height, layer in enumerate(layers[:-1]))
    return SumProof(index, tuple(path))


def verify_sum(line: Line, salt: bytes, proof: SumProof, root: bytes, bounds: Bounds) -> Line:
    """Return the sums at the root, which this line is part of (PRV-44).

    They are the co-op's own line if `check_opening` says so of the bid that has this root.

    Raises RemoteProtocolError `curve.sum_tree`, or one of `check_line` for any line or sum.
    """
    check_line(line, bounds)
    # IDN-1: with parts of other lengths one node could be read as over several pairs.
    lengths = {len(salt) * 2, *(len(beside.hash) for beside in proof.path)}
    if lengths != {32}:
        raise _refused("curve.sum_tree", "expected a salt of 16 bytes and hashes of 32")
    node = _leaf(line, salt)
    for height, beside in enumerate(proof.path):
        check_line(beside.sums, bounds)
        is_right = proof.index >> height & 1
        node = _above(beside, node) if is_right else _above(node, beside)
        check_line(node.sums, bounds)
    if proof.index >> len(proof.path) or node.hash != root:
        raise _refused("curve.sum_tree", "expected a path from the line to the root of the bid")
    return node.sums


def _layers(lines: Sequence[Line], salts: Sequence[bytes]) -> list[list[SumNode]]:
    """Return the tree from the leaves, in the order of their hashes and so of nothing, up."""
    padding = [(0,) * len(lines[0])] * (sum_leaves(len(lines)) - len(lines))
    leaves = [_leaf(line, salt) for line, salt in zip([*lines, *padding], salts, strict=True)]
    layers = [sorted(leaves, key=lambda leaf: leaf.hash)]
    while len(layers[-1]) > 1:
        below = layers[-1]
        layers.append([_above(*pair) for pair in zip(below[::2], below[1::2], strict=True)])
    return layers


def _leaf(line: Line, salt: bytes) -> SumNode:
    return SumNode(digest("sum-leaf", salt, _packed(line)), line)


def _above(left: SumNode, right: SumNode) -> SumNode:
    # The sums of both sides are hashed one by one: of their sum alone, another pair could be shown.
    parts = (left.hash, _packed(left.sums), right.hash, _packed(right.sums))
    sums = tuple(map(sum, zip(left.sums, right.sums, strict=True)))
    return SumNode(digest("sum-node", *parts), sums)


def _packed(sums: Line) -> bytes:
    return b"".join(quantity.to_bytes(8) for quantity in sums)


def _refused(code: str, detail: str) -> RemoteProtocolError:
    return RemoteProtocolError(code, detail, Fault.AUTHOR)
