"""Invoices, their answers and credit notes: sealed between both parties (spec 10, section 14)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.limits import MAX_ITEMS
from sheaf_protocol.records.order import BasisPoints, LineIndex, require_ascending
from sheaf_protocol.records.values import (
    Amount,
    Code,
    Currency,
    EntryRef,
    Price,
    Quantity,
    TimeMs,
)

TaxCategory: TypeAlias = Literal["AE", "E", "G", "K", "L", "M", "O", "S", "Z"]
"""UNCL5305, as invoices of EN 16931 use it."""
StatusReason: TypeAlias = Literal[
    "DEL", "FIN", "ITM", "LEG", "NON", "OTH", "PAY", "PPD", "PRI", "QTY", "QUA", "REC", "REF", "UNR"
]
"""Why an invoice is answered so, by the codes of Peppol."""
StatusAction: TypeAlias = Literal["CNA", "CNF", "CNP", "NIN", "NOA", "OTH", "PIN"]
"""What the buyer asks for, by the codes of Peppol."""


class Tax(msgspec.Struct, frozen=True, kw_only=True):
    """A category of value added tax and its rate in basis points."""

    category: TaxCategory
    rate_bps: BasisPoints


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """What of one line of the order is billed or credited: goods, carriage, and the fee apart."""

    amount: Amount
    carriage: Amount
    fee: Amount
    line: LineIndex
    quantity: Quantity
    tax: Tax


class TaxTotal(msgspec.Struct, frozen=True, kw_only=True):
    """The tax of all lines of one category and rate, rounded once; `base` is without it."""

    amount: Amount
    base: Amount
    tax: Tax


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """The supplier bills what receipts say was accepted, at the order's prices.

    `carriage` is the rate of the offer, `fee_bps` that of the pool, of which `fee` is for the
    coordinator. `number` is the supplier's own; the same again is the same invoice.
    """

    after: EntryRef | UnsetType = UNSET
    carriage: Price | UnsetType = UNSET
    currency: Currency
    due_ms: TimeMs
    fee: Amount
    fee_bps: BasisPoints
    lines: Annotated[list[InvoiceLine], Meta(min_length=1, max_length=MAX_ITEMS)]
    net: Amount
    number: Code
    order: EntryRef
    receipts: Annotated[list[EntryRef], Meta(min_length=1, max_length=16)]
    tax: Amount
    taxes: Annotated[list[TaxTotal], Meta(min_length=1, max_length=16)]
    total: Amount

    def __post_init__(self) -> None:
        require_ascending(self.lines)


class InvoiceResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The buyer's answer by UNCL4343 code, always further on than the one before it.

    AB received, IP in process, UQ under query, CA accepted on a condition, RE rejected, AP
    approved, PD paid.
    """

    actions: Annotated[list[StatusAction], Meta(min_length=1, max_length=4)] | UnsetType = UNSET
    code: Literal["AB", "AP", "CA", "IP", "PD", "RE", "UQ"]
    invoice: EntryRef
    order: EntryRef
    reasons: Annotated[list[StatusReason], Meta(min_length=1, max_length=8)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.code in {"CA", "RE", "UQ"}) and self.reasons is UNSET:
            raise ValueError(f"expected reasons with {self.code}")


class CreditNote(msgspec.Struct, frozen=True, kw_only=True):
    """The supplier takes back a part of an invoice, or all: for a return or to put it right.

    Its figures are those of the invoice's lines with all that was credited by now, less those with
    what was credited before.
    """

    after: EntryRef | UnsetType = UNSET
    fee: Amount
    invoice: EntryRef
    lines: Annotated[list[InvoiceLine], Meta(min_length=1, max_length=MAX_ITEMS)]
    net: Amount
    number: Code
    order: EntryRef
    reason: StatusReason
    request: EntryRef | UnsetType = UNSET
    tax: Amount
    taxes: Annotated[list[TaxTotal], Meta(min_length=1, max_length=16)]
    total: Amount

    def __post_init__(self) -> None:
        require_ascending(self.lines)
