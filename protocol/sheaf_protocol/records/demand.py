"""What a member wants (spec 10, section 3)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.records.seat import Seat
from sheaf_protocol.records.values import Code, EntryRef, Item, Price, Quantity, TimeMs, Window

Zone = Annotated[str, Meta(pattern=r"\A[A-Z0-9-]{1,16}\Z")]


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """A line wanted: all or nothing between `min_quantity` and `quantity`.

    `max_price` is landed and without VAT: goods, fee and carriage together may not exceed it.
    `ref` is the buyer's own reference; the same reference again is the same line.
    `seat` is for whom a sponsor wants it (chapter 20).
    """

    decide_by_ms: TimeMs | UnsetType = UNSET
    is_firm: bool
    item: Item
    max_price: Price
    min_quantity: Quantity
    quantity: Quantity
    ref: Code
    seat: Seat | UnsetType = UNSET
    window: Window | UnsetType = UNSET
    zone: Zone

    def __post_init__(self) -> None:
        if self.min_quantity > self.quantity:
            raise ValueError(
                f"expected min_quantity <= quantity, got {self.min_quantity} > {self.quantity}"
            )


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """The author of a demand takes it back; counts where it stands before the pool's cut."""

    demand: EntryRef
