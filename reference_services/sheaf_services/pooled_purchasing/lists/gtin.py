"""Trade item numbers: EAN, UPC and GTIN-14 are one number, and its last digit checks the others.

GS1 General Specifications, 7.9.1: from the right, digits count threefold and once in turn, and all
together are a multiple of ten. That is two lines; a library of identifiers brings a hundred others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sheaf_services.pooled_purchasing.lists.decimal_mark import plain_digits

if TYPE_CHECKING:
    from sheaf_services.pooled_purchasing.lists.table import Row

_LENGTHS: Final = frozenset({8, 12, 13, 14})
_USUAL: Final = 13
"""Digits as most people know it, the EAN. A GTIN-8 or UPC is one with noughts before it."""


def is_gtin(text: str) -> bool:
    """Return whether a text is a GTIN of any length, by its check digit."""
    if len(text) not in _LENGTHS or not (text.isascii() and text.isdigit()):
        return False
    digits = [int(digit) for digit in reversed(text)]
    return (sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10 == 0


def usual(text: str) -> str:
    """Return a GTIN as 13 digits, or as 14 where it needs so many: one spelling for each number."""
    return text.lstrip("0").rjust(_USUAL, "0")


def read_gtin(row: Row, column: str = "gtin") -> str:
    """Return a cell's GTIN in its usual spelling. Raises Refusal `import.gtin`."""
    text = re.sub(r"[\s-]", "", plain_digits(row.text(column)))
    if not is_gtin(text):
        expected = "a GTIN of 8, 12, 13 or 14 digits whose last one fits the others"
        raise row.refusal("import.gtin", column, expected)
    row.note(column, usual(text))
    return usual(text)
