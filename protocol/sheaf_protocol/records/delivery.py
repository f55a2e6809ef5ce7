"""Goods on their way, come, and sent back: sealed between both (spec 10, section 13)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.limits import MAX_ITEMS
from sheaf_protocol.records.order import LineIndex, Units, require_ascending
from sheaf_protocol.records.values import Code, EntryRef, Item, Quantity, Reason, TimeMs

GoodsReason: TypeAlias = Literal[
    "damaged", "expired", "late", "other", "quality", "temperature", "wrong_item"
]
"""Why goods were not taken, or go back."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a line of one batch, with the day it keeps until where it has one."""

    code: Code
    expires_ms: TimeMs | UnsetType = UNSET
    quantity: Quantity


class DespatchLine(msgspec.Struct, frozen=True, kw_only=True):
    """What of a line is on its way, and what will still follow.

    What is neither delivered nor outstanding will never come.
    """

    batches: Annotated[list[Batch], Meta(min_length=1, max_length=16)] | UnsetType = UNSET
    delivered: Units
    line: LineIndex
    outstanding: Units


class Despatch(msgspec.Struct, frozen=True, kw_only=True):
    """The supplier sends goods off. A line that it does not list stands as it stood.

    `ref` is the supplier's own number; the same again is the same despatch. After
    `inspect_until_ms` goods that the buyer said nothing of may be deemed accepted.
    """

    after: EntryRef | UnsetType = UNSET
    arrives_ms: TimeMs
    inspect_until_ms: TimeMs
    lines: Annotated[list[DespatchLine], Meta(min_length=1, max_length=MAX_ITEMS)]
    order: EntryRef
    packages: Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType = UNSET
    ref: Code

    def __post_init__(self) -> None:
        require_ascending(self.lines)
        if self.inspect_until_ms < self.arrives_ms:
            raise ValueError("expected arrives_ms <= inspect_until_ms")


class ReceiptLine(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a line of a despatch, and what of that the buyer keeps: `accepted`.

    `short` did not come, `over` came beyond what was advised; `damaged` and `refused` are not kept.
    """

    accepted: Units
    damaged: Units
    line: LineIndex
    over: Units
    reason: GoodsReason | UnsetType = UNSET
    refused: Units
    short: Units


class UnorderedLine(msgspec.Struct, frozen=True, kw_only=True):
    """What came and was never ordered; nobody owes anything for it."""

    item: Item
    quantity: Quantity
    reason: GoodsReason | UnsetType = UNSET


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The buyer counts what a despatch brought; lines that it does not list came as advised."""

    despatch: EntryRef
    lines: Annotated[list[ReceiptLine], Meta(max_length=MAX_ITEMS)]
    order: EntryRef
    unordered: Annotated[list[UnorderedLine], Meta(min_length=1, max_length=64)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        require_ascending(self.lines)


class DeemedReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """The time to inspect a despatch passed, by the supplier's clock: it came as advised."""

    after: EntryRef | UnsetType = UNSET
    despatch: EntryRef
    order: EntryRef


class ReturnLine(msgspec.Struct, frozen=True, kw_only=True):
    """What of a line goes back, and why."""

    line: LineIndex
    quantity: Quantity
    reason: GoodsReason


class ReturnRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The buyer asks to give back goods that were accepted, by receipt or for want of one."""

    despatch: EntryRef
    lines: Annotated[list[ReturnLine], Meta(min_length=1, max_length=MAX_ITEMS)]
    order: EntryRef
    ref: Code

    def __post_init__(self) -> None:
        require_ascending(self.lines)


class ReturnResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The supplier takes the goods back (AP) or does not (RE)."""

    after: EntryRef | UnsetType = UNSET
    code: Literal["AP", "RE"]
    order: EntryRef
    reason: Reason | UnsetType = UNSET
    request: EntryRef
