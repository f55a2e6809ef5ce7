"""From what a person writes to the line of a round: quantities by price, or one for each level."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.private_demand import check_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_protocol.private_demand import Line
    from sheaf_services.private_demand.ledger import Round

MOST_BYTES: Final = 1 << 20
"""A co-op with a thousand small members and 64 levels writes half of this."""


def read_body(body: bytes) -> Mapping[str, Any]:
    """Return the JSON object of a command, or raise Refusal `curve.option`."""
    try:
        found = json.loads(body) if len(body) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refusal("curve.option", "expected a JSON object of at most 1 MiB")
    return found


def read_line(given: Mapping[str, Any], round_: Round) -> Line:
    """Return the line that `quantities`, one for each level, or `prices` say; zeros for neither.

    `prices` are quantities by price in minor units. A level between two prices wants what the
    higher one does, for who buys at that buys for less as well; above the highest, nothing.

    Raises Refusal `curve.option`, `curve.levels`, `curve.cap` or `curve.order`.
    """
    levels = round_.terms.levels
    if "prices" in given:
        wanted = _prices(given["prices"])
        line = tuple(_at(wanted, level) for level in levels)
    else:
        line = tuple(_numbers(given.get("quantities", [0] * len(levels))))
    return checked(line, round_)


def checked(line: Line, round_: Round) -> Line:
    """Return a line that may be bid in a round, or raise Refusal (PRV-10 to PRV-12)."""
    try:
        check_line(line, round_.bounds)
    except RemoteProtocolError as exc:
        raise Refusal(exc.code, exc.detail) from exc
    return line


def _at(wanted: Mapping[int, int], level: int) -> int:
    above = [price for price in wanted if price >= level]
    return wanted[min(above)] if above else 0


def _prices(given: object) -> dict[int, int]:
    if not isinstance(given, dict) or not all(
        isinstance(price, str) and price.isdecimal() and len(price) <= 16 for price in given
    ):
        raise Refusal("curve.option", "expected prices in minor units with a quantity for each")
    prices = (int(price) for price in given)
    return dict(zip(prices, _numbers(list(given.values())), strict=True))


def _numbers(given: object) -> list[int]:
    if not isinstance(given, list) or not all(type(number) is int for number in given):
        raise Refusal("curve.option", "expected quantities as whole numbers at the item's scale")
    return given
