"""Private demand on one node: whatever its co-op's roles make it do (spec 17).

A coordinator opens rounds, answers bids and publishes sums. A member bids, zeros where it was told
nothing, and does with its line as it chose where no sum may be shown. Every node checks every close
and all totals itself; a member's signs what it can show against an owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from msgspec import UNSET

from sheaf_protocol.digest import Digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.private_demand import Opening, blinding_from, commit
from sheaf_protocol.records.curve import CurveBid, CurveClaim, CurveOpening
from sheaf_services.private_demand.alerts import alerts
from sheaf_services.private_demand.bidding import (
    DRAWN_BYTES,
    counted_bid,
    cover_ms,
    is_open,
    open_demands,
    rolled_over,
)
from sheaf_services.private_demand.coordinating import close_of, decision_of, receipts
from sheaf_services.private_demand.judging import findings, totals_of
from sheaf_services.private_demand.ledger import Ledger
from sheaf_services.private_demand.lines import read_body, read_line
from sheaf_services.private_demand.opening import opening
from sheaf_services.private_demand.report import round_json
from sheaf_services.private_demand.sponsoring import check_share, proofs, read_sponsored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext
    from sheaf_protocol.digest import CoopId, EntryId
    from sheaf_protocol.private_demand import Line
    from sheaf_services.private_demand.ledger import Bid, Round

_BELOW_K: Final = ("alone", "open", "roll_over")
_NOBODY: Final = 32
"""Random bytes for `members` where a co-op bids for nobody else (PRV-46)."""


class PrivateDemand:
    """The service `private_demand`."""

    follows: ClassVar[frozenset[str]] = frozenset(
        {
            "curve.open",
            "curve.bid",
            "curve.opening",
            "curve.receipt",
            "curve.close",
            "curve.totals",
            "curve.withhold",
            "curve.claim",
            "demand.submit",
        }
    )
    sees_contested: ClassVar[bool] = True

    def __init__(self, context: ServiceContext, settings: Mapping[str, Any]) -> None:
        self._context = context
        self._does_cover, self._below_k = _settings(settings)
        self._ledger = Ledger(context.line, context.place_of)
        self._moments: dict[EntryId, int] = {}
        """When to bid unasked in each round; drawn anew after a restart, for nobody saw it."""

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        """What may be asked of the service."""
        return {
            "open": self._open,
            "bid": self._bid,
            "reveal": self._reveal,
            "check_share": self._check_share,
        }

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        """What the service shows."""
        return {"rounds": self._rounds, "alerts": self._alerts}

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        self._ledger.fold(seen)

    def keeps(self, id_: EntryId) -> bool:
        """Return whether a round that is not over, or to be compared with, rests on an entry."""
        return self._ledger.keeps(id_, self._context.cid, self._context.now_ms())

    def finish(self, key: str, result: object) -> None:
        """Take nothing: no computation here is long."""

    def decide(self) -> None:
        """Do what is due: answer, close, add up; open our bids, cover, check, claim."""
        self._ledger.note_heads(self._context.heads())
        for round_ in self._ledger.in_order():
            if round_.opening.line == self._context.line:
                self._answer(round_)
            self._open_bids(round_)
            if self._may("curve.bid"):
                self._bid_unasked(round_)
                self._publish_open(round_)
            self._claim(round_)
        self._add_up()

    # --- the owner of a round ---------------------------------------------------------------

    def _answer(self, round_: Round) -> None:
        """Answer bids, and close a round that is due once all of them are answered."""
        if round_.close is not None or not self._may("curve.receipt"):
            return
        is_due = self._context.now_ms() >= round_.terms.closes_at_ms
        owed = list(receipts(round_, is_due=is_due))
        for receipt in owed:
            opened_by = round_.bids[receipt.bid].opened_by
            self._context.publish(receipt, refs=[receipt.bid, *opened_by])
        if is_due and not owed:
            close = close_of(round_, self._context.heads(), self._context.place_of)
            self._context.publish(close, refs=[round_.id])
        elif not is_due:
            self._context.wake_at(round_.terms.closes_at_ms)

    def _add_up(self) -> None:
        """Decide the first own round that was closed and is not decided.

        One in a turn: whether the next may have totals depends on those of this one (PRV-28).
        """
        for round_ in sorted(self._ledger.rounds.values(), key=_closed_at):
            is_own = round_.opening.line == self._context.line
            if not is_own or round_.decisions or not self._may("curve.totals"):
                continue
            decision = decision_of(round_, self._ledger)
            if decision is not None:
                self._context.publish(decision, refs=[decision.close])
                return

    # --- a member ---------------------------------------------------------------------------

    def _put(self, round_: Round, line: Line, below_k: Any, members: Digest | None) -> bytes:
        """Publish a bid, and before it the opening as a note to ourselves; return the blinding.

        The opening for the coordinator names the bid, whose id we learn when it is in the log.
        """
        blinding = blinding_from(self._context.random(64))  # PRV-3
        opened = Opening(line, blinding)
        note = CurveOpening(bid=round_.id, blinding=blinding, quantities=list(line))
        bid = CurveBid(
            below_k=below_k,
            commitment=commit(opened),
            curve=round_.id,
            members=members or Digest(self._context.random(_NOBODY)),
        )
        self._context.publish(note)
        self._context.publish(bid, refs=[round_.id])
        return blinding

    def _open_bids(self, round_: Round) -> None:
        """Seal the openings of own bids to the coordinator, once each (PRV-16).

        Not after the close: a line that cannot count any more is nobody's to read.
        """
        if round_.close is not None:
            return
        for bid in round_.bids_of(self._context.cid):
            note = None if bid.openings else self._ledger.note_before(bid)
            if note is not None and self._can_seal_to(round_.opening.cid):
                self._seal(bid, note, round_.opening.cid)

    def _seal(self, bid: Bid, opened: Opening, to: CoopId) -> None:
        record = CurveOpening(
            bid=bid.seen.id, blinding=opened.blinding, quantities=list(opened.line)
        )
        self._context.publish(record, refs=[bid.seen.id], to=[to])

    def _bid_unasked(self, round_: Round) -> None:
        """Bid what rolls over from a round before, and else zeros, at a moment drawn.

        Both come alike and with the same `below_k`: a bid says nothing about wanting (PRV-17).
        """
        now_ms, cid = self._context.now_ms(), self._context.cid
        if not is_open(round_, now_ms) or round_.bids_of(cid):
            return
        if not self._context.can_seal_to(cid):
            return
        line = rolled_over(round_, self._ledger, cid, self._context.line)
        if line is None and self._does_cover:
            line = (0,) * round_.bounds.levels
        if line is not None:
            self._put_in_time(round_, line)

    def _put_in_time(self, round_: Round, line: Line) -> None:
        if round_.id not in self._moments:
            self._moments[round_.id] = cover_ms(round_, self._context.random(DRAWN_BYTES))
        moment = self._moments[round_.id]
        if self._context.now_ms() >= moment:
            self._put(round_, line, self._below_k, None)
        else:
            self._context.wake_at(moment)

    def _publish_open(self, round_: Round) -> None:
        cid, line = self._context.cid, self._context.line
        for demand in open_demands(round_, self._ledger, cid, line):
            self._context.publish(demand, refs=[round_.id])

    def _claim(self, round_: Round) -> None:
        """Show what an owner did, one claim for each fault, unless somebody shows it already.

        Of several bids left out it is our own that we claim.
        """
        if round_.opening.cid == self._context.cid or not self._may("curve.claim"):
            return
        shown = {(seen.record.fault, tuple(seen.record.evidence)) for seen in round_.claims}
        claimed = {seen.record.fault for seen in round_.claims if seen.line == self._context.line}
        found = [each for each in findings(round_, self._ledger) if each.is_claim]
        for each in sorted(found, key=lambda each: each.about != self._context.cid):
            if each.fault not in claimed and (each.fault, each.evidence) not in shown:
                claimed.add(each.fault)
                claim = CurveClaim(
                    curve=round_.id, evidence=list(each.evidence), fault=each.fault, shown=UNSET
                )
                self._context.publish(claim, refs=each.evidence)

    # --- commands and views -----------------------------------------------------------------

    def _open(self, call: Call) -> Json:
        """Open a round, unless one of ours for the item and zone is open."""
        self._require("curve.open", "coordinator")
        record = opening(self._context, call.options)
        for round_ in self._ledger.rounds.values():
            is_own = round_.opening.line == self._context.line and round_.close is None
            if is_own and (round_.terms.item.key, round_.terms.zone) == (
                record.item.key,
                record.zone,
            ):
                return {"opened": 0, "curve": round_.id.hex()}
        self._context.publish(record)
        return {"opened": 1, "curve": None}

    def _bid(self, call: Call) -> Json:
        """Bid a line in a round, for ourselves or with small members (body: JSON)."""
        self._require("curve.bid", "member")
        round_ = self._find(call)
        if not is_open(round_, self._context.now_ms()):
            raise Refusal("curve.closed", "expected a round that is open for bids")
        below_k = call.options.get("below_k", self._below_k)
        if below_k not in _BELOW_K:
            detail = f"expected below_k as one of {', '.join(_BELOW_K)}, got {below_k!r}"
            raise Refusal("curve.option", detail)
        given = read_body(call.body)
        made = read_sponsored(given, round_, self._context.random)
        line = read_line(given, round_) if made is None else made.line
        root = None if made is None else made.root
        if made is None and self._stands(round_, line, below_k):
            return {"curve": round_.id.hex(), "quantities": list(line), "members": []}
        blinding = self._put(round_, line, below_k, root)
        shown = [] if made is None else proofs(made, round_, blinding, self._context.cid)
        return {"curve": round_.id.hex(), "quantities": list(line), "members": shown}

    def _stands(self, round_: Round, line: Line, below_k: str) -> bool:
        """Return whether our newest bid says this already: the answer to it was lost."""
        own = round_.bids_of(self._context.cid)
        known = self._ledger.line_of(own[-1]) if own else None
        return known is not None and (known.line, own[-1].seen.record.below_k) == (line, below_k)

    def _reveal(self, call: Call) -> Json:
        """Open our counted bid to a supplier that serves us (PRV-33)."""
        round_ = self._find(call)
        if totals_of(round_) is None or findings(round_, self._ledger):
            raise Refusal("curve.undecided", "expected a round with totals that were found right")
        bid = counted_bid(round_, self._context.cid)
        opened = None if bid is None else self._ledger.line_of(bid)
        if bid is None or opened is None:
            raise Refusal("curve.unknown", "expected a counted bid of this co-op in the round")
        supplier = self._supplier(call.options.get("supplier", ""))
        self._seal(bid, opened, supplier)
        return {"bid": bid.seen.id.hex(), "supplier": supplier.hex()}

    def _check_share(self, call: Call) -> Json:
        """Check the proof that a co-op handed to a small member; publishes nothing."""
        given = read_body(call.body)
        return check_share(given, self._find_by(str(given.get("curve", ""))))

    def _rounds(self, call: Call) -> Json:
        """Show all rounds, newest first."""
        self._ledger.note_heads(self._context.heads())
        rounds = reversed(self._ledger.in_order())
        return {"rounds": [round_json(each, self._ledger, self._context) for each in rounds]}

    def _alerts(self, call: Call) -> Json:
        """Show what is wrong with any round, newest first."""
        self._ledger.note_heads(self._context.heads())
        rounds = reversed(self._ledger.in_order())
        found = (alert for each in rounds for alert in alerts(each, self._ledger, self._context))
        return {"alerts": [alert.json() for alert in found]}

    def _find(self, call: Call) -> Round:
        return self._find_by(call.options.get("curve", ""))

    def _find_by(self, prefix: str) -> Round:
        """Return the one round whose id begins so; without any prefix the only one open."""
        if prefix:
            found = [each for id_, each in self._ledger.rounds.items() if _begins(id_, prefix)]
        else:
            now_ms = self._context.now_ms()
            found = [each for each in self._ledger.rounds.values() if is_open(each, now_ms)]
        if len(found) != 1 and not prefix:
            detail = f"expected one round that is open for bids, got {len(found)}"
            raise Refusal("curve.unknown", f"{detail}; `sheaf curve show` lists them")
        if len(found) != 1:
            detail = f"expected the id of one round, or its beginning, got {prefix!r}"
            raise Refusal("curve.unknown", f"{detail}, which {len(found)} rounds have")
        return found[0]

    def _supplier(self, given: str) -> CoopId:
        """Return the supplier with a name, or whose id begins so."""
        suppliers = self._context.federation.with_role("supplier")
        found = [
            cid
            for cid in suppliers
            if given and (self._context.name_of(cid) == given or _begins(cid, given))
        ]
        if len(found) != 1:
            raise Refusal("curve.option", f"expected one supplier by name or id, got {given!r}")
        return found[0]

    def _may(self, kind: str) -> bool:
        return self._context.federation.may(self._context.cid, kind)

    def _can_seal_to(self, cid: CoopId) -> bool:
        """Return whether we and the other can read what is sealed now; else it waits."""
        return self._context.can_seal_to(cid) and self._context.can_seal_to(self._context.cid)

    def _require(self, kind: str, role: str) -> None:
        if not self._may(kind):
            detail = f"expected a co-op with the role {role} in this federation"
            raise Refusal("policy.role", detail)


def _begins(id_: bytes, prefix: str) -> bool:
    return id_.hex().startswith(prefix.lower())


def _closed_at(round_: Round) -> int:
    return 0 if round_.close is None else round_.close.place


def _settings(settings: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether to bid as cover, and what a line does where it is given no choice."""
    for name in settings:
        if name not in {"cover", "below_k"}:
            detail = f"services.private_demand: expected cover and below_k, got {name!r}"
            raise Refusal("config.unknown_key", detail)
    cover, below_k = settings.get("cover", True), settings.get("below_k", "alone")
    if not isinstance(cover, bool) or below_k not in _BELOW_K:
        detail = f"expected cover as true or false, below_k as one of {', '.join(_BELOW_K)}"
        raise Refusal("config.invalid", f"services.private_demand: {detail}")
    return cover, below_k
