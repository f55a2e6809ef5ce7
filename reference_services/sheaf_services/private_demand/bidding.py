"""What a member owes and chose: bids as cover, and what its line does where none are added up.

A bid of zeros hides that a co-op wants nothing, if it comes no sooner or later than others: its
moment is drawn between the half of a round and its last eighth, which is left for receipts. A line
that rolls over is bid at a moment drawn alike: who looks on cannot tell which of both it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.private_demand import check_line
from sheaf_protocol.records import Demand, Price
from sheaf_protocol.records.curve import CurveWithhold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_protocol.digest import CoopId, EntryId, WriterId
    from sheaf_protocol.private_demand import Line
    from sheaf_services.private_demand.ledger import Bid, Ledger, Round

DRAWN_BYTES: Final = 4


def is_open(round_: Round, now_ms: int) -> bool:
    """Return whether a bid may still count, as far as this node can tell by its own clock."""
    return round_.close is None and now_ms < round_.terms.closes_at_ms


def cover_ms(round_: Round, drawn: bytes) -> int:
    """Return when to bid unasked in a round, from `DRAWN_BYTES` random bytes (PRV-17)."""
    begin, end = round_.opening.time_ms, round_.terms.closes_at_ms
    length = max(end - begin, 0)
    share = int.from_bytes(drawn) % (length * 3 // 8 + 1)
    return begin + length // 2 + share


def counted_bid(round_: Round, cid: CoopId) -> Bid | None:
    """Return the bid of a co-op that the close lists."""
    listed = () if round_.close is None else round_.close.record.bids
    found = (round_.bids[id_] for id_ in listed if id_ in round_.bids)
    return next((bid for bid in found if bid.seen.cid == cid), None)


def chosen(round_: Round, cid: CoopId) -> Bid | None:
    """Return the own counted bid of a round that was withheld, whose `below_k` now says what."""
    decision = round_.decision
    if decision is None or not isinstance(decision.record, CurveWithhold):
        return None
    return counted_bid(round_, cid)


def rolled_over(round_: Round, ledger: Ledger, cid: CoopId, line: WriterId) -> Line | None:
    """Return the line to bid again in a round, where it may be bid there (PRV-31)."""
    found = rolling(round_, ledger, cid, line)
    return None if found is None or not _may(found[1], round_) else found[1]


def rolling(
    round_: Round, ledger: Ledger, cid: CoopId, line: WriterId
) -> tuple[EntryId, Line] | None:
    """Return a bid and its line that is to roll over into a round, whether or not it may be bid.

    It is of the newest round like this one that we bid in.
    """
    before = None
    for other in ledger.in_order():
        if other is round_:
            break
        if other.question == round_.question and other.bids_of(cid):
            before = other
    bid = None if before is None else chosen(before, cid)
    if bid is None or bid.seen.line != line or bid.seen.record.below_k != "roll_over":
        return None
    opening = ledger.line_of(bid)
    return None if opening is None else (bid.seen.id, opening.line)


def open_demands(round_: Round, ledger: Ledger, cid: CoopId, line: WriterId) -> Iterator[Demand]:
    """Yield a withheld line as open demands, one for each price at which less is wanted (PRV-31).

    Together they want at each price what the line does.
    """
    bid = chosen(round_, cid)
    if bid is None or bid.seen.line != line or bid.seen.record.below_k != "open":
        return
    opening = ledger.line_of(bid)
    if opening is None or not _may(opening.line, round_):
        return
    terms, above = round_.terms, (*opening.line[1:], 0)
    for level, (quantity, beyond) in enumerate(zip(opening.line, above, strict=True)):
        ref = demand_ref(round_.id, level)
        if quantity > beyond and ref not in ledger.own_refs:
            yield Demand(
                is_firm=True,
                item=terms.item,
                max_price=Price(
                    amount=terms.levels[level], base=terms.base, currency=terms.currency
                ),
                min_quantity=1,
                quantity=quantity - beyond,
                ref=ref,
                zone=terms.zone,
            )


def demand_ref(curve: EntryId, level: int) -> str:
    """Return the reference of the demand that a level of a withheld line became."""
    return f"curve-{curve.hex()[:16]}-{level}"


def _may(line: Line, round_: Round) -> bool:
    try:
        check_line(line, round_.bounds)
    except RemoteProtocolError:
        return False
    return any(line)
