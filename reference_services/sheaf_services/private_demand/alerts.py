"""What a manager is to know of a round, as one sentence each with the entries that show it.

Every member's node finds the owner's faults alike (`judging`). What only we can see comes on top:
our own bid and share, openings that were sealed to us, and who said what it may not say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.digest import short
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.private_demand import check_line, check_own_share
from sheaf_services.private_demand.bidding import counted_bid, rolling
from sheaf_services.private_demand.judging import (
    fault_of,
    findings,
    is_complete,
    totals_of,
    unread,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sheaf_node.plugins import Json, ServiceContext
    from sheaf_protocol.digest import CoopId, EntryId
    from sheaf_protocol.records.curve import CurveClaim
    from sheaf_services.private_demand.judging import Finding
    from sheaf_services.private_demand.ledger import Bid, Ledger, Round

_SENTENCES: Final[Mapping[str, str]] = {
    "curve.omitted": "counted {counted} bids but left out {whose}, for which it gave receipt {0}",
    "curve.uncounted": "counted the bid {1} of {who}, which is not its last with a good receipt",
    "curve.unanswered": "had read the bid {1} of {who} and closed without a receipt for it",
    "curve.early": "closed the round before its time",
    "curve.second": "said the same thing twice, in {0} and again in {1}; the first counts",
    "curve.no_close": "published {0} without a close of the round before it",
    "curve.sum": "published totals that are not the sum of the {counted} bids it counted",
    "curve.too_few": "published totals over too few co-ops",
    "curve.differencing": "published totals that differ from earlier ones in too few co-ops",
}
"""What the coordinator did, by the fault; numbers are places in the evidence."""

_NO_BID: Final = "counted {1}, which is no bid of this round at or below its cut"
"""What it did where `curve.uncounted` is about nobody's bid (PRV-37)."""

PATIENCE_MS: Final = 86_400_000
"""How long what a close names may take to come: a day, in which most villages get online."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A fault that this node found, in words, with the entries that show it."""

    code: str
    round: Round
    message: str
    evidence: tuple[EntryId, ...]

    def json(self) -> Json:
        """Return it for the API."""
        return {
            "code": self.code,
            "curve": self.round.id.hex(),
            "item": self.round.terms.item.code,
            "message": self.message,
            "evidence": [id_.hex() for id_ in self.evidence],
        }


def alerts(round_: Round, ledger: Ledger, context: ServiceContext) -> Iterator[Alert]:
    """Yield all that is wrong with a round, as this co-op's node sees it."""
    found = findings(round_, ledger)
    for finding in found:
        yield _alert(round_, finding.fault, _owner_did(round_, finding, context), finding.evidence)
    yield from _divided(round_, context)
    yield from _unread(round_, ledger, context)
    yield from _by_strangers(round_, context)
    yield from _unfounded(round_, found, ledger, context)
    yield from _own_bid(round_, ledger, context)
    yield from _own_share(round_, ledger, context)
    yield from _shown_to_us(round_, context)
    yield from _left_behind(round_, ledger, context)


def _alert(round_: Round, code: str, sentence: str, evidence: tuple[EntryId, ...]) -> Alert:
    shown = ", ".join(map(short, evidence))
    return Alert(code, round_, f"{sentence}; evidence: {shown}", evidence)


def _owner_did(round_: Round, finding: Finding, context: ServiceContext) -> str:
    is_ours = finding.about == context.cid
    name = "" if finding.about is None else _name(context, finding.about)
    is_no_bid = finding.fault == "curve.uncounted" and finding.about is None
    did = (_NO_BID if is_no_bid else _SENTENCES[finding.fault]).format(
        *map(short, finding.evidence),
        counted=len(round_.close.record.bids) if round_.close is not None else 0,
        who="this co-op" if is_ours else name,
        whose="yours" if is_ours else f"that of {name}",
    )
    reason = f": {finding.detail}" if finding.detail else ""
    return f"{_coordinator(round_, context)} {did}{reason}"


def _divided(round_: Round, context: ServiceContext) -> Iterator[Alert]:
    opening = round_.opening
    newest = opening.wid if opening.link is None else opening.link.writers[-1]
    if round_.decision is None and context.has_fork(opening.cid, newest):
        did = "signed two entries for one place of its log: from there on nothing of it counts"
        yield _alert(round_, "log.forked", f"{_coordinator(round_, context)} {did}", (round_.id,))


def _unread(round_: Round, ledger: Ledger, context: ServiceContext) -> Iterator[Alert]:
    """Yield that a close names what does not come, by our own clock: nobody can check the round."""
    close, lines = round_.close, unread(round_, ledger)
    if close is None or not lines:
        return
    # A node takes no close that is dated far ahead of its clock, so none puts the alert off.
    if context.now_ms() - close.time_ms >= PATIENCE_MS:
        is_member = context.federation.is_member
        coops = {line.cid for line in lines}  # of whom the owner may have invented any
        shown = {_name(context, cid) if is_member(cid) else short(cid) for cid in coops}
        names = ", ".join(sorted(shown))
        did = f"closed the round by entries of {names} that did not come for a day"
        sentence = f"{_coordinator(round_, context)} {did}: nothing of it can be checked"
        yield _alert(round_, "curve.unread", sentence, (close.id,))


def _by_strangers(round_: Round, context: ServiceContext) -> Iterator[Alert]:
    for seen in round_.strange:
        name = _name(context, seen.cid)
        did = f"{name} published {short(seen.id)} in a round that another writer owns"
        yield _alert(round_, "curve.not_owner", f"{did}; it moves nothing", (seen.id,))


def _unfounded(
    round_: Round, found: list[Finding], ledger: Ledger, context: ServiceContext
) -> Iterator[Alert]:
    """Yield the claims that what is here does not bear out (PRV-36)."""
    if not is_complete(round_, ledger):
        return
    true = {(finding.fault, finding.evidence) for finding in found}
    for claim in round_.claims:
        record = claim.record
        is_shown = (record.fault, tuple(record.evidence)) in true
        if not is_shown and not _rests_on_more(round_, record):
            did = f"{_name(context, claim.cid)} claims {record.fault} of the coordinator"
            sentence = f"{did}, which the entries it names do not show"
            yield _alert(round_, "curve.unfounded", sentence, (claim.id,))


def _rests_on_more(round_: Round, claim: CurveClaim) -> bool:
    """Return whether a claim names a receipt for a bid that is not here, if there is such a bid."""
    return any(
        receipt.id in claim.evidence and receipt.record.bid not in round_.bids
        for receipt in round_.receipts
    )


def _own_bid(round_: Round, ledger: Ledger, context: ServiceContext) -> Iterator[Alert]:
    """Yield what became of our newest bid other than being counted."""
    close, own = round_.close, round_.bids_of(context.cid)
    if not own:
        return
    coordinator, bid = _coordinator(round_, context), own[-1].seen
    receipt = round_.receipt_for(bid.id)
    if receipt is not None and isinstance(receipt.record.fault, str):
        sentence = f"{coordinator} found your bid {short(bid.id)} wrong: {receipt.record.fault}"
        yield _alert(round_, receipt.record.fault, sentence, (receipt.id, bid.id))
    elif receipt is None and close is not None:
        upto = ledger.upto(close.record.cut)
        if bid.place > upto.get((bid.cid, bid.line), 0):
            sentence = f"{coordinator} closed before it had read your bid {short(bid.id)}"
            yield _alert(round_, "curve.closed", sentence, (close.id, bid.id))


def _own_share(round_: Round, ledger: Ledger, context: ServiceContext) -> Iterator[Alert]:
    totals, bid = totals_of(round_), counted_bid(round_, context.cid)
    opening = None if bid is None else ledger.line_of(bid)
    if totals is None or opening is None:
        return
    line, sums = opening.line, tuple(totals.record.quantities)
    try:
        if len(line) == len(sums):
            check_own_share(line, sums, round_.terms.dominance_bps)
    except RemoteProtocolError:
        did = "published totals of which your own line makes more than the round allows"
        sentence = f"{_coordinator(round_, context)} {did}: others can tell about what you want"
        yield _alert(round_, "curve.dominance", sentence, (totals.id,))


def _shown_to_us(round_: Round, context: ServiceContext) -> Iterator[Alert]:
    """Yield the bids whose openings, sealed to us, do not make their commitments (PRV-13)."""
    for bid in round_.bids.values():
        code = None if bid.seen.cid == context.cid else _opened(round_, bid, context)
        if code is not None:
            name = _name(context, bid.seen.cid)
            did = f"{name} opened its bid {short(bid.seen.id)} to what it did not sign"
            sentence = f"{did} ({code}); the commitment under its signature stands"
            yield _alert(round_, code, sentence, (bid.seen.id,))


def _opened(round_: Round, bid: Bid, context: ServiceContext) -> str | None:
    """Return what is wrong with the openings of another's bid, if we were shown any.

    The coordinator has looked at them already, and answered.
    """
    if round_.opening.line != context.line:
        return fault_of(round_, bid) if bid.openings else None
    receipt = round_.receipt_for(bid.seen.id)
    fault = None if receipt is None else receipt.record.fault
    return fault if isinstance(fault, str) and bid.openings else None


def _left_behind(round_: Round, ledger: Ledger, context: ServiceContext) -> Iterator[Alert]:
    """Yield that an own line does not roll over, since it may not be bid here (PRV-31)."""
    found = rolling(round_, ledger, context.cid, context.line)
    lines = [ledger.line_of(bid) for bid in round_.bids_of(context.cid)]
    if found is None or any(line is not None and any(line.line) for line in lines):
        return
    bid, line = found
    try:
        check_line(line, round_.bounds)
    except RemoteProtocolError as exc:
        sentence = f"your bid {short(bid)} does not roll over into this round: {exc.detail}"
        yield _alert(round_, exc.code, f"{sentence}; bid what you want in it", (bid, round_.id))


def _coordinator(round_: Round, context: ServiceContext) -> str:
    return f"{_name(context, round_.opening.cid)}'s coordinator"


def _name(context: ServiceContext, cid: CoopId) -> str:
    return context.name_of(cid)
