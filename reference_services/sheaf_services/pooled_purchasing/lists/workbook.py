"""Takes a workbook (.xlsx) apart, one sheet of it, once the archive was found to be harmless.

A workbook is a zip archive of XML, so a small file may be a large one. What openpyxl is given was
looked through before: how much it unpacks to, how many elements that is, and that no part has a
document type, by which entities are declared that unpack to more (OPC forbids it: ECMA-376 part 2,
8.1.4). Numbers are taken as the fifteen digits that a spreadsheet shows, never as the binary
fraction that it keeps; of a formula its value is taken, as it was worked out when it was saved.
"""

from __future__ import annotations

import datetime
import io
import re
import warnings
import zipfile
import zlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import iterparse

from sheaf_protocol.errors import Refusal
from sheaf_services.pooled_purchasing.lists.csv_table import MAX_BYTES
from sheaf_services.pooled_purchasing.lists.refused import PlacedRefusal, shown
from sheaf_services.pooled_purchasing.lists.table import Note, Records

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sheaf_services.pooled_purchasing.lists.table import Layout

ZIP: Final = b"PK\x03\x04"
OLD: Final = b"\xd0\xcf\x11\xe0"
"""How .xls files begin, and workbooks with a password."""

MAX_UNPACKED: Final = 32 * 1024 * 1024
"""32 MiB of all parts: ten thousand lines of fifteen cells are 8."""
MAX_PARTS: Final = 1_000
"""Files in the archive; a workbook of a hundred sheets has some three hundred."""
MAX_ELEMENTS: Final = 200_000
"""XML elements of all parts: five thousand lines of ten cells. They take a second, in which a node
does nothing else; text of ten thousand lines takes a tenth of that."""
BRIEF_ELEMENTS: Final = 80_000
"""The same of a list that is kept as a draft, two thousand lines of thirteen cells: strangers send
such ones, too, and each takes half a second."""
MAX_ROWS: Final = 100_000
"""Rows that are looked through for lines; behind a list are thousands that only have a colour."""
MAX_CELL: Final = 32_767
"""Characters of a cell: a spreadsheet holds no more."""

_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""How parts of workbooks are packed; other methods may ask for any memory."""
_ENCRYPTED: Final = 0x1
_ENCODING: Final = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
_FAR: Final = re.compile(rb"\sr\s*=\s*[\"'](?:[A-Za-z]{3}|[^\"'<>]*&)")
"""The place of a cell beyond column ZZ, 702, or one that is not written plainly: each row would be
filled up to there."""
_TAG: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_DIGITS: Final = 15
"""Significant digits of a number in a spreadsheet. What it keeps beyond is noise of the binary."""


def take_apart(
    content: bytes, layout: Layout, sheet: str = "", most: int = MAX_ELEMENTS
) -> Records:
    """Return the lines of a sheet that hold anything, as a spreadsheet numbers them.

    It is the first sheet where none is named. Raises Refusal `import.*`.
    """
    _require_harmless(content, most)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and pictures, which are not read
            return _taken(content, layout, sheet)
    except Refusal:
        raise
    except Exception as exc:
        # Whatever openpyxl stumbles over: hardly two broken workbooks raise the same.
        said = f"expected a workbook (.xlsx) that is whole, got one in which {type(exc).__name__}"
        raise Refusal("import.workbook", f"{said} stopped the reading") from exc


def _require_harmless(content: bytes, most: int) -> None:
    """Return if an archive may be unpacked. What it says of sizes binds: no more is read of it."""
    if len(content) > MAX_BYTES:
        raise Refusal("import.too_large", f"expected at most {MAX_BYTES} bytes, got more")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _require_small(archive.infolist())
            elements = sum(_elements(archive, part) for part in archive.infolist())
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as exc:
        raise Refusal("import.workbook", f"expected a workbook that is whole: {exc}") from exc
    if elements > most:
        detail = f"expected a workbook of at most {most} elements, got {elements}"
        raise Refusal("import.too_large", f"{detail}: save the one sheet as CSV (UTF-8)")


def _require_small(parts: list[zipfile.ZipInfo]) -> None:
    if len(parts) > MAX_PARTS:
        raise Refusal("import.too_large", f"expected at most {MAX_PARTS} parts, got {len(parts)}")
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MAX_UNPACKED:
        detail = f"expected a workbook that unpacks to at most {MAX_UNPACKED >> 20} MiB"
        raise Refusal("import.too_large", f"{detail}, got {unpacked >> 20}")
    names = [part.filename for part in parts]
    if "[Content_Types].xml" not in names or len(set(names)) < len(names):
        raise Refusal("import.workbook", "expected a workbook (.xlsx), got another zip archive")
    if any(part.flag_bits & _ENCRYPTED or part.compress_type not in _METHODS for part in parts):
        raise Refusal("import.workbook", "expected a workbook that opens without a password")


def _elements(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> int:
    """Return how many XML elements a part has. Raises Refusal `import.workbook`."""
    if not part.filename.lower().endswith((".xml", ".rels", ".vml")):
        return 0
    data = archive.read(part)
    encoding = _ENCODING.match(data.removeprefix(b"\xef\xbb\xbf").lstrip())
    is_utf_8 = encoding is None or encoding[1].lower() in {b"utf-8", b"us-ascii"}
    # In any other encoding a document type could stand where it is not seen here.
    if not is_utf_8 or b"\0" in data or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Refusal("import.workbook", f"expected UTF-8 in {shown(part.filename)}")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        said = f"expected no document type in {shown(part.filename)}, got one"
        raise Refusal("import.workbook", said)
    return data.count(b"<") - data.count(b"</")


def _taken(content: bytes, layout: Layout, sheet: str) -> Records:
    from openpyxl import load_workbook  # noqa: PLC0415 - for who has a workbook alone

    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    try:
        names = [each.title for each in book.worksheets]
        if not names or (sheet and sheet not in names):
            came = ", ".join(map(shown, names[:12])) or "no sheet"
            raise Refusal("import.sheet", f"expected a sheet {shown(sheet)}, got {came}")
        found = book[sheet or names[0]]
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            data = archive.read(found._worksheet_path)  # the one thing that it does not tell
        if _FAR.search(data):
            raise Refusal("import.too_many", "expected no column beyond ZZ in the sheet, got one")
        lines = list(_lines(found, layout, _unworked(data)))
    finally:
        book.close()
    width = len(lines[0][1]) if lines else 0
    # Cells that were never used are not in the file; text has them.
    whole = [(line, cells + [""] * (width - len(cells))) for line, cells in lines]
    others = [name for name in names if name != found.title]
    said = f"read the sheet {shown(found.title)}"
    left = f" and not {', '.join(map(shown, others[:12]))}" if others else ""
    return Records(whole, "", (Note("sheet", said + left),))


def _lines(
    sheet: Any, layout: Layout, unworked: Mapping[int, Sequence[int]]
) -> Iterator[tuple[int, list[str]]]:
    sheet.reset_dimensions()  # what a file says of its own size need not be so
    held = 0
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        if number > MAX_ROWS:
            raise Refusal("import.too_many", f"expected at most {MAX_ROWS} rows, got more")
        texts = ["" if value is None else value_text(value) for value in values]
        for column in unworked.get(number, ()):
            texts[column - 1] = "="
        while texts and not texts[-1]:
            texts.pop()
        if not texts:
            continue
        held += 1
        if held > layout.max_rows + 1:
            raise Refusal("import.too_many", f"expected at most {layout.max_rows} lines, got more")
        if max(map(len, texts)) > MAX_CELL:
            said = f"expected at most {MAX_CELL} characters in a cell, got more"
            raise PlacedRefusal("import.cell", said, number)
        yield number, texts


def value_text(value: object) -> str:
    """Return a cell's value as it would be typed: a number exactly, a day as YYYY-MM-DD."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            return _number_text(value)
        case datetime.datetime():
            is_day = value.time() == datetime.time()
            return value.date().isoformat() if is_day else value.isoformat(" ", "seconds")
        case _:
            # Cells with line ends would shift the numbers of the lines below.
            return " ".join(str(value).split("\n")).replace("\r", "").strip()


def _number_text(value: float) -> str:
    """Return a number with a point, so that no reader takes that for one of thousands.

    Three decimals are written as four: `1.2340` has one reading, and `1.234` would be asked about,
    although the workbook knew.
    """
    digits = format(Decimal(format(value, f".{_DIGITS}g")), "f")
    if "." not in digits:
        return digits
    digits = digits.rstrip("0").rstrip(".")
    return digits + "0" if re.fullmatch(r"-?[1-9][0-9]{0,2}\.[0-9]{3}", digits) else digits


def _unworked(data: bytes) -> Mapping[int, Sequence[int]]:
    """Return the columns of cells that have a formula and no value, by their rows.

    A formula whose value is the empty text has one, and says that it is text.
    """
    from openpyxl.utils.cell import coordinate_to_tuple  # noqa: PLC0415

    found: dict[int, list[int]] = {}
    for _, element in iterparse(io.BytesIO(data)) if b"<f" in data else ():  # noqa: S314
        if element.tag == f"{_TAG}c":
            has_formula = element.find(f"{_TAG}f") is not None
            if has_formula and not element.findtext(f"{_TAG}v") and element.get("t") != "str":
                row, column = coordinate_to_tuple(element.attrib["r"])
                found.setdefault(row, []).append(column)
        elif element.tag == f"{_TAG}row":
            element.clear()
    return found
