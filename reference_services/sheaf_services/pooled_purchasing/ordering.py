"""From an award to orders, and from orders to the supplier's answers.

Firm lines are bound by their award, so nothing is retyped: each co-op's node orders what its own
check of the award allocates to it, and the supplier's node compares with its own check. A line is
ordered once and sold once, whatever else is awarded or asked for.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, UnsetType

from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.records import DropLine, Order, OrderResponse, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sheaf_protocol.digest import CoopId, EntryId
    from sheaf_protocol.records import Allocation, Offer
    from sheaf_services.pooled_purchasing.inputs import Inputs, Seen
    from sheaf_services.pooled_purchasing.ledger import Ledger, Pool

MAX_LINES: Final = 500
"""Lines of one order: 80 bytes each, so that it fits into a payload with its seal around it."""

MISMATCH: Final = "order.mismatch"
TWICE: Final = "order.twice"
NO_AWARD: Final = "order.no_award"


def orders_of(ledger: Ledger, drop: Place | UnsetType) -> Iterator[tuple[Order, EntryId, CoopId]]:
    """Yield the orders that this writer owes, with the award and supplier of each."""
    ordered: set[tuple[EntryId, EntryId]] = set()
    award_of: dict[EntryId, EntryId] = {}
    for seen in ledger.orders.values():
        if ledger.is_own(seen):
            ordered.update((line.demand, seen.record.offer) for line in seen.record.lines)
            award_of.update((line.demand, seen.record.award) for line in seen.record.lines)
    for pool, award, inputs in ledger.awarded():
        own = {seen.id for seen in inputs.demands if ledger.is_own(seen)}
        by_offer: defaultdict[EntryId, list[Allocation]] = defaultdict(list)
        for leaf in ledger.leaves(pool):
            if leaf.demand not in own or (leaf.demand, leaf.offer) in ordered:
                continue
            # Another coordinator's award may have had the same line: the first one ordered stands.
            if award_of.setdefault(leaf.demand, award.id) == award.id:
                by_offer[leaf.offer].append(leaf)
        for leaves in by_offer.values():
            for first in range(0, len(leaves), MAX_LINES):
                lines = leaves[first : first + MAX_LINES]
                offer = _offer_of(inputs, lines[0])
                yield _order(pool, award.id, offer, lines, drop), award.id, offer.cid


def answer_orders(
    ledger: Ledger, cid: CoopId, ship_from: Place | UnsetType
) -> Iterator[tuple[OrderResponse, Seen[Order]]]:
    """Yield our answers, as a supplier, to orders on awards that we have checked."""
    pending: defaultdict[EntryId, list[Seen[Order]]] = defaultdict(list)
    sold: set[tuple[EntryId, EntryId]] = set()
    for seen in ledger.orders.values():
        answer = ledger.response(seen)
        if seen.record.supplier == cid and answer is None:
            pending[seen.record.award].append(seen)
        elif seen.record.supplier == cid and answer is not None and answer.code == "AP":
            sold.update((line.demand, seen.record.offer) for line in seen.record.lines)
    if not pending:
        return
    for pool, award, inputs in ledger.awarded():
        if award.id in pending:
            leaves = {(leaf.demand, leaf.offer): leaf for leaf in ledger.leaves(pool)}
            desk = _Desk(pool, inputs, leaves, ship_from)
            for seen in pending.pop(award.id):
                yield desk.answer(seen, sold), seen
    for award_id, orders in pending.items():
        if ledger.verdict(award_id) is not None:
            for seen in orders:
                yield _refused(seen, NO_AWARD), seen


def _offer_of(inputs: Inputs, leaf: Allocation) -> Seen[Offer]:
    return next(seen for seen in inputs.offers if seen.id == leaf.offer)


def _order(
    pool: Pool,
    award: EntryId,
    offer: Seen[Offer],
    leaves: Sequence[Allocation],
    drop: Place | UnsetType,
) -> Order:
    return Order(
        award=award,
        drop=drop,
        item=pool.opening.record.item,
        lines=[DropLine(amount=a.amount, demand=a.demand, quantity=a.quantity) for a in leaves],
        offer=offer.id,
        price=offer.record.price(leaves[0].tier),
        supplier=offer.cid,
        window=pool.opening.record.window,
    )


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where orders on one award are answered."""

    pool: Pool
    inputs: Inputs
    leaves: Mapping[tuple[EntryId, EntryId], Allocation]
    """By demand and offer."""
    ship_from: Place | UnsetType

    def answer(self, seen: Seen[Order], sold: set[tuple[EntryId, EntryId]]) -> OrderResponse:
        """Accept an order of exactly what its author was allocated from an offer of ours, once."""
        order = seen.record
        asked = [(line.demand, order.offer) for line in order.lines]
        if not self._is_allocated(seen, asked):
            return _refused(seen, MISMATCH)
        if len(set(asked)) < len(asked) or sold.intersection(asked):
            return _refused(seen, TWICE)
        sold.update(asked)
        offer = _offer_of(self.inputs, self.leaves[asked[0]]).record
        weight = _weight_g(offer, sum(line.quantity for line in order.lines))
        return OrderResponse(code="AP", order=seen.id, ship_from=self.ship_from, weight_g=weight)

    def _is_allocated(self, seen: Seen[Order], asked: Sequence[tuple[EntryId, EntryId]]) -> bool:
        """Return whether an order is what its author's own node would make of these lines.

        That its supplier is us is settled, so the offer is ours where the two orders are equal.
        """
        order = seen.record
        authors = {demand.id: demand.cid for demand in self.inputs.demands}
        got = [self.leaves[each] for each in asked if each in self.leaves]
        if len(got) < len(order.lines) or any(authors[a.demand] != seen.cid for a in got):
            return False
        offer = _offer_of(self.inputs, got[0])
        return _order(self.pool, order.award, offer, got, order.drop) == order


def _refused(seen: Seen[Order], reason: str) -> OrderResponse:
    return OrderResponse(code="RE", order=seen.id, reason=reason)


def _weight_g(offer: Offer, units: int) -> int | UnsetType:
    """Return the weight of so many units, or UNSET where it is not known or beyond any vehicle."""
    if offer.unit_weight_g is UNSET:
        return UNSET
    weight = int(units * offer.unit_weight_g // 10**offer.item.scale)
    return weight if weight <= MAX_INT else UNSET
