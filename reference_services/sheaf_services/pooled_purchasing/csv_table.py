"""Reads a table of text lines from bytes: checked for size before anything else, all or nothing.

The people who make these files see them in a spreadsheet. So a refusal names the line as the
spreadsheet numbers it, the column by its name, what was expected and what came; and it says how
many lines have a problem, so that nobody mends a file one upload at a time.
"""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

S = TypeVar("S")
T = TypeVar("T")

MAX_BYTES: Final = 8 * 1024 * 1024
"""8 MiB: a week of a wholesaler's sales lines is 2 MB. Callers read at most one byte more."""

MAX_LINE_BYTES: Final = 65_536
"""64 KiB: the longest honest line seen has 200 bytes. Splitting longer ones would cost memory."""

MAX_LINES: Final = 250_000
"""Line ends of a file, blank lines and those inside quotes among them. Eight million of them
would take seconds to tell apart and hold nothing."""

MOST_TOLD: Final = 200
"""Lines of which it is told at once what is wrong; nobody mends more before looking again."""

_DELIMITERS: Final = (";", ",", "\t")
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How .xlsx files (zip) and .xls files begin."""
_SEPARATOR_LINE: Final = re.compile(r"sep=[;,\t](?=[\r\n]|\Z)", re.IGNORECASE)
"""The first line by which Excel is told a delimiter. We find the delimiter without it."""
_BOM_16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """What columns a file has. `numbers` are those in which a decimal comma would split a cell."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    numbers: frozenset[str] = frozenset()
    is_open: bool = False
    """Whether other columns are passed over; where not, a misspelt optional one is found."""
    max_rows: int = 20_000

    @property
    def columns(self) -> dict[str, str]:
        """The names of the columns by their spelling without case, spaces and underscores."""
        return {_plain(name): name for name in (*self.required, *self.optional)}


@dataclass(frozen=True, slots=True)
class Row:
    """One line below the header, cells by column name as written."""

    line: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """Return a cell without the spaces around it; empty where the column is absent."""
        return self.cells.get(column, "").strip()

    def refusal(self, code: str, column: str, expected: str) -> Refusal:
        """Return the refusal of one cell."""
        came = shown(self.cells.get(column, ""))
        return PlacedRefusal(code, f"expected {expected}, got {came}", self.line, column)


class PlacedRefusal(Refusal):
    """What is wrong at one place of a file: `said` without the place, `detail` with it."""

    def __init__(self, code: str, said: str, line: int, column: str = "") -> None:
        where = f"line {line}" + (f", column {column}" if column else "")
        super().__init__(code, f"{where}: {said}")
        self.said, self.line, self.column = said, line, column

    def __reduce__(self) -> tuple[type[Refusal], tuple[str, str]]:
        """Cross a process border as the refusal that it is."""
        return (Refusal, (self.code, self.detail))


class ListRefusal(Refusal):
    """A file of which lines are wrong: the first of them by code and detail, and all by `first`."""

    def __init__(self, first: Sequence[Refusal], lines: int) -> None:
        others = lines - 1
        more = f"; {others} more line{'s have' if others > 1 else ' has'} a problem"
        super().__init__(first[0].code, first[0].detail + (more if others else ""))
        self.first, self.lines = tuple(first), lines

    def __reduce__(self) -> tuple[type[Refusal], tuple[str, str]]:
        """Cross a process border as the refusal that it is."""
        return (Refusal, (self.code, self.detail))


@dataclass(slots=True)
class _Problems:
    """The first problems of a file and the number of lines that have one."""

    first: list[Refusal] = field(default_factory=list)
    lines: int = 0

    def note(self, refusal: Refusal) -> None:
        self.lines += 1
        if len(self.first) < MOST_TOLD:
            self.first.append(refusal)

    def refuse_if_any(self) -> None:
        if self.first:
            raise ListRefusal(self.first, self.lines)


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


def read_rows(content: bytes, layout: Layout, parse: Callable[[Row], T]) -> list[T]:
    """Return what `parse` makes of each line below the header, or refuse the whole file.

    Raises Refusal `import.*`: the first problem, and how many lines have one.
    """
    text = _text_of(content)
    delimiter = _delimiter_of(text, layout)
    records = _records(text, delimiter)
    line, header = next(records, (1, []))
    header = _trimmed(header, 0)
    names = _names(line, header, layout)
    below = list(itertools.islice(records, layout.max_rows + 1))
    if len(below) > layout.max_rows:
        raise Refusal("import.too_many", f"expected at most {layout.max_rows} lines, got more")
    if not below:
        raise Refusal("import.empty", "expected lines below the header, got the header alone")
    return each(below, lambda record: parse(_row(*record, names, layout, delimiter)))


def each(items: Iterable[S], parse: Callable[[S], T]) -> list[T]:
    """Return what `parse` makes of all items, or raise the first refusal with the number of others.

    An item is a line, or what lines were joined into.
    """
    problems, results = _Problems(), []
    for item in items:
        try:
            results.append(parse(item))
        except Refusal as refusal:
            problems.note(refusal)
    problems.refuse_if_any()
    return results


def shown(text: str) -> str:
    """Return a short printable form of a cell, safe to show to a person."""
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _text_of(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise Refusal(
            "import.too_large", f"expected at most {MAX_BYTES} bytes, got {len(content)} or more"
        )
    if content.startswith(_WORKBOOKS):
        expected = "expected text, got an Excel workbook: save it as CSV (UTF-8)"
        raise Refusal("import.encoding", expected)
    if max(content.count(b"\n"), content.count(b"\r")) > MAX_LINES:
        raise Refusal("import.too_many", f"expected at most {MAX_LINES} line ends, got more")
    for number, line in enumerate(content.splitlines(), start=1):
        if len(line) > MAX_LINE_BYTES:
            detail = f"expected at most {MAX_LINE_BYTES} bytes, got {len(line)}"
            raise PlacedRefusal("import.line_too_long", detail, number)
    if content.startswith(_BOM_16):
        raise Refusal("import.encoding", "expected UTF-8 text, got UTF-16")
    if b"\0" in content:
        line_number = _line_at(content, content.index(b"\0"))
        raise PlacedRefusal("import.nul", "expected text, got a zero byte", line_number)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        # The offset counts from behind a byte order mark; no line ends in there.
        byte = exc.object[exc.start]
        said = f"expected UTF-8, got byte 0x{byte:02x}"
        raise PlacedRefusal("import.encoding", said, _line_at(exc.object, exc.start)) from exc
    # Its line end stays, so that lines keep the numbers that a spreadsheet gives them.
    text = _SEPARATOR_LINE.sub("", text, count=1) if _SEPARATOR_LINE.match(text) else text
    if not text.strip():
        raise Refusal("import.empty", "expected a header and lines, got an empty file")
    return text


def _line_at(content: bytes, offset: int) -> int:
    return len(content[: offset + 1].splitlines())


def _delimiter_of(text: str, layout: Layout) -> str:
    """Return the delimiter that gives the header the most known names.

    Of equals, one that gives all lines as many cells as the header; a guess from character
    counts takes the comma of a decimal comma for a delimiter.
    """
    known = layout.columns
    best, best_score = ",", (-1, False, 0)
    first = next(line for line in text.splitlines() if line.strip())
    for delimiter in (d for d in _DELIMITERS if d in first):
        header = _header(text, delimiter)
        names = sum(_plain(name) in known for name in header)
        is_sure = names == len(header)
        is_constant = is_sure or _is_constant(text, delimiter, len(header))
        score = (names, is_constant, len(header))
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _header(text: str, delimiter: str) -> list[str]:
    """Return the first line's cells; none where its quotes do not fit this delimiter."""
    try:
        return _trimmed(next(_records(text, delimiter), (1, []))[1], 0)
    except Refusal:
        return []


def _is_constant(text: str, delimiter: str, width: int) -> bool:
    try:
        return all(len(_trimmed(cells, width)) == width for _, cells in _records(text, delimiter))
    except Refusal:
        return False


def _trimmed(cells: list[str], width: int) -> list[str]:
    """Return the cells without empty ones at the end, beyond `width`.

    Spreadsheets write a column that was once used and cleared, with neither name nor content.
    """
    end = len(cells)
    while end > width and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each line that holds anything, with the number it starts on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    before = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield before + 1, cells
            before = reader.line_num
    except csv.Error as exc:
        said = f"expected quotes that close and no text after them, got {exc}"
        raise PlacedRefusal("import.quote", said, before + 1) from exc


def _names(line: int, header: Sequence[str], layout: Layout) -> list[str]:
    """Return the column name of each cell; unknown columns keep their own spelling."""
    known = layout.columns
    names = [known.get(_plain(name), name.strip()) for name in header]
    for name in known.values():
        if names.count(name) > 1:
            detail = f"expected the column {name} once, got it {names.count(name)} times"
            raise PlacedRefusal("import.column_twice", detail, line)
    for name in layout.required:
        if name not in names:
            came = ", ".join(shown(other) for other in names[:12]) or "no names"
            detail = f"expected a column {name}, got {came}"
            raise PlacedRefusal("import.column_missing", detail, line)
    for name in names:
        if not layout.is_open and name not in known.values():
            raise PlacedRefusal("import.column_unknown", _unknown(name, layout), line)
    return names


def _unknown(name: str, layout: Layout) -> str:
    near = difflib.get_close_matches(_plain(name)[:64], layout.columns, n=1)
    if near:
        return f"expected the column {layout.columns[near[0]]}, got {shown(name)}"
    known = [name for name in layout.columns.values() if name != "note"]
    came = shown(name) if name else "a column without a name"
    advice = "delete it, or call it note" if "note" in layout.optional else "delete it"
    return f"expected only {', '.join(known)}, got {came}: {advice}"


def _row(
    line: int, written: list[str], names: Sequence[str], layout: Layout, delimiter: str
) -> Row:
    cells = _trimmed(written, len(names))
    if len(cells) == len(names):
        return Row(line, dict(zip(names, cells, strict=True)))
    if delimiter == "," and len(cells) > len(names):
        _refuse_split_number(line, cells, names, layout)
    detail = f"expected {len(names)} cells, got {len(cells)}"
    raise PlacedRefusal("import.row_width", detail, line)


def _refuse_split_number(
    line: int, cells: Sequence[str], names: Sequence[str], layout: Layout
) -> None:
    """Name a decimal comma where it split a number in two: `12,5` in a file of commas."""
    for index, name in enumerate(names):
        if name in layout.numbers and all(_is_digits(cell) for cell in cells[index : index + 2]):
            came = ",".join(cells[index : index + 2])
            detail = f"expected a decimal point, got {shown(came)}"
            raise PlacedRefusal("import.decimal_comma", detail, line, name)


def _is_digits(cell: str) -> bool:
    return cell.strip().isascii() and cell.strip().isdigit()


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "").replace("_", "").replace("-", "")
