"""A service that lets anyone hold part of a capacity: the node's own rules for holds, and no more.

The rules are those of `shipment_matching.holds`; that service grants holds to accepted trips alone,
which would leave little to race for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sheaf_protocol.digest import EntryId, digest
from sheaf_protocol.lifecycle.hold import Hold
from sheaf_protocol.records import (
    Capacity,
    HoldConfirm,
    HoldConfirmed,
    HoldRelease,
    HoldRequest,
    Tariff,
    Vector,
    Window,
)
from sheaf_services.shipment_matching.holds import HoldBook, decide_holds, next_deadline_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.plugins import Call, SeenRecord, ServiceContext
    from sheaf_protocol.digest import Digest, WriterId
    from sheaf_services.shipment_matching.holds import HoldState

NAME = "holdings"


def capacity_of(owner: WriterId, ref: str, pallets: int) -> Capacity:
    """Return a capacity of so many pallets."""
    return Capacity(
        depot=0,
        owner=owner,
        ref=ref,
        resource=Vector(pallets=pallets),
        table=digest("sim", b""),
        table_ref="none",
        tariff=Tariff(amount=1, base_s=60, currency="EUR", per_trip=0),
        vehicle=Vector(pallets=pallets),
        window=Window(from_ms=1, to_ms=2_000_000_000_000),
    )


class Holdings:
    """Capacities and holds on them, as one node sees them."""

    follows: ClassVar[frozenset[str]] = frozenset(
        {"capacity.publish"}
        | {f"hold.{word}" for word in ("request", "grant", "refuse", "confirm", "confirmed")}
        | {f"hold.{word}" for word in ("release", "expired", "revoke")}
    )
    sees_contested: ClassVar[bool] = True

    def __init__(self, context: ServiceContext, settings: Mapping[str, Any]) -> None:
        self.context = context
        self.capacities: dict[EntryId, Capacity] = {}
        self.book = HoldBook()
        self._confirmed: dict[EntryId, EntryId] = {}
        self._asked: set[Digest] = set()
        """The names of our holds, also on capacities that have lost their effect since."""

    @property
    def commands(self) -> Mapping[str, Any]:
        return {"offer": self._offer, "ask": self._ask, "give_back": self._give_back}

    @property
    def views(self) -> Mapping[str, Any]:
        return {"hold": self._hold, "capacities": self._capacities}

    def fold(self, seen: SeenRecord) -> None:
        if seen.is_contested:
            self.book.fold_contested(seen)
        elif isinstance(seen.record, Capacity):
            if seen.record.owner == seen.line:
                self.capacities[seen.id] = seen.record
        else:
            if isinstance(seen.record, HoldConfirmed):
                self._confirmed.setdefault(EntryId(seen.record.confirm), seen.id)
            if isinstance(seen.record, HoldRequest) and seen.line == self.context.line:
                self._asked.add(seen.record.hold)
            self.book.fold(seen)

    def decide(self) -> None:
        """Answer as an owner; confirm as an asker what was granted."""
        own = {id_: c for id_, c in self.capacities.items() if c.owner == self.context.line}
        now_ms = self.context.now_ms()
        for answer, ref in decide_holds(self.book, own, now_ms):
            self.context.publish(answer, refs=[ref])
        deadline_ms = next_deadline_ms(self.book, own)
        if deadline_ms is not None:
            self.context.wake_at(deadline_ms + 1)
        for hold in self._ours():
            if hold.state is Hold.HELD and hold.confirm_id is None and not hold.is_contested:
                confirm = HoldConfirm(grant=hold.grant_id, hold=hold.request.hold)
                self.context.publish(confirm, refs=[hold.grant_id])

    def finish(self, key: str, result: object) -> None:
        return

    def _ours(self) -> list[HoldState]:
        states = self.book.states(self.capacities)
        return [hold for hold in states if hold.asker == self.context.line]

    def _offer(self, call: Call) -> Any:
        """Publish a capacity of so many pallets, once per reference."""
        ref, pallets = call.options["ref"], int(call.options["pallets"])
        for id_, known in self.capacities.items():
            if known.ref == ref and known.owner == self.context.line:
                return {"id": id_.hex()}
        capacity = capacity_of(self.context.line, ref, pallets)
        self.context.publish(capacity)
        return {"id": None}

    def _ask(self, call: Call) -> Any:
        """Ask for a hold under a name that the user chose; asking again changes nothing."""
        name = digest("sim", call.options["hold"].encode())
        capacity = bytes.fromhex(call.options["capacity"])
        known = name in self._asked
        if not known:
            amount = Vector(pallets=int(call.options["pallets"]))
            request = HoldRequest(
                capacity=capacity,
                group=name,
                hold=name,
                hold_for_ms=int(call.options["hold_for_ms"]),
                max=amount,
                min=amount,
            )
            self.context.publish(request, refs=[capacity])
        return {"known": known}

    def _give_back(self, call: Call) -> Any:
        for hold in self._ours():
            name = digest("sim", call.options["hold"].encode())
            if hold.request.hold == name and hold.state is Hold.HELD:
                release = HoldRelease(grant=hold.grant_id, hold=name)
                self.context.publish(release, refs=[hold.grant_id])
        return {}

    def _hold(self, call: Call) -> Any:
        name = digest("sim", call.options["hold"].encode())
        for hold in self._ours():
            if hold.request.hold == name:
                ids = {"request": hold.request_id, "grant": hold.grant_id, "word": self._word(hold)}
                shown = {key: id_.hex() for key, id_ in ids.items() if id_ is not None}
                return {"state": hold.state.name, **shown}
        return {"state": "none"}

    def _word(self, hold: HoldState) -> EntryId | None:
        """Return the owner's confirmation."""
        return None if hold.confirm_id is None else self._confirmed.get(hold.confirm_id)

    def _capacities(self, call: Call) -> Any:
        return [id_.hex() for id_ in self.capacities]
