"""The items that a federation trades, as far as this node has heard: from offers and open pools.

And what this co-op called them before: whoever published a line called `Ewe nuts` for the item
`EWE-NUTS-25` said which item that name is, and need not say it again. That stands in the log, so
nothing else is kept for it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sheaf_services.pooled_purchasing.lists.gtin import is_gtin, usual

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sheaf_protocol.records import Item
    from sheaf_services.pooled_purchasing.ledger import Ledger

MOST_ITEMS: Final = 5_000
"""Items that names are compared with: a wholesaler's price list and another."""
MOST_NAME: Final = 120
"""Characters of a name that are compared; a peer's may have a thousand."""
MOST_PROPOSED: Final = 3
LEAST_SCORE: Final = 60
"""Of 100: below it names have no more in common than letters."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An item that a name may stand for, and how alike they are, of 100."""

    code: str
    name: str
    unit: str
    score: int


@dataclass(slots=True)
class Catalogue:
    """Known items by code, number and name."""

    units: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The units in which an item is traded."""
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    """The name of an item by code and unit."""
    gtins: dict[str, str] = field(default_factory=dict)
    called: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The items for which this co-op published lines of a name."""

    def add(self, item: Item) -> None:
        """Learn an item that is traded."""
        if len(self.names) < MOST_ITEMS:
            self.units[item.code].add(item.unit)
            self.names.setdefault((item.code, item.unit), item.name[:MOST_NAME])
            if is_gtin(item.code):
                self.gtins.setdefault(usual(item.code), item.code)

    def proposals(self, name: str) -> Sequence[Proposal]:
        """Return the items whose names are most like one, the best first."""
        from rapidfuzz import fuzz, process, utils  # noqa: PLC0415 - for lines without a code

        found = process.extract(
            name[:MOST_NAME],
            self.names,
            scorer=fuzz.WRatio,
            processor=utils.default_process,
            limit=MOST_PROPOSED,
            score_cutoff=LEAST_SCORE,
        )
        # Of equals the first by code: the order in which offers arrived is no reason.
        ranked = sorted(found, key=lambda each: (-int(each[1]), each[2]))
        return [Proposal(code, name, unit, int(score)) for name, score, (code, unit) in ranked]


def alike(name: str) -> str:
    """Return a name as it is compared with those confirmed before: no case, single spaces."""
    return " ".join(name.casefold().split())


def catalogue_of(ledger: Ledger) -> Catalogue:
    """Return what is on offer and in open pools, and what this co-op called items so far."""
    found = Catalogue()
    for item in itertools.chain(_offered(ledger), _pooled(ledger)):
        found.add(item)
    for seen in ledger.own_lines().values():
        item = seen.record.item
        if item.name != item.code:
            found.called[alike(item.name)].add(item.code)
    return found


def _offered(ledger: Ledger) -> Iterable[Item]:
    return (seen.record.item for seen in ledger.offers())


def _pooled(ledger: Ledger) -> Iterable[Item]:
    return (pool.opening.record.item for pool in ledger.pools.values() if pool.close is None)
