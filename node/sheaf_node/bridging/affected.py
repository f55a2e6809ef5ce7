"""What hangs on a treaty at this moment: pools, orders and money (`--dry-run`).

Computed from the logs anew for each question. What was sealed to others is counted and not read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET

from sheaf_node.bridging.request import find_treaty, title_of
from sheaf_protocol.digest import CoopId, EntryId
from sheaf_protocol.envelope import SEALED
from sheaf_protocol.records.curve import CurveOpen, CurveTotals, CurveWithhold
from sheaf_protocol.records.offer import Offer, OfferWithdrawal
from sheaf_protocol.records.order import Order, OrderResponse
from sheaf_protocol.records.pool import Award, PoolLapse, PoolOpen
from sheaf_protocol.treaty import read_treaty

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_node.bridging.ledger import Ledger
    from sheaf_node.bridging.powers import Powers
    from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext
    from sheaf_protocol.digest import Digest

_KINDS: Final = frozenset(
    {"curve.open", "curve.totals", "curve.withhold", "offer.submit", "offer.withdraw"}
    | {"order.place", "order.response", "pool.award", "pool.lapse", "pool.open"}
)


@dataclass(slots=True)
class _Book:
    """What was read, by kind."""

    through: frozenset[EntryId]
    """What crossed under the treaty, either way."""
    opened: dict[EntryId, tuple[SeenRecord, PoolOpen | CurveOpen]] = field(default_factory=dict)
    decisions: dict[EntryId, list[SeenRecord]] = field(default_factory=dict)
    """What is to end a pool or round, by whoever published it."""
    offers: dict[EntryId, tuple[SeenRecord, Offer]] = field(default_factory=dict)
    withdrawn: set[EntryId] = field(default_factory=set)
    totals: list[tuple[SeenRecord, CurveTotals]] = field(default_factory=list)
    orders: dict[EntryId, tuple[SeenRecord, Order]] = field(default_factory=dict)
    answers: dict[tuple[EntryId, CoopId], str] = field(default_factory=dict)
    """By order and by who answered it."""
    read_ids: set[EntryId] = field(default_factory=set)

    def decision(self, pool: EntryId) -> SeenRecord | None:
        """Return the first that the owner of a pool published, by which it ends; others end it not,
        and a second award is no more money.
        """
        opened = self.opened.get(pool)
        log = None if opened is None else opened[0].log
        by_owner = (seen for seen in self.decisions.get(pool, ()) if seen.log == log)
        return min(by_owner, key=lambda seen: seen.seq, default=None)

    def read(self, seen: SeenRecord) -> None:
        self.read_ids.add(seen.id)
        match seen.record:
            case PoolOpen() | CurveOpen() as record:
                self.opened[seen.id] = (seen, record)
            case PoolLapse(pool=pool) | CurveWithhold(curve=pool) | Award(pool=pool):
                self.decisions.setdefault(EntryId(pool), []).append(seen)
            case CurveTotals(curve=curve) as record:
                self.decisions.setdefault(EntryId(curve), []).append(seen)
                self.totals.append((seen, record))
            case Offer() as record:
                self.offers[seen.id] = (seen, record)
            case OfferWithdrawal(offer=offer):
                self.withdrawn.add(EntryId(offer))
            case Order() as record:
                self.orders[seen.id] = (seen, record)
            case OrderResponse(order=order, code=code):
                self.answers[EntryId(order), seen.cid] = code
            case _:
                return


def affected(context: ServiceContext, powers: Powers, ledger: Ledger, call: Call) -> Json:
    """Return what hangs on the treaty that option `treaty` begins to name.

    Raises Refusal `treaty.unknown`.
    """
    listed = find_treaty(powers, call.options.get("treaty", ""))
    partner = read_treaty(listed.body).other(powers.fid)
    through, sealed = _through(powers, ledger, listed.id)
    book = _Book(through)
    for seen in powers.records(powers.fid, _KINDS, _KINDS):
        book.read(seen)
    there = powers.federation(partner)
    members = frozenset() if there is None else frozenset(there.members)
    ours = powers.federations[powers.fid].members
    view = _View(powers, book, members - ours.keys(), context.now_ms())
    return {
        "treaty": listed.id.hex(),
        "title": title_of(listed),
        "partner": {"fid": partner.hex(), "name": powers.federation_name(partner)},
        "pools": list(view.pools()),
        "orders": list(view.orders()),
        "money": view.money(),
        "sealed_to_others": len(sealed - book.read_ids),
    }


@dataclass(slots=True)
class _View:
    powers: Powers
    book: _Book
    strangers: frozenset[CoopId]
    """The members of the partner that are not ours as well."""
    now_ms: int

    def pools(self) -> Iterator[dict[str, Any]]:
        """Yield the pools and demand rounds still open that have offers or demand from there."""
        for id_, (seen, record) in self.book.opened.items():
            if self.book.decision(id_) is not None:
                continue
            offers = [offer for offer in self._offers() if offer.item.key == record.item.key]
            units = self._demand(record)
            if seen.home is None and not offers and not units:
                continue
            if seen.home is not None and id_ not in self.book.through:
                continue
            yield {
                "id": id_.hex(),
                "title": record.title,
                "item": record.item.name,
                "closes_at_ms": record.closes_at_ms,
                "is_ours": seen.home is None,
                "offers_from_there": len(offers),
                "units_wanted_there": units,
            }

    def orders(self) -> Iterator[dict[str, Any]]:
        """Yield the orders to and from there that this node can read and that are not finished."""
        for id_, (seen, order) in self.book.orders.items():
            answer = self.book.answers.get((id_, CoopId(order.supplier)))
            is_past = order.window is not UNSET and order.window.to_ms < self.now_ms
            if not self._is_between(seen, order) or answer == "RE" or is_past:
                continue
            yield {
                "id": id_.hex(),
                "buyer": self.powers.name_of(seen.cid),
                "supplier": self.powers.name_of(CoopId(order.supplier)),
                "item": order.item.name,
                "state": "accepted" if answer == "AP" else "unanswered",
                "amount": _amount(order),
                "currency": order.price.currency,
            }

    def money(self) -> list[dict[str, Any]]:
        """Return by currency what was awarded in the open, and what the readable orders come to."""
        awarded: Counter[str] = Counter()
        ordered: Counter[str] = Counter()
        decisions = map(self.book.decision, self.book.opened)
        records = (seen.record for seen in decisions if seen is not None)
        for award in (record for record in records if isinstance(record, Award)):
            for line in award.lines:
                held = self.book.offers.get(EntryId(line.offer))
                if held is not None and held[0].id in self.book.through:
                    awarded[held[1].currency] += line.amount + line.carriage + line.fee
        for order in self.orders():
            ordered[order["currency"]] += order["amount"]
        return [
            {"currency": each, "awarded": awarded[each], "ordered": ordered[each]}
            for each in sorted({*awarded, *ordered})
        ]

    def _offers(self) -> Iterator[Offer]:
        for id_, (seen, offer) in self.book.offers.items():
            is_live = id_ not in self.book.withdrawn and offer.valid_until_ms >= self.now_ms
            if seen.home is not None and id_ in self.book.through and is_live:
                yield offer

    def _demand(self, record: PoolOpen | CurveOpen) -> int:
        """Return the most units that published sums from there show for an item."""
        units = 0
        for seen, totals in self.book.totals:
            curve = self.book.opened.get(EntryId(totals.curve))
            is_through = seen.home is not None and seen.id in self.book.through
            if is_through and curve is not None and curve[1].item.key == record.item.key:
                units += max(totals.quantities)
        return units

    def _is_between(self, seen: SeenRecord, order: Order) -> bool:
        parties = {seen.cid, CoopId(order.supplier)}
        is_through = bool({seen.id, EntryId(order.offer)} & self.book.through)
        return is_through or not parties.isdisjoint(self.strangers)


def _amount(order: Order) -> int:
    return sum(line.amount for line in order.lines)


def _through(
    powers: Powers, ledger: Ledger, treaty: Digest
) -> tuple[frozenset[EntryId], frozenset[EntryId]]:
    """Return what crossed under a treaty, either way, and what of that is sealed."""
    found: dict[EntryId, str] = {}
    for item in powers.crossings(powers.fid).shown:
        if item.crossed is not None and item.terms is not None and item.terms.id == treaty:
            found[item.crossed.id] = item.crossed.header.kind
    for seen in ledger.exports:
        export: Any = seen.record
        held = powers.entry(EntryId(export.entry))
        if export.treaty == treaty:
            found[EntryId(export.entry)] = "" if held is None else held.kind
    sealed = frozenset(id_ for id_, kind in found.items() if kind == SEALED)
    return frozenset(found), sealed
