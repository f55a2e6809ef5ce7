"""What a supplier says about an order when its people ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from msgspec.structs import replace

from sheaf_protocol.errors import Refusal
from sheaf_protocol.lifecycle import Return
from sheaf_protocol.records.delivery import Batch, Despatch, DespatchLine, ReturnResponse
from sheaf_protocol.records.order import (
    CancelResponse,
    ChangeResponse,
    Delivery,
    OrderResponse,
    PromisedLine,
)
from sheaf_services.order_fulfilment.asking import (
    Crediting,
    Despatching,
    Issuing,
    Respond,
    Sent,
    by_line,
    find,
    find_only,
    read_body,
    read_code,
)
from sheaf_services.order_fulfilment.billing import billable, credit_note_of, invoice_of
from sheaf_services.order_fulfilment.draft import DAY_MS, as_supplier, read_by

if TYPE_CHECKING:
    from sheaf_node.plugins import Call
    from sheaf_protocol.lifecycle.order_state import OrderState
    from sheaf_services.order_fulfilment.asking import Promised
    from sheaf_services.order_fulfilment.draft import Draft
    from sheaf_services.order_fulfilment.ledger import Known, Ledger
    from sheaf_services.order_fulfilment.settings import Settings


def respond(known: Known, state: OrderState, settings: Settings, call: Call, now_ms: int) -> Draft:
    """Receive, accept, propose changes to or reject an order."""
    asked = read_body(call, Respond)
    code: Any = read_code(asked.code, "AB", "AP", "CA", "RE")
    fee_bps = settings.cancel_fee_bps if asked.cancel_fee_bps is None else asked.cancel_fee_bps
    more: dict[str, Any] = read_by(state)
    if code == "CA":
        by_ms = asked.agree_by_ms or now_ms + settings.agree_days * DAY_MS
        more |= {"agree_by_ms": by_ms, "lines": [_promised(known, n) for n in asked.lines]}
    if code == "AP" and state.answer is not None:
        # What was checked when the order came is known: where from, and how heavy.
        more |= {"ship_from": state.answer.ship_from, "weight_g": state.answer.weight_g}
    if code in {"AP", "CA"} and fee_bps:
        more["cancel_fee_bps"] = fee_bps
    if code == "RE" or asked.reason is not None:
        more["reason"] = asked.reason or "other"
    return as_supplier(known, _made(OrderResponse, code=code, order=known.placed.id, **more))


def answer_change(known: Known, state: OrderState, call: Call) -> Draft:
    """Confirm or decline the change that waits."""
    code: Any = read_code(call.options.get("code", "AP"), "AP", "RE")
    if state.change is None:
        raise Refusal("state.illegal", "expected a change that waits for an answer")
    record = ChangeResponse(
        change=state.change[0], code=code, order=known.placed.id, **read_by(state)
    )
    return as_supplier(known, record)


def answer_cancel(known: Known, state: OrderState, call: Call) -> Draft:
    """Let the order be cancelled, for the fee given or none, or refuse."""
    code: Any = read_code(call.options.get("code", "AP"), "AP", "RE")
    if state.cancel is None:
        raise Refusal("state.illegal", "expected a cancellation that waits for an answer")
    fee = call.options.get("fee", "")
    if fee and not (fee.isascii() and fee.isdecimal() and len(fee) <= 15):
        raise Refusal("order.body", f"expected a fee in minor units, got {fee[:16]!r}")
    more: dict[str, Any] = {"fee": int(fee)} if fee and int(fee) else {}
    record = CancelResponse(
        cancel=state.cancel, code=code, order=known.placed.id, **more, **read_by(state)
    )
    return as_supplier(known, record)


def despatch(known: Known, state: OrderState, settings: Settings, call: Call, now_ms: int) -> Draft:
    """Send off what is named, or all that is outstanding."""
    asked = read_body(call, Despatching)
    rest = [(at, line.due) for at, line in enumerate(state.lines) if line.due]
    lines = asked.lines or [Sent(line=at, delivered=n) for at, n in rest]
    arrives_ms = asked.arrives_ms or now_ms
    record = _made(
        Despatch,
        arrives_ms=arrives_ms,
        inspect_until_ms=max(arrives_ms, now_ms) + settings.inspect_days * DAY_MS,
        lines=[_sent(state, each) for each in sorted(lines, key=lambda each: each.line)],
        order=known.placed.id,
        packages=UNSET if asked.packages is None else asked.packages,
        ref=asked.ref or f"{known.placed.id.hex()[:8]}-D{len(state.deliveries) + 1}",
        **read_by(state),
    )
    return as_supplier(known, record)


def answer_return(known: Known, state: OrderState, call: Call) -> Draft:
    """Take goods back, or not."""
    code: Any = read_code(call.options.get("code", "AP"), "AP", "RE")
    waiting = {i: each for i, each in state.returns.items() if each.state is Return.REQUESTED}
    id_, _ = find_only(call, "request", waiting)
    record = ReturnResponse(code=code, order=known.placed.id, request=id_, **read_by(state))
    return as_supplier(known, record)


def issue(
    ledger: Ledger,
    known: Known,
    state: OrderState,
    settings: Settings,
    call: Call,
    *,
    now_ms: int,
) -> Draft:
    """Bill all that was received and is not billed."""
    asked = read_body(call, Issuing)
    if not billable(state):
        raise Refusal("invoice.receipt", "expected goods that were received and are not billed")
    invoice = invoice_of(
        ledger, known, state, settings, now_ms=now_ms, tax=asked.tax, number=asked.number or ""
    )
    if invoice is None:
        raise Refusal("invoice.tax", "expected a tax, by the settings or with the command")
    return as_supplier(known, invoice)


def credit(known: Known, state: OrderState, call: Call) -> Draft:
    """Take back a part of an invoice, or what a return names, or all that is left."""
    asked = read_body(call, Crediting)
    found = find_only(call, "invoice", state.invoices)
    request, quantities, reason = None, by_line(asked.lines), asked.reason
    if call.options.get("request"):
        request, back = find(call, "request", state.returns)
        quantities, reason = {n.line: n.quantity for n in back.record.lines}, "QUA"
    if not quantities:
        credited = found[1].credited
        left = {n.line: n.quantity - credited.get(n.line, 0) for n in found[1].record.lines}
        quantities = {line: quantity for line, quantity in left.items() if quantity}
    note = credit_note_of(
        known,
        state,
        found,
        quantities,
        reason=reason,
        request=request,
        number=asked.number or "",
    )
    return as_supplier(known, note)


def _promised(known: Known, asked: Promised) -> PromisedLine:
    price = known.placed.record.price
    return PromisedLine(
        deliveries=[Delivery(by_ms=n.by_ms, quantity=n.quantity) for n in asked.deliveries[:16]],
        line=asked.line,
        price=UNSET if asked.amount is None else replace(price, amount=asked.amount),
    )


def _sent(state: OrderState, asked: Sent) -> DespatchLine:
    due = state.lines[asked.line].due if asked.line < len(state.lines) else 0
    rest = max(0, due - asked.delivered)
    batches = [
        Batch(
            code=lot.code,
            expires_ms=UNSET if lot.expires_ms is None else lot.expires_ms,
            quantity=lot.quantity,
        )
        for lot in asked.batches[:16]
    ]
    return DespatchLine(
        batches=batches or UNSET,
        delivered=asked.delivered,
        line=asked.line,
        outstanding=rest if asked.outstanding is None else asked.outstanding,
    )


def _made(type_: Any, **fields: Any) -> Any:
    """Return a record, or raise Refusal `order.body` where its fields do not go together."""
    try:
        return type_(**fields)
    except ValueError as exc:
        raise Refusal("order.body", str(exc)) from exc
