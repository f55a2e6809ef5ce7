"""Reads a manager's purchase list: the bytes of a CSV file in, demands out, all or nothing.

Columns, in any order: `item`, `quantity`, `unit`, `max_price` (landed, without VAT, per unit) and
`currency`; and where wanted `ref`, `name`, `zone`, `min_quantity`, `needed_by` and `note`, which
is passed over. Other columns are refused by name: a misspelt `min_quantity` that was ignored would
let a buyer be given a part that is no use to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET, UnsetType

from sheaf_protocol.records import Demand, Item, Window
from sheaf_services.pooled_purchasing.csv_table import Layout, Once, Row, each, read_rows
from sheaf_services.pooled_purchasing.measure import (
    Number,
    Unit,
    price_of,
    read_code,
    read_currency,
    read_day_end_ms,
    read_name,
    read_price,
    read_quantity,
    read_unit,
    read_zone,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

LAYOUT: Final = Layout(
    required=("item", "quantity", "unit", "max_price", "currency"),
    optional=("ref", "name", "zone", "min_quantity", "needed_by", "note"),
    numbers=frozenset({"quantity", "max_price", "min_quantity"}),
    max_rows=10_000,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """One line as read."""

    row: Row
    ref: str
    code: str
    unit: Unit
    quantity: int
    minimum: int
    max_price: Number
    currency: str
    zone: str
    window: Window | UnsetType


def parse_purchase_list(content: bytes, *, zone: str) -> list[Demand]:
    """Return the firm demands of a purchase list, in its order.

    `zone` holds for lines that name none. A line without `ref` gets its item's code, and `code:2`
    the second time, so that the same list sent again means the same lines. Raises Refusal
    `import.*`.
    """
    once = Once()
    wanted = read_rows(content, LAYOUT, lambda row: _wanted(row, zone, once))
    return _with_refs(each(wanted, _demand))


def _wanted(row: Row, zone: str, once: Once) -> _Wanted:
    unit, currency = read_unit(row), read_currency(row)
    ref = read_code(row, "ref", "import.ref") if row.text("ref") else ""
    if ref:
        once.require(row, "ref", ref)
    return _Wanted(
        row=row,
        ref=ref,
        code=read_code(row, "item", "import.item"),
        unit=unit,
        quantity=read_quantity(row, "quantity", unit),
        minimum=_minimum(row, unit),
        max_price=read_price(row, "max_price", currency),
        currency=currency,
        zone=read_zone(row, zone),
        window=_window(row),
    )


def _minimum(row: Row, unit: Unit) -> int:
    """Return the least that is of use to the buyer; the smallest step where the cell is empty."""
    if not row.text("min_quantity"):
        return 1
    return read_quantity(row, "min_quantity", unit)


def _window(row: Row) -> Window | UnsetType:
    if not row.text("needed_by"):
        return UNSET
    return Window(from_ms=0, to_ms=read_day_end_ms(row, "needed_by"))


def _demand(line: _Wanted) -> Demand:
    if line.minimum > line.quantity:
        raise line.row.refusal("import.quantity", "min_quantity", "no more than the quantity")
    return Demand(
        is_firm=True,
        item=Item(
            code=line.code,
            name=read_name(line.row, line.code),
            scale=line.unit.scale,
            unit=line.unit.code,
        ),
        max_price=price_of(line.max_price, line.currency, line.unit.scale),
        min_quantity=line.minimum,
        quantity=line.quantity,
        ref=line.ref,
        window=line.window,
        zone=line.zone,
    )


def _with_refs(demands: Iterable[Demand]) -> list[Demand]:
    """Return the demands with a reference each: their own, or one made of the item's code."""
    listed = list(demands)
    used = {demand.ref for demand in listed}
    return [d if d.ref else msgspec.structs.replace(d, ref=_free(d, used)) for d in listed]


def _free(demand: Demand, used: set[str]) -> str:
    code, count = demand.item.code[:58], 1
    ref = code
    while ref in used:
        count += 1
        ref = f"{code}:{count}"
    used.add(ref)
    return ref
