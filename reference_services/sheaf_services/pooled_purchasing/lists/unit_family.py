"""Units that are exact multiples of one another: what is wanted in one may be traded in another.

Factors are whole numbers of a family's smallest unit, so all that is computed with them is exact.
What does not come out even is said and never rounded.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FAMILIES: Final[Mapping[str, Mapping[str, int]]] = {
    "mass": {"GRM": 1, "KGM": 1_000, "TNE": 1_000_000},
    "volume": {"MLT": 1, "CLT": 10, "LTR": 1_000, "HLT": 100_000, "MTQ": 1_000_000},
    "length": {"MMT": 1, "CMT": 10, "MTR": 1_000, "KMT": 1_000_000},
    "area": {"MTK": 1, "HAR": 10_000},
    "count": {"H87": 1, "PR": 2, "DZN": 12, "GRO": 144},
    "energy": {"KWH": 1, "MWH": 1_000},
    "time": {"MIN": 1, "HUR": 60, "DAY": 1_440},
}
"""How much of its family's smallest unit each is (UN/CEFACT Recommendation 20)."""


def ratio(unit: str, other: str) -> Fraction | None:
    """Return how many of another unit one is; None where they are of no one family."""
    if unit == other:
        return Fraction(1)
    for family in FAMILIES.values():
        if unit in family and other in family:
            return Fraction(family[unit], family[other])
    return None
