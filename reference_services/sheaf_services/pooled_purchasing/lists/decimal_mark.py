"""Numbers as people write them, read exactly, whatever mark their country puts before decimals.

A number has at most two readings: with a decimal point, and with a decimal comma. In either the
other mark, a space or an apostrophe may part the thousands, which then come in threes behind one
to three digits that do not begin with 0. So

    2,5   12.50   0.125   1234.567   1.234,5   1 234,5   1.234.567     have one reading,
    12   1 234                                            have two that are the same, and
    1.234   12,500                                        have two that differ.

Of the last it cannot be known what they mean, and a wrong guess is wrong a thousandfold. So it is
asked, once for each column, and nothing is published before it is answered. An answer settles such
numbers alone: what has one reading needs none.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

Mark: TypeAlias = Literal["point", "comma"]

MARKS: Final[tuple[Mark, ...]] = ("point", "comma")
_PARTS: Final = " \u00a0\u2009\u202f'\u2019\u066c"
"""What parts thousands beside a mark: spaces of four widths, apostrophes of two shapes, and the
Arabic mark that does nothing else."""
_ARABIC: Final = "\u066b"
"""The Arabic mark before decimals, which has no other meaning."""
_POINT: Final = re.compile(
    rf"(?P<whole>[0-9]{{1,12}}|[1-9][0-9]{{0,2}}(?P<part>[{_PARTS},])[0-9]{{3}}"
    rf"(?:(?P=part)[0-9]{{3}}){{0,2}})(?:[.{_ARABIC}](?P<places>[0-9]{{1,9}}))?"
)
_COMMA: Final = re.compile(
    rf"(?P<whole>[0-9]{{1,12}}|[1-9][0-9]{{0,2}}(?P<part>[{_PARTS}.])[0-9]{{3}}"
    rf"(?:(?P=part)[0-9]{{3}}){{0,2}})(?:[,{_ARABIC}](?P<places>[0-9]{{1,9}}))?"
)
_WRITTEN: Final[Mapping[Mark, re.Pattern[str]]] = {"point": _POINT, "comma": _COMMA}


@dataclass(frozen=True, slots=True)
class Number:
    """`digits` with `places` of them behind the point, without zeros at the end."""

    digits: int
    places: int

    @property
    def exact(self) -> Fraction:
        """Return the number as a fraction."""
        return Fraction(self.digits, 10**self.places)

    @property
    def plain(self) -> str:
        """Return the number without zeros at the end of its decimals."""
        text = str(self)
        return text.rstrip("0").rstrip(".") if "." in text else text

    def at(self, places: int) -> int:
        """Return the digits at as many places or more."""
        return int(self.digits * 10 ** (places - self.places))

    def __str__(self) -> str:
        """Return the number with a decimal point and without thousands apart."""
        if not self.places:
            return str(self.digits)
        text = str(self.digits).rjust(self.places + 1, "0")
        return f"{text[: -self.places]}.{text[-self.places :]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What only a person can say of a column: which of two readings its numbers have."""

    column: str
    line: int
    """The first line with such a number."""
    came: str
    point: str
    """What it means if the mark is a decimal point."""
    comma: str


@dataclass(slots=True)
class Marks:
    """The answers for one list, and what is still asked of it."""

    for_all: Mark | None = None
    by_column: Mapping[str, Mark] = field(default_factory=dict)
    asked: dict[str, Question] = field(default_factory=dict)

    def answer(self, column: str) -> Mark | None:
        """Return what was said of a column; None where nobody said anything."""
        return self.by_column.get(column, self.for_all)


def readings(text: str) -> dict[Mark, Number]:
    """Return what a text means by the mark that it is read with; nothing for what is no number.

    Digits of other scripts count as ours: their values are as certain.
    """
    plain = plain_digits(text)
    matches = {mark: _WRITTEN[mark].fullmatch(plain) for mark in MARKS}
    return {mark: _number(found) for mark, found in matches.items() if found is not None}


def plain_digits(text: str) -> str:
    """Return a text with the decimal digits of every script as 0 to 9."""
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.decimal(c)) if unicodedata.decimal(c, None) is not None else c for c in text
    )


def marks_of(options: Mapping[str, str], columns: frozenset[str]) -> Marks:
    """Return the answers that options give: `numbers` for all columns, `decimal` for single ones.

    `decimal` is such as `max_price=comma,quantity=point`. Raises Refusal `import.answer`.
    """
    for_all = options.get("numbers", "auto")
    if for_all != "auto":
        _require_mark(for_all, "numbers")
    by_column: dict[str, Mark] = {}
    for part in filter(None, options.get("decimal", "").split(",")):
        column, _, mark = part.partition("=")
        if column not in columns:
            known = ", ".join(sorted(columns))
            raise Refusal("import.answer", f"expected a column of {known}, got {column[:40]!r}")
        by_column[column] = _require_mark(mark, column)
    return Marks(None if for_all == "auto" else cast("Mark", for_all), by_column)


def _require_mark(text: str, of: str) -> Mark:
    for mark in MARKS:
        if text == mark:
            return mark
    detail = f"expected point or comma for {of}, got {text[:40]!r}"
    raise Refusal("import.answer", detail)


def _number(found: re.Match[str]) -> Number:
    whole = re.sub(r"[^0-9]", "", found["whole"])
    decimals = (found["places"] or "").rstrip("0")
    return Number(int(whole + decimals), len(decimals))
