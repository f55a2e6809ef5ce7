"""What a node has learned of pools: their closes and decisions, orders and verdicts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from sheaf_protocol.records import (
    OK,
    Award,
    Demand,
    Offer,
    OfferWithdrawal,
    Order,
    OrderResponse,
    PoolClose,
    PoolLapse,
    PoolOpen,
    Verdict,
    Withdrawal,
)
from sheaf_services.pooled_purchasing.evaluate import AwardDraft, Lapse, evaluate
from sheaf_services.pooled_purchasing.inputs import Book, Inputs, Seen, taken_before

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.digest import CoopId, EntryId, WriterId

Decision: TypeAlias = Award | PoolLapse


@dataclass(kw_only=True, slots=True)
class Pool:
    """One pool: its opening, its first close and its decisions in the order of the owner's log."""

    opening: Seen[PoolOpen]
    close: Seen[PoolClose] | None = None
    decisions: list[Seen[Decision]] = field(default_factory=list)


class Ledger:
    """Facts by entry id; only a pool's owner moves the pool."""

    def __init__(self) -> None:
        self.book = Book()
        self.pools: dict[EntryId, Pool] = {}
        self.orders: dict[EntryId, Seen[Order]] = {}
        self.responses: dict[EntryId, OrderResponse] = {}
        self._lines: defaultdict[WriterId, dict[str, Seen[Demand]]] = defaultdict(dict)
        self._prices: defaultdict[WriterId, dict[str, Seen[Offer]]] = defaultdict(dict)
        self._withdrawn: set[EntryId] = set()
        self._results: dict[EntryId, AwardDraft | Lapse] = {}
        self._verdicts: dict[tuple[EntryId, WriterId], str] = {}
        self._closes: list[Seen[PoolClose]] = []
        self._awards: list[Seen[Award]] = []
        # The owner's own records follow its opening; another's decision may be read before it.
        self._early: defaultdict[EntryId, list[Seen[Decision]]] = defaultdict(list)

    def fold(self, record: SeenRecord) -> None:
        """Learn one record."""
        seen: Seen[Any] = Seen(
            id=record.id, cid=record.cid, wid=record.wid, seq=record.seq, record=record.record
        )
        match record.record:
            case PoolOpen(owner=owner):
                if owner == record.wid:
                    self.pools[record.id] = Pool(opening=seen, decisions=self._early[record.id])
            case PoolClose(pool=pool_id):
                self._close(pool_id, seen)
            case Award(pool=pool_id) | PoolLapse(pool=pool_id):
                self._decide(pool_id, seen)
            case Verdict(subject=subject, code=code):
                self._verdicts.setdefault((subject, record.wid), code)
            case Order():
                self.orders[record.id] = seen
            case OrderResponse(order=order_id) as response:
                order = self.orders.get(order_id)
                if order is not None and order.record.supplier == record.cid:
                    self.responses.setdefault(order_id, response)
            case _:
                self._note_line(seen)
                self.book.add(seen)

    def lines_of(self, wid: WriterId) -> Mapping[str, Seen[Demand]]:
        """Return a writer's newest demand under each reference."""
        return self._lines[wid]

    def prices_of(self, wid: WriterId) -> Mapping[str, Seen[Offer]]:
        """Return a writer's newest offer under each reference."""
        return self._prices[wid]

    def offers(self) -> list[Offer]:
        """Return every offer that stands."""
        return [
            seen.record
            for prices in self._prices.values()
            for seen in prices.values()
            if seen.id not in self._withdrawn
        ]

    def is_withdrawn(self, line: EntryId) -> bool:
        """Return whether a line or offer was taken back by its own writer."""
        return line in self._withdrawn

    def result(self, inputs: Inputs) -> AwardDraft | Lapse:
        """Return what the pool's rule makes of its inputs, computed once for each close.

        Only to be asked once the close's cut is covered: from then on the inputs cannot change.
        """
        known = self._results.get(inputs.close.id)
        if known is None:
            known = self._results[inputs.close.id] = evaluate(inputs)
        return known

    def verdict(self, subject: EntryId, wid: WriterId) -> str | None:
        """Return what a writer found of a decision, or None so far."""
        return self._verdicts.get((subject, wid))

    def decided(self, pool: Pool, wid: WriterId) -> Seen[Decision] | None:
        """Return the first decision of a pool that a writer found right, or None."""
        for decision in pool.decisions:
            if self.verdict(decision.id, wid) == OK:
                return decision
        return None

    def inputs(self, pool: Pool, wid: WriterId) -> Inputs | None:
        """Return what the pool's decisions are judged by, or None while it is open."""
        if pool.close is None:
            return None
        taken = taken_before(pool.close, self._closes, self._awards)
        decided = self.decided(pool, wid)
        return self.book.inputs(
            pool.opening, pool.close, taken, None if decided is None else decided.id
        )

    def taken(self, owner: WriterId) -> frozenset[EntryId]:
        """Return the demands that an owner's awards so far have had."""
        awarded = {award.record.close for award in self._awards if award.wid == owner}
        return frozenset(
            demand
            for close in self._closes
            if close.wid == owner and close.id in awarded
            for demand in close.record.demands
        )

    def _note_line(self, seen: Seen[Any]) -> None:
        match seen.record:
            case Demand(ref=ref):
                self._lines[seen.wid][ref] = seen
            case Offer(ref=ref):
                self._prices[seen.wid][ref] = seen
            case Withdrawal(demand=line) | OfferWithdrawal(offer=line):
                own = (*self._lines[seen.wid].values(), *self._prices[seen.wid].values())
                self._withdrawn.update(known.id for known in own if known.id == line)
            case _:
                return

    def _close(self, pool_id: EntryId, seen: Seen[PoolClose]) -> None:
        """The first close counts; a second one by the owner, like any by another, does not."""
        pool = self.pools.get(pool_id)
        if pool is not None and pool.opening.wid == seen.wid and pool.close is None:
            pool.close = seen
            self._closes.append(seen)

    def _decide(self, pool_id: EntryId, seen: Seen[Decision]) -> None:
        pool = self.pools.get(pool_id)
        if pool is None:
            self._early[pool_id].append(seen)
            return
        pool.decisions.append(seen)
        if isinstance(seen.record, Award) and seen.wid == pool.opening.wid:
            self._awards.append(cast("Seen[Award]", seen))


def is_covered(close: PoolClose, heads: Mapping[tuple[CoopId, WriterId], int]) -> bool:
    """Return whether a node has read every log up to the line that the close names."""
    return all(heads.get((line.cid, line.wid), 0) >= line.seq for line in close.cut)


def awards_of(decisions: Iterable[Seen[Decision]]) -> list[Seen[Award]]:
    """Return the awards among decisions."""
    return [cast("Seen[Award]", d) for d in decisions if isinstance(d.record, Award)]
