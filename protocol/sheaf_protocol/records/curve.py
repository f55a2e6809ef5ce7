"""Demand curves whose lines stay hidden: bids as commitments, one published sum (spec 17).

A coordinator opens a round with its price levels. Each member co-op commits to the quantities that
it would take at each level, in its own log, and seals the opening to the coordinator. The round is
closed over a list of bids before any total is known; the totals are checked by every member.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.limits import MAX_ITEMS
from sheaf_protocol.records.demand import Zone
from sheaf_protocol.records.governance import MIN_K, BasisPoints
from sheaf_protocol.records.pool import LogCut
from sheaf_protocol.records.values import (
    Amount,
    Count,
    Currency,
    EntryRef,
    Hash,
    Item,
    Quantity,
    Reason,
    Text,
    TimeMs,
    WriterRef,
)

MAX_LEVELS: Final = 64
Point: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Scalar: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Quantities: TypeAlias = Annotated[list[Count], Meta(min_length=1, max_length=MAX_LEVELS)]
"""One number for each level: what is wanted at that price, never more at a higher one."""


class CurveOpen(msgspec.Struct, frozen=True, kw_only=True):
    """A round is opened. `levels` are prices for `base` units in ascending order."""

    base: Annotated[int, Meta(ge=1, le=10**9)]
    cap: Quantity
    """The most that one co-op may bid at any level."""
    closes_at_ms: TimeMs
    currency: Currency
    dominance_bps: BasisPoints
    item: Item
    k_min: Annotated[int, Meta(ge=MIN_K, le=1_000)]
    levels: Annotated[list[Amount], Meta(min_length=1, max_length=MAX_LEVELS)]
    owner: WriterRef
    title: Text
    zone: Zone

    def __post_init__(self) -> None:
        if any(low >= high for low, high in pairwise(self.levels)):
            raise ValueError("expected each price level above the one before")


class CurveBid(msgspec.Struct, frozen=True, kw_only=True):
    """A commitment to a line, which may be of zeros: nobody sees who wants nothing.

    `below_k` is what the line does where the round is withheld. `members` is the root of the
    Merkle-sum tree over the lines of those that the co-op bids for.
    """

    below_k: Literal["alone", "roll_over", "open"]
    commitment: Point
    curve: EntryRef
    members: Hash | UnsetType = UNSET


class CurveOpening(msgspec.Struct, frozen=True, kw_only=True):
    """What a bid commits to; sealed to the coordinator, and at an award to the supplier."""

    bid: EntryRef
    blinding: Scalar
    quantities: Quantities


class CurveReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """The coordinator has the opening of a bid, and found it good or not."""

    bid: EntryRef
    curve: EntryRef
    fault: Reason | UnsetType = UNSET
    """Why the opening is not good; absent where it is."""


class CurveClose(msgspec.Struct, frozen=True, kw_only=True):
    """Which bids count, in ascending order, told before any total."""

    bids: Annotated[list[EntryRef], Meta(max_length=MAX_ITEMS)]
    curve: EntryRef
    cut: Annotated[list[LogCut], Meta(min_length=1, max_length=MAX_ITEMS)]

    def __post_init__(self) -> None:
        if any(low >= high for low, high in pairwise(self.bids)):
            raise ValueError("expected the bids in ascending order, each once")


class CurveTotals(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of all lines that count, and of their blindings."""

    blinding: Scalar
    close: EntryRef
    curve: EntryRef
    quantities: Quantities


class CurveWithhold(msgspec.Struct, frozen=True, kw_only=True):
    """The coordinator publishes no totals, and says why: each line does as it chose."""

    close: EntryRef
    curve: EntryRef
    reason: Literal["curve.too_few", "curve.dominance", "curve.differencing"]


class CurveClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A member shows that the coordinator broke a rule; whoever reads it checks the evidence."""

    curve: EntryRef
    evidence: Annotated[list[EntryRef], Meta(min_length=1, max_length=8)]
    fault: Reason
    shown: Hash | UnsetType = UNSET
