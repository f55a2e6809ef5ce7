"""The worked example of chapter 21: a small market of two offers and three demands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from award_cases import FAIR
from blocks_examples import dump, view
from markets import MILLION, POOL_ID, id_of, leaves, sums

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WORDS: Final = """\
A pool has a reference price of 10.00 for each unit and a fee of 1 %. Two offers count at its close:

| offer | tier | from | price | carriage | rate | gain | sells |
| --- | --- | --- | --- | --- | --- | --- | --- |
| `61..` | 0 | 1 | 9.00 | 0.10 | 919,000,000 | 81,000,001 | 1 to 19 |
| `61..` | 1 | 20 | 8.00 | 0.10 | 818,000,000 | 182,000,001 | 20 to 30, its maximum |
| `62..` | 0 | 1 | 8.50 | | 858,500,000 | 141,500,001 | 8 to 40 in packs of 4 |

Three demands, with what they get:

| demand | wants | pays at most | of `62..` | of `61..` |
| --- | --- | --- | --- | --- |
| `6d..` | 20 | 10.00 | 13 | 7 |
| `6e..` | 30 | 10.00 | 19 | 11 |
| `6f..` | 10 | 8.20 | | 10 |

The rows are the rates 818,000,000, 858,500,000 and 919,000,000, at which 60, 50 and 50 units are
wanted. Best are 28 units of `61..` and 32 of `62..`, with the objective 28 x 182,000,001 +
32 x 141,500,001 = 9,624,000,060. Were there no packs, 30 of each would gain 81,000,000 more. That
is the gap: with a price of 141,500,001 on the lowest row the bound is 60 x 141,500,001 for the row,
30 x 40,500,000 for `61..` and 0 for `62..`, in all 9,705,000,060.

The 32 of `62..` are dearer and shared first: 12.8 and 19.2 make 12 and 19, and the unit left goes
to `6d..`. Then 7, 11 and 10 are still wanted, which are the 28 of `61..`.

"""


def _views() -> list[dict[str, Any]]:
    """Return the lines of the award as the JSON view has them."""
    return [
        {"offer": id_of(offer).hex(), "tier": tier, "zone": "ALL"}
        | sums(FAIR.pool, offer, tier, FAIR.shares)
        for offer, tier in FAIR.sold()
    ]


def _award() -> dict[str, Any]:
    objective = sum(FAIR.pool.gain(*key) * units for key, units in FAIR.sold().items())
    return {
        "branches": [{"prices": [{"amount": 141_500_001, "row": 0}]}],
        "close": (b"C" * 32).hex(),
        "gap": FAIR.gap,
        "inputs": FAIR.pool.inputs().hex(),
        "leaves": len(FAIR.shares),
        "lines": [dict(sorted(line.items())) for line in _views()],
        "objective": FAIR.pool.objective,
        "pool": POOL_ID.hex(),
        "quantity": sum(FAIR.sold().values()),
        "ration": FAIR.pool.ration,
        "root": FAIR.root().hex(),
        "value": objective // MILLION,
    }


def example() -> str:
    """Return a market in words, its award in both forms, the leaves and their root."""
    first, second, third = leaves(FAIR.pool, FAIR.shares)
    named = {"leaf_of_6d": first, "leaf_of_6e": second, "leaf_of_6f": third}
    return (
        WORDS
        + view("The award", _award())
        + "\n"
        + dump(award=FAIR.award(), **named, root=FAIR.root())
    )


EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {"example_clearing": example}
