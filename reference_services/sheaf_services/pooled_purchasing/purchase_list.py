"""Reads a manager's purchase list: the bytes of a CSV file in, demands out, all or nothing.

Columns, in any order: `item`, `quantity`, `unit`, `max_price` (landed, without VAT, per unit) and
`currency`; and where wanted `ref`, `name`, `category`, `zone`, `min_quantity`, `needed_by` and
`note`, which is passed over. Other columns are refused by name: a misspelt `min_quantity` that was
ignored would let a buyer be given a part that is no use to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

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

LAYOUT: Final = Layout(
    required=("item", "quantity", "unit", "max_price", "currency"),
    optional=("ref", "name", "category", "zone", "min_quantity", "needed_by", "note"),
    numbers=frozenset({"quantity", "max_price", "min_quantity"}),
    max_rows=10_000,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """One line as read."""

    row: Row
    ref: str
    code: str
    category: str | UnsetType
    unit: Unit
    quantity: int
    minimum: int
    max_price: Number
    currency: str
    zone: str
    window: Window | UnsetType


@dataclass(slots=True)
class _Refs:
    """The references of a list so far, and the lines of the items that stand there without one."""

    once: Once = field(default_factory=Once)
    bare: dict[str, int] = field(default_factory=dict)

    def of(self, row: Row, code: str) -> str:
        """Return the line's own reference, or its item's code; either stands in a list once.

        A made-up second reference would hide a line entered twice, which binds twice.
        """
        ref = read_code(row, "ref", "import.ref") if row.text("ref") else code
        if not row.text("ref") and self.bare.setdefault(code, row.line) != row.line:
            lines = f"lines {self.bare[code]} and {row.line}"
            expected = f"a ref for each of the lines of this item, for the item stands on {lines}"
            raise row.refusal("import.duplicate_ref", "ref", expected)
        self.once.require(row, "ref", ref)
        return ref


def parse_purchase_list(content: bytes, *, zone: str, today_ms: int) -> list[Demand]:
    """Return the firm demands of a purchase list, in its order.

    `zone` holds for lines that name none. A line without `ref` has its item's code as one, so that
    the same list sent again means the same lines. What was needed before `today_ms` is refused: a
    date of the past is a slip, and a demand that no pool would serve. Raises Refusal `import.*`.
    """
    refs = _Refs()
    return each(read_rows(content, LAYOUT, lambda row: _wanted(row, zone, today_ms, refs)), _demand)


def _wanted(row: Row, zone: str, today_ms: int, refs: _Refs) -> _Wanted:
    unit, currency = read_unit(row), read_currency(row)
    code = read_code(row, "item", "import.item")
    return _Wanted(
        row=row,
        ref=refs.of(row, code),
        code=code,
        category=read_code(row, "category", "import.category") if row.text("category") else UNSET,
        unit=unit,
        quantity=read_quantity(row, "quantity", unit),
        minimum=_minimum(row, unit),
        max_price=read_price(row, "max_price", currency),
        currency=currency,
        zone=read_zone(row, zone),
        window=_window(row, today_ms),
    )


def _minimum(row: Row, unit: Unit) -> int:
    """Return the least that is of use to the buyer; the smallest step where the cell is empty."""
    if not row.text("min_quantity"):
        return 1
    return read_quantity(row, "min_quantity", unit)


def _window(row: Row, today_ms: int) -> Window | UnsetType:
    if not row.text("needed_by"):
        return UNSET
    end_ms = read_day_end_ms(row, "needed_by")
    if end_ms < today_ms:
        today = datetime.fromtimestamp(today_ms // 1000, UTC).date()
        raise row.refusal("import.date", "needed_by", f"a day from {today} on")
    return Window(from_ms=0, to_ms=end_ms)


def _demand(line: _Wanted) -> Demand:
    if line.minimum > line.quantity:
        raise line.row.refusal("import.quantity", "min_quantity", "no more than the quantity")
    return Demand(
        is_firm=True,
        item=Item(
            category=line.category,
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
