"""How people write lines, quantities, days and money of orders, and how they are shown them.

Lines are counted from 1 here and from 0 in records; quantities are in the item's unit.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

import click

from sheaf_node.cli.output import utc

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVICE: Final = "/api/v1/services/order_fulfilment"
_MOST_UNITS: Final = 10**12


def read_lines(words: Iterable[str], scale: int) -> dict[int, int]:
    """Return quantities by line of words such as `2=12.5`; `12.5` alone is of line 1."""
    found: dict[int, int] = {}
    for word in words:
        line, _, quantity = word.rpartition("=")
        found[read_line(line or "1")] = read_quantity(quantity, scale)
    return found


def read_line(word: str) -> int:
    """Return the number of a line as records count it."""
    if not (word.isascii() and word.isdecimal() and 1 <= len(word) <= 4 and int(word) >= 1):
        raise click.UsageError(f"expected the number of a line from 1 on, got {word!r}")
    return int(word) - 1


def read_quantity(word: str, scale: int) -> int:
    """Return a quantity at the scale of its item."""
    try:
        number = Decimal(word).scaleb(scale)
    except InvalidOperation as exc:
        raise click.UsageError(f"expected a quantity such as 12.5, got {word!r}") from exc
    if not number.is_finite() or not 0 <= number <= _MOST_UNITS or number != int(number):
        decimals = f"of at most {scale} decimals" if scale else "without decimals"
        raise click.UsageError(f"expected a quantity {decimals}, got {word!r}")
    return int(number)


def read_money(word: str, digits: int) -> int:
    """Return money in minor units."""
    return read_quantity(word, digits)


def read_day(word: str) -> int:
    """Return the end of a UTC day such as 2027-03-01, in milliseconds."""
    try:
        day = datetime.strptime(word, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as exc:
        raise click.UsageError(f"expected a day such as 2027-03-01, got {word!r}") from exc
    return int(day.timestamp()) * 1_000 + 86_399_999


def day_of(time_ms: int) -> str:
    """Return the UTC day of a time."""
    return f"{utc(time_ms):%Y-%m-%d}"


def quantity_of(units: int, scale: int) -> str:
    """Return a quantity as people write it."""
    return f"{Decimal(units).scaleb(-scale):f}"
