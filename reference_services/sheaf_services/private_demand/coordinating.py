"""What the owner of a round owes: a receipt for each bid, one close, and totals or a reason.

All of it follows from what was read, by this node's own clock. A receipt goes out as soon as an
opening is here; a bid that has none by the close is told so.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Final, cast

from msgspec import UNSET

from sheaf_protocol.digest import Digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.lineage import alone
from sheaf_protocol.private_demand import (
    add_openings,
    check_disclosure,
    check_published,
    verify_totals,
)
from sheaf_protocol.records import LogCut
from sheaf_protocol.records.curve import CurveClose, CurveReceipt, CurveTotals, CurveWithhold
from sheaf_services.private_demand.judging import (
    coops_of,
    earlier_totals,
    fault_of,
    opening_fault,
    totals_of,
)
from sheaf_services.private_demand.ledger import counting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sheaf_protocol.digest import CoopId, WriterId
    from sheaf_protocol.lineage import PlaceOf
    from sheaf_protocol.log import Head
    from sheaf_protocol.private_demand import Line, Opening, Withheld
    from sheaf_services.private_demand.ledger import Bid, Decision, Ledger, Round

MOST_LOGS: Final = 380
"""Logs that are answered in a round: a close has 130 bytes for each and 34 for its bid, and a
payload 65,536."""
MOST_LOGS_OF_ONE: Final = 2
"""Of one co-op, that one with a thousand writers keeps nobody out: its writer, and the last one."""
MOST_BIDS: Final = 32
"""Bids of one log that are answered in a round; who writes more is not read any further."""


def receipts(round_: Round, *, is_due: bool) -> Iterator[CurveReceipt]:
    """Yield the answers that are owed by now (PRV-19); when a round is due, to all bids read."""
    answered = {seen.record.bid for seen in round_.receipts}
    for bid in chain(*_lines(round_).values()):
        fault = None if bid.seen.id in answered else fault_of(round_, bid)
        if bid.seen.id in answered or (fault == "curve.no_opening" and not is_due):
            continue
        yield CurveReceipt(bid=bid.seen.id, curve=round_.id, fault=fault or UNSET)


def close_of(
    round_: Round,
    heads: Sequence[tuple[CoopId, WriterId, Head]],
    place_of: PlaceOf = alone,
) -> CurveClose:
    """Return the close of a round whose bids are all answered (PRV-18, PRV-20).

    The cut names our own line and those with bids, each as far as it was read, and not beyond the
    last bid that was answered of a line that has more.
    """
    before = round_.receipts[-1].place + 1 if round_.receipts else 0
    listed = (receipt.record.bid for receipt in counting(round_, before).values())
    read = _furthest(heads, place_of)
    own = round_.opening.line
    reached = {own: read[own]}
    for line, bids in _lines(round_).items():
        last = max((bid.seen for bid in bids), key=lambda seen: (seen.place, seen.seq))
        row = LogCut(cid=last.cid, head=Digest(last.id), seq=last.seq, wid=last.wid)
        place = (last.place, row)
        is_whole = len(bids) < MOST_BIDS or line == own
        # PRV-37: a log that was cut since is read to a place before the bid that counts of it.
        reached[line] = max(read.get(line, place), place, key=_far) if is_whole else place
    rows = sorted((row for _, row in reached.values()), key=lambda row: (row.cid, row.wid))
    return CurveClose(bids=sorted(listed), curve=round_.id, cut=rows)


def decision_of(round_: Round, ledger: Ledger) -> Decision | None:
    """Return the totals of a closed round, or why there are none; None where we cannot tell.

    We cannot where an opening is not here: a node that lost its keys may not have it any more.
    """
    close, openings = round_.close, _openings(round_)
    if close is None or openings is None:
        return None
    reason = _withheld(round_, ledger, {cid: each.line for cid, each in openings.items()})
    if reason is not None:
        return CurveWithhold(close=close.id, curve=round_.id, reason=reason)
    totals = add_openings(list(openings.values()))
    points = [round_.bids[id_].commitment for id_ in close.record.bids]
    try:
        verify_totals([point for point in points if point is not None], totals, round_.bounds)
    except RemoteProtocolError:
        return None  # an earlier run of ours said good of a bid that is not: silence is no lie
    quantities = list(totals.line)
    return CurveTotals(
        blinding=totals.blinding, close=close.id, curve=round_.id, quantities=quantities
    )


def _furthest(
    heads: Sequence[tuple[CoopId, WriterId, Head]], place_of: PlaceOf
) -> dict[WriterId, tuple[int, LogCut]]:
    """Return how far each line was read: the place, and the row of a cut that names it."""
    found: dict[WriterId, tuple[int, LogCut]] = {}
    for cid, wid, head in heads:
        line, place = place_of(cid, wid, head.seq)
        if line not in found or found[line][0] < place:
            row = LogCut(cid=cid, head=Digest(head.id), seq=head.seq, wid=wid)
            found[line] = (place, row)
    return found


def _far(place: tuple[int, LogCut]) -> tuple[int, int]:
    return (place[0], place[1].seq)


def _lines(round_: Round) -> Mapping[WriterId, list[Bid]]:
    """Return the first bids of the lines that are answered, those answered before at the front."""
    named = {seen.record.bid for seen in round_.receipts}
    bids = sorted(round_.bids.values(), key=lambda bid: bid.seen.id not in named)
    found: dict[WriterId, list[Bid]] = {}
    turns: Counter[CoopId] = Counter()
    for bid in bids:
        if bid.seen.line not in found:
            if turns[bid.seen.cid] == MOST_LOGS_OF_ONE or len(found) == MOST_LOGS:
                continue
            turns[bid.seen.cid] += 1
            found[bid.seen.line] = []
        if len(found[bid.seen.line]) < MOST_BIDS or bid.seen.line == round_.opening.line:
            found[bid.seen.line].append(bid)
    return found


def _openings(round_: Round) -> dict[CoopId, Opening] | None:
    """Return the opening of each bid that a close of ours lists, or None where one is missing."""
    listed = () if round_.close is None else round_.close.record.bids
    found: dict[CoopId, Opening] = {}
    for id_ in listed:
        bid = round_.bids.get(id_)
        opening = None if bid is None else _right_opening(round_, bid)
        if bid is None or opening is None:
            return None
        found[bid.seen.cid] = opening
    return found


def _right_opening(round_: Round, bid: Bid) -> Opening | None:
    """Return the opening that a bid's good receipt was for.

    Which one it was is worked out again only where the bidder sent several.
    """
    whole = [each for each in bid.openings if len(each.line) == round_.bounds.levels]
    if len(whole) > 1:
        whole = [each for each in whole if opening_fault(round_, bid, each) is None]
    return whole[0] if whole else None


def _withheld(round_: Round, ledger: Ledger, lines: Mapping[CoopId, Line]) -> Withheld | None:
    """Return why these lines have no totals, the first reason that holds (PRV-30)."""
    terms = round_.terms
    reason = check_disclosure(
        lines, _lines_before(round_, ledger), terms.k_min, terms.dominance_bps
    )
    if reason is not None:
        return reason
    try:
        earlier = [coops_of(other) for other in earlier_totals(round_, ledger)]
        check_published(coops_of(round_), earlier, terms.k_min)
    except RemoteProtocolError as exc:
        return cast("Withheld", exc.code)
    return None


def _lines_before(round_: Round, ledger: Ledger) -> Iterator[Mapping[CoopId, Line]]:
    """Yield the lines behind the totals that our co-op published over the same (PRV-28)."""
    for other in ledger.rounds.values():
        if totals_of(other) is None or other.question != round_.question:
            continue
        openings = _openings(other)
        if openings is not None:
            yield {cid: opening.line for cid, opening in openings.items()}
