"""Shipment matching on one node: whatever its co-op's roles make it do.

A carrier publishes capacity and answers holds. A buyer asks for transport, checks that the baseline
it is compared with is no worse than what it can plan itself, and accepts. A matcher plans trips,
proposes them and, once every party has accepted, holds and books the vehicles. Every node checks
every proposal by plain arithmetic and signs what it found.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import OK
from sheaf_services.shipment_matching.deal import ACCEPT_MS, hold_ids
from sheaf_services.shipment_matching.holds import WAIT, decide_holds, next_deadline_ms
from sheaf_services.shipment_matching.judging import Judge
from sheaf_services.shipment_matching.ledger import Ledger
from sheaf_services.shipment_matching.planning import ONE, Budgets, Planner
from sheaf_services.shipment_matching.publishing import (
    from_json,
    from_pdptw,
    requests_for_orders,
)
from sheaf_services.shipment_matching.report import report
from sheaf_services.shipment_matching.solve import POOLED_BUDGET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext
    from sheaf_protocol.charter import Role
    from sheaf_services.shipment_matching.holds import HoldState
    from sheaf_services.shipment_matching.publishing import Batch


class ShipmentMatching:
    """The service `shipment_matching`."""

    follows: ClassVar[frozenset[str]] = frozenset(
        {
            "capacity.publish",
            "travel.table",
            "transport.request",
            "match.propose",
            "verdict",
            "match.accept",
            "hold.request",
            "hold.grant",
            "hold.refuse",
            "hold.confirm",
            "hold.confirmed",
            "hold.release",
            "hold.revoke",
            "hold.expired",
            "shipment.book",
            "order.place",
            "order.response",
        }
    )
    sees_contested: ClassVar[bool] = True
    """What an owner granted stays blocked although its log was cut below it."""

    def __init__(
        self,
        context: ServiceContext,
        settings: Mapping[str, Any],
        budgets: Budgets | None = None,
    ) -> None:
        given = _read(settings)
        budgets = budgets or Budgets(pooled=replace(POOLED_BUDGET, starts=given.starts))
        self._context = context
        self._place = None if given.place is UNSET else given.place
        self._ledger = Ledger(context.line)
        self._judge = Judge(context, self._ledger, budgets.own)
        self._planner = Planner(context, self._ledger, budgets)

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        """What may be asked of the service."""
        return {
            "import_transport": self._import_transport,
            "publish_capacity": self._publish_capacity,
            "match": self._match,
        }

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        """What the service shows."""
        return {"report": self._report}

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        self._ledger.fold(seen)

    def finish(self, key: str, result: object) -> None:
        """Take a plan to propose, or the own trips to compare a baseline with."""
        if not self._judge.finish(key, result):
            self._planner.finish(key, result)

    def decide(self) -> None:
        """Do what is due: check, accept, hold, book, answer holds, ask for transport."""
        self._judge.decide()
        self._planner.decide()
        self._answer_holds()
        for request in requests_for_orders(self._ledger, self._context.cid, self._place):
            self._context.publish(request)

    # --- the owner of capacity --------------------------------------------------------------

    def _answer_holds(self) -> None:
        """As the owner of a capacity, answer what was asked for, by our own clock."""
        own, book = self._ledger.own_capacities(), self._ledger.holds
        if not own:
            return
        for answer, ref in decide_holds(book, own, self._context.now_ms(), self._policy):
            self._context.publish(answer, refs=[ref])
        deadline_ms = next_deadline_ms(book, own)
        if deadline_ms is not None:
            self._context.wake_at(deadline_ms + 1)

    def _policy(self, hold: HoldState) -> str | None:
        """Return None for a vehicle that a proposal needs which we found right and all accepted.

        Without this, a matcher could lock all vehicles of its rivals' customers for good.
        """
        proposal = self._ledger.proposal_of(hold.asker, hold.request.group)
        verdict = None if proposal is None else self._ledger.verdict(proposal.id)
        if proposal is None or verdict is None:
            return WAIT
        if verdict != OK or hold.request.capacity != proposal.record.capacity:
            return "hold.not_proposed"
        is_one = hold.request.max == hold.request.min == ONE
        if not is_one or hold.request.hold not in hold_ids(proposal.id, len(proposal.record.trips)):
            return "hold.not_proposed"
        if not self._ledger.is_accepted(proposal):
            return WAIT
        first_ms = min(self._ledger.accepts[proposal.id].values())
        return "hold.too_late" if self._context.now_ms() > first_ms + ACCEPT_MS else None

    # --- commands and views -----------------------------------------------------------------

    def _import_transport(self, call: Call) -> Json:
        """Publish a PDPTW file's part: `as=carrier`, or `as=buyer` with `of` and `is`."""
        records = from_pdptw(call, self._context.line, self._ledger, self._context.cid)
        role: Role = "carrier" if call.options.get("as") == "carrier" else "member"
        return self._publish_new(records, call, role)

    def _publish_capacity(self, call: Call) -> Json:
        """Publish a travel table, then vehicles on it, from JSON."""
        records = from_json(call.body, self._context.line, self._ledger)
        return self._publish_new(records, call, "carrier")

    def _publish_new(self, records: Batch, call: Call, role: Role) -> Json:
        if role not in self._roles():
            detail = f"expected a co-op with the role {role} in this federation"
            raise Refusal("policy.role", detail)
        if "dry_run" not in call.options:
            for record in records.new:
                self._context.publish(record)
        return {"lines": records.lines, "published": len(records.new)}

    def _match(self, call: Call) -> Json:
        """Plan trips for the open requests on each capacity; ask again to see how it stands."""
        if "service" not in self._roles():
            raise Refusal("match.not_matcher", "expected a node with the role service")
        return {"state": self._planner.match(), "unserved": len(self._planner.why)}

    def _report(self, call: Call) -> Json:
        """Show each proposal, how far it came, what each party pays and what keeps the rest."""
        return report(self._ledger, self._judge, self._planner.why, self._context)

    def _roles(self) -> frozenset[Role]:
        return self._context.federation.roles_of(self._context.cid)


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[services.shipment_matching]` in a node's settings."""

    place: str | UnsetType = UNSET
    """The name under which this co-op stands on travel tables."""
    starts: Annotated[int, Meta(ge=1, le=64)] = POOLED_BUDGET.starts
    """Independent searches for pooled trips; the best counts, and each costs as much CPU."""


def _read(settings: Mapping[str, Any]) -> _Settings:
    for name in settings:
        if name not in _Settings.__struct_fields__:
            known = " or ".join(_Settings.__struct_fields__)
            detail = f"services.shipment_matching: expected the setting {known}, got {name!r}"
            raise Refusal("config.unknown_key", detail)
    try:
        return msgspec.convert(dict(settings), _Settings)
    except msgspec.ValidationError as exc:
        raise Refusal("config.invalid", f"services.shipment_matching: {exc}") from exc
