"""What a list would be published as, and all that is wrong with it, line by line: for a draft.

Nothing is published. What is said stands where the person who made the list sees it: by the line of
the spreadsheet and the name of the column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import kind_of
from sheaf_services.pooled_purchasing.csv_table import (
    Layout,
    ListRefusal,
    PlacedRefusal,
    Row,
    read_rows,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sheaf_protocol.records import Demand, Offer

_LINES = ("import.", "demand.elsewhere")
"""Codes of what is wrong with lines; any other refusal is of who asks, whatever the list is."""


def checked(
    content: bytes, layout: Layout, parse: Callable[[], Sequence[Demand] | Sequence[Offer]]
) -> dict[str, Any]:
    """Return the list's rows as written, the records of it where it is right, and its faults.

    `faulty` counts the lines that are wrong, of which `faults` has the first. Raises Refusal for
    what is no fault of the list.
    """
    records: Sequence[Demand] | Sequence[Offer] = ()
    faults: Iterable[Refusal] = ()
    faulty = 0
    try:
        records = parse()
    except ListRefusal as refusal:
        faults, faulty = refusal.first, refusal.lines
    except Refusal as refusal:
        if not refusal.code.startswith(_LINES):
            raise
        faults, faulty = [refusal], 1
    return {
        "rows": [{"line": row.line, "cells": _trimmed(row)} for row in _rows(content, layout)],
        "records": [{"kind": kind_of(record), "record": to_json(record)} for record in records],
        "faults": [_told(fault) for fault in faults],
        "faulty": faulty,
    }


def _rows(content: bytes, layout: Layout) -> Sequence[Row]:
    """Return the rows; none where it is no table."""
    try:
        return read_rows(content, layout, lambda row: row)
    except Refusal:
        return []


def _trimmed(row: Row) -> dict[str, str]:
    return {column: row.text(column) for column in row.cells}


def _told(fault: Refusal) -> dict[str, Any]:
    if isinstance(fault, PlacedRefusal):
        place: dict[str, Any] = {"line": fault.line, "column": fault.column}
        return {**place, "code": fault.code, "message": fault.said}
    return {"line": 0, "column": "", "code": fault.code, "message": fault.detail}
