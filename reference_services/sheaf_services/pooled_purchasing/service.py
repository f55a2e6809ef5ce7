"""Pooled purchasing on one node: whatever its co-op's roles make it do.

A buyer publishes its lists and orders what awards give it. A supplier publishes prices and answers
orders. A coordinator opens pools, closes them by its own clock and publishes what the pool's rule
makes of the inputs. Every node checks every award and lapse itself and signs what it found.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from msgspec import UNSET, UnsetType

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
)
from sheaf_services.pooled_purchasing.evaluate import AwardDraft
from sheaf_services.pooled_purchasing.inputs import make_cut
from sheaf_services.pooled_purchasing.keeping import kept_entries
from sheaf_services.pooled_purchasing.ledger import Ledger
from sheaf_services.pooled_purchasing.lists import Lists
from sheaf_services.pooled_purchasing.opening import openings
from sheaf_services.pooled_purchasing.ordering import answer_orders, orders_of
from sheaf_services.pooled_purchasing.report import award_json, report
from sheaf_services.pooled_purchasing.role import has_role, require_role
from sheaf_services.pooled_purchasing.seating import seat_view
from sheaf_services.pooled_purchasing.verify import verify_award, verify_lapse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext
    from sheaf_protocol.digest import CoopId, EntryId
    from sheaf_protocol.records import Order, PoolOpen
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
        self._place = _place(settings)
        self._ledger = Ledger(context.cid, context.line, context.place_of)
        self._lists = Lists(context, self._ledger)
        self._kept: frozenset[EntryId] | None = None
        """What pools rest on, worked out when asked for."""

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        """What may be asked of the service."""
        return {
            "import_purchases": self._lists.import_purchases,
            "import_prices": self._lists.import_prices,
            "check_purchases": self._lists.check_purchases,
            "check_prices": self._lists.check_prices,
            "withdraw": self._lists.withdraw,
            "open_pools": self._open_pools,
            "close_pools": self._close_pools,
        }

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        """What the service shows."""
        return {"report": self._report, "award": self._award, "seat": self._seat}

    @property
    def counts(self) -> Mapping[str, int]:
        """How many pools are open, and of how many closed ones this node awaits the decision."""
        pools = self._ledger.pools.values()
        return {
            "open_pools": sum(pool.close is None for pool in pools),
            "undecided_pools": sum(
                pool.close is not None and not any(pool.by_owner()) for pool in pools
            ),
        }

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        self._kept = None
        self._ledger.fold(seen)

    def keeps(self, id_: EntryId) -> bool:
        """Return whether a pool that is not settled rests on an entry."""
        if self._kept is None:
            heads = self._context.heads()
            self._ledger.note_heads(heads)
            cut = [
                LogCut(cid=cid, head=Digest(head.id), seq=head.seq, wid=wid)
                for cid, wid, head in heads
            ]
            self._kept = kept_entries(self._ledger, self._context.cid, cut)
        return id_ in self._kept

    def finish(self, key: str, result: object) -> None:
        """Take nothing: no computation here is long."""

    def decide(self) -> None:
        """Do what is due: close, decide, check, order, answer."""
        self._ledger.note_heads(self._context.heads())
        # Closes come first: what they count is what was bound before this turn, and a lapse
        # published in the same turn sets demands free only for the closes after it.
        self._close([pool for pool in self._own_open() if self._is_due(pool)])
        for pool in self._ledger.pools.values():
            if self._ledger.is_own(pool.opening):
                self._decide_pool(pool)
            self._judge(pool)
        for order, award_id, supplier in self._orders():
            if self._can_seal_to(supplier):
                self._context.publish(order, refs=[award_id], to=[supplier])
        self._answer_orders()

    # --- the owner of a pool ----------------------------------------------------------------

    def _own_open(self) -> list[Pool]:
        pools = self._ledger.pools.values()
        return [p for p in pools if p.close is None and self._ledger.is_own(p.opening)]

    def _is_due(self, pool: Pool) -> bool:
        """Return whether an own pool's time has come, by our clock."""
        closes_at_ms = pool.opening.record.closes_at_ms
        if self._context.now_ms() >= closes_at_ms:
            return True
        self._context.wake_at(closes_at_ms)
        return False

    def _close(self, pools: Sequence[Pool]) -> None:
        """Close pools in turn, none with a demand that one before it has."""
        had: set[EntryId] = set()
        for pool in pools:
            opening = pool.opening
            lines = self._ledger.book.lines_for(opening.record.item.key)
            heads, place_of = self._context.heads(), self._context.place_of
            cut = make_cut(heads, lines, opening.line, place_of)
            bound = self._ledger.bound(opening) | had
            counted = self._ledger.book.counted(opening.record, cut, bound)
            close = PoolClose(
                cut=cut,
                demands=[seen.id for seen in counted.demands],
                offers=[seen.id for seen in counted.offers],
                pool=opening.id,
            )
            had.update(close.demands)
            self._context.publish(close, refs=[opening.id])

    def _decide_pool(self, pool: Pool) -> None:
        """Publish what the rule makes of an own pool, once, when all that the cut names is here."""
        inputs = None if any(pool.by_owner()) else self._ledger.inputs(pool)
        result = None if inputs is None else self._ledger.result(inputs)
        if inputs is None or result is None:
            return
        decision: Decision
        if isinstance(result, AwardDraft):
            decision = result.award
        else:
            decision = PoolLapse(close=inputs.close.id, pool=pool.opening.id, reason=result.value)
        self._context.publish(decision, refs=[pool.opening.id, inputs.close.id])

    # --- every node -------------------------------------------------------------------------

    def _judge(self, pool: Pool) -> None:
        """Sign what we find of the decisions of a pool whose inputs we hold in full.

        One decision a turn and in the order of the owner's line: whether a decision is the first
        right one depends on our verdict on those before it.
        """
        decision = self._ledger.unjudged(pool)
        inputs = None if decision is None else self._ledger.inputs(pool)
        if decision is None or inputs is None:
            return
        code = _finding(self._ledger.judged_by(inputs, pool, decision), decision)
        verdict = Verdict(code=code, level="full", subject=decision.id)
        self._context.publish(verdict, refs=[decision.id])

    def _orders(self) -> list[tuple[Order, EntryId, CoopId]]:
        return list(orders_of(self._ledger, self._place))

    def _answer_orders(self) -> None:
        if not has_role(self._context, "supplier"):
            return  # whoever names us in an order cannot make us one
        for response, order in answer_orders(self._ledger, self._context.cid, self._place):
            if self._can_seal_to(order.cid):
                self._context.publish(response, refs=[order.id], to=[order.cid])

    def _can_seal_to(self, cid: CoopId) -> bool:
        """Return whether we and the other can read what is sealed now; else it waits."""
        return self._context.can_seal_to(cid) and self._context.can_seal_to(self._context.cid)

    # --- commands and views -----------------------------------------------------------------

    def _open_pools(self, call: Call) -> Json:
        """Open a pool for every item on offer that has none open."""
        require_role(self._context, "coordinator")
        self._ledger.note_heads(self._context.heads())
        new = openings(self._ledger, self._context, call.options)
        for opening in new.pools:
            self._context.publish(opening)
        return {"opened": len(new.pools), "skipped": _skipped(new.skipped)}

    def _close_pools(self, call: Call) -> Json:
        """Close all own open pools now, as far as their openings allow that."""
        pools = [pool for pool in self._own_open() if pool.opening.record.may_close_early]
        kept = [
            (pool.opening.record.item.code, self._why_open(pool.opening))
            for pool in self._ledger.pools.values()
            if pool.close is None and pool not in pools
        ]
        self._close(pools)
        return {"closed": len(pools), "skipped": _skipped(kept)}

    def _why_open(self, opening: Seen[PoolOpen]) -> str:
        if not self._ledger.is_own(opening):
            return "another co-op runs this pool"
        until = datetime.fromtimestamp(opening.record.closes_at_ms // 1000, UTC)
        return f"was opened to stay open until {until:%Y-%m-%d %H:%M} UTC"

    def _report(self, call: Call) -> Json:
        """Show what the pools came to, for the federation and for this co-op's own lines."""
        self._ledger.note_heads(self._context.heads())
        return report(self._ledger, self._context.cid, len(self._orders()))

    def _award(self, call: Call) -> Json:
        """Show the award of the pool for the item given as `item`, as this node found it right."""
        self._ledger.note_heads(self._context.heads())
        return award_json(self._ledger, call.options.get("item", ""))

    def _seat(self, call: Call) -> Json:
        """Show what sponsors published for the seat of this id; for this co-op without one."""
        return seat_view(self._ledger, call.options, self._context.cid)


def _skipped(items: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"item": item, "why": why} for item, why in items]


def _place(settings: Mapping[str, Any]) -> Place | UnsetType:
    """Return where goods come to or from, by the settings of the service."""
    for name in settings:
        if name != "place":
            detail = f"services.pooled_purchasing: expected the setting place, got {name!r}"
            raise Refusal("config.unknown_key", detail)
    try:
        return msgspec.convert(settings["place"], Place) if settings else UNSET
    except msgspec.ValidationError as exc:
        raise Refusal("config.invalid", f"services.pooled_purchasing.place: {exc}") from exc


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
