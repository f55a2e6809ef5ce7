"""Numbers, units and money as people write them, read exactly into integers.

Nothing passes through a binary fraction: `12.5` is 125 with one decimal, and 12.50 is the same.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.records import Price

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_services.pooled_purchasing.csv_table import Row

MAX_QUANTITY: Final = 10**12
"""Units at the item's scale: the ceiling of a quantity on the wire."""

MEASURED_SCALE: Final = 3
"""Decimals of every measured quantity: grams of a kilogram, millilitres of a litre. One for all,
for an item at another scale is another item, and pools would not find its lines."""

MAX_PRICE_EXTRA: Final = 3
"""Decimals of a price below the minor unit: 0.1234 pounds is 12.34 pence. With three decimals of a
quantity the base stays within 10^6."""

_NUMBER: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,9}))?")
_COMMA: Final = re.compile(r"[-+]?[0-9][0-9.' ]*,[0-9][0-9,.]*")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/|:-]{0,63}")
_ZONE: Final = re.compile(r"[A-Z0-9-]{1,16}")
_DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Number:
    """`digits` with `places` of them behind the point, without zeros at the end."""

    digits: int
    places: int

    def at(self, places: int) -> int:
        """Return the digits at as many places or more."""
        return int(self.digits * 10 ** (places - self.places))


@dataclass(frozen=True, slots=True)
class Unit:
    """A UN/CEFACT Recommendation 20 or 21 code, and whether parts of one can be bought."""

    code: str
    is_whole: bool

    @property
    def scale(self) -> int:
        """Decimals of a quantity: the unit's alone, so that every list means the same item."""
        return 0 if self.is_whole else MEASURED_SCALE


_WHOLE: Final[Mapping[str, tuple[str, ...]]] = {
    "H87": ("piece", "pieces", "pc", "pcs", "each", "ea", "item", "unit", "units"),
    "XBG": ("bag", "bags", "sack", "sacks"),
    "XBX": ("box", "boxes"),
    "XCT": ("carton", "cartons", "case", "cases"),
    "XPX": ("pallet", "pallets"),
    "XPK": ("pack", "packs", "packet", "packets", "package"),
    "XRO": ("roll", "rolls"),
    "XBE": ("bundle", "bundles"),
    "XBO": ("bottle", "bottles"),
    "XCX": ("can", "cans", "tin", "tins"),
    "XDR": ("drum", "drums"),
    "XBJ": ("bucket", "buckets"),
    "XBL": ("bale", "bales"),
    "XCR": ("crate", "crates"),
    "PR": ("pair", "pairs"),
    "SET": ("set", "sets"),
    "DZN": ("dozen", "dozens"),
}
_MEASURED: Final[Mapping[str, tuple[str, ...]]] = {
    "KGM": ("kg", "kilo", "kilos", "kilogram", "kilograms"),
    "GRM": ("g", "gram", "grams"),
    "TNE": ("t", "tonne", "tonnes"),
    "LTR": ("l", "litre", "litres", "liter", "liters"),
    "MLT": ("ml", "millilitre", "millilitres"),
    "MTR": ("m", "metre", "metres", "meter", "meters"),
    "MTK": ("m2", "square metre", "square metres"),
    "MTQ": ("m3", "cubic metre", "cubic metres"),
    "KWH": ("kwh",),
    "HUR": ("hour", "hours", "h"),
}
_UNITS: Final[Mapping[str, Unit]] = {
    name: Unit(code, is_whole)
    for table, is_whole in ((_WHOLE, True), (_MEASURED, False))
    for code, names in table.items()
    for name in (code.casefold(), *names)
}
_MINOR_DIGITS: Final[Mapping[str, int]] = {
    "AUD": 2, "BRL": 2, "CAD": 2, "CHF": 2, "CZK": 2, "DKK": 2, "EUR": 2, "GBP": 2, "HUF": 2,
    "INR": 2, "ISK": 0, "JPY": 0, "KES": 2, "KRW": 0, "KWD": 3, "MXN": 2, "NOK": 2, "NZD": 2,
    "PLN": 2, "RON": 2, "SEK": 2, "TND": 3, "TRY": 2, "UGX": 0, "USD": 2, "ZAR": 2,
}  # fmt: skip
"""Digits of the minor unit, ISO 4217."""


def read_number(row: Row, column: str, code: str) -> Number:
    """Return a cell as a number above 0; refuse it under `code`, a comma under its own."""
    text = row.text(column)
    if _COMMA.fullmatch(text):
        expected = "a decimal point and no separators of thousands"
        raise row.refusal("import.decimal_comma", column, expected)
    matched = _NUMBER.fullmatch(text)
    if matched is None or not text.strip("0."):
        raise row.refusal(code, column, "a number above 0, such as 12.5")
    decimals = (matched[2] or "").rstrip("0")
    return Number(int(matched[1] + decimals), len(decimals))


def read_quantity(row: Row, column: str, unit: Unit) -> int:
    """Return a quantity at its unit's scale, with no more decimals than that."""
    _require_countable(row, column, unit)
    number = read_number(row, column, "import.quantity")
    if number.places > unit.scale:
        raise row.refusal("import.quantity", column, f"at most {unit.scale} decimals")
    if number.at(unit.scale) > MAX_QUANTITY:
        raise row.refusal("import.quantity", column, f"at most {MAX_QUANTITY} units")
    return number.at(unit.scale)


def _require_countable(row: Row, column: str, unit: Unit) -> None:
    """Refuse any point or comma in what is counted.

    `1.000` rolls are a thousand to half of Europe and one to the rest, and 1.0 gains nothing.
    """
    text = row.text(column)
    if unit.is_whole and ("." in text or "," in text):
        code = "import.decimal_comma" if "," in text else "import.quantity"
        expected = f"a whole number of {row.text('unit')}, without point or comma"
        raise row.refusal(code, column, expected)


def read_unit(row: Row, column: str = "unit") -> Unit:
    """Return the unit that a code or an everyday name stands for."""
    unit = _UNITS.get(" ".join(row.text(column).casefold().split()))
    if unit is None:
        expected = "a unit such as kg, t, l, m, piece, bag, box, roll, or a code such as KGM"
        raise row.refusal("import.unit", column, expected)
    return unit


def minor_digits(currency: str) -> int:
    """Return the decimals of a currency's minor unit; two where a peer's currency is not known."""
    return _MINOR_DIGITS.get(currency, 2)


def read_currency(row: Row, column: str = "currency") -> str:
    """Return an ISO 4217 code whose minor unit is known."""
    code = row.text(column).upper()
    if code not in _MINOR_DIGITS:
        raise row.refusal("import.currency", column, "a currency code such as EUR or GBP")
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
    return text


def read_day_end_ms(row: Row, column: str) -> int:
    """Return the last millisecond, UTC, of a day written as YYYY-MM-DD."""
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
    return ((day - _EPOCH).days + 1) * _DAY_MS - 1


def read_name(row: Row, default: str, column: str = "name") -> str:
    """Return text for people, cut to what a record carries."""
    return (row.text(column) or default)[:1_000]
