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
OfferIndex = Annotated[int, Meta(ge=0, le=255)]
"""The place of an offer among those that a close lists."""
PriorityClass = Annotated[list[CoopRef], Meta(min_length=1, max_length=256)]


class PoolOpen(msgspec.Struct, frozen=True, kw_only=True):
    """A pool opens for an item and a zone.

    The fee is in basis points of the goods, rounded once per line. `k_min` counts co-ops with a
    line that counts; below it the pool lapses. `priority` names co-ops by class, the first served
    first; whoever is in none comes last.
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
    priority: Annotated[list[PriorityClass], Meta(min_length=1, max_length=8)] | UnsetType = UNSET
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


class RowPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What a certificate asks for each unit of demand at one row of rates, in millionths."""

    amount: Annotated[int, Meta(ge=1, le=MAX_INT)]
    row: Annotated[int, Meta(ge=0, le=1_023)]


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a certificate: a leaf has `prices`, any other splits the tiers of one offer.

    The steps up to `upto` follow first, 0 is the offer that sells nothing and 1 its first tier that
    may sell; then those above.
    """

    offer: OfferIndex | UnsetType = UNSET
    prices: Annotated[list[RowPrice], Meta(max_length=MAX_ITEMS)] | UnsetType = UNSET
    upto: Annotated[int, Meta(ge=0, le=63)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        is_leaf = self.prices is not UNSET
        if (self.offer is UNSET) != is_leaf or (self.upto is UNSET) != is_leaf:
            raise ValueError("expected prices alone, or an offer and where it is split")


class Award(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on a pool with what any member needs to check it.

    `value` is the objective in minor units. Under `single_offer_all_units/1` the `certificate` has
    the bound of each tier; under `several_offers/1` the `branches` prove a bound over all awards,
    and `gap` is how far it lies above this one, in millionths of a minor unit.
    """

    branches: Annotated[list[Branch], Meta(min_length=1, max_length=MAX_ITEMS)] | UnsetType = UNSET
    certificate: (
        Annotated[list[TierBound], Meta(min_length=1, max_length=MAX_ITEMS)] | UnsetType
    ) = UNSET
    close: EntryRef
    gap: Count | UnsetType = UNSET
    inputs: Hash
    leaves: Count
    lines: Annotated[list[AwardLine], Meta(min_length=1, max_length=256)]
    objective: RuleId
    pool: EntryRef
    quantity: Quantity
    ration: RuleId
    root: Hash
    value: Amount

    def __post_init__(self) -> None:
        has_branches = self.branches is not UNSET
        if (self.certificate is UNSET) != has_branches or (self.gap is UNSET) == has_branches:
            raise ValueError("expected a certificate, or branches with their gap")


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


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one demand gets of one offer: sums of this line alone, each rounded once."""

    amount: Amount
    carriage: Amount
    fee: Amount
    offer: EntryRef
    quantity: Quantity
    tier: TierIndex


class Allotment(msgspec.Struct, frozen=True, kw_only=True):
    """A leaf under the root of an award of several offers: what one demand gets of each.

    Parts ascend by what a unit costs at the door; of equals the highest offer id comes first.
    """

    demand: EntryRef
    parts: Annotated[list[Part], Meta(min_length=1, max_length=256)]
    salt: Annotated[bytes, Meta(min_length=16, max_length=16)]
