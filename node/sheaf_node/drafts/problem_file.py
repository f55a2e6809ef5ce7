"""The lines of a list that are wrong, as a file to be mended in a spreadsheet and imported again.

Who wrote the cells may be a stranger, so none is a formula to the spreadsheet that opens the file:
what would be one has an apostrophe before it, as a spreadsheet itself marks text.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.drafts.model import Checked, LineFault, Row

_BEGINS: Final = re.compile(r"[=+\-@\t\r]")
"""How cells begin that a spreadsheet carries out."""
_NUMBER: Final = re.compile(r"[+-]?[0-9][0-9.,' ]*")
"""What may begin with a sign: `-5` is a number, and `-5+cmd|' /C calc'!A0` is none."""
_MARK: Final = "\ufeff"
"""Spreadsheets take a file without it for one of their own country's encoding."""
_NOTE: Final = "note"


def is_formula(cell: str) -> bool:
    """Return whether a spreadsheet would carry a cell out."""
    return _BEGINS.match(cell) is not None and _NUMBER.fullmatch(cell) is None


def harmless(cell: str) -> str:
    """Return a cell that is text to every spreadsheet."""
    return f"'{cell}" if is_formula(cell) else cell


def problem_file(found: Checked) -> str:
    """Return the lines that have faults as CSV, with what is wrong with each in its note.

    The note is what an import passes over: so a file that was mended is imported as it is, and the
    lines that were right all the time are not touched. Faults of no line stand in a line of notes.
    """
    by_line: dict[int, list[LineFault]] = {}
    for fault in found.faults:
        by_line.setdefault(fault.line, []).append(fault)
    rows = {row.line: row for row in found.rows}
    names = [name for row in found.rows for name in row.cells if name != _NOTE]
    columns = list(dict.fromkeys(names))
    out = io.StringIO(newline="")
    out.write(_MARK)
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*map(harmless, columns), _NOTE])
    for line, faults in sorted(by_line.items()):
        writer.writerow([*_cells(rows.get(line), columns), harmless(_said(line, faults))])
    return out.getvalue()


def _cells(row: Row | None, columns: Sequence[str]) -> list[str]:
    cells = {} if row is None else row.cells
    return [harmless(cells.get(column, "")) for column in columns]


def _said(line: int, faults: Sequence[LineFault]) -> str:
    said = [
        f"{fault.column}: {fault.message}" if fault.column else fault.message for fault in faults
    ]
    where = f"line {line}: " if line else ""
    return where + "; ".join(said)
