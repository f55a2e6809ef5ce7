"""What a link asks, as lines; and what is made of an answer. Nothing here is published or kept."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Line: TypeAlias = "Mapping[str, str]"
MOST_LINES: Final = 100
MOST_CELL: Final = 200
LONGEST: Final = timedelta(days=366)
"""How far ahead a price may be promised: a year, and no slip of a century."""
ASKED: Final = ("item", "name", "quantity", "unit", "currency")
_PRICES: Final = (
    *("item", "name", "unit", "min_quantity", "price", "currency"),
    *("valid_until", "max_quantity"),
)
_NUMBER: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")


def read_lines(text: str) -> list[dict[str, str]]:
    """Return the lines of a CSV list by column. Raises Refusal `seat.answer`.

    The service that takes the list judges columns and cells; here it is only taken apart.
    """
    first, _, _ = text.removeprefix("\ufeff").partition("\n")
    delimiter = max(";,\t", key=first.count)
    reader = csv.reader(
        io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter, strict=True
    )
    try:
        rows = [row for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as exc:
        raise Refusal("seat.answer", f"expected a list as CSV: {exc}") from exc
    if not 2 <= len(rows) <= MOST_LINES + 1:
        detail = f"expected a header and 1 to {MOST_LINES} lines, got {max(0, len(rows) - 1)}"
        raise Refusal("seat.answer", detail)
    names = [cell.strip().casefold().replace(" ", "_") for cell in rows[0]]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names) or any(len(cell) > MOST_CELL for cell in row):
            detail = f"expected {len(names)} cells of at most {MOST_CELL} characters"
            raise Refusal("seat.answer", f"line {number}: {detail}")
    return [dict(zip(names, map(str.strip, row), strict=True)) for row in rows[1:]]


def write_lines(lines: Sequence[Line], columns: Sequence[str] = ()) -> str:
    """Return lines as CSV, as the services read it."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns or list(lines[0]), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def asked_lines(text: str) -> list[dict[str, str]]:
    """Return the items that a quote is asked for. Raises Refusal `seat.answer`."""
    lines = read_lines(text)
    for name in lines[0]:
        if name not in ASKED:
            detail = f"expected the columns {', '.join(ASKED)}, got {name[:40]!r}"
            raise Refusal("seat.answer", detail)
    for name in ("item", "quantity", "unit", "currency"):
        if name not in lines[0]:
            raise Refusal("seat.answer", f"expected a column {name}")
    return [{name: line.get(name, "") for name in ASKED} for line in lines]


def trial_prices(lines: Sequence[Line], now_ms: int) -> str:
    """Return a price list as an answer could be, to be tried before anybody is asked."""
    tomorrow = _day(now_ms) + timedelta(days=1)
    form = {f"price-{number}": "1" for number in range(len(lines))}
    return prices_of(lines, {**form, "valid_until": tomorrow.isoformat()}, now_ms)


def prices_of(lines: Sequence[Line], form: Mapping[str, str], now_ms: int) -> str:
    """Return the price list that a filled page makes. Raises Refusal `seat.answer`.

    Each price holds from the quantity asked for on; a line without one is not offered.
    """
    until = read_until(form.get("valid_until", ""), now_ms)
    made = []
    for number, line in enumerate(lines):
        label = line["name"] or line["item"]
        price = read_number(form.get(f"price-{number}", ""), f"a price for {label}")
        most = read_number(form.get(f"most-{number}", ""), f"the most of {label}")
        if price:
            made.append(
                {
                    **{name: line[name] for name in ("item", "name", "unit", "currency")},
                    "min_quantity": line["quantity"],
                    "price": price,
                    "valid_until": until,
                    "max_quantity": most,
                }
            )
    if not made:
        raise Refusal("seat.answer", "expected a price for at least one line")
    return write_lines(made, _PRICES)


def read_number(text: str, what: str) -> str:
    """Return a number with a point; a telephone's keys may have a comma only."""
    plain = text.strip().replace(",", ".")
    if plain and _NUMBER.fullmatch(plain) is None:
        raise Refusal(
            "seat.answer", f"expected {what} as a number such as 12.50, got {text[:20]!r}"
        )
    return plain


def read_until(text: str, now_ms: int) -> str:
    """Return the last day of a promise, from today on and within a year."""
    today = _day(now_ms)
    try:
        until = date.fromisoformat(text)
    except ValueError as exc:
        raise Refusal("seat.answer", "expected the day until which the prices hold") from exc
    if not today <= until <= today + LONGEST:
        raise Refusal("seat.answer", f"expected a day from {today} to {today + LONGEST}")
    return until.isoformat()


def _day(now_ms: int) -> date:
    return datetime.fromtimestamp(now_ms // 1000, UTC).date()
