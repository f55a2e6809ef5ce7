"""Lines that somebody types on a telephone, as lines of a list. Nothing here is kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sheaf_node.seats.question import read_number, read_until, write_lines
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TYPED: Final = 5
"""Lines that a page has room for at a time; more come after they were added."""
COLUMNS: Final = {
    "purchases": ("quantity", "unit", "max_price"),
    "prices": ("min_quantity", "unit", "price"),
}
"""What is typed of each line beside the item."""
LABELS: Final = {
    "quantity": "How much",
    "min_quantity": "From how much on",
    "unit": "Unit (kg, l, piece, bag ..)",
    "max_price": "The most you pay for one",
    "price": "Price of one, without VAT",
}
NUMBERS: Final = frozenset({"quantity", "min_quantity", "max_price", "price"})
MOST_CELL: Final = 120
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/|:-]{0,63}")
_OTHERS: Final = re.compile(r"[^a-z0-9]+")


def joined(
    rows: Sequence[Mapping[str, str]], form: Mapping[str, str], what: str, now_ms: int
) -> str:
    """Return a list of what is there with the typed lines behind it, as CSV.

    Raises Refusal `seat.answer` where nothing was typed, or no number where one belongs.
    """
    typed = list(_typed(form, what, now_ms))
    if not typed:
        raise Refusal("seat.answer", "expected at least one line to be filled in")
    columns = list(dict.fromkeys(column for row in (*rows, *typed) for column in row))
    return write_lines([*rows, *typed], columns)


def _typed(form: Mapping[str, str], what: str, now_ms: int) -> Sequence[dict[str, str]]:
    found = []
    for number in range(TYPED):
        cells = {column: form.get(f"{column}-{number}", "").strip() for column in COLUMNS[what]}
        name = form.get(f"item-{number}", "").strip()
        if not name and not any(cells.values()):
            continue
        found.append(_line(number + 1, name, cells, form, what))
    if what == "prices" and found:
        until = read_until(form.get("valid_until", ""), now_ms)
        return [{**line, "valid_until": until} for line in found]
    return found


def _line(
    number: int, name: str, cells: dict[str, str], form: Mapping[str, str], what: str
) -> dict[str, str]:
    """Return one line; of what has no code, its name makes one."""
    if not name:
        raise Refusal("seat.answer", f"new line {number}: expected what it is")
    for column in COLUMNS[what]:
        if len(cells[column]) > MOST_CELL or len(name) > MOST_CELL:
            raise Refusal("seat.answer", f"new line {number}: expected {MOST_CELL} letters at most")
        if not cells[column]:
            raise Refusal(
                "seat.answer", f"new line {number}: expected {LABELS[column].casefold()!r}"
            )
        if column in NUMBERS:
            cells[column] = read_number(cells[column], f"{LABELS[column].casefold()!r}")
    code = _code(name)
    if not code:
        raise Refusal("seat.answer", f"new line {number}: expected a name with letters from a to z")
    currency = form.get("currency", "").strip().upper()[:3]
    return {"item": code, "name": name, **cells, "currency": currency}


def _code(name: str) -> str:
    """Return the code of an item: what was typed if it is one, else what its name makes.

    Telephones begin words with a capital by themselves, and pools know `hay` and `Hay` apart.
    """
    if _CODE.fullmatch(name):
        return name.casefold() if name == name.capitalize() else name
    return _OTHERS.sub("-", name.casefold()).strip("-")[:64]
