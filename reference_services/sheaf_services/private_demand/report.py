"""What the service shows of its rounds; no blinding and nobody else's line, but what it opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from sheaf_protocol.records.curve import CurveTotals, CurveWithhold
from sheaf_services.private_demand.bidding import chosen, counted_bid, is_open
from sheaf_services.private_demand.judging import fault_of, findings, is_complete, totals_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_node.plugins import Json, ServiceContext
    from sheaf_protocol.digest import CoopId
    from sheaf_services.private_demand.ledger import Ledger, Round


def round_json(round_: Round, ledger: Ledger, context: ServiceContext) -> Json:
    """Return one round for people and programs."""
    terms, decision = round_.terms, round_.decision
    totals = totals_of(round_)
    return {
        "curve": round_.id.hex(),
        "coordinator": context.name_of(round_.opening.cid),
        "title": terms.title,
        "item": terms.item.code,
        "unit": terms.item.unit,
        "scale": terms.item.scale,
        "zone": terms.zone,
        "currency": terms.currency,
        "base": terms.base,
        "levels": terms.levels,
        "cap": terms.cap,
        "k_min": terms.k_min,
        "dominance_bps": terms.dominance_bps,
        "closes_at_ms": terms.closes_at_ms,
        "state": state_of(round_, ledger, context.now_ms()),
        "bids": len({bid.seen.cid for bid in round_.bids.values()}),
        "counted": None if round_.close is None else len(round_.close.record.bids),
        "totals": None if totals is None else totals.record.quantities,
        "reason": _reason(decision.record if decision is not None else None),
        "own": _own_json(round_, ledger, context.cid),
        "opened": [] if round_.opening.cid == context.cid else list(_opened(round_, context)),
    }


def state_of(round_: Round, ledger: Ledger, now_ms: int) -> str:
    """Return how far a round is, as this node found it by itself.

    `open`, `due` when its time has passed, `waiting` for entries that its close names, `closed`
    without totals so far, `verified`, `withheld`, or `faulty` where the owner broke a rule.
    """
    if findings(round_, ledger):
        return "faulty"
    if round_.close is None:
        return "open" if is_open(round_, now_ms) else "due"
    if not is_complete(round_, ledger):
        return "waiting"
    if round_.decision is None:
        return "closed"
    return "verified" if isinstance(round_.decision.record, CurveTotals) else "withheld"


def _reason(decision: object) -> str | None:
    return decision.reason if isinstance(decision, CurveWithhold) else None


def _own_json(round_: Round, ledger: Ledger, cid: CoopId) -> Json:
    """Return our newest bid and what became of it; None where we have none."""
    own = round_.bids_of(cid)
    if not own:
        return None
    bid, opening, receipt = own[-1], ledger.line_of(own[-1]), round_.receipt_for(own[-1].seen.id)
    answer = None
    if receipt is not None:
        answer = "good" if receipt.record.fault is UNSET else receipt.record.fault
    withheld = chosen(round_, cid)
    return {
        "bid": bid.seen.id.hex(),
        "quantities": None if opening is None else list(opening.line),
        "below_k": bid.seen.record.below_k,
        "receipt": answer,
        "is_counted": counted_bid(round_, cid) is bid,
        "due": None if withheld is None else withheld.seen.record.below_k,
    }


def _opened(round_: Round, context: ServiceContext) -> Iterator[Json]:
    """Yield the lines of others that were opened to us, a supplier, and whether they are right."""
    for bid in round_.bids.values():
        if bid.seen.cid == context.cid or not bid.openings:
            continue
        code = fault_of(round_, bid)
        yield {
            "coop": context.name_of(bid.seen.cid),
            "bid": bid.seen.id.hex(),
            "quantities": list(bid.openings[0].line) if code is None else None,
            "code": code or "ok",
        }
