"""Who gets how much of what a pool buys: a pure function of quantities, wants and ids.

Offers sell at different prices. From the dearest to the cheapest, each is shared among all who can
pay it in proportion to what they still want; so whoever can pay the same gets the same mix, and a
maximum has no part but in saying which prices one can pay (spec 21, CLR-13 to CLR-17).

A line gets all it wants, a part from its minimum on, or nothing. Where its part would be less, or
dearer than its maximum by rounding, it is left out and all is shared again among the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cmp_to_key
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_protocol.digest import EntryId

MIX: Final = "proportional_mix/1"
PRIORITY: Final = "priority_mix/1"
LEFT_OUT_AT_ONCE: Final = 4
"""One of so many lines that cannot be served is left out before all is shared again."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one demand wants: all or nothing between `minimum` and `want`, up to a rate."""

    id: EntryId
    want: int
    minimum: int
    rate: int
    rank: int = 0
    """Its class of priority, the first is 0; all the same where the pool has none."""


@dataclass(frozen=True, slots=True)
class Sale:
    """Units that one option sells, and the rate at which."""

    rate: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Who gets how much: for each line that gets any its part of each sale.

    `is_whole` is False where units found no taker, once the lines in `left_out` were left out.
    """

    parts: Mapping[EntryId, Sequence[int]]
    left_out: frozenset[EntryId]
    is_whole: bool


def allocate(
    lines: Sequence[Line],
    sales: Sequence[Sale],
    can_pay: Callable[[Line, Sequence[int]], bool],
    *,
    is_ranked: bool = False,
) -> Shares:
    """Return what each line gets of each sale.

    Lines ascend by id; sales descend by rate. `can_pay` tells whether a line can pay its parts,
    each rounded as money is; it is asked of every line that gets any, last with what it gets.
    `is_ranked` says that classes are served in turn.
    """
    left: list[Line] = list(lines)
    left_out: frozenset[EntryId] = frozenset()
    while True:
        parts = _shared(left, sales, is_ranked=is_ranked)
        if parts is None:
            return Shares({}, left_out, is_whole=False)
        unfit = [
            line
            for line, got in zip(left, parts, strict=True)
            if any(got) and (not can_pay(line, got) or sum(got) < line.minimum)
        ]
        if not unfit:
            served = {line.id: got for line, got in zip(left, parts, strict=True) if any(got)}
            return Shares(served, left_out, is_whole=True)
        # Not all at once: of two who each want the whole truck one is to have it.
        count = -(-len(unfit) // LEFT_OUT_AT_ONCE)
        out = {line.id for line in sorted(unfit, key=cmp_to_key(bends_less_first))[:count]}
        left = [line for line in left if line.id not in out]
        left_out |= out


def _shared(
    lines: Sequence[Line], sales: Sequence[Sale], *, is_ranked: bool
) -> list[list[int]] | None:
    """Return each line's parts of all sales; None where some units find nobody."""
    wants = [line.want for line in lines]
    if is_ranked:
        served = _served(lines, sales)
        if served is None:
            return None
        wants = served
    parts: list[list[int]] = [[0] * len(sales) for _ in lines]
    for number, sale in enumerate(sales):
        able = [at for at, line in enumerate(lines) if line.rate >= sale.rate and wants[at]]
        shares = in_proportion([wants[at] for at in able], sale.quantity)
        if shares is None:
            return None
        for at, share in zip(able, shares, strict=True):
            parts[at][number] = share
            wants[at] -= share
    return parts


def _served(lines: Sequence[Line], sales: Sequence[Sale]) -> list[int] | None:
    """Return how much each line gets in all where the first classes are served first (CLR-15)."""
    left, served = [line.want for line in lines], [0] * len(lines)
    classes: dict[int, list[int]] = {}
    for at, line in enumerate(lines):
        classes.setdefault(line.rank, []).append(at)
    for sale in sales:
        units = sale.quantity
        for rank in sorted(classes):
            able = [at for at in classes[rank] if lines[at].rate >= sale.rate and left[at]]
            wants = [left[at] for at in able]
            shares = in_proportion(wants, min(units, sum(wants)))
            for at, share in zip(able, shares or (), strict=True):
                left[at] -= share
                served[at] += share
                units -= share
        if units:
            return None
    return served


def in_proportion(wants: Sequence[int], units: int) -> list[int] | None:
    """Return units in proportion to wants, the largest remainders first, of equals the first.

    None where there are more units than are wanted.
    """
    total = sum(wants)
    if total <= units:
        return list(wants) if total == units else None
    shares = [units * want // total for want in wants]
    left = units - sum(shares)
    if left:
        by_remainder = sorted(range(len(wants)), key=lambda at: (-(units * wants[at] % total), at))
        for at in by_remainder[:left]:
            shares[at] += 1
    return shares


class Bending(Protocol):
    """What wants all or nothing between a minimum and its want."""

    @property
    def id(self) -> EntryId:
        """Its demand."""

    @property
    def want(self) -> int:
        """The most that it takes."""

    @property
    def minimum(self) -> int:
        """The least that is of use to it."""


def bends_less_first(one: Bending, other: Bending) -> int:
    """Order by minimum per want falling, then want falling, then id falling, without division."""
    here, there = one.minimum * other.want, other.minimum * one.want
    if here != there:
        return -1 if here > there else 1
    if one.want != other.want:
        return -1 if one.want > other.want else 1
    return -1 if one.id > other.id else 1
