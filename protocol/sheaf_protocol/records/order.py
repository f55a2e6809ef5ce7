"""Orders and their answers, sealed between buyer and supplier (spec 10, section 7)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.limits import MAX_ITEMS
from sheaf_protocol.records.values import (
    Amount,
    CoopRef,
    EntryRef,
    Item,
    Place,
    Price,
    Quantity,
    Reason,
    Window,
)


class DropLine(msgspec.Struct, frozen=True, kw_only=True):
    """One buyer's part of an order."""

    amount: Amount
    demand: EntryRef
    quantity: Quantity


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A co-op orders what an award allocated to it from the supplier that won."""

    award: EntryRef
    drop: Place | UnsetType = UNSET
    item: Item
    lines: Annotated[list[DropLine], Meta(min_length=1, max_length=MAX_ITEMS)]
    offer: EntryRef
    price: Price
    supplier: CoopRef
    window: Window | UnsetType = UNSET


class OrderResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The supplier's answer: UNCL4343 code AP (accepted) or RE (rejected, with a reason)."""

    code: Literal["AP", "RE"]
    order: EntryRef
    reason: Reason | UnsetType = UNSET
    ship_from: Place | UnsetType = UNSET
    weight_g: Amount | UnsetType = UNSET
