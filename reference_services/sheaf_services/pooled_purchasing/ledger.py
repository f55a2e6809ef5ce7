"""What a node has learned of pools: their closes and decisions, orders and its own verdicts.

Between logs there is no order, so each fact is kept under the entry it is about and put together
when asked for. What others can make a node keep or compute is bounded for each writer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from msgspec import UNSET

from sheaf_protocol.errors import Refusal
from sheaf_protocol.lineage import alone
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
from sheaf_services.pooled_purchasing.binding import Bindings
from sheaf_services.pooled_purchasing.clearing.judging import allocations_of, is_cleared
from sheaf_services.pooled_purchasing.evaluate import AwardDraft, Lapse, evaluate
from sheaf_services.pooled_purchasing.inputs import Book, Inputs, Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.digest import CoopId, EntryId, WriterId
    from sheaf_protocol.lineage import PlaceOf
    from sheaf_protocol.log import Head
    from sheaf_protocol.records import Allocation
    from sheaf_services.pooled_purchasing.inputs import Line

Decision: TypeAlias = Award | PoolLapse

_UNDECIDED: Final = frozenset({"AB", "CA"})
"""Answers to an order that another one follows."""
MOST_DECISIONS: Final = 8
"""Decisions of one line of writers on one pool that are judged; an honest owner needs one. Every
node signs a verdict on each, so without a limit one entry of an attacker would cost one of
everybody."""


@dataclass(kw_only=True, slots=True)
class Pool:
    """One pool: its opening, its first close and its decisions in the order of the owner's line."""

    opening: Seen[PoolOpen]
    close: Seen[PoolClose] | None = None
    bound: frozenset[EntryId] = frozenset()
    """The demands that the owner's earlier pools held when this one closed."""
    decisions: list[Seen[Decision]] = field(default_factory=list)

    def by_owner(self) -> Iterator[Seen[Decision]]:
        """Yield the owner's decisions in the order of its line."""
        opening = self.opening
        return (seen for seen in self.decisions if seen.line == opening.line)


class Ledger:
    """Facts by entry id, as one writer's node sees them; only a pool's owner moves the pool.

    Whatever a writer owns its successors own: `line` is what our own writer is of.
    """

    def __init__(self, cid: CoopId, line: WriterId, place_of: PlaceOf = alone) -> None:
        self.book = Book(place_of=place_of)
        self.pools: dict[EntryId, Pool] = {}
        self.orders: dict[EntryId, Seen[Order]] = {}
        self._line = (cid, line)
        self._responses: defaultdict[EntryId, dict[CoopId, OrderResponse]] = defaultdict(dict)
        self._lines: dict[str, Seen[Demand]] = {}
        self._elsewhere: dict[tuple[Line, str], Seen[Demand]] = {}
        self._prices: defaultdict[Line, dict[str, Seen[Offer]]] = defaultdict(dict)
        self._seated: defaultdict[CoopId, list[Seen[Any]]] = defaultdict(list)
        self._withdrawn: set[tuple[EntryId, Line]] = set()
        self._heads: Mapping[tuple[CoopId, WriterId], int] = {}
        self._inputs: dict[EntryId, Inputs] = {}
        self._results: dict[EntryId, AwardDraft | Lapse | None] = {}
        self._leaves: dict[EntryId, Sequence[Allocation]] = {}
        self._verdicts: dict[EntryId, str] = {}
        self._bindings: defaultdict[Line, Bindings] = defaultdict(Bindings)
        # The owner's own records follow its opening; another's decision may be read before it.
        self._early: defaultdict[EntryId, list[Seen[Decision]]] = defaultdict(list)
        self._early_by: Counter[Line] = Counter()

    def fold(self, record: SeenRecord) -> None:
        """Learn one record."""
        seen: Seen[Any] = Seen(
            id=record.id,
            cid=record.cid,
            wid=record.wid,
            seq=record.seq,
            record=record.record,
            link=record.link,
        )
        match record.record:
            case PoolOpen(owner=owner):
                if record.is_of(owner):
                    self.pools[record.id] = Pool(opening=seen)
                    for decision in self._early.pop(record.id, ()):
                        self._decide(self.pools[record.id], decision)
            case PoolClose(pool=pool_id):
                self._close(pool_id, seen)
            case Award(pool=pool_id) | PoolLapse(pool=pool_id):
                self._note_decision(pool_id, seen)
            case Verdict(subject=subject, code=code):
                # Others' verdicts are for people to read in the log; no rule here rests on them.
                if self.is_own(seen):
                    self._verdicts.setdefault(subject, code)
            case Order():
                self.orders[record.id] = seen
            case OrderResponse(order=order_id) as response:
                answers = self._responses[order_id]
                if record.cid not in answers or answers[record.cid].code in _UNDECIDED:
                    answers[record.cid] = response
            case _:
                self._note_line(seen)
                self.book.add(seen)

    def note_heads(self, heads: Iterable[tuple[CoopId, WriterId, Head]]) -> None:
        """Learn how far each log was folded."""
        self._heads = {(cid, wid): head.seq for cid, wid, head in heads}

    def is_own(self, seen: Seen[Any]) -> bool:
        """Return whether an entry is of our own writer, or one that it succeeded."""
        return seen.line == self._line

    # --- lines ------------------------------------------------------------------------------

    def own_lines(self) -> Mapping[str, Seen[Demand]]:
        """Return the newest demand of our own writers under each reference."""
        return self._lines

    def lines_elsewhere(self, now_ms: int) -> Mapping[str, Seen[Demand]]:
        """Return the demands that still bind this co-op under another writer of its own.

        The co-op runs two nodes, or a writer ended that nobody succeeded. Such lines count by
        themselves, so the same list published under a second writer would be bought twice.
        """
        bought = {seen.id for _, _, inputs in self.awarded() for seen in inputs.demands}
        return {
            ref: seen
            for (_, ref), seen in self._elsewhere.items()
            if not self.is_withdrawn(seen) and seen.id not in bought and _may_count(seen, now_ms)
        }

    def own_prices(self) -> Mapping[str, Seen[Offer]]:
        """Return the newest offer of our own writers under each reference."""
        return self._prices[self._line]

    def lines_for(self, seat: CoopId) -> Sequence[Seen[Any]]:
        """Return the demands and offers that sponsors published for a seat, as they arrived."""
        return self._seated.get(seat, ())

    def offers(self) -> list[Seen[Offer]]:
        """Return every offer that stands."""
        return [
            seen
            for prices in self._prices.values()
            for seen in prices.values()
            if not self.is_withdrawn(seen)
        ]

    def wanted(self) -> Iterator[tuple[str, str, int]]:
        """Yield the key of each item that anybody wants by now."""
        return self.book.wanted((*log, seq) for log, seq in self._heads.items())

    def free(self) -> Iterator[Seen[Demand]]:
        """Yield the firm demands that stand and that no pool of ours holds."""
        own = self._bindings[self._line]
        for seen in self.book.standing((*log, seq) for log, seq in self._heads.items()):
            if seen.record.is_firm and seen.id not in own.bound(seen.record.item.key):
                yield seen

    def is_withdrawn(self, line: Seen[Any]) -> bool:
        """Return whether a line or offer was taken back by its own writer or a successor."""
        return (line.id, line.line) in self._withdrawn

    # --- pools ------------------------------------------------------------------------------

    def bound(self, opening: Seen[PoolOpen]) -> frozenset[EntryId]:
        """Return the demands that the pools of a pool's owner hold by now."""
        return self._bindings[opening.line].bound(opening.record.item.key)

    def inputs(self, pool: Pool) -> Inputs | None:
        """Return what the pool is decided on, or None while it is open or we lack part of it.

        From the moment that the close's cut is covered, the inputs cannot change.
        """
        known = self._inputs.get(pool.opening.id)
        if known is not None or pool.close is None:
            return known
        cut = pool.close.record.cut
        if any(self._heads.get((line.cid, line.wid), 0) < line.seq for line in cut):
            return None
        found = self.book.inputs(pool.opening, pool.close, pool.bound)
        self._inputs[pool.opening.id] = found
        return found

    def result(self, inputs: Inputs) -> AwardDraft | Lapse | None:
        """Return what the pool's rule makes of its inputs, or None where it leaves a choice."""
        if inputs.close.id not in self._results:
            try:
                self._results[inputs.close.id] = evaluate(inputs)
            except Refusal:
                self._results[inputs.close.id] = None
        return self._results[inputs.close.id]

    def unjudged(self, pool: Pool) -> Seen[Decision] | None:
        """Return the next decision that we owe a verdict, the owner's first and in its order."""
        owner = pool.opening.line
        waiting = (seen for seen in pool.decisions if seen.id not in self._verdicts)
        return min(waiting, key=lambda seen: (seen.line != owner, seen.place), default=None)

    def judged_by(self, inputs: Inputs, pool: Pool, decision: Seen[Decision]) -> Inputs:
        """Return the inputs with the decision that had ended the pool before this one, if any.

        A pool ends with the first decision found right. A lapse ends it right or wrong, for it
        sets demands free for other pools (POOL-6), which a later award would take twice.
        """
        for earlier in pool.by_owner():
            if earlier.place >= decision.place:
                break
            if isinstance(earlier.record, PoolLapse) or self.verdict(earlier.id) == OK:
                return replace(inputs, decided=earlier.id)
        return inputs

    def verdict(self, subject: EntryId) -> str | None:
        """Return what this writer found of a decision, or None so far."""
        return self._verdicts.get(subject)

    def decided(self, pool: Pool) -> Seen[Decision] | None:
        """Return the decision of a pool that this writer found right, or None."""
        return next((seen for seen in pool.by_owner() if self.verdict(seen.id) == OK), None)

    def leaves(self, pool: Pool) -> Sequence[Allocation]:
        """Return who got what by the award found right; nothing where the pool has none.

        Leaves are our own, and only taken where the award commits to the same: a log that proved
        to be forked since may have changed what we count.
        """
        decided, inputs = self.decided(pool), self.inputs(pool)
        if decided is None or inputs is None or not isinstance(decided.record, Award):
            return ()
        if decided.id not in self._leaves:
            self._leaves[decided.id] = self._leaves_by(inputs, decided.record)
        return self._leaves[decided.id]

    def _leaves_by(self, inputs: Inputs, award: Award) -> Sequence[Allocation]:
        if not is_cleared(inputs):
            result = self.result(inputs)
            is_same = isinstance(result, AwardDraft) and award.root == result.award.root
            return result.allocations if isinstance(result, AwardDraft) and is_same else ()
        try:
            return allocations_of(inputs, award)
        except Refusal:
            return ()

    def awarded(self) -> Iterator[tuple[Pool, Seen[Award], Inputs]]:
        """Yield each pool with the award found right and what it was decided on."""
        for pool in self.pools.values():
            decided, inputs = self.decided(pool), self.inputs(pool)
            if decided is not None and inputs is not None and isinstance(decided.record, Award):
                yield pool, cast("Seen[Award]", decided), inputs

    def response(self, order: Seen[Order]) -> OrderResponse | None:
        """Return the answer of an order's supplier; nobody else's counts."""
        return self._responses.get(order.id, {}).get(order.record.supplier)

    # --- folding ----------------------------------------------------------------------------

    def _note_line(self, seen: Seen[Any]) -> None:
        seat = getattr(seen.record, "seat", UNSET)
        if seat is not UNSET:
            self._seated[seat.cid].append(seen)
        match seen.record:
            case Demand(ref=ref):
                if self.is_own(seen):
                    self._lines[ref] = seen
                elif seen.cid == self._line[0]:
                    self._elsewhere[seen.line, ref] = seen
            case Offer(ref=ref):
                self._prices[seen.line][ref] = seen
            case Withdrawal(demand=line) | OfferWithdrawal(offer=line):
                self._withdrawn.add((line, seen.line))
            case _:
                return

    def _close(self, pool_id: EntryId, seen: Seen[PoolClose]) -> None:
        """The first close counts; a second one by the owner, like any by another, does not."""
        pool = self.pools.get(pool_id)
        if pool is None or pool.opening.line != seen.line or pool.close is not None:
            return
        pool.close, pool.bound = seen, self.bound(pool.opening)
        key = pool.opening.record.item.key
        self._bindings[seen.line].bind(key, pool_id, seen.record.demands)

    def _note_decision(self, pool_id: EntryId, seen: Seen[Decision]) -> None:
        pool = self.pools.get(pool_id)
        if pool is not None:
            self._decide(pool, seen)
        elif self._early_by[seen.line] < MOST_DECISIONS:
            self._early_by[seen.line] += 1
            self._early[pool_id].append(seen)

    def _decide(self, pool: Pool, seen: Seen[Decision]) -> None:
        is_owner = seen.line == pool.opening.line
        if is_owner and isinstance(seen.record, PoolLapse) and not any(pool.by_owner()):
            self._bindings[seen.line].release(pool.opening.record.item.key, pool.opening.id)
        if sum(known.line == seen.line for known in pool.decisions) < MOST_DECISIONS:
            pool.decisions.append(seen)


def _may_count(seen: Seen[Demand], now_ms: int) -> bool:
    until_ms = seen.record.decide_by_ms
    return until_ms is UNSET or now_ms <= until_ms
