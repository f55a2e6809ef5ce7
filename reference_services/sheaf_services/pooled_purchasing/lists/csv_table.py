"""Takes a table of text lines apart: checked for size before anything else, all or nothing.

Text is UTF-8, with or without a byte order mark. What is not may be of a program that writes
Windows-1252; it is read so and that is told, for a wrong guess makes another name of an item.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from typing import TYPE_CHECKING, Final

from sheaf_protocol.errors import Refusal
from sheaf_services.pooled_purchasing.lists.heading import known_names, plain
from sheaf_services.pooled_purchasing.lists.refused import PlacedRefusal
from sheaf_services.pooled_purchasing.lists.table import Note, Records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_services.pooled_purchasing.lists.table import Layout

MAX_BYTES: Final = 8 * 1024 * 1024
"""8 MiB: a week of a wholesaler's sales lines is 2 MB. Callers read at most one byte more."""

MAX_LINE_BYTES: Final = 65_536
"""64 KiB: the longest honest line seen has 200 bytes. Splitting longer ones would cost memory."""

MAX_LINES: Final = 250_000
"""Line ends of a file, blank lines and those inside quotes among them. Eight million of them
would take seconds to tell apart and hold nothing."""

_DELIMITERS: Final = (";", ",", "\t", "|")
_SEPARATOR_LINE: Final = re.compile(r"sep=[;,\t|](?=[\r\n]|\Z)", re.IGNORECASE)
"""The first line by which Excel is told a delimiter. We find the delimiter without it."""
_BOM_8: Final = b"\xef\xbb\xbf"
_BOM_16: Final = (b"\xff\xfe", b"\xfe\xff")
_WELL_FORMED: Final = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
"""A letter beyond ASCII in UTF-8. Windows-1252 has these bytes as two letters that no word has."""


def take_apart(content: bytes, layout: Layout) -> Records:
    """Return the lines of a file that hold anything, by the number that each starts on.

    Raises Refusal `import.*`.
    """
    text, notes = text_of(content)
    delimiter = _delimiter_of(text, layout)
    most = layout.max_rows + 1
    lines = list(itertools.islice(_records(text, delimiter), most + 1))
    if len(lines) > most:
        raise Refusal("import.too_many", f"expected at most {layout.max_rows} lines, got more")
    return Records(lines, delimiter, notes)


def text_of(content: bytes) -> tuple[str, tuple[Note, ...]]:
    """Return a file as text, and what is to be told of how it was read.

    Raises Refusal `import.*`.
    """
    if len(content) > MAX_BYTES:
        raise Refusal(
            "import.too_large", f"expected at most {MAX_BYTES} bytes, got {len(content)} or more"
        )
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
    text, notes = _decoded(content)
    # Its line end stays, so that lines keep the numbers that a spreadsheet gives them.
    text = _SEPARATOR_LINE.sub("", text, count=1) if _SEPARATOR_LINE.match(text) else text
    if not text.strip():
        raise Refusal("import.empty", "expected a header and lines, got an empty file")
    return text, notes


def _decoded(content: bytes) -> tuple[str, tuple[Note, ...]]:
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError as exc:
        refusal = _not_utf_8(exc)
    if content.startswith(_BOM_8) or _WELL_FORMED.search(content):
        raise refusal  # UTF-8 that was damaged: read otherwise, its letters would be others
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise refusal from None
    first = next(line for line, each in enumerate(content.splitlines(), 1) if not each.isascii())
    said = f"read as Windows-1252, which is not certain: look at the letters from line {first} on"
    return text, (Note("encoding", said),)


def _not_utf_8(exc: UnicodeDecodeError) -> PlacedRefusal:
    # The offset counts from behind a byte order mark; no line ends in there.
    said = f"expected UTF-8, got byte 0x{exc.object[exc.start]:02x}"
    return PlacedRefusal("import.encoding", said, _line_at(exc.object, exc.start))


def _line_at(content: bytes, offset: int) -> int:
    return len(content[: offset + 1].splitlines())


def _delimiter_of(text: str, layout: Layout) -> str:
    """Return the delimiter that gives the header the most known names.

    Of equals, one that gives all lines as many cells as the header; a guess from character
    counts takes the comma of a decimal comma for a delimiter.
    """
    known = known_names(layout)
    best, best_score = ",", (-1, False, 0)
    first = next(line for line in text.splitlines() if line.strip())
    for delimiter in (d for d in _DELIMITERS if d in first):
        header = _header(text, delimiter)
        names = sum(plain(name) in known for name in header)
        is_sure = names == len(header)
        is_constant = is_sure or _is_constant(text, delimiter, len(header))
        score = (names, is_constant, len(header))
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _header(text: str, delimiter: str) -> list[str]:
    """Return the first line's cells; none where its quotes do not fit this delimiter."""
    try:
        return trimmed(next(_records(text, delimiter), (1, []))[1], 0)
    except Refusal:
        return []


def _is_constant(text: str, delimiter: str, width: int) -> bool:
    try:
        return all(len(trimmed(cells, width)) == width for _, cells in _records(text, delimiter))
    except Refusal:
        return False


def trimmed(cells: list[str], width: int) -> list[str]:
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
