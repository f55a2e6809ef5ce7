"""Pools: demands joined under a rule, closed at a cut, awarded with a proof (spec 10, section 5).

The owning writer alone moves a pool. Its `close` names how far it had read each log; whatever
matching demand stands at or below those lines counts, so every node derives the same inputs and
none can be left out in silence. The award has a public part (totals per offer, tier and zone) and
private leaves under a Merkle root.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.limits import MAX_INT, MAX_ITEMS
from sheaf_protocol.records.demand import Zone
from sheaf_protocol.records.values import (
    Amount,
    CoopRef,
    Count,
    EntryRef,
    Hash,
    Item,
    Price,
    Quantity,
    Reason,
    RuleId,
    Text,
    TimeMs,
    Window,
    WriterRef,
)

TierIndex = Annotated[int, Meta(ge=0, le=63)]


class PoolOpen(msgspec.Struct, frozen=True, kw_only=True):
    """A pool opens for an item and a zone.

    The fee is in basis points of the goods, rounded once per line. `k_min` counts co-ops with a
    line that counts; below it the pool lapses.
    """

    closes_at_ms: TimeMs
    fee_bps: Annotated[int, Meta(ge=0, le=10_000)]
    item: Item
    k_min: Annotated[int, Meta(ge=1, le=1_000)]
    may_close_early: bool
    min_quantity: Quantity | UnsetType = UNSET
    mode: Literal["open"]
    objective: RuleId
    owner: WriterRef
    ration: RuleId
    reference: Price
    title: Text
    window: Window | UnsetType = UNSET
    zone: Zone


class LogCut(msgspec.Struct, frozen=True, kw_only=True):
    """How far the owner had read one writer's log when it closed the pool."""

    cid: CoopRef
    head: Hash
    seq: Annotated[int, Meta(ge=1, le=MAX_INT)]
    wid: WriterRef


class PoolClose(msgspec.Struct, frozen=True, kw_only=True):
    """The pool is sealed: the lines read so far, and the demands and offers that count."""

    cut: Annotated[list[LogCut], Meta(min_length=1, max_length=MAX_ITEMS)]
    demands: Annotated[list[EntryRef], Meta(max_length=MAX_ITEMS)]
    offers: Annotated[list[EntryRef], Meta(max_length=256)]
    pool: EntryRef


class PoolLapse(msgspec.Struct, frozen=True, kw_only=True):
    """The pool ends without an award, for a reason that every node can check."""

    close: EntryRef
    pool: EntryRef
    reason: Reason


class AwardLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one offer delivers into one zone at one tier; sums over the private leaves."""

    amount: Amount
    carriage: Amount
    fee: Amount
    lines: Count
    offer: EntryRef
    quantity: Quantity
    tier: TierIndex
    zone: Zone


class TierBound(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf of the certificate: no award at this offer and tier is worth more than `bound`.

    `eligible` is the total of the demands that can pay the tier. Where it does not reach the
    tier's start the leaf is infeasible and its bound is 0.
    """

    bound: Amount
    eligible: Count
    offer: EntryRef
    tier: TierIndex


class Award(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on a pool with what any member needs to check it.

    `value` is the objective: the sum over lines of reference price minus landed price.
    """

    certificate: Annotated[list[TierBound], Meta(min_length=1, max_length=MAX_ITEMS)]
    close: EntryRef
    inputs: Hash
    leaves: Count
    lines: Annotated[list[AwardLine], Meta(min_length=1, max_length=256)]
    objective: RuleId
    pool: EntryRef
    quantity: Quantity
    ration: RuleId
    root: Hash
    value: Amount


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    """A leaf under the root of an award: what one demand gets."""

    amount: Amount
    carriage: Amount
    demand: EntryRef
    fee: Amount
    offer: EntryRef
    quantity: Quantity
    salt: Annotated[bytes, Meta(min_length=16, max_length=16)]
    tier: TierIndex
