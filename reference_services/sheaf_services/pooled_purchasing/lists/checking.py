"""What a list would be published as, and all that is wrong with it, line by line: for a draft.

Nothing is published. What is said stands where the person who made the list sees it: by the line of
the spreadsheet and the name of the column. Beside each cell stands what it was taken for, where
that is something else than what stands there.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import kind_of
from sheaf_services.pooled_purchasing.lists.list_file import read_table
from sheaf_services.pooled_purchasing.lists.refused import ListRefusal, PlacedRefusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sheaf_protocol.records import Demand, Offer
    from sheaf_services.pooled_purchasing.lists.table import Layout, Row, Table

_LINES = ("import.", "demand.elsewhere")
"""Codes of what is wrong with lines; any other refusal is of who asks, whatever the list is."""
_ASKED = frozenset({"import.answer", "import.sheet"})
"""Codes of what somebody said beside the list, which is refused at once."""


def checked(
    content: bytes,
    layout: Layout,
    options: Mapping[str, str],
    parse: Callable[[Table], Sequence[Demand] | Sequence[Offer]],
) -> dict[str, Any]:
    """Return the list's rows as written, the records of it where it is right, and its faults.

    `faulty` counts the lines that are wrong, of which `faults` has the first. Raises Refusal for
    what is no fault of the list.
    """
    table: Table | None = None
    records: Sequence[Demand] | Sequence[Offer] = ()
    faults: Iterable[Refusal] = ()
    faulty = 0
    try:
        table = read_table(content, layout, options)
        records = parse(table)
    except ListRefusal as refusal:
        faults, faulty = refusal.first, refusal.lines
    except Refusal as refusal:
        if not refusal.code.startswith(_LINES) or refusal.code in _ASKED:
            raise
        faults, faulty = [refusal], 1
    return {
        "rows": [] if table is None else [_row(row) for row in table.rows],
        "records": [{"kind": kind_of(record), "record": to_json(record)} for record in records],
        "faults": [_told(fault) for fault in faults],
        "faulty": faulty,
        "matches": [],
        "questions": [] if table is None else [asdict(each) for each in table.questions],
        "notes": [] if table is None else [asdict(note) for note in table.notes],
    }


def _row(row: Row) -> dict[str, Any]:
    cells = {column: cell.strip() for column, cell in row.cells.items()}
    return {"line": row.line, "cells": cells, "understood": row.understood}


def _told(fault: Refusal) -> dict[str, Any]:
    if isinstance(fault, PlacedRefusal):
        place: dict[str, Any] = {"line": fault.line, "column": fault.column}
        return {**place, "code": fault.code, "message": fault.said}
    return {"line": 0, "column": "", "code": fault.code, "message": fault.detail}
