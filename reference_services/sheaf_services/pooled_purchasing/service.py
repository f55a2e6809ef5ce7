"""Pooled purchasing on one node: whatever its co-op's roles make it do.

A buyer publishes its lists and orders what awards give it. A supplier publishes prices and answers
orders. A coordinator opens pools, closes them by its own clock and publishes what the pool's rule
makes of the inputs. Every node checks every award and lapse itself and signs what it found.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

from msgspec import UNSET
from msgspec.structs import replace

from sheaf_protocol.digest import Digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import (
    OK,
    Award,
    LogCut,
    PoolClose,
    PoolLapse,
    Verdict,
)
from sheaf_services.pooled_purchasing.clearing.desk import ClearingDesk
from sheaf_services.pooled_purchasing.clearing.judging import is_cleared
from sheaf_services.pooled_purchasing.evaluate import Lapse
from sheaf_services.pooled_purchasing.inputs import make_cut
from sheaf_services.pooled_purchasing.keeping import kept_entries
from sheaf_services.pooled_purchasing.ledger import Ledger
from sheaf_services.pooled_purchasing.letter import letters, require_any
from sheaf_services.pooled_purchasing.lists.importing import Lists
from sheaf_services.pooled_purchasing.lists.standing_lists import STORAGE_BYTES, StandingLists
from sheaf_services.pooled_purchasing.offering import Offering
from sheaf_services.pooled_purchasing.opening import openings
from sheaf_services.pooled_purchasing.ordering import answer_orders, orders_of
from sheaf_services.pooled_purchasing.report import award_json, report
from sheaf_services.pooled_purchasing.role import has_role, require_role
from sheaf_services.pooled_purchasing.seating import seat_view
from sheaf_services.pooled_purchasing.settings import read_settings
from sheaf_services.pooled_purchasing.unasked import LOOKS_MS, due
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

    storage_bytes: ClassVar[int] = STORAGE_BYTES

    def __init__(self, context: ServiceContext, settings: Mapping[str, Any]) -> None:
        self._context = context
        self._settings = read_settings(settings)
        self._place = self._settings.place
        self._ledger = Ledger(context.cid, context.line, context.place_of)
        self._desk = ClearingDesk(context)
        self._lists = Lists(context, self._ledger)
        self._offering = Offering(context, self._ledger)
        self._standing = StandingLists(context, self._ledger, self._lists)
        self._looks_at_ms = 0
        """When to look again for pools to open unasked."""
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
            "read_purchases": self._lists.read_purchases,
            "read_prices": self._lists.read_prices,
            "keep_standing": self._standing.keep,
            "pause_standing": self._standing.pause,
            "remove_standing": self._standing.remove,
            "withdraw": self._lists.withdraw,
            "withdraw_offer": self._offering.withdraw,
            "open_pools": self._open_pools,
            "close_pools": self._close_pools,
        }

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        """What the service shows."""
        return {
            "report": self._report,
            "award": self._award,
            "letters": self._letters,
            "offers": self._offering.show,
            "seat": self._seat,
            "standing": self._standing.show,
        }

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
        """Take what the clearing of a pool came to."""
        self._desk.finish(key, result)

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
        self._standing.decide()
        self._open_unasked()

    # --- the owner of a pool ----------------------------------------------------------------

    def _open_unasked(self) -> None:
        """Open pools for what enough co-ops want, where a coordinator's settings ask for that."""
        rule = self._settings.open_pools
        if rule is UNSET or not has_role(self._context, "coordinator"):
            return
        if self._context.now_ms() < self._looks_at_ms:
            self._context.wake_at(self._looks_at_ms)
            return
        self._looks_at_ms = self._context.now_ms() + LOOKS_MS
        for opening in due(self._ledger, self._context, rule):
            self._context.publish(opening)

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
        if inputs is None:
            return
        result = self._desk.outcome(inputs) if is_cleared(inputs) else self._ledger.result(inputs)
        if result is None:
            return
        decision: Decision
        if isinstance(result, Lapse):
            decision = PoolLapse(close=inputs.close.id, pool=pool.opening.id, reason=result.value)
        else:
            decision = result.award
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
            # What is as it was awarded a person may decide on, with `sheaf orders accept`.
            is_open = response.code == "AP" and self._settings.orders == "by_hand"
            answer = replace(response, code="AB") if is_open else response
            if self._can_seal_to(order.cid):
                self._context.publish(answer, refs=[order.id], to=[order.cid])

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
        return report(self._ledger, self._context.cid, len(self._orders()), self._desk.why)

    def _award(self, call: Call) -> Json:
        """Show the award of the pool for the item given as `item`, as this node found it right."""
        self._ledger.note_heads(self._context.heads())
        return award_json(self._ledger, call.options.get("item", ""))

    def _letters(self, call: Call) -> Json:
        """Show a letter for each own line that an award decided on, or for `ref` alone."""
        self._ledger.note_heads(self._context.heads())
        ref = call.options.get("ref", "")
        found = list(letters(self._ledger, self._context.cid, self._context.name_of, ref))
        require_any(found, ref)
        return {"letters": found}

    def _seat(self, call: Call) -> Json:
        """Show what sponsors published for the seat of this id; for this co-op without one."""
        return seat_view(self._ledger, call.options, self._context.cid)


def _skipped(items: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"item": item, "why": why} for item, why in items]


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
