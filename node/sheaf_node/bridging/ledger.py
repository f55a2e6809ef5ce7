"""What members of one federation said about crossing: asks, exports, brakes and erases."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

from sheaf_protocol.digest import Digest, EntryId
from sheaf_protocol.records.bridge import BridgeAsk, BridgeExport, TreatyBrake
from sheaf_protocol.records.erasure import Erase
from sheaf_protocol.treaty import DAY_MS, Braking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.plugins import SeenRecord

FOLLOWS: Final = frozenset({"bridge.ask", "bridge.export", "entry.erase", "treaty.brake"})


class Ledger:
    """The records of one federation, in the order in which they were read."""

    def __init__(self) -> None:
        self.asks: dict[EntryId, list[SeenRecord]] = {}
        """By the entry that is to cross."""
        self.exports: list[SeenRecord] = []
        self.erased: set[EntryId] = set()
        """What an erase names, be it one that has effect or not."""
        self.brakes: dict[Digest, list[SeenRecord]] = {}
        """By treaty."""
        self._exports_of: dict[tuple[Digest, EntryId], list[SeenRecord]] = {}
        self._left: Counter[tuple[Digest, int]] = Counter()

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        match seen.record:
            case BridgeAsk(entry=entry):
                self.asks.setdefault(EntryId(entry), []).append(seen)
            case BridgeExport(entry=entry, treaty=treaty):
                self.exports.append(seen)
                self._exports_of.setdefault((Digest(treaty), EntryId(entry)), []).append(seen)
                self._left[Digest(treaty), seen.time_ms // DAY_MS] += 1
            case TreatyBrake(treaty=treaty):
                self.brakes.setdefault(Digest(treaty), []).append(seen)
            case Erase(entry=entry):
                self.erased.add(EntryId(entry))
            case _:
                return

    def exports_of(self, treaty: Digest, entry: EntryId) -> Sequence[SeenRecord]:
        """Return the exports of one entry under a treaty, by any bridge."""
        return self._exports_of.get((treaty, entry), ())

    def left_on(self, treaty: Digest, time_ms: int) -> int:
        """Return how many exports under a treaty bear a time of the same UTC day, by any bridge."""
        return self._left[treaty, time_ms // DAY_MS]

    def days(self, treaty: Digest) -> dict[int, int]:
        """Return how many exports there are under a treaty, by UTC day."""
        return {day: count for (id_, day), count in sorted(self._left.items()) if id_ == treaty}

    def brakings(self, treaty: Digest, since_ms: int) -> list[Braking]:
        """Return the brakes on a treaty from after a time."""
        return [
            Braking(cid=seen.cid, time_ms=seen.time_ms, brake=cast("TreatyBrake", seen.record))
            for seen in self.brakes.get(treaty, ())
            if seen.time_ms > since_ms
        ]


def date_of(day: int) -> str:
    """Return a UTC day, by its number since 1970, as people write it."""
    return f"{datetime.fromtimestamp(day * DAY_MS // 1000, UTC):%Y-%m-%d}"
