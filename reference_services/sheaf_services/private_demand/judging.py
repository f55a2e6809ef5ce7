"""What an owner did wrong in its round, as every member finds it alike (spec 17, PRV-18 to PRV-35).

Findings follow from logs alone, and each names the entries that show it: it is a claim as it
stands. A round is judged once all is here that its close counts, so that nothing found changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias, cast

from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import DIFFERENCING_MS
from sheaf_protocol.private_demand import Opening, check_opening, check_published, verify_totals
from sheaf_protocol.records.curve import CurveTotals
from sheaf_services.private_demand.ledger import counting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sheaf_protocol.digest import CoopId, EntryId
    from sheaf_protocol.records import LogCut
    from sheaf_protocol.records.curve import CurveClose
    from sheaf_services.private_demand.ledger import Bid, Ledger, Round, Seen

Evidence: TypeAlias = "tuple[EntryId, ...]"


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault of an owner, and the entries that show it in the order of PRV-32.

    `about` is the co-op whose bid it concerns, None for what is no bid that the close can count.
    `detail` is what was expected and what came.
    """

    fault: str
    evidence: Evidence
    about: CoopId | None = None
    detail: str = ""

    @property
    def is_claim(self) -> bool:
        """Whether the evidence is whole. Totals before any close have none to name so far."""
        return (self.fault, len(self.evidence)) != ("curve.no_close", 1)


def is_complete(round_: Round, ledger: Ledger) -> bool:
    """Return whether all is here that the close of a round may count.

    All logs of its cut are read, then: what it lists besides is no bid that it can count (PRV-37).
    """
    return round_.close is not None and not unread(round_, ledger)


def unread(round_: Round, ledger: Ledger) -> Sequence[LogCut]:
    """Return the logs that a close names and that were not read so far as it says.

    Of a log that was cut since, no more is read in order. What it says of the round is read where
    each bid on the list is here.
    """
    close = round_.close
    if close is None:
        return ()
    lines = [line for line in close.record.cut if not ledger.is_read(line.cid, line.wid, line.seq)]
    if not all(bid in round_.bids for bid in close.record.bids):
        return lines
    ended = {(b.seen.cid, b.seen.wid) for b in round_.bids.values() if b.is_contested}
    return [line for line in lines if (line.cid, line.wid) not in ended]


def findings(round_: Round, ledger: Ledger) -> list[Finding]:
    """Return all that can be shown against an owner by now, in the order of PRV-32.

    What rests on bids waits until they are here; what the owner's log shows alone does not.
    """
    known = ledger.found.get(round_.id)
    if known is not None:
        return known
    found = list(_by_log(round_))
    if is_complete(round_, ledger) and round_.close is not None:
        found = [*_by_list(round_, round_.close, ledger), *found, *_by_totals(round_, ledger)]
        ledger.found[round_.id] = found
    return found


def earlier_totals(round_: Round, ledger: Ledger) -> Iterator[Round]:
    """Yield the rounds of PRV-29: of the same market, with totals, closed shortly before."""
    if round_.close is None:
        return
    place = _place(round_.close)
    for other in ledger.rounds.values():
        if other.market != round_.market or other.close is None or other is round_:
            continue
        is_near = round_.close.time_ms - other.close.time_ms <= DIFFERENCING_MS
        if is_near and _place(other.close) < place and totals_of(other) is not None:
            yield other


def coops_of(round_: Round) -> set[CoopId]:
    """Return the co-ops whose bids a close lists, as far as these are here."""
    listed = () if round_.close is None else round_.close.record.bids
    return {round_.bids[id_].seen.cid for id_ in listed if id_ in round_.bids}


def fault_of(round_: Round, bid: Bid) -> str | None:
    """Return why a bid is not good by what we could read, or None where it is (PRV-19)."""
    if bid.commitment is None:
        return "curve.point"
    fault = "curve.no_opening"
    for opening in bid.openings:
        wrong = opening_fault(round_, bid, opening)
        if wrong is None:
            return None
        fault = wrong
    return fault


def opening_fault(round_: Round, bid: Bid, opening: Opening) -> str | None:
    """Return why an opening is not one of a bid, or None where it is (PRV-13). Worked out once."""
    if bid.commitment is None:
        return "curve.point"
    if opening not in bid.faults:
        try:
            check_opening(bid.commitment, opening, round_.bounds)
        except RemoteProtocolError as exc:
            bid.faults[opening] = exc.code
        else:
            bid.faults[opening] = None
    return bid.faults[opening]


def _by_list(round_: Round, close: Seen[CurveClose], ledger: Ledger) -> Iterator[Finding]:
    """Yield what is wrong with the list of bids: PRV-18, PRV-20, PRV-37."""
    good = counting(round_, close.place)
    right = {receipt.record.bid for receipt in good.values()}
    listed = set(close.record.bids)
    for cid, receipt in sorted(good.items()):
        if receipt.record.bid not in listed:
            yield Finding("curve.omitted", (receipt.id, close.id), cid)
    reached = _reached(round_, close, ledger)
    for bid in close.record.bids:
        if bid not in reached:
            yield Finding("curve.uncounted", (close.id, bid))
        elif bid not in right:
            yield Finding("curve.uncounted", (close.id, bid), reached[bid].seen.cid)
    answered = {seen.record.bid for seen in round_.receipts if seen.place < close.place}
    for id_, each in sorted(reached.items()):
        if id_ not in answered:
            yield Finding("curve.unanswered", (close.id, id_), each.seen.cid)


def _reached(round_: Round, close: Seen[CurveClose], ledger: Ledger) -> dict[EntryId, Bid]:
    """Return the bids of a round at or below the cut of its close."""
    upto = ledger.upto(close.record.cut)
    return {
        id_: bid
        for id_, bid in round_.bids.items()
        if bid.seen.place <= upto.get((bid.seen.cid, bid.seen.line), 0)
    }


def _by_log(round_: Round) -> Iterator[Finding]:
    """Yield what the owner's line shows by itself: PRV-35, PRV-23, PRV-22."""
    close = round_.close
    if close is not None and close.time_ms < round_.terms.closes_at_ms:
        yield Finding("curve.early", (close.id,))
    for said in (round_.closes, round_.decisions):
        for first, second in combinations(said, 2):
            yield Finding("curve.second", (first.id, second.id))
    for decision in round_.decisions:
        if close is None:
            yield Finding("curve.no_close", (decision.id,))
        elif decision.place < close.place or decision.record.close != close.id:
            yield Finding("curve.no_close", (decision.id, close.id))


def _by_totals(round_: Round, ledger: Ledger) -> Iterator[Finding]:
    """Yield what is wrong with the totals: PRV-24, and what shows of PRV-26 and PRV-29."""
    close, totals = round_.close, totals_of(round_)
    if close is None or totals is None:
        return
    shown = (close.id, totals.id)
    if totals.id not in ledger.sums:
        ledger.sums[totals.id] = _sum_fault(round_, close, totals)
    wrong = ledger.sums[totals.id]
    if wrong is not None:
        yield Finding("curve.sum", shown, None, wrong)
    coops, k_min = coops_of(round_), round_.terms.k_min
    few = _published_fault(coops, (), k_min)
    if few is not None:
        yield Finding("curve.too_few", shown, None, few)
        return
    for other in earlier_totals(round_, ledger):
        near, before = _published_fault(coops, [coops_of(other)], k_min), totals_of(other)
        if near is not None and other.close is not None and before is not None:
            yield Finding("curve.differencing", (other.close.id, before.id, *shown), None, near)


def _sum_fault(round_: Round, close: Seen[CurveClose], totals: Seen[CurveTotals]) -> str | None:
    bids = [round_.bids.get(id_) for id_ in close.record.bids]
    points = [bid.commitment for bid in bids if bid is not None and bid.commitment is not None]
    # What is no bid or no point is on the list by another fault, and there is no sum with it.
    if len(points) < len(bids):
        return "expected commitments of which there is a sum"
    opening = Opening(tuple(totals.record.quantities), totals.record.blinding)
    try:
        verify_totals(points, opening, round_.bounds)
    except RemoteProtocolError as exc:
        return exc.detail
    return None


def _published_fault(coops: set[CoopId], earlier: Iterable[set[CoopId]], k_min: int) -> str | None:
    try:
        check_published(coops, earlier, k_min)
    except RemoteProtocolError as exc:
        return exc.detail
    return None


def totals_of(round_: Round) -> Seen[CurveTotals] | None:
    """Return the totals that count, if the owner's decision on the round is totals."""
    decision = round_.decision
    if decision is None or not isinstance(decision.record, CurveTotals):
        return None
    return cast("Seen[CurveTotals]", decision)


def _place(close: Seen[CurveClose]) -> tuple[int, int, EntryId]:
    """Return what orders closes in time: of one line's at one time, the first came first."""
    return (close.time_ms, close.place, close.id)
