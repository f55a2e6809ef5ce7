"""From an award to orders, and from orders to the supplier's answers.

Firm lines are bound by their award, so nothing is retyped: each co-op's node orders what its own
check of the award allocates to it, and the supplier's node compares with its own check.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, cast

from msgspec import UNSET, UnsetType

from sheaf_protocol.records import Award, DropLine, Order, OrderResponse, Place
from sheaf_services.pooled_purchasing.evaluate import AwardDraft

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_node.plugins import ServiceContext
    from sheaf_protocol.digest import CoopId, EntryId, WriterId
    from sheaf_protocol.records import Allocation, Offer
    from sheaf_services.pooled_purchasing.inputs import Inputs, Seen
    from sheaf_services.pooled_purchasing.ledger import Ledger, Pool


def orders_of(
    ledger: Ledger, wid: WriterId, drop: Place | UnsetType
) -> Iterator[tuple[Order, Sequence[EntryId], CoopId]]:
    """Yield the orders that this writer owes for awards it found right, with their supplier."""
    placed = {seen.record.award for seen in ledger.orders.values() if seen.wid == wid}
    for pool, award in _right_awards(ledger, wid):
        inputs = ledger.inputs(pool, wid)
        if award.id in placed or inputs is None:
            continue
        own = [a for a in _allocations(ledger, inputs) if _author(inputs, a.demand).wid == wid]
        for offer_id in sorted({allocation.offer for allocation in own}):
            offer = next(seen for seen in inputs.offers if seen.id == offer_id)
            lines = [a for a in own if a.offer == offer_id]
            order = _order(pool, award.id, offer, lines, drop)
            yield order, [award.id], offer.cid


def answer_orders(
    ledger: Ledger, context: ServiceContext, ship_from: Place | UnsetType
) -> Iterator[tuple[OrderResponse, Seen[Order]]]:
    """Yield our answers, as a supplier, to orders on awards that we have checked."""
    pending = [
        seen
        for order_id, seen in ledger.orders.items()
        if seen.record.supplier == context.cid and order_id not in ledger.responses
    ]
    if not pending:
        return
    by_award: defaultdict[EntryId, list[Seen[Order]]] = defaultdict(list)
    for seen in pending:
        by_award[seen.record.award].append(seen)
    for pool, award in _right_awards(ledger, context.wid):
        inputs = ledger.inputs(pool, context.wid)
        if award.id not in by_award or inputs is None:
            continue
        allocations = {a.demand: a for a in _allocations(ledger, inputs)}
        for seen in by_award[award.id]:
            yield _answer(inputs, allocations, seen, ship_from), seen


def _right_awards(ledger: Ledger, wid: WriterId) -> Iterator[tuple[Pool, Seen[Award]]]:
    for pool in ledger.pools.values():
        decided = ledger.decided(pool, wid)
        if decided is not None and isinstance(decided.record, Award):
            yield pool, cast("Seen[Award]", decided)


def _allocations(ledger: Ledger, inputs: Inputs) -> Sequence[Allocation]:
    """Return the leaves of the award; our own check found its root to be theirs."""
    result = ledger.result(inputs)
    return result.allocations if isinstance(result, AwardDraft) else ()


def _author(inputs: Inputs, demand: EntryId) -> Seen[object]:
    return next(cast("Seen[object]", seen) for seen in inputs.demands if seen.id == demand)


def _order(
    pool: Pool,
    award: EntryId,
    offer: Seen[Offer],
    lines: Sequence[Allocation],
    drop: Place | UnsetType,
) -> Order:
    return Order(
        award=award,
        drop=drop,
        item=pool.opening.record.item,
        lines=[DropLine(amount=a.amount, demand=a.demand, quantity=a.quantity) for a in lines],
        offer=offer.id,
        price=offer.record.price(lines[0].tier),
        supplier=offer.cid,
        window=pool.opening.record.window,
    )


def _answer(
    inputs: Inputs,
    allocations: dict[EntryId, Allocation],
    seen: Seen[Order],
    ship_from: Place | UnsetType,
) -> OrderResponse:
    """Accept an order that asks for exactly what its author was allocated from our offer."""
    order = seen.record
    mine = {a.demand for a in allocations.values() if _author(inputs, a.demand).cid == seen.cid}
    is_right = all(
        line.demand in mine
        and (line.amount, line.quantity, order.offer)
        == (
            allocations[line.demand].amount,
            allocations[line.demand].quantity,
            allocations[line.demand].offer,
        )
        for line in order.lines
    )
    if not is_right:
        return OrderResponse(code="RE", order=seen.id, reason="order.mismatch")
    offer = next(o.record for o in inputs.offers if o.id == order.offer)
    units = sum(line.quantity for line in order.lines)
    grams = UNSET if offer.unit_weight_g is UNSET else units * offer.unit_weight_g
    weight = UNSET if grams is UNSET else grams // 10**offer.item.scale
    return OrderResponse(code="AP", order=seen.id, ship_from=ship_from, weight_g=weight)
