"""Orders, their answers and their changes, sealed between buyer and supplier (spec 10, section 7).

A line of an order is known by its index. `after` in a record of the supplier names the newest of
the buyer's records that it had read: by it, and by nothing else, two lines become one story.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Protocol, TypeAlias

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
    TimeMs,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

LineIndex: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_ITEMS - 1)]
"""Which line of an order, counted from 0."""
Units: TypeAlias = Annotated[int, Meta(ge=0, le=10**12)]
"""A quantity that may be none."""
BasisPoints: TypeAlias = Annotated[int, Meta(ge=0, le=10_000)]


class _OfLine(Protocol):
    @property
    def line(self) -> int: ...


def require_ascending(lines: Sequence[_OfLine]) -> None:
    """Return if lines ascend by their index, each named once (REC-10). Raises ValueError."""
    named = [each.line for each in lines]
    if named != sorted(set(named)):
        raise ValueError(f"expected lines in ascending order, each once, got {named[:8]}")


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


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a line, and until when it comes."""

    by_ms: TimeMs
    quantity: Quantity


class PromisedLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a supplier promises instead of a line as it was ordered.

    `price` may be lower than the order's and never higher. What is ordered beyond the deliveries
    is not promised and will not come.
    """

    deliveries: Annotated[list[Delivery], Meta(max_length=16)]
    line: LineIndex
    price: Price | UnsetType = UNSET


class OrderResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The supplier's answer, by UNCL4343 code: AB received, AP accepted, CA changes proposed, RE
    rejected.

    Under CA the order stands as `lines` have it where the buyer agrees before `agree_by_ms`; lines
    that are not listed stand as ordered. `cancel_fee_bps` is what cancelling costs after
    acceptance, at most, in basis points of the goods that are outstanding.
    """

    after: EntryRef | UnsetType = UNSET
    agree_by_ms: TimeMs | UnsetType = UNSET
    cancel_fee_bps: BasisPoints | UnsetType = UNSET
    code: Literal["AB", "AP", "CA", "RE"]
    lines: Annotated[list[PromisedLine], Meta(min_length=1, max_length=MAX_ITEMS)] | UnsetType = (
        UNSET
    )
    order: EntryRef
    reason: Reason | UnsetType = UNSET
    ship_from: Place | UnsetType = UNSET
    weight_g: Amount | UnsetType = UNSET

    def __post_init__(self) -> None:
        has_change = (self.agree_by_ms is not UNSET, self.lines is not UNSET)
        if has_change != (self.code == "CA",) * 2:
            raise ValueError(f"expected agree_by_ms and lines with CA alone, got {self.code}")
        if self.lines is not UNSET:
            require_ascending(self.lines)


class OrderAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """The buyer takes the changes that a response proposes (AP), or does not (RE)."""

    code: Literal["AP", "RE"]
    order: EntryRef
    reason: Reason | UnsetType = UNSET
    response: EntryRef


class OrderLapse(msgspec.Struct, frozen=True, kw_only=True):
    """The supplier's deadline passed without an agreement that it had read; final."""

    after: EntryRef | UnsetType = UNSET
    order: EntryRef
    response: EntryRef


class ChangedLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a buyer asks for instead of a line as it stands; none takes the line back."""

    line: LineIndex
    quantity: Units


class OrderChange(msgspec.Struct, frozen=True, kw_only=True):
    """The buyer asks for other quantities, or for another window, of an order that is accepted.

    Until the supplier confirms it the order stands as it was. A newer one takes its place.
    """

    lines: Annotated[list[ChangedLine], Meta(min_length=1, max_length=MAX_ITEMS)]
    order: EntryRef
    reason: Reason | UnsetType = UNSET
    window: Window | UnsetType = UNSET

    def __post_init__(self) -> None:
        require_ascending(self.lines)


class ChangeResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The supplier confirms a change (AP) or declines it (RE)."""

    after: EntryRef | UnsetType = UNSET
    change: EntryRef
    code: Literal["AP", "RE"]
    order: EntryRef
    reason: Reason | UnsetType = UNSET


class OrderCancel(msgspec.Struct, frozen=True, kw_only=True):
    """The buyer takes an order back that is not accepted, or asks to cancel what is outstanding."""

    order: EntryRef
    reason: Reason | UnsetType = UNSET


class CancelResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The supplier lets an order be cancelled (AP), for a fee or for none, or refuses (RE)."""

    after: EntryRef | UnsetType = UNSET
    cancel: EntryRef
    code: Literal["AP", "RE"]
    fee: Amount | UnsetType = UNSET
    order: EntryRef
    reason: Reason | UnsetType = UNSET
