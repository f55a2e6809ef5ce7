"""Invoices and credit notes of ours, derived from what receipts say was accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from sheaf_protocol.errors import Refusal
from sheaf_protocol.lifecycle import Invoice as Stand
from sheaf_protocol.lifecycle.order_bill import bill_of, credit_of
from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.records.invoice import CreditNote, Invoice
from sheaf_services.order_fulfilment.draft import DAY_MS, figures, read_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.lifecycle.bill import Bill
    from sheaf_protocol.lifecycle.order_state import InvoiceState, OrderState
    from sheaf_protocol.records.invoice import Tax
    from sheaf_services.order_fulfilment.ledger import Known, Ledger
    from sheaf_services.order_fulfilment.settings import Settings

_GONE = (Stand.REJECTED, Stand.CREDITED)
_MOST_RECEIPTS = 16
"""Receipts that one invoice may name."""


def unbilled(state: OrderState) -> list[EntryId]:
    """Return the receipts by which goods were accepted that no invoice bills, in their order.

    Those of a rejected invoice wait for a person: billed again unasked, they would be for ever.
    """
    billed = {
        receipt
        for each in state.invoices.values()
        if each.state is not Stand.CREDITED
        for receipt in each.record.receipts
    }
    found = state.despatched_receipts
    return [id_ for id_, each in found.items() if each.accepted and id_ not in billed]


def billable(state: OrderState) -> list[EntryId]:
    """Return the receipts that an invoice may bill now, those of rejected ones among them."""
    standing = (each for each in state.invoices.values() if each.state not in _GONE)
    billed = {receipt for each in standing for receipt in each.record.receipts}
    found = state.despatched_receipts
    free = [id_ for id_, each in found.items() if each.accepted and id_ not in billed]
    return free[:_MOST_RECEIPTS]


def invoice_of(
    ledger: Ledger,
    known: Known,
    state: OrderState,
    settings: Settings,
    *,
    now_ms: int,
    tax: Tax | None = None,
    number: str = "",
) -> Invoice | None:
    """Return the invoice over all that can be billed, or None without a tax or terms for it.

    Raises Refusal `enc.int_range`.
    """
    order, rates = known.placed.record, ledger.rates(known)
    tax = tax or settings.tax_of(order.item.code)
    if tax is None or rates is None:
        return None
    receipts = billable(state)
    made = bill_of(state, receipts, dict.fromkeys(range(len(state.lines)), tax), rates)
    return Invoice(
        carriage=UNSET if rates.carriage is None else rates.carriage,
        currency=order.price.currency,
        due_ms=now_ms + settings.due_days * DAY_MS,
        fee_bps=rates.fee_bps,
        number=number or _number(known, "I", len(state.invoices)),
        order=known.placed.id,
        receipts=receipts,
        **_figures(made),
        **read_by(state),
    )


def credit_note_of(
    known: Known,
    state: OrderState,
    found: tuple[EntryId, InvoiceState],
    quantities: Mapping[int, int],
    *,
    reason: Any,
    request: EntryId | None,
    number: str = "",
) -> CreditNote:
    """Return a credit note over so much of each line. Raises Refusal `credit.quantity`."""
    id_, invoice = found
    notes = sum(len(each.credits) for each in state.invoices.values())
    return CreditNote(
        invoice=id_,
        number=number or _number(known, "C", notes),
        order=known.placed.id,
        reason=reason,
        request=UNSET if request is None else request,
        **_figures(credit_of(state, invoice, quantities)),
        **read_by(state),
    )


def _figures(made: Bill) -> dict[str, Any]:
    """Return a bill's figures. Raises Refusal `enc.int_range` for what no integer holds."""
    if made.total > MAX_INT or not made.lines:
        raise Refusal("enc.int_range", f"expected an amount of 1 to {MAX_INT}, got {made.total}")
    return figures(made)


def _number(known: Known, letter: str, count: int) -> str:
    """Return a number that follows from the order and how many there were before."""
    return f"{known.placed.id.hex()[:8]}-{letter}{count + 1}"
