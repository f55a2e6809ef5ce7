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

from sheaf_protocol.codec import encode
from sheaf_protocol.digest import CoopId, Digest, EntryId, WriterId, digest
from sheaf_protocol.limits import MAX_ITEMS
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
from sheaf_services.pooled_purchasing.landed import MAX_LINE_AMOUNT, carriage_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sheaf_protocol.log import Head

R_co = TypeVar("R_co", covariant=True)
L = TypeVar("L", Demand, Offer)

Log: TypeAlias = tuple[CoopId, WriterId]
"""One writer's log inside the federation at hand."""

MAX_OFFERS: Final = 256
"""Offers that a close may list."""

MAX_CUT: Final = 256
"""Logs that an owner here names in a close: its own, and those with lines for the item."""

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

    @property
    def log(self) -> Log:
        """The log it stands in."""
        return (self.cid, self.wid)


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

    def __init__(self, entries: Iterable[Seen[Record]] = ()) -> None:
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
                self._demands.withdraw(target, entry.log, entry.seq)
            case OfferWithdrawal(offer=target):
                self._offers.withdraw(target, entry.log, entry.seq)
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
        upto = {(line.cid, line.wid): line.seq for line in cut}
        key = pool.item.key
        demands = [
            seen
            for seen in self._demands.standing(key, upto)
            if seen.id not in taken and matches_demand(pool, seen.record)
        ]
        matching = [s for s in self._offers.standing(key, upto) if matches_offer(pool, s.record)]
        offers = _listable(matching)
        logs = self._demands.logs_within(key, upto) | self._offers.logs_within(key, upto)
        listed = _in_turns(demands)[: _room(len(logs), len(offers))]
        return Counted(demands=tuple(sorted(listed, key=_by_id)), offers=tuple(offers))

    def wanted(self, upto: Mapping[Log, int]) -> Iterator[tuple[str, str, int]]:
        """Yield the key of each item that a demand stands for at the cuts."""
        return (key for key in self._demands.items() if self._demands.standing(key, upto))

    def logs_for(self, key: tuple[str, str, int]) -> set[Log]:
        """Return the logs that hold any line for an item: those that a cut has to name."""
        return self._demands.logs_for(key) | self._offers.logs_for(key)

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


class _Lines(Generic[L]):
    """Lines of one kind: the same reference again, in the same log, is the same line."""

    def __init__(self) -> None:
        self._by_ref: dict[tuple[Log, str], dict[int, Seen[L]]] = defaultdict(dict)
        self._refs_of: dict[tuple[str, str, int], dict[tuple[Log, str], None]] = defaultdict(dict)
        self._withdrawn: dict[tuple[EntryId, Log], int] = {}

    def add(self, entry: Seen[L]) -> None:
        line = (entry.log, entry.record.ref)
        self._by_ref[line][entry.seq] = entry
        self._refs_of[entry.record.item.key][line] = None

    def withdraw(self, target: EntryId, log: Log, seq: int) -> None:
        # Only the log that wrote a line can take it back; another's withdrawal is kept under
        # the other's name and so never found.
        known = self._withdrawn.get((target, log), seq)
        self._withdrawn[target, log] = min(known, seq)

    def items(self) -> Iterable[tuple[str, str, int]]:
        """Return the items that any line was for at any time."""
        return self._refs_of

    def logs_for(self, key: tuple[str, str, int]) -> set[Log]:
        """Return the logs with a line that was for an item at any time."""
        return {log for log, _ in self._refs_of.get(key, ())}

    def logs_within(self, key: tuple[str, str, int], upto: Mapping[Log, int]) -> set[Log]:
        """Return the logs with such a line at or below the cuts."""
        lines = self._refs_of.get(key, ())
        return {line[0] for line in lines if min(self._by_ref[line]) <= upto.get(line[0], 0)}

    def standing(self, key: tuple[str, str, int], upto: Mapping[Log, int]) -> list[Seen[L]]:
        """Return the lines for an item that stand at the cuts, by entry id."""
        found = []
        for log, ref in self._refs_of.get(key, ()):
            last = upto.get(log, 0)
            seqs = [seq for seq in self._by_ref[log, ref] if seq <= last]
            if not seqs:
                continue
            latest = self._by_ref[log, ref][max(seqs)]
            withdrawn_at = self._withdrawn.get((latest.id, log))
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
    """Return whether an offer can serve the pool: item, currency, zone and validity."""
    return (
        offer.item.key == pool.item.key
        and offer.currency == pool.reference.currency
        and offer.valid_until_ms >= pool.closes_at_ms
        and carriage_to(offer, pool.zone) is not None
    )


def inputs_hash(pool: EntryId, demands: Iterable[EntryId], offers: Iterable[EntryId]) -> Digest:
    """Return the commitment of an award to what it decided on (AWD-2)."""
    listed = {"demands": sorted(demands), "offers": sorted(offers), "pool": pool}
    return digest("award-inputs", encode(listed))


def make_cut(
    heads: Sequence[tuple[CoopId, WriterId, Head]], logs: set[Log], own: Log
) -> list[LogCut]:
    """Return the cut of a close: how far our own log and the logs with lines were read.

    A log without a line for the item has nothing that could count, and naming it would let a member
    with a thousand writers make every close too large. Beyond `MAX_CUT` co-ops take turns.
    """
    named = [head for head in heads if head[:2] in logs and head[:2] != own]
    turns: Counter[CoopId] = Counter()
    ranked = []
    for cid, wid, head in named:
        ranked.append((turns[cid], cid, wid, head))
        turns[cid] += 1
    chosen = [head for head in heads if head[:2] == own]
    chosen += [(cid, wid, head) for _, cid, wid, head in sorted(ranked)[: MAX_CUT - 1]]
    return [
        LogCut(cid=cid, head=Digest(head.id), seq=head.seq, wid=wid)
        for cid, wid, head in sorted(chosen)
    ]


def _room(logs: int, offers: int) -> int:
    """Return how many demands a close can list beside its cut and its offers.

    Only logs with lines are reckoned: an owner that pads its cut keeps nobody out.
    """
    left = _CLOSE_BYTES - _CUT_BYTES * min(logs + 1, MAX_CUT) - _ID_BYTES * offers
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
