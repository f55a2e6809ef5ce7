"""Goods of an order: on their way, counted, deemed accepted, given back (spec 10, section 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_protocol.lifecycle.invoice import RETURN, Return
from sheaf_protocol.lifecycle.order import DELIVERY, ORDER
from sheaf_protocol.lifecycle.order_state import DeliveryState, ReturnState, refuse
from sheaf_protocol.lifecycle.table import advance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.lifecycle.order_state import OrderState, Said
    from sheaf_protocol.lifecycle.table import Party
    from sheaf_protocol.records.delivery import (
        DeemedReceipt,
        Despatch,
        Receipt,
        ReturnRequest,
        ReturnResponse,
    )

    class _OfLine(Protocol):
        @property
        def line(self) -> int: ...


MIN_INSPECTION_MS: Final = 3 * 86_400_000
"""Three days: a co-op that opens on weekdays finds goods of a Friday before they count as taken."""


def require_lines(state: OrderState, lines: Sequence[_OfLine]) -> None:
    """Return if lines are lines of the order (REC-12)."""
    if any(each.line >= len(state.lines) for each in lines):
        raise refuse("order.line", f"expected lines up to {len(state.lines) - 1}")


def despatch(state: OrderState, said: Said, record: Despatch, by: Party) -> None:
    """Send goods off. Raises `state.*`, `order.line`, `order.quantity`, `order.inspection`."""
    after = advance(ORDER, state.state, "despatch.advice", by)
    begun = advance(DELIVERY, None, "despatch.advice", by)
    require_lines(state, record.lines)
    if any(record.ref == known.advice.ref for known in state.deliveries.values()):
        raise refuse("despatch.twice", f"expected a new number, got {record.ref}")
    for line in record.lines:
        due = state.lines[line.line].due
        if line.delivered + line.outstanding > due:
            raise refuse("order.quantity", f"expected at most {due} of line {line.line}")
    earliest_ms = max(said.time_ms, record.arrives_ms) + MIN_INSPECTION_MS
    if record.inspect_until_ms < earliest_ms:
        raise refuse("order.inspection", f"expected three days at least, until {earliest_ms}")
    for line in record.lines:
        state.lines[line.line].sent += line.delivered
        state.lines[line.line].due = line.outstanding
    state.deliveries[said.id] = DeliveryState(said=said, advice=record, state=begun)
    state.state = after


def receive(state: OrderState, said: Said, record: Receipt, by: Party) -> None:
    """Count goods. Raises `state.*`, `order.line`, `receipt.sum`."""
    after = advance(ORDER, state.state, "receipt.advice", by)
    found = state.deliveries.get(record.despatch)
    moved = advance(DELIVERY, None if found is None else found.state, "receipt.advice", by)
    assert found is not None  # noqa: S101  # nothing moves that was not despatched
    require_lines(state, record.lines)
    advised = _advised(found)
    for line in record.lines:
        came = advised.get(line.line, 0) - line.short + line.over
        is_counted = came == line.accepted + line.damaged + line.refused
        if not is_counted or (line.short and line.over) or line.short > advised.get(line.line, 0):
            raise refuse("receipt.sum", f"expected {came} counted of line {line.line}")
    accepted = advised | {line.line: line.accepted for line in record.lines}
    _close(state, found, said.id, accepted)
    found.state, state.state = moved, after


def deem(state: OrderState, said: Said, record: DeemedReceipt, by: Party) -> None:
    """Take goods as they were advised. Raises `state.*`, `order.early`."""
    after = advance(ORDER, state.state, "receipt.deem", by)
    found = state.deliveries.get(record.despatch)
    moved = advance(DELIVERY, None if found is None else found.state, "receipt.deem", by)
    assert found is not None  # noqa: S101  # nothing moves that was not despatched
    if said.time_ms <= found.advice.inspect_until_ms:
        raise refuse("order.early", f"expected a time after {found.advice.inspect_until_ms}")
    _close(state, found, said.id, _advised(found))
    found.state, state.state = moved, after


def ask_return(state: OrderState, said: Said, record: ReturnRequest, by: Party) -> None:
    """Ask to give goods back. Raises `state.*`, `return.quantity`, `return.twice`."""
    begun = advance(RETURN, None, "return.request", by)
    found = state.deliveries.get(record.despatch)
    if found is None or found.receipt is None:
        raise refuse("state.illegal", "expected goods that were received")
    if any(record.ref == known.record.ref for known in state.returns.values()):
        raise refuse("return.twice", f"expected a new number, got {record.ref}")
    for line in record.lines:
        left = found.accepted.get(line.line, 0) - found.returned.get(line.line, 0)
        if line.quantity > left:
            raise refuse("return.quantity", f"expected at most {left} of line {line.line}")
    for line in record.lines:
        found.returned[line.line] = found.returned.get(line.line, 0) + line.quantity
    state.returns[said.id] = ReturnState(said=said, record=record, state=begun)


def answer_return(state: OrderState, record: ReturnResponse, by: Party) -> None:
    """Take goods back or not. Raises `state.*`."""
    found = state.returns.get(record.request)
    event = f"return.response {record.code}"
    moved = advance(RETURN, None if found is None else found.state, event, by)
    assert found is not None  # noqa: S101  # nothing moves that was not asked for
    if moved is Return.REFUSED:
        back = state.deliveries[found.record.despatch].returned
        for line in found.record.lines:
            back[line.line] -= line.quantity
    found.state = moved


def _advised(found: DeliveryState) -> dict[int, int]:
    return {line.line: line.delivered for line in found.advice.lines}


def _close(
    state: OrderState, found: DeliveryState, receipt: EntryId, accepted: Mapping[int, int]
) -> None:
    found.receipt = receipt
    found.accepted = {at: quantity for at, quantity in accepted.items() if quantity}
    for at, quantity in found.accepted.items():
        state.lines[at].accepted += quantity
