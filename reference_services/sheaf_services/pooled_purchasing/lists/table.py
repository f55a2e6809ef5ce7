"""What a list is once it was taken apart: columns that are known by name, and rows below them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from sheaf_services.pooled_purchasing.lists.decimal_mark import (
    Mark,
    Marks,
    Number,
    Question,
    readings,
)
from sheaf_services.pooled_purchasing.lists.refused import PlacedRefusal, each, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sheaf_protocol.errors import Refusal

T = TypeVar("T")

_ERRORS: Final = frozenset(
    {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!"}
)
"""What spreadsheets show in the place of a value that they could not work out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """What columns a file has. `numbers` are those in which a decimal comma would split a cell."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    numbers: frozenset[str] = frozenset()
    one_of: tuple[str, ...] = ()
    """Optional columns of which a list needs one at least."""
    is_open: bool = False
    """Whether other columns are passed over; where not, a misspelt optional one is found."""
    max_rows: int = 20_000

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, those that are needed first."""
        return (*self.required, *self.optional)


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody is told of how a file was read; nothing that was to be mended."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Records:
    """A file taken apart: lines that hold anything, the header first, as cells of text."""

    lines: Sequence[tuple[int, list[str]]]
    delimiter: str = ""
    """Of text; empty for a workbook."""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One line below the header, cells by column name as written."""

    line: int
    cells: dict[str, str]
    marks: Marks = field(default_factory=Marks)
    understood: dict[str, str] = field(default_factory=dict)
    """What cells were taken for, where that is not what stands there."""

    def text(self, column: str) -> str:
        """Return a cell without the spaces around it; empty where the column is absent.

        Raises Refusal `import.formula`, `import.cell` for what stands in a value's place.
        """
        text = self.cells.get(column, "").strip()
        if text.startswith("="):
            expected = "a value, which a spreadsheet works out when it saves the file"
            raise self.refusal("import.formula", column, expected)
        if text in _ERRORS:
            raise self.refusal("import.cell", column, "a value and no error of a spreadsheet")
        return text

    def number(self, column: str) -> Number | None:
        """Return what a cell means as a number; None for what is none.

        Raises Refusal `import.ambiguous` where it has two readings and nobody said which holds,
        once for each column. Others are then taken with a point: what else is wrong is found, too.
        """
        found = readings(self.text(column))
        number = self._settled(column, found) if len(set(found.values())) > 1 else None
        number = next(iter(found.values()), None) if number is None else number
        if number is not None:
            self.note(column, str(number))
        return number

    def note(self, column: str, understood: str) -> None:
        """Keep what a cell was taken for, to be shown beside it."""
        if understood != self.cells.get(column, "").strip():
            self.understood[column] = understood

    def refusal(self, code: str, column: str, expected: str) -> Refusal:
        """Return the refusal of one cell."""
        came = shown(self.cells.get(column, ""))
        return PlacedRefusal(code, f"expected {expected}, got {came}", self.line, column)

    def _settled(self, column: str, found: dict[Mark, Number]) -> Number:
        mark = self.marks.answer(column)
        if mark is not None:
            return found[mark]
        point, comma = found["point"], found["comma"]
        if column not in self.marks.asked:
            self.marks.asked[column] = Question(
                column=column,
                line=self.line,
                came=self.cells[column].strip(),
                point=str(point),
                comma=str(comma),
            )
            expected = f"to be told whether this is {point} (point) or {comma} (comma)"
            raise self.refusal("import.ambiguous", column, expected)
        return point


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a list, how it was read, and what is asked of it once its rows were read."""

    lines: Sequence[Row | PlacedRefusal]
    """In the file's order; a refusal for a line whose cells are of no column."""
    notes: tuple[Note, ...]
    marks: Marks

    @property
    def rows(self) -> list[Row]:
        """The lines that could be taken apart."""
        return [line for line in self.lines if isinstance(line, Row)]

    @property
    def questions(self) -> list[Question]:
        """What only a person can say, as far as it turned up."""
        return list(self.marks.asked.values())

    def read(self, parse: Callable[[Row], T]) -> list[T]:
        """Return what `parse` makes of each line, or raise all that is wrong with them."""

        def parsed(line: Row | PlacedRefusal) -> T:
            if isinstance(line, PlacedRefusal):
                raise line
            return parse(line)

        return each(self.lines, parsed)


@dataclass(slots=True)
class Once:
    """Sees to it that a reference stands in a file once."""

    lines: dict[str, int] = field(default_factory=dict)

    def require(self, row: Row, column: str, value: str) -> None:
        """Raise Refusal `import.duplicate_ref` if another line had this value."""
        first = self.lines.setdefault(value, row.line)
        if first != row.line:
            raise row.refusal(
                "import.duplicate_ref", column, f"a reference not used on line {first}"
            )
