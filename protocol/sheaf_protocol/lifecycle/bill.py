"""What accepted goods come to: lines, fee, tax and totals (spec 10, section 14).

Each part of a line is rounded once, half to even, and the tax of each category and rate once. A
credit note is the difference of two bills, so what is credited in pieces adds up to the invoice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.records.invoice import InvoiceLine, Tax, TaxTotal
from sheaf_protocol.records.values import Price, line_amount

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_TAXED: Final = frozenset({"L", "M", "S"})
"""The categories of UNCL5305 whose rate may be above 0."""
_ALL_BPS: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """What goods cost beside their price: carriage by quantity, the fee by the goods' amount."""

    carriage: Price | None = None
    fee_bps: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """So much of one line of an order, at its price and tax."""

    line: int
    price: Price
    quantity: int
    tax: Tax


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """Rows with their amounts, and what they come to."""

    lines: tuple[InvoiceLine, ...]
    taxes: tuple[TaxTotal, ...]

    @property
    def fee(self) -> int:
        """What of the net is the coordinator's."""
        return sum(line.fee for line in self.lines)

    @property
    def net(self) -> int:
        """All without tax."""
        return sum(line.amount + line.carriage + line.fee for line in self.lines)

    @property
    def tax(self) -> int:
        """The tax of all categories."""
        return sum(each.amount for each in self.taxes)

    @property
    def total(self) -> int:
        """What is to be paid."""
        return self.net + self.tax


def is_tax_sound(tax: Tax) -> bool:
    """Return whether a category may have this rate: those without tax have 0 (REC-23)."""
    return tax.rate_bps == 0 or tax.category in _TAXED


def part_of(amount: int, bps: int) -> int:
    """Return basis points of an amount, rounded half to even once."""
    return line_amount(Price(amount=bps, base=_ALL_BPS, currency="XXX"), amount)


def make_bill(rows: Iterable[Row], rates: Rates) -> Bill:
    """Return the bill of rows, in their order."""
    lines = tuple(_line(row, rates) for row in rows)
    return Bill(lines=lines, taxes=_taxes(lines))


def difference(after: Bill, before: Bill) -> Bill:
    """Return what one bill has more than another that has no line or tax of its own."""
    had = {line.line: line for line in before.lines}
    rest = [_less(line, had.get(line.line)) for line in after.lines]
    lines = tuple(line for line in rest if line.quantity)
    taxed = {_key(each.tax): each for each in before.taxes}
    kept = {_key(line.tax) for line in lines}
    totals = (each for each in after.taxes if _key(each.tax) in kept)
    taxes = tuple(_tax_less(each, taxed.get(_key(each.tax))) for each in totals)
    return Bill(lines=lines, taxes=taxes)


def _line(row: Row, rates: Rates) -> InvoiceLine:
    amount = line_amount(row.price, row.quantity)
    return InvoiceLine(
        amount=amount,
        carriage=0 if rates.carriage is None else line_amount(rates.carriage, row.quantity),
        fee=part_of(amount, rates.fee_bps),
        line=row.line,
        quantity=row.quantity,
        tax=row.tax,
    )


def _taxes(lines: Sequence[InvoiceLine]) -> tuple[TaxTotal, ...]:
    bases: Counter[tuple[str, int]] = Counter()
    taxes: Mapping[tuple[str, int], Tax] = {_key(line.tax): line.tax for line in lines}
    for line in lines:
        bases[_key(line.tax)] += line.amount + line.carriage + line.fee
    return tuple(
        TaxTotal(amount=part_of(bases[key], key[1]), base=bases[key], tax=tax)
        for key, tax in sorted(taxes.items())
    )


def _less(line: InvoiceLine, had: InvoiceLine | None) -> InvoiceLine:
    if had is None:
        return line
    return InvoiceLine(
        amount=line.amount - had.amount,
        carriage=line.carriage - had.carriage,
        fee=line.fee - had.fee,
        line=line.line,
        quantity=line.quantity - had.quantity,
        tax=line.tax,
    )


def _tax_less(total: TaxTotal, had: TaxTotal | None) -> TaxTotal:
    if had is None:
        return total
    return TaxTotal(amount=total.amount - had.amount, base=total.base - had.base, tax=total.tax)


def _key(tax: Tax) -> tuple[str, int]:
    return (tax.category, tax.rate_bps)
