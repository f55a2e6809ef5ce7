"""How quantities, money and prices of answers are shown to people.

Each is an integer in the answer: units at the `scale` of an item, minor units of a currency of
`minor_digits`, and a price as an amount for so many units. `one` is what has these keys.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

_MOST_DECIMALS: Final = 9
"""Of a price for one unit: what is finer than that nobody reads."""


def bare_quantity(units: int, one: Any) -> str:
    """Return a quantity without its unit."""
    return f"{Decimal(units).scaleb(-one['scale']).normalize():f}"


def quantity(units: int, one: Any) -> str:
    """Return a quantity with its unit."""
    return f"{bare_quantity(units, one)} {one['unit']}"


def money(minor: int, one: Any) -> str:
    """Return an amount with its currency."""
    return f"{Decimal(minor).scaleb(-one['minor_digits']):f} {one['currency']}"


def unit_price(price: Any, one: Any) -> str:
    """Return what one unit costs: exact, with as many decimals as that takes."""
    each = Decimal(price["amount"] * 10 ** one["scale"]) / price["base"]
    exact = round(each.scaleb(-one["minor_digits"]), _MOST_DECIMALS).normalize()
    decimals = max(one["minor_digits"], -int(exact.as_tuple().exponent))
    return f"{exact:.{decimals}f} {one['currency']}"
