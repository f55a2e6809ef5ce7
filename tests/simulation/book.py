"""Holds as entries tell them: the ledger's own small model, and what may not happen in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.simulation.rows import Violation
from tests.simulation.rows import short as _s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.simulation.rows import Row

_BETWEEN_MS: Final = 500


@dataclass
class Held:
    """A hold in the ledger's own model."""

    asker: bytes
    capacity: bytes
    pallets: int
    until_ms: int
    state: str = "held"
    is_released: bool = False
    """Whether its asker gave it back; without effect once its owner has confirmed it."""
    """When its owner said that it has run out."""

    @property
    def is_locking(self) -> bool:
        """Whether it takes part of its capacity."""
        return self.state == "confirmed" or (self.state == "held" and not self.is_released)


class Book:
    """Holds as one node's entries tell them: words of owners in the order of their logs."""

    def __init__(self) -> None:
        self.capacities: dict[bytes, tuple[bytes, int]] = {}
        """Co-op and pallets, by the capacity's entry."""
        self.requests: dict[bytes, Row] = {}
        self.confirms: dict[bytes, Row] = {}
        self.holds: dict[bytes, Held] = {}
        """By the entry of the grant."""
        self.granted: dict[bytes, bytes] = {}
        """The grant of each request."""
        self.refused: set[bytes] = set()
        self.released: dict[bytes, bytes] = {}
        """Who gave back which grant."""
        self.names: dict[tuple[bytes, bytes, bytes], bytes] = {}
        self.offered: dict[tuple[bytes, str], bytes] = {}
        """The capacity of each co-op and reference."""
        self.void: frozenset[bytes] = frozenset()
        """What lost its effect: an answer to it may have been on its way then, and has none."""
        self.faults: list[Violation] = []

    def take(self, row: Row) -> None:
        """Learn what anybody may say; what only an owner says is for `hear`."""
        match row.kind:
            case "capacity.publish":
                pallets = row.body["resource"].get("pallets", 0)
                self.capacities[row.id] = (row.place.cid, pallets)
            case "hold.request":
                name = (row.place.cid, row.body["capacity"], row.body["hold"])
                self.names.setdefault(name, row.id)
                self.requests[row.id] = row
            case "hold.confirm":
                self.confirms[row.id] = row
            case "hold.release":
                self.released[row.body["grant"]] = row.place.cid
                held = self.holds.get(row.body["grant"])
                if held is not None and held.asker == row.place.cid:
                    held.is_released = True
            case _:
                return

    def hear(self, row: Row) -> None:
        """Apply an owner's word on its own capacity, or an asker's own request."""
        match row.kind:
            case "hold.request":
                name = (row.place.cid, row.body["capacity"], row.body["hold"])
                if self.names[name] != row.id:
                    self._fault("I3", f"hold {_s(row.body['hold'])} was asked for twice")
            case "capacity.publish":
                same = (row.place.cid, row.body["ref"])
                if self.offered.setdefault(same, row.id) != row.id:
                    self._fault("I3", f"capacity {row.body['ref']} was offered twice")
            case "hold.grant":
                self._grant(row)
            case "hold.refuse":
                self._refuse(row)
            case "hold.confirmed":
                self._confirmed(row)
            case "hold.expired":
                self._ended(row, "expired")
            case "hold.revoke":
                self._ended(row, "revoked")
            case _:
                return

    def used(self, capacity: bytes) -> int:
        """Return how much of a capacity is held or confirmed."""
        return sum(
            held.pallets
            for held in self.holds.values()
            if held.capacity == capacity and held.is_locking
        )

    def used_at_most(self, capacity: bytes) -> int:
        """Return how much of a capacity its owner may have counted.

        With what was given back, of which it may not have heard.
        """
        return sum(
            held.pallets
            for held in self.holds.values()
            if held.capacity == capacity and held.state in {"held", "confirmed"}
        )

    def _refuse(self, row: Row) -> None:
        request = self.requests.get(row.body["request"])
        self.refused.add(row.body["request"])
        if request is None or row.body["reason"] != "hold.no_capacity":
            return
        owner, total = self.capacities.get(request.body["capacity"], (b"", 0))
        free = total - self.used_at_most(request.body["capacity"])
        least = request.body["min"].get("pallets", 0)
        if owner == row.place.cid and request.id not in self.granted and least <= free:
            self._fault("I2", f"request {_s(request.id)} was refused with {free} pallets left")

    def _grant(self, row: Row) -> None:
        request = self.requests.get(row.body["request"])
        if row.body["request"] in self.void:
            return
        if request is None:
            self._fault("I3", f"grant {_s(row.id)} answers a request that is not held")
            return
        capacity = request.body["capacity"]
        owner, total = self.capacities.get(capacity, (b"", 0))
        if owner != row.place.cid:
            return  # a stranger's word on another's capacity has no effect
        if request.id in self.granted:
            self._fault("I3", f"request {_s(request.id)} was granted twice")
            return
        if request.id in self.refused:
            self._fault("I3", f"request {_s(request.id)} was refused and then granted")
        name = (request.place.cid, capacity, request.body["hold"])
        if self.names.get(name) != request.id:
            self._fault("I3", f"hold {_s(request.body['hold'])} was granted under two requests")
        until_ms, pallets = row.body["until_ms"], row.body["locked"].get("pallets", 0)
        lasts_ms = until_ms - row.time_ms
        # Another word of the owner may come in between: then its log bears a later time (LOG-5).
        if not 0 <= request.body["hold_for_ms"] - lasts_ms <= _BETWEEN_MS:
            self._fault("I10", f"grant {_s(row.id)} does not last as long as was asked for")
        least, most = (request.body[each].get("pallets", 0) for each in ("min", "max"))
        if not least <= pallets <= most:
            self._fault("I2", f"{pallets} pallets were granted, {least} to {most} asked for")
        held = Held(request.place.cid, capacity, pallets, until_ms)
        held.is_released = self.released.get(row.id) == held.asker
        self.holds[row.id], self.granted[request.id] = held, row.id
        if self.used(capacity) > total:
            self._fault("I2", f"{self.used(capacity)} of {total} pallets are taken")

    def _confirmed(self, row: Row) -> None:
        confirm = self.confirms.get(row.body["confirm"])
        held = None if confirm is None else self.holds.get(confirm.body["grant"])
        if row.body["confirm"] in self.void:
            return
        if held is None or confirm is None:
            self._fault("I3", f"{_s(row.id)} confirms what nobody asked for")
        elif self.capacities[held.capacity][0] != row.place.cid:
            return
        elif held.asker != confirm.place.cid:
            self._fault("I3", f"{_s(row.id)} confirms for another than the asker")
        elif held.state == "confirmed":
            self._fault("I4", f"grant {_s(confirm.body['grant'])} was confirmed twice")
        elif held.state != "held":
            self._fault("I3", f"grant {_s(confirm.body['grant'])} was confirmed when {held.state}")
        elif row.time_ms > held.until_ms:
            self._fault("I10", f"grant {_s(confirm.body['grant'])} was confirmed too late")
        else:
            held.state = "confirmed"

    def _ended(self, row: Row, how: str) -> None:
        held = self.holds.get(row.body["grant"])
        if held is None or self.capacities[held.capacity][0] != row.place.cid:
            return
        if held.state == "confirmed":
            self._fault("I9", f"grant {_s(row.body['grant'])} was {how} when confirmed")
        elif held.state == "held":
            if how == "expired" and row.time_ms <= held.until_ms:
                self._fault("I10", f"grant {_s(row.body['grant'])} expired before its time")
            held.state = how

    def _fault(self, invariant: str, what: str) -> None:
        self.faults.append(Violation(invariant, what))


def book_of(rows: Sequence[Row], order: Mapping[bytes, Sequence[bytes]]) -> Book:
    """Return the holds that these entries tell, owners' words in the order of their logs."""
    book = Book()
    for row in rows:
        book.take(row)
    rank = {wid: at for wids in order.values() for at, wid in enumerate(wids)}
    own = [row for row in rows if row.kind.startswith("hold.")]
    for row in sorted(own, key=lambda r: (r.place.cid, rank.get(r.place.wid, 0), r.place.seq)):
        book.hear(row)
    return book
