"""A statement as a file for spreadsheets. Names in it are others': none is a formula to anybody."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.order_words import day_of

if TYPE_CHECKING:
    from pathlib import Path

_HEAD: Final = (
    *("with", "we", "document", "number", "order", "item", "date", "due", "state", "currency"),
    *("net", "tax", "billed", "of which fee", "credited", "paid", "open"),
)
_MONEY: Final = ("net", "tax", "billed", "fee", "credited", "paid", "open")
_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
"""How cells begin that some spreadsheet carries out."""
_MARK: Final = "\ufeff"
"""Spreadsheets take a file without it for one of their own country's encoding."""


def write_statement(told: Any, path: Path) -> None:
    """Write a statement as CSV or as a workbook, by the file's name."""
    rows = [_row(each) for each in told["rows"]]
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        _write_workbook(rows, path)
    elif suffix == ".csv":
        path.write_bytes(_csv(rows).encode())
    else:
        raise click.UsageError(f"expected a file that ends in .csv or .xlsx, got {path.name!r}")


def safe(cell: str) -> str:
    """Return a cell that every spreadsheet takes for text."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_BEGINS) else cell


def _row(one: Any) -> list[str | Decimal]:
    way = {"buyer": "pay", "supplier": "are paid"}[one["side"]]
    texts = (
        *(one["with"], way, one["document"], one["number"], one["order"], one["item"]),
        *(day_of(one["time_ms"]), day_of(one["due_ms"]), one["state"], one["currency"]),
    )
    digits = -one["minor_digits"]
    return [*map(safe, texts), *(Decimal(one[f"{name}_minor"]).scaleb(digits) for name in _MONEY)]


def _csv(rows: list[list[str | Decimal]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_HEAD)
    writer.writerows([f"{c:f}" if isinstance(c, Decimal) else c for c in row] for row in rows)
    return _MARK + text.getvalue()


def _write_workbook(rows: list[list[str | Decimal]], path: Path) -> None:
    from openpyxl import Workbook  # noqa: PLC0415  # it takes a tenth of a second to load

    book = Workbook(write_only=True)
    sheet = book.create_sheet("statement")
    sheet.append(list(_HEAD))
    for row in rows:
        sheet.append(row)
    book.save(path)
