"""Reads a supplier's price list: one line per price break in, one offer per item out.

Columns: `item` or `gtin`, `unit`, `min_quantity`, `price` (per unit), `currency`, `valid_until`;
and where wanted `ref`, `name`, `zone` with `carriage` (per unit), `max_quantity`, `min_order` (the
least that is delivered at all), `pack_size` (what is delivered is a multiple of it), `lead_days`,
`unit_weight_g` and `note`, which is passed over. Lines with one `ref` are one offer; without it,
lines of one item and unit are. What belongs to the whole offer may stand on any of its lines, but
not twice with different values.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, UnsetType

from sheaf_protocol.records import Item, Offer, Tier
from sheaf_protocol.records.offer import Carriage
from sheaf_services.pooled_purchasing.lists.decimal_mark import Number
from sheaf_services.pooled_purchasing.lists.gtin import read_gtin
from sheaf_services.pooled_purchasing.lists.list_file import read_table
from sheaf_services.pooled_purchasing.lists.measure import (
    Unit,
    extra_places,
    minor_amount,
    read_code,
    read_currency,
    read_day_end_ms,
    read_name,
    read_number,
    read_price,
    read_quantity,
    read_unit,
    read_zone,
)
from sheaf_services.pooled_purchasing.lists.refused import each
from sheaf_services.pooled_purchasing.lists.table import Layout, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sheaf_services.pooled_purchasing.lists.table import Table

LAYOUT: Final = Layout(
    required=("unit", "min_quantity", "price", "currency", "valid_until"),
    optional=(
        "item", "gtin", "ref", "name", "zone", "carriage", "max_quantity", "min_order",
        "pack_size", "lead_days", "unit_weight_g", "note",
    ),
    numbers=frozenset(
        {
            "min_quantity", "price", "carriage", "max_quantity", "min_order", "pack_size",
            "lead_days", "unit_weight_g",
        }
    ),
    one_of=("item", "gtin"),
    max_rows=10_000,
)  # fmt: skip

MAX_TIERS: Final = 64
"""Price breaks of one offer, as many as its record holds."""

MAX_ZONES: Final = 256
"""Carriage rates of one offer, as many as its record holds."""

_MOST_LEAD_DAYS: Final = 3_650
_MOST_WEIGHT_G: Final = 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class _Break:
    """One line as read."""

    row: Row
    ref: str
    code: str
    unit: Unit
    start: int
    price: Number
    currency: str
    valid_until_ms: int
    zone: str
    carriage: Number | None
    limit: int | None
    least: int | None
    pack: int | None
    lead_days: int | None
    weight_g: int | None


@dataclass(frozen=True, slots=True)
class PriceList:
    """The offers of a list and the number of lines that they were made of."""

    offers: list[Offer]
    lines: int


def parse_price_list(content: bytes) -> PriceList:
    """Return the offers of a price list, in the order of their first lines.

    Raises Refusal `import.*`.
    """
    return offers_of(read_table(content, LAYOUT))


def offers_of(table: Table) -> PriceList:
    """Return the offers of a price list that was taken apart, as `parse_price_list` does."""
    lines = table.read(_read)
    groups: dict[str, list[_Break]] = {}
    for line in lines:
        groups.setdefault(line.ref, []).append(line)
    return PriceList(each(groups.values(), _offer), len(lines))


def _read(row: Row) -> _Break:
    unit, currency = read_unit(row), read_currency(row)
    code = _code(row)
    carriage = _optional_price(row, "carriage", currency)
    return _Break(
        row=row,
        ref=read_code(row, "ref", "import.ref") if row.text("ref") else f"{code[:60]}:{unit.code}",
        code=code,
        unit=unit,
        start=read_quantity(row, "min_quantity", unit),
        price=read_price(row, "price", currency),
        currency=currency,
        valid_until_ms=read_day_end_ms(row, "valid_until"),
        zone=_zone(row, carriage),
        carriage=carriage,
        limit=_optional_quantity(row, "max_quantity", unit),
        least=_optional_quantity(row, "min_order", unit),
        pack=_optional_quantity(row, "pack_size", unit),
        lead_days=_whole(row, "lead_days", _MOST_LEAD_DAYS),
        weight_g=_whole(row, "unit_weight_g", _MOST_WEIGHT_G),
    )


def _code(row: Row) -> str:
    """Return the line's own code, or its GTIN where it has none; a GTIN beside one is checked."""
    gtin = read_gtin(row) if row.text("gtin") else ""
    return gtin if gtin and not row.text("item") else read_code(row, "item", "import.item")


def _zone(row: Row, carriage: Number | None) -> str:
    """Return the zone that the line's carriage is for; the two columns need one another."""
    if (carriage is None) != (not row.text("zone")):
        raise row.refusal("import.carriage", "carriage", "a carriage with its zone, or neither")
    return read_zone(row, "-")


def _optional_price(row: Row, column: str, currency: str) -> Number | None:
    if not row.text(column):
        return None
    number = row.number(column)
    return number if number == Number(0, 0) else read_price(row, column, currency)


def _optional_quantity(row: Row, column: str, unit: Unit) -> int | None:
    return read_quantity(row, column, unit) if row.text(column) else None


def _whole(row: Row, column: str, most: int) -> int | None:
    if not row.text(column):
        return None
    number = read_number(row, column, "import.number")
    if number.places or number.digits > most:
        raise row.refusal("import.number", column, f"a whole number up to {most}")
    return number.digits


def _offer(lines: Sequence[_Break]) -> Offer:
    first = lines[0]
    _require_one_offer(lines)
    scale = first.unit.scale
    extra = max(_extra(line) for line in lines)
    return Offer(
        base=10 ** (scale + extra),
        carriage=_carriage(lines, extra),
        currency=first.currency,
        item=Item(code=first.code, name=_name(lines), scale=scale, unit=first.unit.code),
        lead_days=_only(lines, "lead_days", [line.lead_days for line in lines]),
        max_quantity=_only(lines, "max_quantity", [line.limit for line in lines]),
        min_quantity=_only(lines, "min_order", [line.least for line in lines]),
        pack=_only(lines, "pack_size", [line.pack for line in lines]),
        ref=first.ref,
        tier_basis="all_units",
        tiers=_tiers(lines, extra),
        unit_weight_g=_only(lines, "unit_weight_g", [line.weight_g for line in lines]),
        valid_until_ms=first.valid_until_ms,
    )


def _require_one_offer(lines: Sequence[_Break]) -> None:
    first = lines[0]
    for line in lines:
        for column, own, other in (
            ("item", line.code, first.code),
            ("unit", line.unit, first.unit),
            ("currency", line.currency, first.currency),
            ("valid_until", line.valid_until_ms, first.valid_until_ms),
        ):
            if own != other:
                expected = f"the same as on line {first.row.line}, of the same offer"
                raise line.row.refusal("import.offer", column, expected)


def _extra(line: _Break) -> int:
    rates = (line.price,) if line.carriage is None else (line.price, line.carriage)
    return max(extra_places(rate, line.currency) for rate in rates)


def _tiers(lines: Sequence[_Break], extra: int) -> list[Tier]:
    """Return the price breaks by quantity; a break repeated for another zone is one break."""
    prices: dict[int, int] = {}
    for line in lines:
        amount = minor_amount(line.price, line.currency, extra)
        if prices.setdefault(line.start, amount) != amount:
            expected = "one price from one quantity on"
            raise line.row.refusal("import.tier", "price", expected)
    starts = sorted(prices)
    for lower, higher in pairwise(starts):
        if prices[lower] <= prices[higher]:
            expected = "prices that fall as quantities rise, within one offer"
            raise lines[0].row.refusal("import.tier", "price", expected)
    if len(starts) > MAX_TIERS:
        raise lines[0].row.refusal("import.tier", "price", f"at most {MAX_TIERS} price breaks")
    return [Tier(amount=prices[start], from_quantity=start) for start in starts]


def _carriage(lines: Sequence[_Break], extra: int) -> list[Carriage] | UnsetType:
    rates: dict[str, int] = {}
    for line in lines:
        if line.carriage is None:
            continue
        amount = minor_amount(line.carriage, line.currency, extra)
        if rates.setdefault(line.zone, amount) != amount:
            raise line.row.refusal("import.carriage", "carriage", "one carriage for one zone")
    if len(rates) > MAX_ZONES:
        raise lines[0].row.refusal("import.carriage", "zone", f"at most {MAX_ZONES} zones")
    return [Carriage(amount=rates[zone], zone=zone) for zone in sorted(rates)] or UNSET


def _name(lines: Sequence[_Break]) -> str:
    return next((read_name(n.row, "") for n in lines if n.row.text("name")), lines[0].code)


def _only(lines: Sequence[_Break], column: str, values: Iterable[int | None]) -> int | UnsetType:
    """Return the one value that the lines give, or UNSET where none does."""
    found: int | UnsetType = UNSET
    for line, value in zip(lines, values, strict=True):
        if value is None:
            continue
        if found is not UNSET and found != value:
            raise line.row.refusal("import.offer", column, f"{found} as on a line before")
        found = value
    return found
