"""What a buyer says about an order when its people ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from sheaf_protocol.errors import Refusal
from sheaf_protocol.lifecycle import Delivery
from sheaf_protocol.records.delivery import (
    Receipt,
    ReceiptLine,
    ReturnLine,
    ReturnRequest,
    UnorderedLine,
)
from sheaf_protocol.records.invoice import InvoiceResponse
from sheaf_protocol.records.order import ChangedLine, OrderAgreement, OrderCancel, OrderChange
from sheaf_services.order_fulfilment.asking import (
    Answering,
    Change,
    Receiving,
    Returning,
    find_only,
    read_body,
    read_code,
)
from sheaf_services.order_fulfilment.draft import as_buyer

if TYPE_CHECKING:
    from sheaf_node.plugins import Call
    from sheaf_protocol.lifecycle.order_state import DeliveryState, OrderState
    from sheaf_services.order_fulfilment.asking import Counted
    from sheaf_services.order_fulfilment.draft import Draft
    from sheaf_services.order_fulfilment.ledger import Known


def agree(known: Known, state: OrderState, call: Call) -> Draft:
    """Take the changes that the supplier proposes, or do not."""
    code: Any = read_code(call.options.get("code", "AP"), "AP", "RE")
    if state.proposal is None:
        raise Refusal("state.illegal", "expected changes that the supplier proposed")
    record = OrderAgreement(code=code, order=known.placed.id, response=state.proposal[0].id)
    return as_buyer(known, record)


def change(known: Known, call: Call) -> Draft:
    """Ask for other quantities."""
    asked = read_body(call, Change)
    lines = sorted(asked.lines, key=lambda each: each.line)
    try:
        record = OrderChange(
            lines=[ChangedLine(line=n.line, quantity=n.quantity) for n in lines],
            order=known.placed.id,
            reason=UNSET if asked.reason is None else asked.reason,
            window=UNSET if asked.window is None else asked.window,
        )
    except ValueError as exc:
        raise Refusal("order.body", str(exc)) from exc
    if not lines:
        raise Refusal("order.body", "expected lines to change")
    return as_buyer(known, record)


def cancel(known: Known) -> Draft:
    """Take the order back, or ask to cancel what is outstanding."""
    return as_buyer(known, OrderCancel(order=known.placed.id))


def receive(known: Known, state: OrderState, call: Call) -> Draft:
    """Count what a despatch brought; without lines, all as it was despatched."""
    asked = read_body(call, Receiving)
    coming = {i: d for i, d in state.deliveries.items() if d.state is Delivery.DESPATCHED}
    id_, found = find_only(call, "despatch", coming)
    unordered = [
        UnorderedLine(
            item=n.item, quantity=n.quantity, reason=UNSET if n.reason is None else n.reason
        )
        for n in asked.unordered[:64]
    ]
    lines = sorted(asked.lines, key=lambda each: each.line)
    try:
        record = Receipt(
            despatch=id_,
            lines=[_counted(found, each) for each in lines],
            order=known.placed.id,
            unordered=unordered or UNSET,
        )
    except ValueError as exc:
        raise Refusal("order.body", str(exc)) from exc
    return as_buyer(known, record)


def ask_return(known: Known, state: OrderState, call: Call) -> Draft:
    """Ask to give back goods that were accepted."""
    asked = read_body(call, Returning)
    received = {i: d for i, d in state.deliveries.items() if d.receipt is not None}
    id_, _ = find_only(call, "despatch", received)
    lines = sorted(asked.lines, key=lambda each: each.line)
    if not lines:
        raise Refusal("order.body", "expected lines to give back")
    try:
        record = ReturnRequest(
            despatch=id_,
            lines=[ReturnLine(line=n.line, quantity=n.quantity, reason=n.reason) for n in lines],
            order=known.placed.id,
            ref=asked.ref or f"{known.placed.id.hex()[:8]}-R{len(state.returns) + 1}",
        )
    except ValueError as exc:
        raise Refusal("order.body", str(exc)) from exc
    return as_buyer(known, record)


def answer_invoice(known: Known, state: OrderState, call: Call) -> Draft:
    """Answer an invoice."""
    asked = read_body(call, Answering)
    code: Any = read_code(asked.code, "AB", "AP", "CA", "IP", "PD", "RE", "UQ")
    id_, _ = find_only(call, "invoice", state.invoices)
    try:
        record = InvoiceResponse(
            actions=asked.actions[:4] or UNSET,
            code=code,
            invoice=id_,
            order=known.placed.id,
            reasons=asked.reasons[:8] or UNSET,
        )
    except ValueError as exc:
        raise Refusal("order.body", str(exc)) from exc
    return as_buyer(known, record)


def _counted(found: DeliveryState, asked: Counted) -> ReceiptLine:
    """Return a line of a receipt; what is accepted follows from the rest where it is not given."""
    advised = {line.line: line.delivered for line in found.advice.lines}.get(asked.line, 0)
    rest = advised - asked.short + asked.over - asked.damaged - asked.refused
    return ReceiptLine(
        accepted=max(0, rest) if asked.accepted is None else asked.accepted,
        damaged=asked.damaged,
        line=asked.line,
        over=asked.over,
        reason=UNSET if asked.reason is None else asked.reason,
        refused=asked.refused,
        short=asked.short,
    )
