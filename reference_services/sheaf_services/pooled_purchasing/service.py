"""Pooled purchasing on one node: whatever its co-op's roles make it do.

A buyer publishes its lists and orders what awards give it. A supplier publishes prices and answers
orders. A coordinator opens pools, closes them by its own clock and publishes what the pool's rule
makes of the inputs. Every node checks every award and lapse itself and signs what it found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from msgspec import UNSET

from sheaf_protocol.digest import Digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import (
    OK,
    Award,
    LogCut,
    Place,
    PoolClose,
    PoolLapse,
    Verdict,
    Withdrawal,
)
from sheaf_services.pooled_purchasing.evaluate import AwardDraft
from sheaf_services.pooled_purchasing.ledger import Ledger, is_covered
from sheaf_services.pooled_purchasing.opening import DEFAULTS, openings
from sheaf_services.pooled_purchasing.ordering import answer_orders, orders_of
from sheaf_services.pooled_purchasing.price_list import parse_price_list
from sheaf_services.pooled_purchasing.purchase_list import parse_purchase_list
from sheaf_services.pooled_purchasing.report import award_json, report
from sheaf_services.pooled_purchasing.verify import verify_award, verify_lapse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext
    from sheaf_protocol.charter import Role
    from sheaf_protocol.digest import CoopId, WriterId
    from sheaf_protocol.records import Demand, Offer
    from sheaf_services.pooled_purchasing.inputs import Inputs, Seen
    from sheaf_services.pooled_purchasing.ledger import Decision, Pool


class PooledPurchasing:
    """The service `pooled_purchasing`."""

    follows: ClassVar[frozenset[str]] = frozenset(
        {
            "demand.submit",
            "demand.withdraw",
            "offer.submit",
            "offer.withdraw",
            "pool.open",
            "pool.close",
            "pool.lapse",
            "pool.award",
            "verdict",
            "order.place",
            "order.response",
        }
    )

    def __init__(self, context: ServiceContext, settings: Mapping[str, Any]) -> None:
        self._context = context
        place = settings.get("place")
        try:
            self._place = UNSET if place is None else msgspec.convert(place, Place)
        except msgspec.ValidationError as exc:
            raise Refusal("config.invalid", f"services.pooled_purchasing.place: {exc}") from exc
        self._ledger = Ledger()

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        """What may be asked of the service."""
        return {
            "import_purchases": self._import_purchases,
            "import_prices": self._import_prices,
            "withdraw": self._withdraw,
            "open_pools": self._open_pools,
            "close_pools": self._close_pools,
        }

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        """What the service shows."""
        return {"report": self._report, "award": self._award}

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        self._ledger.fold(seen)

    def finish(self, key: str, result: object) -> None:
        """Take nothing: no computation here is long."""

    def decide(self) -> None:
        """Do what is due: close, decide, check, order, answer."""
        heads = {(cid, wid): head.seq for cid, wid, head in self._context.heads()}
        for pool in self._ledger.pools.values():
            if pool.opening.wid == self._context.wid:
                self._run_pool(pool)
            self._judge(pool, heads)
        for order, refs, supplier in orders_of(self._ledger, self._context.wid, self._place):
            self._context.publish(order, refs=refs, to=[supplier])
        for response, order_seen in answer_orders(self._ledger, self._context, self._place):
            self._context.publish(response, refs=[order_seen.id], to=[order_seen.cid])

    # --- the owner of a pool ----------------------------------------------------------------

    def _run_pool(self, pool: Pool) -> None:
        """Close an own pool at its time, by our clock, and decide it once closed."""
        if pool.close is None:
            closes_at_ms = pool.opening.record.closes_at_ms
            if self._context.now_ms() < closes_at_ms:
                self._context.wake_at(closes_at_ms)
            else:
                self._close(pool)
            return
        if not any(decision.wid == self._context.wid for decision in pool.decisions):
            self._decide_pool(pool, self._inputs(pool))

    def _close(self, pool: Pool) -> None:
        cut = [
            LogCut(cid=cid, head=Digest(head.id), seq=head.seq, wid=wid)
            for cid, wid, head in self._context.heads()
        ]
        taken = self._ledger.taken(self._context.wid)
        counted = self._ledger.book.counted(pool.opening.record, cut, taken)
        close = PoolClose(
            cut=cut,
            demands=[seen.id for seen in counted.demands],
            offers=[seen.id for seen in counted.offers],
            pool=pool.opening.id,
        )
        self._context.publish(close, refs=[pool.opening.id])

    def _decide_pool(self, pool: Pool, inputs: Inputs) -> None:
        result = self._ledger.result(inputs)
        decision: Decision
        if isinstance(result, AwardDraft):
            decision = result.award
        else:
            decision = PoolLapse(close=inputs.close.id, pool=pool.opening.id, reason=result.value)
        self._context.publish(decision, refs=[pool.opening.id, inputs.close.id])

    # --- every node -------------------------------------------------------------------------

    def _judge(self, pool: Pool, heads: Mapping[tuple[CoopId, WriterId], int]) -> None:
        """Sign what we find of the decisions of a pool whose inputs we hold in full.

        One decision a turn and in the order of the owner's log: whether a decision is the first
        right one depends on our verdict on those before it.
        """
        unjudged = [
            decision
            for decision in pool.decisions
            if self._ledger.verdict(decision.id, self._context.wid) is None
        ]
        if not unjudged or pool.close is None or not is_covered(pool.close.record, heads):
            return
        decision = min(unjudged, key=lambda seen: (seen.wid != pool.opening.wid, seen.seq))
        code = _finding(self._inputs(pool), decision)
        verdict = Verdict(code=code, level="full", subject=decision.id)
        self._context.publish(verdict, refs=[decision.id])

    def _inputs(self, pool: Pool) -> Inputs:
        inputs = self._ledger.inputs(pool, self._context.wid)
        if inputs is None:
            raise Refusal("pool.not_closed", "expected a pool that its owner has closed")
        return inputs

    # --- commands and views -----------------------------------------------------------------

    def _import_purchases(self, call: Call) -> Json:
        """Publish the lines of a purchase list (CSV) that are not published yet."""
        self._require_role("buyer")
        lines = parse_purchase_list(call.body, zone=DEFAULTS["zone"])
        return self._publish_lines(call, lines, self._ledger.lines_of(self._context.wid))

    def _import_prices(self, call: Call) -> Json:
        """Publish the offers of a price list (CSV) that are not published yet."""
        self._require_role("supplier")
        offers = parse_price_list(call.body)
        return self._publish_lines(call, offers, self._ledger.prices_of(self._context.wid))

    def _publish_lines(
        self,
        call: Call,
        lines: Sequence[Demand] | Sequence[Offer],
        known: Mapping[str, Seen[Demand]] | Mapping[str, Seen[Offer]],
    ) -> Json:
        """Publish lines whose reference is new, or whose content changed under an old one."""
        published = {ref: seen.record for ref, seen in known.items()}
        new = [line for line in lines if published.get(line.ref) != line]
        if "dry_run" not in call.options:
            for line in new:
                self._context.publish(line)
        return {"lines": len(lines), "published": len(new)}

    def _withdraw(self, call: Call) -> Json:
        """Take back the own demand whose reference is given as `ref`."""
        ref = call.options.get("ref", "")
        line = self._ledger.lines_of(self._context.wid).get(ref)
        if line is None:
            raise Refusal("demand.unknown", f"expected the reference of an own line, got {ref!r}")
        if not self._ledger.is_withdrawn(line.id):
            self._context.publish(Withdrawal(demand=line.id), refs=[line.id])
        return {"withdrawn": ref}

    def _open_pools(self, call: Call) -> Json:
        """Open a pool for every item on offer that has none open."""
        self._require_role("coordinator")
        new = openings(self._ledger, self._context, call.options)
        for opening in new:
            self._context.publish(opening)
        return {"opened": len(new)}

    def _close_pools(self, call: Call) -> Json:
        """Close all own open pools now, as far as their openings allow that."""
        closed = 0
        for pool in self._ledger.pools.values():
            is_own = pool.opening.wid == self._context.wid
            if is_own and pool.close is None and pool.opening.record.may_close_early:
                self._close(pool)
                closed += 1
        return {"closed": closed}

    def _report(self, call: Call) -> Json:
        """Show what the pools came to, for the federation and for this co-op's own lines."""
        return report(self._ledger, self._context.cid, self._context.wid)

    def _award(self, call: Call) -> Json:
        """Show the award of the pool for the item given as `item`, as this node found it right."""
        return award_json(self._ledger, self._context.wid, call.options.get("item", ""))

    def _require_role(self, role: Role) -> None:
        if role not in self._context.federation.roles[self._context.cid]:
            raise Refusal(
                "policy.role", f"expected a co-op with the role {role} in this federation"
            )


def _finding(inputs: Inputs, decision: Seen[Decision]) -> str:
    """Return `ok`, or the code of the first rule that a decision breaks."""
    try:
        if isinstance(decision.record, Award):
            verify_award(inputs, cast("Seen[Award]", decision))
        else:
            verify_lapse(inputs, cast("Seen[PoolLapse]", decision))
    except Refusal as refusal:
        return refusal.code
    return OK
