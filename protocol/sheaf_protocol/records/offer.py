"""A supplier's binding prices by volume (spec 10, section 4)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.records.demand import Zone
from sheaf_protocol.records.seat import Seat
from sheaf_protocol.records.values import (
    Amount,
    Code,
    Currency,
    EntryRef,
    Item,
    Price,
    Quantity,
    TimeMs,
)


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """From a total quantity on, every unit costs `amount` for the offer's base."""

    amount: Amount
    from_quantity: Quantity


class Carriage(msgspec.Struct, frozen=True, kw_only=True):
    """Carriage to a zone: `amount` for the offer's base, part of the landed price."""

    amount: Amount
    zone: Zone


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A standing offer for an item, binding until `valid_until_ms`.

    Tiers ascend by quantity and fall in price; under `all_units` the tier reached by the pool's
    total prices every unit. `max_quantity` is what the supplier can deliver, `min_quantity` the
    least that it delivers at all, and what it delivers is a multiple of `pack`. `seat` is for whom
    a sponsor offers it (chapter 20).
    """

    base: Annotated[int, Meta(ge=1, le=10**9)]
    carriage: Annotated[list[Carriage], Meta(max_length=256)] | UnsetType = UNSET
    currency: Currency
    item: Item
    lead_days: Annotated[int, Meta(ge=0, le=3_650)] | UnsetType = UNSET
    max_quantity: Quantity | UnsetType = UNSET
    min_quantity: Quantity | UnsetType = UNSET
    pack: Quantity | UnsetType = UNSET
    ref: Code
    seat: Seat | UnsetType = UNSET
    tier_basis: Literal["all_units"]
    tiers: Annotated[list[Tier], Meta(min_length=1, max_length=64)]
    unit_weight_g: Annotated[int, Meta(ge=0, le=10**9)] | UnsetType = UNSET
    valid_until_ms: TimeMs

    def __post_init__(self) -> None:
        for lower, higher in zip(self.tiers, self.tiers[1:], strict=False):
            if lower.from_quantity >= higher.from_quantity or lower.amount <= higher.amount:
                raise ValueError("expected tiers ascending by quantity and falling in price")

    @property
    def has_least(self) -> bool:
        """Whether it sells no less than some quantity, or whole packs only."""
        quantities = (self.tiers[0].from_quantity, self.min_quantity, self.pack)
        return any(each is not UNSET and each > 1 for each in quantities)

    def price(self, tier: int) -> Price:
        """Return the price of a tier by its index."""
        return Price(amount=self.tiers[tier].amount, base=self.base, currency=self.currency)


class OfferWithdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """The supplier takes an offer back; counts where it stands before the pool's cut."""

    offer: EntryRef
