"""Which demands and offers a pool counts, derived from the entries that a node holds.

The owner's close names how far it had read each log. Whatever matches the pool at or below those
lines counts, so every node derives the same inputs from its own replica and no demand can be left
out in silence. Nothing here depends on the order in which entries arrived (spec 10, POOL-3).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar, cast

from msgspec import UNSET, UnsetType

from sheaf_protocol.clearing import MAX_LINE_AMOUNT, SEVERAL_OFFERS
from sheaf_protocol.digest import CoopId, Digest, EntryId, WriterId
from sheaf_protocol.limits import MAX_ITEMS
from sheaf_protocol.lineage import alone
from sheaf_protocol.records import (
    Demand,
    LogCut,
    Offer,
    OfferWithdrawal,
    PoolClose,
    PoolOpen,
    Record,
    Window,
    Withdrawal,
    line_amount,
)
from sheaf_services.pooled_purchasing.landed import carriage_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sheaf_protocol.lineage import Link, PlaceOf
    from sheaf_protocol.log import Head

R_co = TypeVar("R_co", covariant=True)
L = TypeVar("L", Demand, Offer)

Line: TypeAlias = tuple[CoopId, WriterId]
"""A writer and its successors inside the federation at hand, by the first of them."""

MAX_OFFERS: Final = 256
"""Offers that a close may list."""

MAX_CUT: Final = 256
"""Logs that an owner here names in a close: one of its own line, and one of each with lines for
the item."""

_CLOSE_BYTES: Final = 65_000
_CUT_BYTES: Final = 130
_ID_BYTES: Final = 34
"""A payload's bytes, and what one line of a cut and one listed id take of them at most."""

MAX_BOUNDS: Final = 768
"""Tiers of all offers together: each has 80 bytes in the certificate, and an award with more
would outgrow the 65,536 bytes of a payload."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen(Generic[R_co]):
    """One entry as a node holds it: its id, its place and its record."""

    id: EntryId
    cid: CoopId
    wid: WriterId
    seq: int
    record: R_co
    link: Link | None = None
    """Where its writer stands in its line; None where it is alone in it."""

    @property
    def line(self) -> Line:
        """The line that its writer is of."""
        return (self.cid, self.wid if self.link is None else self.link.root)

    @property
    def place(self) -> int:
        """Its number in that line."""
        return self.seq if self.link is None else self.link.place_of(self.seq)


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """What a pool decides on, each by entry id."""

    demands: tuple[Seen[Demand], ...]
    offers: tuple[Seen[Offer], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs(Counted):
    """All that an award or a lapse is judged by.

    `decided` is the award or lapse with which the owner had ended this pool before, if any.
    """

    pool: Seen[PoolOpen]
    close: Seen[PoolClose]
    decided: EntryId | None = None


class Book:
    """The demands, offers and withdrawals that a node holds, findable by item.

    Forked logs are the caller's to cut: an entry at or after a fork is not added.
    """

    def __init__(self, entries: Iterable[Seen[Record]] = (), place_of: PlaceOf = alone) -> None:
        self._place_of = place_of
        self._demands: _Lines[Demand] = _Lines()
        self._offers: _Lines[Offer] = _Lines()
        for entry in entries:
            self.add(entry)

    def add(self, entry: Seen[Record]) -> None:
        """Take in an entry; kinds that do not bear on what counts are passed over."""
        match entry.record:
            case Demand():
                self._demands.add(cast("Seen[Demand]", entry))
            case Offer():
                self._offers.add(cast("Seen[Offer]", entry))
            case Withdrawal(demand=target):
                self._demands.withdraw(target, entry.line, entry.place)
            case OfferWithdrawal(offer=target):
                self._offers.withdraw(target, entry.line, entry.place)
            case _:
                pass

    def counted(
        self, pool: PoolOpen, cut: Sequence[LogCut], taken: frozenset[EntryId] = frozenset()
    ) -> Counted:
        """Return what counts for a pool that closes at these cuts.

        `taken` are the demands that earlier pools of the owner hold (see `binding.py`). Beyond what
        one close can list, co-ops take turns, each with its lowest ids: a member that floods an
        item crowds out nobody. The others wait for another pool (POOL-7).
        """
        upto = self._upto((line.cid, line.wid, line.seq) for line in cut)
        key = pool.item.key
        demands = [
            seen
            for seen in self._demands.standing(key, upto)
            if seen.id not in taken and matches_demand(pool, seen.record)
        ]
        matching = [s for s in self._offers.standing(key, upto) if matches_offer(pool, s.record)]
        offers = _listable(matching)
        lines = self._demands.lines_within(key, upto) | self._offers.lines_within(key, upto)
        listed = _in_turns(demands)[: _room(len(lines), len(offers))]
        return Counted(demands=tuple(sorted(listed, key=_by_id)), offers=tuple(offers))

    def wanted(
        self, read: Iterable[tuple[CoopId, WriterId, int]]
    ) -> Iterator[tuple[str, str, int]]:
        """Yield the key of each item that a demand stands for where each log was read so far."""
        upto = self._upto(read)
        return (key for key in self._demands.items() if self._demands.standing(key, upto))

    def standing(self, read: Iterable[tuple[CoopId, WriterId, int]]) -> Iterator[Seen[Demand]]:
        """Yield the demands that stand where each log was read so far."""
        upto = self._upto(read)
        for key in self._demands.items():
            yield from self._demands.standing(key, upto)

    def lines_for(self, key: tuple[str, str, int]) -> set[Line]:
        """Return whose lines hold anything for an item: those that a cut has to name."""
        return self._demands.lines_for(key) | self._offers.lines_for(key)

    def inputs(
        self,
        pool: Seen[PoolOpen],
        close: Seen[PoolClose],
        taken: frozenset[EntryId] = frozenset(),
        decided: EntryId | None = None,
    ) -> Inputs:
        """Return what an award or lapse of this pool is judged by."""
        counted = self.counted(pool.record, close.record.cut, taken)
        return Inputs(
            demands=counted.demands,
            offers=counted.offers,
            pool=pool,
            close=close,
            decided=decided,
        )

    def _upto(self, read: Iterable[tuple[CoopId, WriterId, int]]) -> Mapping[Line, int]:
        """Return how far lines of writers were read, where their logs were read so far.

        Whoever read a successor's log read all before it: of one line the furthest place counts.
        """
        upto: defaultdict[Line, int] = defaultdict(int)
        for cid, wid, seq in read:
            root, place = self._place_of(cid, wid, seq)
            upto[cid, root] = max(upto[cid, root], place)
        return upto


class _Lines(Generic[L]):
    """Lines of one kind: the same reference again, by the same writers, is the same line."""

    def __init__(self) -> None:
        self._by_ref: dict[tuple[Line, str], dict[int, Seen[L]]] = defaultdict(dict)
        self._refs_of: dict[tuple[str, str, int], dict[tuple[Line, str], None]] = defaultdict(dict)
        self._withdrawn: dict[tuple[EntryId, Line], int] = {}

    def add(self, entry: Seen[L]) -> None:
        ref = (entry.line, entry.record.ref)
        self._by_ref[ref][entry.place] = entry
        self._refs_of[entry.record.item.key][ref] = None

    def withdraw(self, target: EntryId, by: Line, place: int) -> None:
        # Only the writers that wrote a line can take it back; another's withdrawal is kept under
        # the other's name and so never found.
        known = self._withdrawn.get((target, by), place)
        self._withdrawn[target, by] = min(known, place)

    def items(self) -> Iterable[tuple[str, str, int]]:
        """Return the items that any line was for at any time."""
        return self._refs_of

    def lines_for(self, key: tuple[str, str, int]) -> set[Line]:
        """Return whose lines were for an item at any time."""
        return {by for by, _ in self._refs_of.get(key, ())}

    def lines_within(self, key: tuple[str, str, int], upto: Mapping[Line, int]) -> set[Line]:
        """Return whose lines were for it at or below the cuts."""
        refs = self._refs_of.get(key, ())
        return {ref[0] for ref in refs if min(self._by_ref[ref]) <= upto.get(ref[0], 0)}

    def standing(self, key: tuple[str, str, int], upto: Mapping[Line, int]) -> list[Seen[L]]:
        """Return the lines for an item that stand at the cuts, by entry id."""
        found = []
        for by, ref in self._refs_of.get(key, ()):
            last = upto.get(by, 0)
            places = [place for place in self._by_ref[by, ref] if place <= last]
            if not places:
                continue
            latest = self._by_ref[by, ref][max(places)]
            withdrawn_at = self._withdrawn.get((latest.id, by))
            is_withdrawn = withdrawn_at is not None and withdrawn_at <= last
            # A later line under the same reference may be for another item: then it is not here.
            if latest.record.item.key == key and not is_withdrawn:
                found.append(latest)
        return sorted(found, key=_by_id)


def matches_demand(pool: PoolOpen, demand: Demand) -> bool:
    """Return whether a demand is one that the pool is for.

    Indicative lines do not count, for an award binds; nor do lines that had to be decided before
    the pool closes, or wanted at a time that the pool does not deliver in.
    """
    return (
        demand.item.key == pool.item.key
        and demand.zone == pool.zone
        and demand.max_price.currency == pool.reference.currency
        and demand.is_firm
        and (demand.decide_by_ms is UNSET or demand.decide_by_ms >= pool.closes_at_ms)
        and _meet(demand.window, pool.window)
        and line_amount(pool.reference, demand.quantity) <= MAX_LINE_AMOUNT
    )


def matches_offer(pool: PoolOpen, offer: Offer) -> bool:
    """Return whether an offer can serve the pool: item, currency, zone, validity and rule."""
    return (
        offer.item.key == pool.item.key
        and offer.currency == pool.reference.currency
        and offer.valid_until_ms >= pool.closes_at_ms
        and carriage_to(offer, pool.zone) is not None
        and (pool.objective == SEVERAL_OFFERS or not has_terms(offer))
    )


def has_terms(offer: Offer) -> bool:
    """Return whether an offer has terms that the rule of one offer does not look at."""
    return offer.pack is not UNSET or offer.min_quantity is not UNSET


def make_cut(
    heads: Sequence[tuple[CoopId, WriterId, Head]],
    lines: set[Line],
    own: Line,
    place_of: PlaceOf = alone,
) -> list[LogCut]:
    """Return the cut of a close: how far our own line and those with lines for the item were read.

    Writers without such a line have nothing that could count, and naming them would let a member
    with a thousand writers make every close too large. Of a line of writers its furthest entry is
    named, which says that all before it was read. Beyond `MAX_CUT` co-ops take turns.
    """
    furthest: dict[Line, tuple[CoopId, WriterId, Head]] = {}
    places: dict[Line, int] = {}
    for cid, wid, head in heads:
        root, place = place_of(cid, wid, head.seq)
        if place > places.get((cid, root), 0):
            furthest[cid, root], places[cid, root] = (cid, wid, head), place
    turns: Counter[CoopId] = Counter()
    ranked = []
    for line, (cid, wid, head) in furthest.items():
        if line in lines and line != own:
            ranked.append((turns[cid], cid, wid, head))
            turns[cid] += 1
    chosen = [furthest[own]] if own in furthest else []
    chosen += [(cid, wid, head) for _, cid, wid, head in sorted(ranked)[: MAX_CUT - 1]]
    return [
        LogCut(cid=cid, head=Digest(head.id), seq=head.seq, wid=wid)
        for cid, wid, head in sorted(chosen)
    ]


def _room(lines: int, offers: int) -> int:
    """Return how many demands a close can list beside its cut and its offers.

    Only writers with lines are reckoned: an owner that pads its cut keeps nobody out.
    """
    left = _CLOSE_BYTES - _CUT_BYTES * min(lines + 1, MAX_CUT) - _ID_BYTES * offers
    return min(MAX_ITEMS, left // _ID_BYTES)


def _in_turns(lines: Sequence[Seen[L]]) -> list[Seen[L]]:
    """Return lines, given by id, as co-ops take turns: the first of each, then the second."""
    turns: Counter[CoopId] = Counter()
    ranked = []
    for line in lines:
        ranked.append((turns[line.cid], line.id, line))
        turns[line.cid] += 1
    return [line for _, _, line in sorted(ranked, key=lambda ranked_line: ranked_line[:2])]


def _listable(offers: Sequence[Seen[Offer]]) -> list[Seen[Offer]]:
    """Return the offers, suppliers in turns, whose tiers fit into one certificate; by id."""
    kept, bounds = [], 0
    for offer in _in_turns(offers)[:MAX_OFFERS]:
        if bounds + len(offer.record.tiers) <= MAX_BOUNDS:
            kept.append(offer)
            bounds += len(offer.record.tiers)
    return sorted(kept, key=_by_id)


def _meet(wanted: Window | UnsetType, given: Window | UnsetType) -> bool:
    if wanted is UNSET or given is UNSET:
        return True
    return wanted.from_ms <= given.to_ms and given.from_ms <= wanted.to_ms


def _by_id(entry: Seen[object]) -> bytes:
    return entry.id
