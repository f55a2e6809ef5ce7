"""Orders and invoices as people and programs are shown them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from sheaf_protocol.lifecycle import Amendment, Cancellation, Invoice, Order
from sheaf_protocol.lifecycle.order_fold import most_fee
from sheaf_services.order_fulfilment.automatic import invoice_fault
from sheaf_services.order_fulfilment.billing import billable
from sheaf_services.order_fulfilment.money import minor_digits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_node.plugins import ServiceContext
    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.lifecycle.order_state import DeliveryState, InvoiceState, OrderState
    from sheaf_services.order_fulfilment.ledger import Known, Ledger

_OPEN = {
    *(Order.PLACED, Order.RECEIVED, Order.CHANGE_PROPOSED, Order.AGREED),
    *(Order.CANCELLING, Order.ACCEPTED, Order.IN_FULFILMENT),
}


def order_row(ledger: Ledger, known: Known, context: ServiceContext) -> dict[str, Any]:
    """Return one order in short: who, what, where it stands and what this co-op is to do."""
    state, order = ledger.state(known.placed.id), known.placed.record
    is_ours = known.buyer == ledger.own
    currency = order.price.currency
    return {
        "order": known.placed.id.hex(),
        "side": "buyer" if is_ours else "supplier",
        "with": context.name_of(known.supplier_cid if is_ours else known.buyer_cid),
        "item": order.item.code,
        "name": order.item.name,
        "unit": order.item.unit,
        "scale": order.item.scale,
        "currency": currency,
        "minor_digits": minor_digits(currency),
        "placed_ms": known.placed.time_ms,
        "state": state.state.value,
        "is_open": state.state in _OPEN,
        "amendment": _newest(state.amendments),
        "cancellation": _newest(state.cancellations),
        "ordered": sum(line.ordered for line in state.lines),
        "outstanding": sum(line.due for line in state.lines),
        "on_the_way": sum(_on_the_way(state).values()),
        "accepted": sum(line.accepted for line in state.lines),
        "unread": state.unread,
        "due": list(_due(ledger, known, state)),
    }


def order_json(ledger: Ledger, known: Known, context: ServiceContext) -> dict[str, Any]:
    """Return one order in full."""
    state, order = ledger.state(known.placed.id), known.placed.record
    coming = _on_the_way(state)
    return {
        **order_row(ledger, known, context),
        "lines": [
            {
                "line": at,
                "demand": order.lines[at].demand.hex(),
                "ordered": line.ordered,
                "outstanding": line.due,
                "on_the_way": coming[at],
                "accepted": line.accepted,
                "price": {"amount": line.price.amount, "base": line.price.base},
                "promised": [{"quantity": n.quantity, "by_ms": n.by_ms} for n in line.promises],
            }
            for at, line in enumerate(state.lines)
        ],
        "proposal": _proposal(state),
        "change": _change(state),
        "cancel_fee_minor": state.cancel_fee,
        "cancel_fee_most_minor": most_fee(state),
        "deliveries": [_delivery(id_, each) for id_, each in state.deliveries.items()],
        "returns": [
            {
                "return": id_.hex(),
                "ref": each.record.ref,
                "despatch": each.record.despatch.hex(),
                "state": each.state.value,
                "lines": [
                    {"line": n.line, "quantity": n.quantity, "reason": n.reason}
                    for n in each.record.lines
                ],
            }
            for id_, each in state.returns.items()
        ],
        "invoices": [invoice_row(ledger, known, id_, context) for id_ in state.invoices],
        "without_effect": [
            {"entry": id_.hex(), "code": code} for id_, code in state.refused.items()
        ],
        "waiting": state.waiting,
    }


def invoice_row(
    ledger: Ledger, known: Known, id_: EntryId, context: ServiceContext
) -> dict[str, Any]:
    """Return one invoice in short."""
    state = ledger.state(known.placed.id)
    found = state.invoices[id_]
    record, is_ours = found.record, known.buyer == ledger.own
    found_right = "unknown" if ledger.rates(known) is None else "ok"
    return {
        "invoice": id_.hex(),
        "number": record.number,
        "order": known.placed.id.hex(),
        "side": "buyer" if is_ours else "supplier",
        "with": context.name_of(known.supplier_cid if is_ours else known.buyer_cid),
        "item": known.placed.record.item.code,
        "unit": known.placed.record.item.unit,
        "scale": known.placed.record.item.scale,
        "state": found.state.value,
        "currency": record.currency,
        "minor_digits": minor_digits(record.currency),
        "issued_ms": found.said.time_ms,
        "due_ms": record.due_ms,
        "net_minor": record.net,
        "tax_minor": record.tax,
        "total_minor": record.total,
        "credited_minor": found.credited_total,
        "open_minor": open_amount(found),
        "check": invoice_fault(ledger, known, record) or found_right,
    }


def invoice_json(
    ledger: Ledger, known: Known, id_: EntryId, context: ServiceContext
) -> dict[str, Any]:
    """Return one invoice in full: lines, the coordinator's fee apart, taxes, answers, credits."""
    found = ledger.state(known.placed.id).invoices[id_]
    record, answer = found.record, found.answer
    return {
        **invoice_row(ledger, known, id_, context),
        "lines": [
            {
                "line": n.line,
                "quantity": n.quantity,
                "amount_minor": n.amount,
                "carriage_minor": n.carriage,
                "fee_minor": n.fee,
                "tax": {"category": n.tax.category, "rate_bps": n.tax.rate_bps},
            }
            for n in record.lines
        ],
        "fee_minor": record.fee,
        "taxes": [
            {
                "category": t.tax.category,
                "rate_bps": t.tax.rate_bps,
                "base_minor": t.base,
                "tax_minor": t.amount,
            }
            for t in record.taxes
        ],
        "receipts": [receipt.hex() for receipt in record.receipts],
        "reasons": [] if answer is None or answer.reasons is UNSET else list(answer.reasons),
        "actions": [] if answer is None or answer.actions is UNSET else list(answer.actions),
        "credits": [
            {"number": note.number, "reason": note.reason, "total_minor": note.total}
            for note in found.credits
        ],
    }


def open_amount(found: InvoiceState) -> int:
    """Return what is still to be paid of an invoice."""
    if found.state in {Invoice.PAID, Invoice.REJECTED, Invoice.CREDITED}:
        return 0
    return found.record.total - found.credited_total


def _newest(states: dict[EntryId, Amendment] | dict[EntryId, Cancellation]) -> str:
    return next((each.value for each in reversed(states.values())), "none")


def _on_the_way(state: OrderState) -> Counter[int]:
    coming: Counter[int] = Counter()
    for each in state.deliveries.values():
        if each.is_on_the_way:
            coming.update({line.line: line.delivered for line in each.advice.lines})
    return coming


def _due(ledger: Ledger, known: Known, state: OrderState) -> Iterator[str]:
    """Yield what this co-op is asked to do, each by the command for it."""
    if known.supplier == ledger.own:
        if state.state in {Order.PLACED, Order.RECEIVED}:
            yield "accept"
        if state.change is not None and state.state in {Order.ACCEPTED, Order.IN_FULFILMENT}:
            yield "answer_change"
        if state.cancel is not None:
            yield "answer_cancel"
        is_going = state.state in {Order.ACCEPTED, Order.IN_FULFILMENT}
        if is_going and any(line.due for line in state.lines):
            yield "despatch"
        if any(each.state.value == "requested" for each in state.returns.values()):
            yield "answer_return"
        if billable(state):
            yield "invoice"
    if known.buyer == ledger.own:
        if state.state is Order.CHANGE_PROPOSED:
            yield "agree"
        if any(each.is_on_the_way for each in state.deliveries.values()):
            yield "receive"
        asked = {Invoice.ISSUED, Invoice.RECEIVED, Invoice.IN_PROCESS}
        if any(each.state in asked for each in state.invoices.values()):
            yield "answer_invoice"


def _proposal(state: OrderState) -> dict[str, Any] | None:
    if state.proposal is None or state.state is not Order.CHANGE_PROPOSED:
        return None
    said, record = state.proposal
    lines = () if record.lines is UNSET else record.lines
    return {
        "response": said.id.hex(),
        "agree_by_ms": record.agree_by_ms,
        "lines": [
            {
                "line": n.line,
                "deliveries": [{"quantity": d.quantity, "by_ms": d.by_ms} for d in n.deliveries],
                "amount": None if n.price is UNSET else n.price.amount,
            }
            for n in lines
        ],
    }


def _change(state: OrderState) -> dict[str, Any] | None:
    if state.change is None:
        return None
    id_, record = state.change
    return {
        "change": id_.hex(),
        "lines": [{"line": n.line, "quantity": n.quantity} for n in record.lines],
    }


def _delivery(id_: EntryId, found: DeliveryState) -> dict[str, Any]:
    advice = found.advice
    return {
        "despatch": id_.hex(),
        "ref": advice.ref,
        "state": found.state.value,
        "arrives_ms": advice.arrives_ms,
        "inspect_until_ms": advice.inspect_until_ms,
        "packages": None if advice.packages is UNSET else advice.packages,
        "lines": [
            {
                "line": n.line,
                "delivered": n.delivered,
                "outstanding": n.outstanding,
                "accepted": found.accepted.get(n.line) if found.receipt else None,
                "batches": []
                if n.batches is UNSET
                else [{"code": b.code, "quantity": b.quantity} for b in n.batches],
            }
            for n in advice.lines
        ],
    }
