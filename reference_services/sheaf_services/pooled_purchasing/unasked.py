"""Opening pools unasked: for what enough co-ops want, as a coordinator's settings say.

    [services.pooled_purchasing.open_pools]
    coops = 2
    closes_in_s = 604800
    offers = "several"

A pool opens for an item and a zone where so many co-ops have firm lines that no pool of ours holds,
somebody offers it there, and none of ours is open for it. A line that lapsed with its pool counts
again, so whatever found too few rolls over into the next.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from sheaf_services.pooled_purchasing.opening import Market, openings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sheaf_node.plugins import ServiceContext
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.records import PoolOpen
    from sheaf_services.pooled_purchasing.ledger import Ledger

SHORTEST_S: Final = 600
"""Ten minutes to join at least: a pool that lapses is opened again at once."""
LONGEST_S: Final = 366 * 86_400
LOOKS_MS: Final = 10_000
"""Ten seconds from one look to the next: each goes over all lines that stand."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When pools open unasked, and how."""

    coops: Annotated[int, Meta(ge=2, le=1_000)]
    """With a line that may count."""
    closes_in_s: Annotated[int, Meta(ge=SHORTEST_S, le=LONGEST_S)] = 604_800
    fee_bps: Annotated[int, Meta(ge=0, le=10_000)] = 0
    k_min: Annotated[int, Meta(ge=1, le=1_000)] = 3
    offers: Literal["one", "several"] = "one"

    @property
    def options(self) -> dict[str, str]:
        """The same as options of `open_pools`."""
        return {
            "closes_in_s": str(self.closes_in_s),
            "fee_bps": str(self.fee_bps),
            "k_min": str(self.k_min),
            "offers": self.offers,
        }


def due(ledger: Ledger, context: ServiceContext, rule: Rule) -> Iterator[PoolOpen]:
    """Yield the pools that are to be opened now."""
    for zone, markets in _wanted(ledger, rule.coops).items():
        found = openings(ledger, context, {**rule.options, "zone": zone})
        yield from (
            opening
            for opening in found.pools
            if (opening.item.key, opening.reference.currency) in markets
        )


def _wanted(ledger: Ledger, coops: int) -> Mapping[str, set[Market]]:
    """Return by zone the items and currencies that enough co-ops want and no pool of ours holds."""
    asking: defaultdict[tuple[str, Market], set[CoopId]] = defaultdict(set)
    for seen in ledger.free():
        demand = seen.record
        asking[demand.zone, (demand.item.key, demand.max_price.currency)].add(seen.cid)
    found: defaultdict[str, set[Market]] = defaultdict(set)
    for zone, market in sorted(asking):
        if len(asking[zone, market]) >= coops:
            found[zone].add(market)
    return found
