"""From two lines of records to the state of an order (spec 11, section 5): one pure function.

Each record is tried where it is read. It has its effect whole, or none: the code of the rule that
it breaks is kept beside it, and it stays in its author's log as evidence. Nothing depends on when
or in which order records arrived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from msgspec import UNSET

from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.lifecycle.bill import part_of
from sheaf_protocol.lifecycle.order import (
    AMENDMENT,
    CANCELLATION,
    ORDER,
    Amendment,
    Cancellation,
    Order,
)
from sheaf_protocol.lifecycle.order_bill import answer_invoice, bill, credit
from sheaf_protocol.lifecycle.order_goods import (
    answer_return,
    ask_return,
    deem,
    despatch,
    receive,
    require_lines,
)
from sheaf_protocol.lifecycle.order_state import (
    MAX_SAID,
    OrderState,
    Placed,
    Said,
    begin,
    in_reading_order,
    refuse,
)
from sheaf_protocol.lifecycle.table import Party, advance
from sheaf_protocol.records.delivery import (
    DeemedReceipt,
    Despatch,
    Receipt,
    ReturnRequest,
    ReturnResponse,
)
from sheaf_protocol.records.invoice import CreditNote, Invoice, InvoiceResponse
from sheaf_protocol.records.order import (
    CancelResponse,
    ChangeResponse,
    OrderAgreement,
    OrderCancel,
    OrderChange,
    OrderLapse,
    OrderResponse,
)
from sheaf_protocol.records.values import line_amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.lifecycle.order_state import AboutGoods

__all__ = ["fold_order"]


def fold_order(placed: Placed, buyer: Sequence[Said], supplier: Sequence[Said]) -> OrderState:
    """Return what an order has come to, by the records of its two lines in the order of each."""
    state = begin(placed)
    for side in (buyer, supplier):
        state.refused.update({said.id: "order.too_many" for said in side[MAX_SAID:]})
    for said, by in in_reading_order(state, buyer[:MAX_SAID], supplier[:MAX_SAID]):
        try:
            _apply(state, said, by)
        except RemoteProtocolError as exc:
            state.refused[said.id] = exc.code
            continue
        if state.state is Order.IN_FULFILMENT and state.is_complete:
            state.state = advance(ORDER, state.state, "sum.complete", Party.NOBODY)
    return state


def _apply(state: OrderState, said: Said, by: Party) -> None:
    """Carry out one record, or raise RemoteProtocolError and change nothing."""
    match said.record:
        case OrderResponse() as record:
            _respond(state, said, record, by)
        case OrderAgreement() as record:
            _agree(state, record, by)
        case OrderLapse() as record:
            _lapse(state, said, record, by)
        case OrderChange() as record:
            _change(state, said, record, by)
        case ChangeResponse() as record:
            _answer_change(state, record, by)
        case OrderCancel():
            _cancel(state, said, by)
        case CancelResponse() as record:
            _answer_cancel(state, said, record, by)
        case _:
            _apply_goods(state, said, said.record, by)


def _apply_goods(state: OrderState, said: Said, about: AboutGoods, by: Party) -> None:
    match about:
        case Despatch() as record:
            despatch(state, said, record, by)
        case Receipt() as record:
            receive(state, said, record, by)
        case DeemedReceipt() as record:
            deem(state, said, record, by)
        case ReturnRequest() as record:
            ask_return(state, said, record, by)
        case ReturnResponse() as record:
            answer_return(state, record, by)
        case Invoice() as record:
            bill(state, said, record, by)
        case InvoiceResponse() as record:
            answer_invoice(state, record, by)
        case CreditNote() as record:
            credit(state, record, by)
        case _ as never:
            assert_never(never)


# --- acceptance -----------------------------------------------------------------------------------


def _respond(state: OrderState, said: Said, record: OrderResponse, by: Party) -> None:
    after = advance(ORDER, state.state, f"order.response {record.code}", by)
    if record.lines is not UNSET:
        _require_promise(state, record)
        state.proposal = (said, record)
    if record.cancel_fee_bps is not UNSET:
        state.cancel_fee_bps = record.cancel_fee_bps
    if state.state is Order.AGREED and state.proposal is not None:
        _take(state, state.proposal[1])
    state.state, state.answer = after, record


def _require_promise(state: OrderState, record: OrderResponse) -> None:
    """Return if what is proposed is neither more nor dearer than the order. REC-13, REC-14."""
    assert record.lines is not UNSET  # noqa: S101  # said by the caller; narrows the type
    require_lines(state, record.lines)
    changed = {line.line: sum(each.quantity for each in line.deliveries) for line in record.lines}
    for line in record.lines:
        if changed[line.line] > state.lines[line.line].ordered:
            raise refuse("order.quantity", "expected no more promised than was ordered")
        old, new = state.lines[line.line].price, line.price
        if new is not UNSET and (
            (new.base, new.currency) != (old.base, old.currency) or new.amount > old.amount
        ):
            raise refuse("order.price", f"expected at most {old.amount} for {old.base}")
    if not any(changed.get(at, line.ordered) for at, line in enumerate(state.lines)):
        raise refuse("order.quantity", "expected something promised: RE rejects all of an order")


def _take(state: OrderState, record: OrderResponse) -> None:
    """Make what was proposed and agreed to the version in force."""
    for promised in () if record.lines is UNSET else record.lines:
        line = state.lines[promised.line]
        line.ordered = line.due = sum(each.quantity for each in promised.deliveries)
        line.promises = tuple(promised.deliveries)
        line.price = line.price if promised.price is UNSET else promised.price


def _agree(state: OrderState, record: OrderAgreement, by: Party) -> None:
    after = advance(ORDER, state.state, f"order.agree {record.code}", by)
    _require_proposal(state, record)
    state.state = after


def _lapse(state: OrderState, said: Said, record: OrderLapse, by: Party) -> None:
    after = advance(ORDER, state.state, "order.lapse", by)
    response = _require_proposal(state, record)
    require_passed(said, response.agree_by_ms)
    state.state = after


def _require_proposal(state: OrderState, record: OrderAgreement | OrderLapse) -> OrderResponse:
    if state.proposal is None or state.proposal[0].id != record.response:
        raise refuse("state.illegal", "expected the proposal that stands to be named")
    return state.proposal[1]


def require_passed(said: Said, deadline_ms: object) -> None:
    """Return if a record bears a time after a deadline (LIF-10)."""
    if not isinstance(deadline_ms, int) or said.time_ms <= deadline_ms:
        raise refuse("order.early", f"expected a time after {deadline_ms}, got {said.time_ms}")


# --- changes and cancellations --------------------------------------------------------------------


def _change(state: OrderState, said: Said, record: OrderChange, by: Party) -> None:
    after = advance(ORDER, state.state, "order.change", by)
    begun = advance(AMENDMENT, None, "order.change", by)
    require_lines(state, record.lines)
    if state.change is not None:
        replaced = state.change[0]
        state.amendments[replaced] = advance(
            AMENDMENT, state.amendments[replaced], "order.change", by
        )
    state.amendments[said.id], state.change = begun, (said.id, record)
    state.state = after


def _answer_change(state: OrderState, record: ChangeResponse, by: Party) -> None:
    event = f"order.change_response {record.code}"
    after = advance(ORDER, state.state, event, by)
    answered = advance(AMENDMENT, state.amendments.get(record.change), event, by)
    if answered is Amendment.CONFIRMED and state.change is not None:
        _amend(state, state.change[1])
    state.amendments[record.change], state.change = answered, None
    state.state = after


def _amend(state: OrderState, record: OrderChange) -> None:
    """Make a confirmed change the version in force (LIF-11). Raises `order.quantity`."""
    asked = {line.line: line.quantity for line in record.lines}
    if any(quantity < state.lines[at].sent for at, quantity in asked.items()):
        raise refuse("order.quantity", "expected no less than was despatched")
    if not any(asked.get(at, line.ordered) for at, line in enumerate(state.lines)):
        raise refuse("order.quantity", "expected something ordered: a cancellation ends an order")
    for at, quantity in asked.items():
        line = state.lines[at]
        line.ordered, line.due, line.promises = quantity, quantity - line.sent, ()
    state.window = state.window if record.window is UNSET else record.window


def _cancel(state: OrderState, said: Said, by: Party) -> None:
    after = advance(ORDER, state.state, "order.cancel", by)
    now = None if state.cancel is None else state.cancellations[state.cancel]
    state.cancellations[said.id] = advance(CANCELLATION, now, "order.cancel", by)
    state.cancel, state.state = said.id, after


def _answer_cancel(state: OrderState, said: Said, record: CancelResponse, by: Party) -> None:
    event = f"order.cancel_response {record.code}"
    after = advance(ORDER, state.state, event, by)
    answered = advance(CANCELLATION, state.cancellations.get(record.cancel), event, by)
    fee = 0 if record.fee is UNSET else record.fee
    if fee > most_fee(state) or (fee and record.code == "RE"):
        raise refuse("order.fee", f"expected a fee of at most {most_fee(state)}, got {fee}")
    if answered is Cancellation.CONFIRMED:
        state.cancel_fee, state.cancelled_ms = fee, said.time_ms
        for line in state.lines:
            line.due = 0
    state.cancellations[record.cancel], state.cancel = answered, None
    state.state = after


def most_fee(state: OrderState) -> int:
    """Return what cancelling costs at most now: nothing before acceptance (REC-15)."""
    if state.state not in {Order.ACCEPTED, Order.IN_FULFILMENT}:
        return 0
    goods = sum(line_amount(line.price, line.due) for line in state.lines)
    return part_of(goods, state.cancel_fee_bps)
