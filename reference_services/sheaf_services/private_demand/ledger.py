"""What a node has learned of private rounds, each fact under the entry that it is about.

Between logs there is no order: a bid may be read before its round, a claim before what it is about.
Only the owner's line moves a round, and is read in order. What strangers can make a node keep is
bounded for each writer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from msgspec import UNSET

from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import DIFFERENCING_MS
from sheaf_protocol.lineage import alone
from sheaf_protocol.private_demand import Bounds, Commitment, Opening, read_commitment
from sheaf_protocol.records import Demand
from sheaf_protocol.records.curve import (
    CurveBid,
    CurveClaim,
    CurveClose,
    CurveOpen,
    CurveOpening,
    CurveReceipt,
    CurveTotals,
    CurveWithhold,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.digest import CoopId, EntryId, WriterId
    from sheaf_protocol.lineage import Link, PlaceOf
    from sheaf_protocol.log import Head
    from sheaf_protocol.records import LogCut
    from sheaf_services.private_demand.judging import Finding

R_co = TypeVar("R_co", covariant=True)
Decision: TypeAlias = CurveTotals | CurveWithhold

MOST_BY_OTHERS: Final = 16
"""Claims, and records that only an owner may write, that are kept of one writer in one round."""
MOST_OPENINGS: Final = 4
"""Openings of one bid that are looked at; an honest bidder needs one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen(Generic[R_co]):
    """One entry as a node holds it: its id, its place and its record."""

    id: EntryId
    cid: CoopId
    wid: WriterId
    seq: int
    time_ms: int
    record: R_co
    link: Link | None = None
    """Where its writer stands in its line; None where it is alone in it."""

    @property
    def line(self) -> WriterId:
        """The line that its writer is of, by the first writer in it."""
        return self.wid if self.link is None else self.link.root

    @property
    def place(self) -> int:
        """Its number in that line."""
        return self.seq if self.link is None else self.link.place_of(self.seq)


@dataclass(kw_only=True, slots=True)
class Bid:
    """A bid, its commitment where it is one, and the openings of it that we could read."""

    seen: Seen[CurveBid]
    commitment: Commitment | None
    is_contested: bool
    """Whether its log was cut before it, so that nothing more of that log is read in order."""
    openings: list[Opening] = field(default_factory=list)
    opened_by: list[EntryId] = field(default_factory=list)
    """The entries that these stood in. A receipt names them, so that they outlive a cut of the log:
    else a bidder that forks its log would keep its owner from adding up."""
    faults: dict[Opening, str | None] = field(default_factory=dict)
    """Why an opening is not one of this bid; None where it is. Worked out when asked for."""


@dataclass(kw_only=True, slots=True)
class Round:
    """A round: what its owner said, in the order of its line, and what others said about it."""

    opening: Seen[CurveOpen]
    bids: dict[EntryId, Bid]
    receipts: list[Seen[CurveReceipt]] = field(default_factory=list)
    closes: list[Seen[CurveClose]] = field(default_factory=list)
    decisions: list[Seen[Decision]] = field(default_factory=list)
    strange: list[Seen[Any]] = field(default_factory=list)
    """Receipts, closes and so on by others than the owner, which move nothing (PRV-15)."""
    claims: list[Seen[CurveClaim]] = field(default_factory=list)

    @property
    def id(self) -> EntryId:
        """The entry that opened it."""
        return self.opening.id

    @property
    def terms(self) -> CurveOpen:
        """What it was opened with."""
        return self.opening.record

    @property
    def bounds(self) -> Bounds:
        """What a line may be."""
        return Bounds(len(self.terms.levels), self.terms.cap)

    @property
    def market(self) -> tuple[CoopId, tuple[str, str, int], str]:
        """Whose rounds, for which item and zone, are told apart by PRV-29."""
        return (self.opening.cid, self.terms.item.key, self.terms.zone)

    @property
    def question(self) -> tuple[object, ...]:
        """What lines of two rounds answer alike: PRV-28, and where a line rolls over to."""
        terms = self.terms
        return (*self.market, terms.currency, terms.base, *terms.levels)

    @property
    def close(self) -> Seen[CurveClose] | None:
        """The close that counts: the first."""
        return self.closes[0] if self.closes else None

    @property
    def decision(self) -> Seen[Decision] | None:
        """The totals or withhold that counts: the first, where it follows and names the close."""
        if not self.decisions or self.close is None:
            return None
        first = self.decisions[0]
        follows = first.place > self.close.place and first.record.close == self.close.id
        return first if follows else None

    def bids_of(self, cid: CoopId) -> list[Bid]:
        """Return a co-op's bids, in the order in which they were read."""
        return [bid for bid in self.bids.values() if bid.seen.cid == cid]

    def receipt_for(self, bid: EntryId) -> Seen[CurveReceipt] | None:
        """Return the owner's first answer to a bid."""
        return next((seen for seen in self.receipts if seen.record.bid == bid), None)


class Ledger:
    """Facts by entry id, as the node of one line of writers sees them."""

    def __init__(self, line: WriterId, place_of: PlaceOf = alone) -> None:
        self.rounds: dict[EntryId, Round] = {}
        self.own_refs: set[str] = set()
        """References of demands that our own line published."""
        self.sums: dict[EntryId, str | None] = {}
        """What is wrong with totals as sums, once worked out: the one check that takes long."""
        self.found: dict[EntryId, list[Finding]] = {}
        """What was found of each complete round, until anything is learned."""
        self._line, self._place_of = line, place_of
        self._bids: defaultdict[EntryId, dict[EntryId, Bid]] = defaultdict(dict)
        self._bid: dict[EntryId, Bid] = {}
        self._openings: defaultdict[tuple[EntryId, CoopId], list[tuple[Opening, EntryId]]]
        self._openings = defaultdict(list)
        """By the bid and who opened it: one by another co-op than the bidder is nobody's word."""
        self._notes: dict[int, Opening] = {}
        self._early: defaultdict[EntryId, list[Seen[Any]]] = defaultdict(list)
        self._early_by: Counter[WriterId] = Counter()
        self._round_of: dict[EntryId, EntryId] = {}
        self._heads: Mapping[tuple[CoopId, WriterId], int] = {}

    def note_heads(self, heads: Iterable[tuple[CoopId, WriterId, Head]]) -> None:
        """Learn how far each log was folded."""
        self._heads = {(cid, wid): head.seq for cid, wid, head in heads}

    def is_read(self, cid: CoopId, wid: WriterId, seq: int) -> bool:
        """Return whether a log was folded up to a place."""
        return self._heads.get((cid, wid), 0) >= seq

    def upto(self, cut: Iterable[LogCut]) -> Mapping[tuple[CoopId, WriterId], int]:
        """Return how far a cut reaches in each line: whoever read a successor read all before."""
        reached: defaultdict[tuple[CoopId, WriterId], int] = defaultdict(int)
        for row in cut:
            line, place = self._place_of(row.cid, row.wid, row.seq)
            reached[row.cid, line] = max(reached[row.cid, line], place)
        return reached

    def in_order(self) -> Sequence[Round]:
        """Return all rounds, oldest first."""
        return sorted(self.rounds.values(), key=lambda each: (each.opening.time_ms, each.id))

    def note_before(self, bid: Bid) -> Opening | None:
        """Return the opening that our own line noted for itself right before an own bid.

        A bid's id is known when it is in the log, and only then can its opening name it. The note
        before it, sealed to ourselves, is what a node that died in between goes on from.
        """
        return self._notes.get(bid.seen.place - 1) if bid.seen.line == self._line else None

    def line_of(self, bid: Bid) -> Opening | None:
        """Return what we know an own bid to open to."""
        return bid.openings[0] if bid.openings else self.note_before(bid)

    def keeps(self, id_: EntryId, cid: CoopId, now_ms: int) -> bool:
        """Return whether a round rests on an entry that is not over, or is to be compared with.

        Its coordinator has to compare with all lines that it ever published the sum of (PRV-28).
        """
        round_ = self.rounds.get(self._round_of.get(id_, id_))
        if round_ is None:
            return False
        if round_.decision is None or round_.opening.cid == cid:
            return True
        return now_ms <= round_.decision.time_ms + DIFFERENCING_MS

    def fold(self, record: SeenRecord) -> None:
        """Learn one record. Of contested ones bids and openings alone: they are owed all the same.

        An owner that answered a bid was right to, though the log that it stood in is cut since.
        """
        self.found.clear()
        seen: Seen[Any] = Seen(
            id=record.id,
            cid=record.cid,
            wid=record.wid,
            seq=record.seq,
            time_ms=record.time_ms,
            record=record.record,
            link=record.link,
        )
        match record.record:
            case CurveBid():
                self._fold_bid(seen, is_contested=record.is_contested)
            case CurveOpening():
                self._fold_opening(seen)
            case _ if record.is_contested:
                return
            case CurveOpen(owner=owner):
                if record.is_of(owner):
                    self._begin(seen)
            case Demand(ref=ref):
                if record.line == self._line:
                    self.own_refs.add(ref)
            case CurveReceipt() | CurveClose() | CurveTotals() | CurveWithhold() | CurveClaim():
                self._fold_said(record.record.curve, seen)
            case _:
                return

    def _begin(self, seen: Seen[CurveOpen]) -> None:
        self.rounds[seen.id] = Round(opening=seen, bids=self._bids[seen.id])
        for early in self._early.pop(seen.id, ()):
            self._fold_said(seen.id, early)

    def _fold_bid(self, seen: Seen[CurveBid], *, is_contested: bool) -> None:
        point = _commitment(seen.record.commitment)
        bid = Bid(seen=seen, commitment=point, is_contested=is_contested)
        self._bid[seen.id] = self._bids[seen.record.curve][seen.id] = bid
        self._round_of[seen.id] = seen.record.curve
        for opening, entry in self._openings.pop((seen.id, seen.cid), ()):
            _open(bid, opening, entry)

    def _fold_opening(self, seen: Seen[CurveOpening]) -> None:
        record = seen.record
        opening = Opening(tuple(record.quantities), record.blinding)
        if seen.line == self._line and record.bid not in self._bid:
            self._notes[seen.place] = opening
        bid = self._bid.get(record.bid)
        if bid is None:
            early = self._openings[record.bid, seen.cid]
            if len(early) < MOST_OPENINGS:
                early.append((opening, seen.id))
        elif bid.seen.cid == seen.cid:
            self._round_of[seen.id] = bid.seen.record.curve
            _open(bid, opening, seen.id)

    def _fold_said(self, curve: EntryId, seen: Seen[Any]) -> None:
        round_ = self.rounds.get(curve)
        if round_ is None:
            if self._early_by[seen.line] < MOST_BY_OTHERS:
                self._early_by[seen.line] += 1
                self._early[curve].append(seen)
            return
        self._round_of[seen.id] = curve
        if isinstance(seen.record, CurveClaim):
            _keep(round_.claims, seen)
        elif seen.line != round_.opening.line:
            _keep(round_.strange, seen)
        else:
            self._fold_owner(round_, seen)

    @staticmethod
    def _fold_owner(round_: Round, seen: Seen[Any]) -> None:
        match seen.record:
            case CurveReceipt():
                round_.receipts.append(seen)
            case CurveClose():
                _keep(round_.closes, seen)
            case _:
                _keep(round_.decisions, seen)


def counting(round_: Round, before: int) -> Mapping[CoopId, Seen[CurveReceipt]]:
    """Return the good receipt of the bid that counts of each co-op (PRV-20).

    Receipts count before a place of the owner's line. In a line its author's order decides, so that
    who answers an older bid last brings it back no more than who answers it first.
    """
    newest: dict[WriterId, tuple[Seen[CurveBid], Seen[CurveReceipt]]] = {}
    for receipt in round_.receipts:
        bid = round_.bids.get(receipt.record.bid)
        is_good = receipt.place < before and receipt.record.fault is UNSET
        if is_good and bid is not None and bid.commitment is not None:
            known = newest.get(bid.seen.line)
            if known is None or known[0].place <= bid.seen.place:
                newest[bid.seen.line] = (bid.seen, receipt)
    by_receipt = sorted(newest.values(), key=lambda pair: pair[1].place)
    return {bid.cid: receipt for bid, receipt in by_receipt}


def _keep(kept: list[Seen[Any]], seen: Seen[Any]) -> None:
    if sum(each.line == seen.line for each in kept) < MOST_BY_OTHERS:
        kept.append(seen)


def _open(bid: Bid, opening: Opening, entry: EntryId) -> None:
    if opening not in bid.openings and len(bid.openings) < MOST_OPENINGS:
        bid.openings.append(opening)
        bid.opened_by.append(entry)


def _commitment(point: bytes) -> Commitment | None:
    """Return a bid's commitment, or None for a point that makes it no bid (PRV-4)."""
    try:
        return read_commitment(point)
    except RemoteProtocolError:
        return None
