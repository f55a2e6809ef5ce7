"""Invoices and credit notes of an order, recomputed by whoever reads them (spec 10, section 14)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import UNSET

from sheaf_protocol.lifecycle.bill import Bill, Rates, Row, difference, is_tax_sound, make_bill
from sheaf_protocol.lifecycle.invoice import INVOICE, RETURN
from sheaf_protocol.lifecycle.invoice import Invoice as Stand
from sheaf_protocol.lifecycle.order_state import InvoiceState, refuse
from sheaf_protocol.lifecycle.table import Party, advance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.lifecycle.order_state import OrderState, Said
    from sheaf_protocol.records.invoice import (
        CreditNote,
        Invoice,
        InvoiceLine,
        InvoiceResponse,
        Tax,
    )

_GONE = (Stand.REJECTED, Stand.CREDITED)


def bill(state: OrderState, said: Said, record: Invoice, by: Party) -> None:
    """Issue an invoice. Raises `state.*` and the `invoice.*` of the rule that it breaks."""
    begun = advance(INVOICE, None, "invoice.issue", by)
    _require_number(state, record.number)
    _require_lines(record.lines, billable(state, record.receipts))
    if record.currency != state.placed.record.price.currency:
        raise refuse("invoice.currency", "expected the currency of the order")
    if record.carriage is not UNSET and record.carriage.currency != record.currency:
        raise refuse("invoice.currency", "expected carriage in the currency of the order")
    taxes = {line.line: line.tax for line in record.lines}
    made = make_bill(_rows(state, _quantities(record.lines), taxes), rates_of(record))
    require_same(record, made)
    state.invoices[said.id] = InvoiceState(said=said, record=record, state=begun)


def answer_invoice(state: OrderState, record: InvoiceResponse, by: Party) -> None:
    """Answer an invoice. Raises `state.*`."""
    found = state.invoices.get(record.invoice)
    now = None if found is None else found.state
    moved = advance(INVOICE, now, f"invoice.response {record.code}", by)
    assert found is not None  # noqa: S101  # nothing moves that was not issued
    found.state, found.answer = moved, record


def credit(state: OrderState, record: CreditNote, by: Party) -> None:
    """Take back a part of an invoice. Raises `state.*`, `credit.quantity` and `invoice.*`."""
    found = state.invoices.get(record.invoice)
    moved = advance(INVOICE, None if found is None else found.state, "credit_note.issue", by)
    assert found is not None  # noqa: S101  # nothing moves that was not issued
    back = None if record.request is UNSET else state.returns.get(record.request)
    if record.request is not UNSET:
        returned = advance(RETURN, None if back is None else back.state, "credit_note.issue", by)
    _require_number(state, record.number)
    asked = _quantities(record.lines)
    if back is not None and asked != {ln.line: ln.quantity for ln in back.record.lines}:
        raise refuse("credit.quantity", "expected what the return names")
    require_same(record, credit_of(state, found, asked))
    found.credited = dict(Counter(found.credited) + Counter(asked))
    found.credits.append(record)
    found.state = moved
    if found.credited == _quantities(found.record.lines):
        found.state = advance(INVOICE, moved, "sum.credited", Party.NOBODY)
    if back is not None:
        back.state = returned


def billable(state: OrderState, receipts: Iterable[EntryId]) -> Counter[int]:
    """Return what of each line was accepted by receipts. Raises `invoice.receipt` (REC-20).

    An invoice that was rejected or credited in full sets its receipts free.
    """
    standing = (each for each in state.invoices.values() if each.state not in _GONE)
    billed = {receipt for each in standing for receipt in each.record.receipts}
    known, total = state.despatched_receipts, Counter[int]()
    for receipt in receipts:
        if receipt in billed or receipt not in known:
            raise refuse("invoice.receipt", "expected receipts that no other invoice bills")
        billed.add(receipt)
        total.update(known[receipt].accepted)
    return total


def bill_of(
    state: OrderState, receipts: Iterable[EntryId], taxes: Mapping[int, Tax], rates: Rates
) -> Bill:
    """Return what receipts come to, with a tax for each line. Raises `invoice.receipt`."""
    return make_bill(_rows(state, billable(state, receipts), taxes), rates)


def credit_of(state: OrderState, found: InvoiceState, asked: Mapping[int, int]) -> Bill:
    """Return what crediting so much of each line of an invoice comes to (REC-26).

    Raises `credit.quantity` where a line has not so much left.
    """
    before = Counter(found.credited)
    after = before + Counter(asked)
    require_left(_quantities(found.record.lines), after)
    taxes = {line.line: line.tax for line in found.record.lines}
    rates = rates_of(found.record)
    return difference(
        make_bill(_rows(state, after, taxes), rates), make_bill(_rows(state, before, taxes), rates)
    )


def require_left(billed: Mapping[int, int], credited: Mapping[int, int]) -> None:
    """Return if no more of any line is credited than was billed. Raises `credit.quantity`."""
    if any(quantity > billed.get(at, 0) for at, quantity in credited.items()):
        raise refuse("credit.quantity", "expected no more than was billed and not credited")


def rates_of(record: Invoice) -> Rates:
    """Return the rates that an invoice names."""
    carriage = None if record.carriage is UNSET else record.carriage
    return Rates(carriage=carriage, fee_bps=record.fee_bps)


def require_same(record: Invoice | CreditNote, made: Bill) -> None:
    """Return if a bill is what we make it. Raises `invoice.*` (REC-21 to REC-24)."""
    _require_lines(record.lines, _quantities(made.lines))
    for ours, theirs in zip(made.lines, record.lines, strict=True):
        for name in ("amount", "carriage", "fee"):
            expected, got = getattr(ours, name), getattr(theirs, name)
            if expected != got:
                raise refuse(_CODES[name], f"expected {expected} on line {ours.line}, got {got}")
        if ours.tax != theirs.tax or not is_tax_sound(theirs.tax):
            raise refuse("invoice.tax", f"expected another tax on line {ours.line}")
    if tuple(record.taxes) != made.taxes or record.tax != made.tax:
        raise refuse("invoice.tax", f"expected a tax of {made.tax}, got {record.tax}")
    if (record.fee, record.net, record.total) != (made.fee, made.net, made.total):
        raise refuse("invoice.total", f"expected a total of {made.total}, got {record.total}")


_CODES = {"amount": "invoice.amount", "carriage": "invoice.carriage", "fee": "invoice.fee"}


def _require_lines(lines: Iterable[InvoiceLine], expected: Mapping[int, int]) -> None:
    if _quantities(lines) != dict(expected):
        raise refuse("invoice.lines", f"expected {dict(sorted(expected.items()))} by line")


def _require_number(state: OrderState, number: str) -> None:
    """Return if no invoice or credit note of the order has a number."""
    notes = (note.number for each in state.invoices.values() for note in each.credits)
    if number in {*(each.record.number for each in state.invoices.values()), *notes}:
        raise refuse("invoice.twice", f"expected a new number, got {number}")


def _quantities(lines: Iterable[InvoiceLine]) -> dict[int, int]:
    return {line.line: line.quantity for line in lines}


def _rows(state: OrderState, quantities: Mapping[int, int], taxes: Mapping[int, Tax]) -> list[Row]:
    return [
        Row(line=at, price=state.lines[at].price, quantity=quantity, tax=taxes[at])
        for at, quantity in sorted(quantities.items())
    ]
