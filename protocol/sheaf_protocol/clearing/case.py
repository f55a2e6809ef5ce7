"""One pool as its award is judged: its opening, and what counts at its close (POOL-8, POOL-9)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sheaf_protocol.clearing.allocation import MIX, PRIORITY, Line
from sheaf_protocol.clearing.market import SEVERAL_OFFERS, market_of
from sheaf_protocol.clearing.rate import rate_of
from sheaf_protocol.errors import Fault, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_protocol.clearing.market import Market, Option
    from sheaf_protocol.digest import CoopId, EntryId
    from sheaf_protocol.records import Demand, Offer, PoolOpen

RATIONS: Final = (MIX, PRIORITY)
"""How pools of several offers may share out."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A pool with the demands and offers that count, both by ascending id."""

    id: EntryId
    pool: PoolOpen
    demands: Mapping[EntryId, tuple[CoopId, Demand]]
    offers: Mapping[EntryId, Offer]

    @cached_property
    def offer_ids(self) -> Sequence[EntryId]:
        """The ids of the offers, in the order in which options and branches count them."""
        return list(self.offers)

    @cached_property
    def market(self) -> Market:
        """What the pool decides on."""
        wanted = ((line.rate, line.want) for line in self.lines)
        return market_of(self.pool, list(self.offers.values()), wanted)

    @cached_property
    def lines(self) -> Sequence[Line]:
        """What each demand wants, by ascending id."""
        ranks, last = self._ranks(), len(self._classes)
        return [
            Line(
                id=id_,
                want=demand.quantity,
                minimum=demand.min_quantity,
                rate=rate_of(demand.max_price),
                rank=ranks.get(cid, last),
            )
            for id_, (cid, demand) in self.demands.items()
        ]

    @property
    def is_ranked(self) -> bool:
        """Whether classes are served in turn (CLR-15)."""
        return self.pool.ration == PRIORITY

    @property
    def _classes(self) -> Sequence[Sequence[CoopId]]:
        if not self.is_ranked or self.pool.priority is UNSET:
            return ()
        return self.pool.priority

    def _ranks(self) -> Mapping[CoopId, int]:
        """Return the class of each co-op that is named; of two the first counts."""
        ranks: dict[CoopId, int] = {}
        for rank, coops in enumerate(self._classes):
            for cid in coops:
                ranks.setdefault(cid, rank)
        return ranks


def in_order(sold: Sequence[tuple[Option, int]]) -> list[tuple[Option, int]]:
    """Return what is sold as it is shared: the dearest first, of equals the lowest offer id."""
    return sorted(sold, key=lambda one: (-one[0].rate, one[0].offer))


def require_rules(objective: str, ration: str) -> None:
    """Return if these are rules of this chapter, else raise `award.rule_unknown`."""
    if objective != SEVERAL_OFFERS or ration not in RATIONS:
        known = f"{SEVERAL_OFFERS} with {' or '.join(RATIONS)}"
        detail = f"expected {known}, got {objective} with {ration}"
        raise RemoteProtocolError("award.rule_unknown", detail, Fault.AUTHOR)
