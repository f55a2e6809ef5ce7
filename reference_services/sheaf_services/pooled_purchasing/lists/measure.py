"""Numbers, units and money as people write them, read exactly into integers.

Nothing passes through a binary fraction: `12.5` is 125 with one decimal, and 12.50 is the same.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.records import Price
from sheaf_services.pooled_purchasing.lists.decimal_mark import Number
from sheaf_services.pooled_purchasing.lists.unit_family import ratio
from sheaf_services.pooled_purchasing.lists.unit_names import MEASURED, WHOLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from sheaf_services.pooled_purchasing.lists.table import Row

MAX_QUANTITY: Final = 10**12
"""Units at the item's scale: the ceiling of a quantity on the wire."""

MEASURED_SCALE: Final = 3
"""Decimals of every measured quantity: grams of a kilogram, millilitres of a litre. One for all,
for an item at another scale is another item, and pools would not find its lines."""

MAX_REF: Final = 64
"""Characters of a reference on the wire."""

MAX_BASE: Final = 10**9
"""The ceiling of a price's base on the wire."""

MAX_PRICE_EXTRA: Final = 3
"""Decimals of a price below the minor unit: 0.1234 pounds is 12.34 pence. With three decimals of a
quantity the base stays within 10^6."""

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/|:-]{0,63}")
_ZONE: Final = re.compile(r"[A-Z0-9-]{1,16}")
_DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Unit:
    """A UN/CEFACT Recommendation 20 or 21 code, and whether parts of one can be bought."""

    code: str
    is_whole: bool

    @property
    def scale(self) -> int:
        """Decimals of a quantity: the unit's alone, so that every list means the same item."""
        return 0 if self.is_whole else MEASURED_SCALE


_BY_CODE: Final[Mapping[str, Unit]] = {
    code: Unit(code, is_whole)
    for table, is_whole in ((WHOLE, True), (MEASURED, False))
    for code in table
}
_UNITS: Final[Mapping[str, Unit]] = {
    name.casefold(): _BY_CODE[code]
    for table in (WHOLE, MEASURED)
    for code, names in table.items()
    for name in (code, *names)
}
_MINOR_DIGITS: Final[Mapping[str, int]] = {
    "AUD": 2, "BRL": 2, "CAD": 2, "CHF": 2, "CZK": 2, "DKK": 2, "EUR": 2, "GBP": 2, "HUF": 2,
    "INR": 2, "ISK": 0, "JPY": 0, "KES": 2, "KRW": 0, "KWD": 3, "MXN": 2, "NOK": 2, "NZD": 2,
    "PLN": 2, "RON": 2, "SEK": 2, "TND": 3, "TRY": 2, "UGX": 0, "USD": 2, "ZAR": 2,
}  # fmt: skip
"""Digits of the minor unit, ISO 4217."""


def read_number(row: Row, column: str, code: str) -> Number:
    """Return a cell as a number above 0; refuse it under `code`.

    Raises Refusal `import.ambiguous` where it may mean either of two.
    """
    number = row.number(column)
    if number is None or not number.digits:
        raise row.refusal(code, column, "a number above 0, such as 12.5")
    return number


def read_quantity(row: Row, column: str, unit: Unit, traded: Unit | None = None) -> int:
    """Return a quantity at its unit's scale, or at that of the unit in which its item is traded.

    It is exact or refused: more decimals than the scale are, and what does not come out even.
    """
    number, target = read_number(row, column, "import.quantity"), traded or unit
    exact = number.exact * factor(unit, target) * 10**target.scale
    if exact.denominator != 1:
        raise row.refusal("import.quantity", column, _evenly(row, unit, target))
    if exact > MAX_QUANTITY:
        raise row.refusal("import.quantity", column, f"at most {MAX_QUANTITY} units")
    if target != unit:
        row.note(column, f"{Number(int(exact), target.scale).plain} {target.code}")
    return int(exact)


def _evenly(row: Row, unit: Unit, target: Unit) -> str:
    what = f"at most {target.scale} decimals" if target.scale else "a whole number"
    if target != unit:
        return f"{what} of {target.code}, in which the item is traded"
    return what if target.scale else f"{what} of {row.text('unit')}"


def factor(unit: Unit, target: Unit) -> Fraction:
    """Return how many of another unit of its family one is."""
    found = ratio(unit.code, target.code)
    if found is None:
        raise ValueError(f"expected units of one family, got {unit.code} and {target.code}")
    return found


def read_unit(row: Row, column: str = "unit") -> Unit:
    """Return the unit that a code or an everyday name stands for."""
    unit = _UNITS.get(" ".join(row.text(column).casefold().split()))
    if unit is None:
        expected = "a unit such as kg, t, l, m, piece, bag, box, roll, or a code such as KGM"
        raise row.refusal("import.unit", column, expected)
    row.note(column, unit.code)
    return unit


def unit_of(code: str) -> Unit | None:
    """Return the unit of a code, if it is known."""
    return _BY_CODE.get(code)


def minor_digits(currency: str) -> int:
    """Return the decimals of a currency's minor unit; two where a peer's currency is not known."""
    return _MINOR_DIGITS.get(currency, 2)


def read_currency(row: Row, column: str = "currency") -> str:
    """Return an ISO 4217 code whose minor unit is known."""
    code = row.text(column).upper()
    if code not in _MINOR_DIGITS:
        raise row.refusal("import.currency", column, "a currency code such as EUR or GBP")
    row.note(column, code)
    return code


def read_price(row: Row, column: str, currency: str) -> Number:
    """Return a price per unit of the item."""
    number = read_number(row, column, "import.price")
    most = _MINOR_DIGITS[currency] + MAX_PRICE_EXTRA
    if number.places > most:
        raise row.refusal("import.price", column, f"at most {most} decimals of {currency}")
    return number


def extra_places(number: Number, currency: str) -> int:
    """Return how many decimals a price has below the minor unit."""
    return max(0, number.places - _MINOR_DIGITS[currency])


def minor_amount(number: Number, currency: str, extra: int) -> int:
    """Return a price in minor units for 10^extra units of the item."""
    return number.at(_MINOR_DIGITS[currency] + extra)


def price_of(number: Number, currency: str, scale: int) -> Price:
    """Return a price per unit of an item whose quantities have `scale` decimals."""
    extra = extra_places(number, currency)
    amount = minor_amount(number, currency, extra)
    return Price(amount=amount, base=int(10 ** (scale + extra)), currency=currency)


def read_price_for(row: Row, column: str, currency: str, unit: Unit, traded: Unit) -> Price:
    """Return the price that a line says for one of its unit, for the unit its item is traded in.

    Raises Refusal `import.price` where no price of that unit is the same to the last digit.
    """
    number = read_price(row, column, currency)
    if traded == unit:
        return price_of(number, currency, unit.scale)
    minor = number.exact * 10 ** _MINOR_DIGITS[currency]
    exact = minor / (factor(unit, traded) * 10**traded.scale)
    if exact.denominator > MAX_BASE or exact.numerator > MAX_INT:
        raise row.refusal("import.price", column, f"a price that is exact for one {traded.code}")
    row.note(column, f"{number} for {unit.code}")
    return Price(amount=exact.numerator, base=exact.denominator, currency=currency)


def read_code(row: Row, column: str, code: str) -> str:
    """Return an identifier that may travel: ASCII, no spaces, at most 64 characters."""
    text = row.text(column)
    if not _CODE.fullmatch(text):
        expected = "letters, digits and . _ / | : - without spaces (put a description into name)"
        raise row.refusal(code, column, expected)
    return text


def read_zone(row: Row, default: str, column: str = "zone") -> str:
    """Return a delivery zone, or the default where the cell is empty."""
    text = row.text(column).upper() or default
    if not _ZONE.fullmatch(text):
        raise row.refusal("import.zone", column, "up to 16 letters, digits and hyphens")
    row.note(column, text)
    return text


def read_day_end_ms(row: Row, column: str) -> int:
    """Return the last millisecond, UTC, of a day written as YYYY-MM-DD."""
    return read_day_ms(row, column) + _DAY_MS - 1


def read_day_ms(row: Row, column: str) -> int:
    """Return the first millisecond, UTC, of a day written as YYYY-MM-DD."""
    text = row.text(column)
    expected = "a date such as 2025-03-31"
    if not _DATE.fullmatch(text):
        raise row.refusal("import.date", column, expected)
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError as exc:
        raise row.refusal("import.date", column, f"{expected} that exists") from exc
    if day < _EPOCH:
        raise row.refusal("import.date", column, "a date after 1969")
    return (day - _EPOCH).days * _DAY_MS


def read_name(row: Row, default: str, column: str = "name") -> str:
    """Return text for people, cut to what a record carries."""
    return (row.text(column) or default)[:1_000]
