"""The orders that this co-op has a part in, and what both sides said about each.

Between logs there is no order, so records are kept by order and line, and folded when asked for
(spec 11, section 5). What one line can make a node keep is bounded for each order, and beyond the
orders that are here altogether.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, get_args

from msgspec import UNSET

from sheaf_protocol.lifecycle.bill import Rates
from sheaf_protocol.lifecycle.order_fold import fold_order
from sheaf_protocol.lifecycle.order_state import MAX_SAID, About, OrderState, Placed, Said
from sheaf_protocol.records import Award, Offer, Order, PoolOpen, Price
from sheaf_protocol.records.delivery import Receipt, ReturnRequest
from sheaf_protocol.records.invoice import InvoiceResponse
from sheaf_protocol.records.order import OrderAgreement, OrderCancel, OrderChange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.digest import CoopId, EntryId, WriterId

Line: TypeAlias = "tuple[CoopId, WriterId]"
"""A writer and its successors, by the first of them."""

MOST_EARLY: Final = 4_096
"""Records of one line about orders that are not here: those of another node of ours may come late,
and a hostile author's could go on for ever."""

_ABOUT: Final = get_args(About)
_BUYERS: Final = (
    *(OrderAgreement, OrderChange, OrderCancel),
    *(Receipt, ReturnRequest, InvoiceResponse),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """An order, and the two lines that are listened to about it (LIF-7)."""

    placed: Placed
    buyer: Line
    supplier: Line | None
    """None while the offer is not here."""

    @property
    def buyer_cid(self) -> CoopId:
        """Who placed it."""
        return self.buyer[0]

    @property
    def supplier_cid(self) -> CoopId:
        """Whom it was placed with."""
        return self.placed.record.supplier


class Ledger:
    """What one writer's node knows of orders. `line` is what its own writer is of."""

    def __init__(self, cid: CoopId, line: WriterId) -> None:
        self.own: Line = (cid, line)
        self._orders: dict[EntryId, tuple[Placed, Line]] = {}
        self._by_offer: defaultdict[EntryId, list[EntryId]] = defaultdict(list)
        self._said: defaultdict[EntryId, defaultdict[Line, list[Said]]]
        self._said = defaultdict(lambda: defaultdict(list))
        self._early_by: Counter[Line] = Counter()
        self._offers: dict[EntryId, tuple[Line, Offer]] = {}
        self._pools: dict[EntryId, PoolOpen] = {}
        self._award_pools: dict[EntryId, EntryId] = {}
        self._states: dict[EntryId, OrderState] = {}

    # --- folding ----------------------------------------------------------------------------

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        line = (seen.cid, seen.line)
        match seen.record:
            case Order() as order:
                if self.own[0] in {seen.cid, order.supplier}:
                    placed = Placed(id=seen.id, time_ms=seen.time_ms, record=order)
                    self._orders[seen.id] = (placed, line)
                    self._by_offer[order.offer].append(seen.id)
            case Offer() as offer:
                self._offers[seen.id] = (line, offer)
                for id_ in self._by_offer[seen.id]:
                    self._states.pop(id_, None)
            case PoolOpen() as pool:
                self._pools[seen.id] = pool
            case Award(pool=pool_id):
                self._award_pools[seen.id] = pool_id
            case record:
                if isinstance(record, _ABOUT):
                    self._note(cast("About", record), seen, line)

    def _note(self, record: About, seen: SeenRecord, line: Line) -> None:
        said = self._said[record.order][line]
        if record.order not in self._orders:
            self._early_by[line] += 1
        # One more than counts, so that what is beyond shows as such.
        if len(said) <= MAX_SAID and self._early_by[line] <= MOST_EARLY:
            said.append(Said(id=seen.id, time_ms=seen.time_ms, record=record))
            self._states.pop(record.order, None)

    # --- asking -----------------------------------------------------------------------------

    def orders(self) -> Iterator[Known]:
        """Yield the orders that this co-op placed or was asked for, as they arrived."""
        return (self.known(id_) for id_ in self._orders)

    def known(self, id_: EntryId) -> Known:
        """Return an order that is here."""
        placed, buyer = self._orders[id_]
        line, _ = self._offers.get(placed.record.offer, (None, None))
        is_theirs = line is not None and line[0] == placed.record.supplier
        return Known(placed=placed, buyer=buyer, supplier=line if is_theirs else None)

    def state(self, id_: EntryId) -> OrderState:
        """Return what an order has come to."""
        if id_ not in self._states:
            self._states[id_] = self._fold(id_)
        return self._states[id_]

    def refusal(self, id_: EntryId, said: Said, line: Line) -> str | None:
        """Return the code of the rule that a record would break if its line went on with it."""
        return self._fold(id_, said, line).refused.get(said.id)

    def rates(self, known: Known) -> Rates | None:
        """Return the carriage and fee of an order, by its pool and offer; None without those."""
        pool = self._pools.get(self._award_pools.get(known.placed.record.award, known.placed.id))
        _, offer = self._offers.get(known.placed.record.offer, (None, None))
        if pool is None or offer is None:
            return None
        return Rates(carriage=_carriage(offer, pool.zone), fee_bps=pool.fee_bps)

    def keeps(self, id_: EntryId) -> bool:
        """Return whether an order that is here rests on an open entry."""
        if id_ not in self._offers and id_ not in self._pools and id_ not in self._award_pools:
            return False
        return any(id_ in self._rest_on(placed.record) for placed, _ in self._orders.values())

    def _rest_on(self, order: Order) -> tuple[object, ...]:
        return (order.offer, order.award, self._award_pools.get(order.award))

    def _fold(self, id_: EntryId, more: Said | None = None, by: Line | None = None) -> OrderState:
        known = self.known(id_)
        said = {line: list(records) for line, records in self._said.get(id_, {}).items()}
        if more is not None and by is not None:
            said.setdefault(by, []).append(more)
        buyer = said.get(known.buyer, [])
        supplier = [] if known.supplier is None else said.get(known.supplier, [])
        if known.buyer == known.supplier:
            buyer, supplier = _parted(buyer)
        return fold_order(known.placed, buyer, supplier)


def _parted(said: list[Said]) -> tuple[list[Said], list[Said]]:
    """Return what a co-op that buys of itself said as buyer and as supplier."""
    buyer = [each for each in said if isinstance(each.record, _BUYERS)]
    return buyer, [each for each in said if not isinstance(each.record, _BUYERS)]


def _carriage(offer: Any, zone: str) -> Price | None:
    """Return what an offer's carriage costs into a zone; None for none."""
    rates = () if offer.carriage is UNSET else offer.carriage
    amounts = (rate.amount for rate in rates if rate.zone == zone)
    amount = next(amounts, 0)
    if not amount:
        return None
    return Price(amount=amount, base=offer.base, currency=offer.currency)
