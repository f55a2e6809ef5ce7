"""Reads a list from a file of whatever sort: text or a workbook in, a table out, or a refusal.

A list that is kept is kept as text, without the columns that are of persons; what is told of the
reading is told once, for such text is read again.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from sheaf_protocol.errors import Refusal
from sheaf_services.pooled_purchasing.lists import csv_table, workbook
from sheaf_services.pooled_purchasing.lists.csv_table import trimmed
from sheaf_services.pooled_purchasing.lists.decimal_mark import Marks, marks_of
from sheaf_services.pooled_purchasing.lists.heading import (
    names_of,
    personal_columns,
    personal_note,
    synonym_note,
)
from sheaf_services.pooled_purchasing.lists.refused import PlacedRefusal, shown
from sheaf_services.pooled_purchasing.lists.table import Row, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_services.pooled_purchasing.lists.table import Layout, Note, Records

T = TypeVar("T")

_NONE: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class KeptText:
    """A list as it may be kept, and what is told of how its file was read."""

    text: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class _Head:
    """The header of a list, by which the lines below it are read."""

    layout: Layout
    delimiter: str
    width: int
    personal: frozenset[int]
    names: Sequence[str]
    """Of the columns that are read."""
    marks: Marks

    def row(self, line: int, written: list[str]) -> Row | PlacedRefusal:
        """Return a line by columns, or why that cannot be said."""
        cells = trimmed(written, self.width)
        if len(cells) == self.width:
            kept = _without(cells, self.personal)
            return Row(line, dict(zip(self.names, kept, strict=True)), self.marks)
        split = None
        if self.delimiter == "," and len(cells) > self.width and not self.personal:
            split = _split_number(line, cells, self.names, self.layout)
        return split or _wrong_width(line, self.width, len(cells))


def read_table(content: bytes, layout: Layout, options: Mapping[str, str] = _NONE) -> Table:
    """Return the rows of a list, or refuse the whole file.

    Options are `sheet` of a workbook, and the answers `numbers` and `decimal`. Raises Refusal
    `import.*` for what is no table; what is wrong with a line is in its place.
    """
    marks = marks_of(options, layout.numbers)
    records = _taken_apart(content, layout, options)
    line, header = records.lines[0]
    header = trimmed(header, 0)
    personal = personal_columns(header, layout)
    kept = _without(header, personal)
    names = names_of(line, kept, layout)
    if len(records.lines) == 1:
        raise Refusal("import.empty", "expected lines below the header, got the header alone")
    head = _Head(layout, records.delimiter, len(header), personal, names, marks)
    notes = (*records.notes, *synonym_note(kept, names), *personal_note(header, personal))
    return Table([head.row(*line) for line in records.lines[1:]], notes, marks)


def read_rows(content: bytes, layout: Layout, parse: Callable[[Row], T]) -> list[T]:
    """Return what `parse` makes of each line of a file that is UTF-8 for certain.

    Raises Refusal `import.*` as `read_table` does.
    """
    table = read_table(content, layout)
    for note in table.notes:
        if note.code == "encoding":
            raise Refusal("import.encoding", f"expected UTF-8: {note.message}")
    return table.read(parse)


def kept_text(content: bytes, layout: Layout, options: Mapping[str, str] = _NONE) -> KeptText:
    """Return a list as text that may be kept: UTF-8, without what is of persons, lines in place.

    The option `brief` says that it is to be as short as a draft. Raises Refusal `import.*` for what
    cannot be taken apart; what else is wrong is found later.
    """
    records = _taken_apart(content, layout, options)
    header = trimmed(records.lines[0][1], 0)
    personal = personal_columns(header, layout)
    notes = (*records.notes, *personal_note(header, personal))
    if records.delimiter and not personal:
        return KeptText(csv_table.text_of(content)[0], notes)
    if personal:
        _require_same_width(records.lines, len(header))
    return KeptText(_written(records, personal), notes)


def _taken_apart(content: bytes, layout: Layout, options: Mapping[str, str]) -> Records:
    """Return the lines of a file, one at least."""
    if content.startswith(workbook.OLD):
        said = "expected .xlsx or CSV, got an Excel workbook of the old sort (.xls) or one with a"
        raise Refusal("import.encoding", f"{said} password: save it as .xlsx or as CSV (UTF-8)")
    is_workbook = content.startswith(workbook.ZIP)
    if is_workbook:
        most = workbook.BRIEF_ELEMENTS if "brief" in options else workbook.MAX_ELEMENTS
        records = workbook.take_apart(content, layout, options.get("sheet", ""), most)
    elif options.get("sheet"):
        said = f"expected a workbook for the sheet {shown(options['sheet'])}, got text"
        raise Refusal("import.sheet", said)
    else:
        records = csv_table.take_apart(content, layout)
    if not records.lines:
        what = "sheet" if is_workbook else "file"
        raise Refusal("import.empty", f"expected a header and lines, got an empty {what}")
    return records


def _require_same_width(lines: Sequence[tuple[int, list[str]]], width: int) -> None:
    """Refuse lines in which what is of a person may stand in another column."""
    for line, cells in lines:
        if len(trimmed(cells, width)) != width:
            raise _wrong_width(line, width, len(cells))


def _wrong_width(line: int, width: int, came: int) -> PlacedRefusal:
    return PlacedRefusal("import.row_width", f"expected {width} cells, got {came}", line)


def _written(records: Records, personal: frozenset[int]) -> str:
    """Return lines as text, each where it stood."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=records.delimiter or ",", lineterminator="\n")
    next_line = 1
    for line, cells in records.lines:
        kept = _without(cells, personal)
        out.write("\n" * (line - next_line))
        writer.writerow(kept)
        next_line = line + 1 + sum(cell.count("\n") for cell in kept)
    return out.getvalue()


def _without(cells: Sequence[str], places: frozenset[int]) -> list[str]:
    return [cell for at, cell in enumerate(cells) if at not in places]


def _split_number(
    line: int, cells: Sequence[str], names: Sequence[str], layout: Layout
) -> PlacedRefusal | None:
    """Return where a decimal comma split a number in two: `12,5` in a file of commas."""
    for index, name in enumerate(names):
        if name in layout.numbers and all(_is_digits(cell) for cell in cells[index : index + 2]):
            came = ",".join(cells[index : index + 2])
            detail = f"expected quotes around a number with a comma, got {shown(came)}"
            return PlacedRefusal("import.decimal_comma", detail, line, name)
    return None


def _is_digits(cell: str) -> bool:
    return cell.strip().isascii() and cell.strip().isdigit()
