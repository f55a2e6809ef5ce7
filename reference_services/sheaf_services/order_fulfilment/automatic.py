"""What is due about an order without anybody asking: one record a turn and order at most.

A supplier's node confirms what was agreed to or taken back in time, lets proposals lapse and goods
be deemed accepted by its own clock, and bills receipts where its settings say so. A buyer's answers
invoices where its settings say so. All follows from what was read, so a node that was killed goes
on where it stopped and says nothing twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sheaf_protocol.errors import Refusal
from sheaf_protocol.lifecycle import Delivery, Invoice, Order
from sheaf_protocol.lifecycle.order_bill import rates_of
from sheaf_protocol.records.delivery import DeemedReceipt
from sheaf_protocol.records.invoice import InvoiceResponse
from sheaf_protocol.records.order import CancelResponse, OrderLapse, OrderResponse
from sheaf_services.order_fulfilment.billing import invoice_of, unbilled
from sheaf_services.order_fulfilment.draft import as_buyer, as_supplier, read_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_protocol.lifecycle.order_state import OrderState
    from sheaf_protocol.records.invoice import Invoice as InvoiceRecord
    from sheaf_services.order_fulfilment.draft import Draft
    from sheaf_services.order_fulfilment.ledger import Known, Ledger
    from sheaf_services.order_fulfilment.settings import Settings

TERMS: Final = "invoice.terms"


def due(ledger: Ledger, settings: Settings, now_ms: int) -> Iterator[Draft]:
    """Yield what this node has to say now, in the order in which orders arrived."""
    for known in ledger.orders():
        state = ledger.state(known.placed.id)
        draft = None
        if known.supplier == ledger.own:
            draft = _as_supplier(ledger, known, state, settings, now_ms)
        if draft is None and known.buyer == ledger.own and settings.approve == "agreeing":
            draft = _answer(ledger, known, state)
        if draft is not None:
            yield draft


def wake_ms(ledger: Ledger, settings: Settings, now_ms: int) -> int | None:
    """Return when the next deadline of ours has passed, or None where none is awaited.

    One that has passed by now was acted upon, or cannot be before somebody has a new prekey.
    """
    times = [
        time_ms + 1
        for known in ledger.orders()
        if known.supplier == ledger.own
        for time_ms in _deadlines(ledger.state(known.placed.id), settings)
        if time_ms >= now_ms
    ]
    return min(times, default=None)


def invoice_fault(ledger: Ledger, known: Known, record: InvoiceRecord) -> str | None:
    """Return why an invoice whose figures are right is not what was awarded (REC-25).

    None where it is, or where the pool or the offer is not here to tell.
    """
    expected, got = ledger.rates(known), rates_of(record)
    if expected is None:
        return None
    # Carriage of nothing is no carriage.
    is_free = got.carriage is not None and not got.carriage.amount
    carriage = None if is_free else got.carriage
    return None if (carriage, got.fee_bps) == (expected.carriage, expected.fee_bps) else TERMS


def _deadlines(state: OrderState, settings: Settings) -> Iterator[int]:
    if state.state is Order.CHANGE_PROPOSED and state.proposal is not None:
        agree_by_ms = state.proposal[1].agree_by_ms
        if agree_by_ms is not UNSET:
            yield agree_by_ms
    if settings.deem:
        yield from (d.advice.inspect_until_ms for d in state.deliveries.values() if d.is_on_the_way)


def _as_supplier(
    ledger: Ledger, known: Known, state: OrderState, settings: Settings, now_ms: int
) -> Draft | None:
    id_, read = known.placed.id, read_by(state)
    if state.state is Order.CANCELLING and state.cancel is not None:
        answer = CancelResponse(cancel=state.cancel, code="AP", order=id_, **read)
        return as_supplier(known, answer)
    if state.state is Order.AGREED:  # else we would have let it lapse before
        return as_supplier(known, OrderResponse(code="AP", order=id_, **read))
    if state.state is Order.CHANGE_PROPOSED and state.proposal is not None:
        proposal, record = state.proposal
        if record.agree_by_ms is not UNSET and now_ms > record.agree_by_ms:
            return as_supplier(known, OrderLapse(order=id_, response=proposal.id, **read))
    if settings.deem:
        for despatch, found in state.deliveries.items():
            is_due = now_ms > found.advice.inspect_until_ms and found.state is Delivery.DESPATCHED
            if is_due and found.is_on_the_way:
                return as_supplier(known, DeemedReceipt(despatch=despatch, order=id_, **read))
    return _bill(ledger, known, state, settings, now_ms)


def _bill(
    ledger: Ledger, known: Known, state: OrderState, settings: Settings, now_ms: int
) -> Draft | None:
    """Return the invoice over what was received, where our settings ask for one at once."""
    if settings.invoices != "after_receipt" or not unbilled(state):
        return None
    try:
        invoice = invoice_of(ledger, known, state, settings, now_ms=now_ms)
    except Refusal:
        return None  # an amount that no integer holds is for people
    return None if invoice is None else as_supplier(known, invoice)


def _answer(ledger: Ledger, known: Known, state: OrderState) -> Draft | None:
    """Return our answer to the first invoice that has none: it agrees with our terms, or not."""
    for id_, found in state.invoices.items():
        if found.state is not Invoice.ISSUED or ledger.rates(known) is None:
            continue
        if invoice_fault(ledger, known, found.record) is None:
            return as_buyer(known, InvoiceResponse(code="AP", invoice=id_, order=known.placed.id))
        return as_buyer(
            known,
            InvoiceResponse(
                actions=["NIN"], code="RE", invoice=id_, order=known.placed.id, reasons=["PRI"]
            ),
        )
    return None
