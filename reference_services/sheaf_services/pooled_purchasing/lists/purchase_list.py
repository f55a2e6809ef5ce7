"""Reads a manager's purchase list: a CSV file or a workbook in, demands out, all or nothing.

Columns, in any order: `item`, `gtin` or `name`, or several of them (see `item_choice`), `quantity`,
`unit`, `max_price` (landed, without VAT, per unit) and `currency`; and where wanted `ref`,
`category`, `zone`, `min_quantity`, `earliest`, `needed_by` and `note`, which is passed over. Other
columns are refused by name: a misspelt `min_quantity` that was ignored would let a buyer be given a
part that is no use to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, UnsetType

from sheaf_protocol.records import Demand, Item, Price, Window
from sheaf_services.pooled_purchasing.lists.item_choice import Choices
from sheaf_services.pooled_purchasing.lists.list_file import read_table
from sheaf_services.pooled_purchasing.lists.measure import (
    read_code,
    read_currency,
    read_day_end_ms,
    read_day_ms,
    read_name,
    read_price_for,
    read_quantity,
    read_unit,
    read_zone,
)
from sheaf_services.pooled_purchasing.lists.refused import each
from sheaf_services.pooled_purchasing.lists.table import Layout, Once, Row

if TYPE_CHECKING:
    from sheaf_services.pooled_purchasing.lists.measure import Unit
    from sheaf_services.pooled_purchasing.lists.table import Table

LAYOUT: Final = Layout(
    required=("quantity", "unit", "max_price", "currency"),
    optional=(
        "item", "gtin", "name", "ref", "category", "zone", "min_quantity", "earliest", "needed_by",
        "note",
    ),
    one_of=("item", "gtin", "name"),
    numbers=frozenset({"quantity", "max_price", "min_quantity"}),
    max_rows=10_000,
)  # fmt: skip


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
    max_price: Price
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
    table = read_table(content, LAYOUT)
    return demands_of(table, Choices(), zone=zone, today_ms=today_ms)


def demands_of(table: Table, choices: Choices, *, zone: str, today_ms: int) -> list[Demand]:
    """Return the demands of a list that was taken apart, as `parse_purchase_list` does."""
    reading = _Reading(choices, zone, today_ms)
    return each(table.read(reading.line), _demand)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What lines are read by, beside what stands in them."""

    choices: Choices
    zone: str
    today_ms: int
    refs: _Refs = field(default_factory=_Refs)

    def line(self, row: Row) -> _Wanted:
        """Return a line as read. Raises Refusal `import.*`."""
        unit, currency = read_unit(row), read_currency(row)
        code = self.choices.code_of(row)
        traded = self.choices.traded(row, code, unit)
        row.note("unit", traded.code)
        return _Wanted(
            row=row,
            ref=self.refs.of(row, code),
            code=code,
            category=_category(row),
            unit=traded,
            quantity=read_quantity(row, "quantity", unit, traded),
            minimum=_minimum(row, unit, traded),
            max_price=read_price_for(row, "max_price", currency, unit, traded),
            zone=read_zone(row, self.zone),
            window=_window(row, self.today_ms),
        )


def _category(row: Row) -> str | UnsetType:
    return read_code(row, "category", "import.category") if row.text("category") else UNSET


def _minimum(row: Row, unit: Unit, traded: Unit) -> int:
    """Return the least that is of use to the buyer; the smallest step where the cell is empty."""
    if not row.text("min_quantity"):
        return 1
    return read_quantity(row, "min_quantity", unit, traded)


def _window(row: Row, today_ms: int) -> Window | UnsetType:
    if not row.text("needed_by"):
        if row.text("earliest"):
            raise row.refusal("import.date", "needed_by", "a last day beside the earliest one")
        return UNSET
    end_ms = read_day_end_ms(row, "needed_by")
    if end_ms < today_ms:
        today = datetime.fromtimestamp(today_ms // 1000, UTC).date()
        raise row.refusal("import.date", "needed_by", f"a day from {today} on")
    from_ms = read_day_ms(row, "earliest") if row.text("earliest") else 0
    if from_ms > end_ms:
        raise row.refusal("import.date", "earliest", "a day that is not after the last one")
    return Window(from_ms=from_ms, to_ms=end_ms)


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
        max_price=line.max_price,
        min_quantity=line.minimum,
        quantity=line.quantity,
        ref=line.ref,
        window=line.window,
        zone=line.zone,
    )
