"""Workbooks for tests: made by openpyxl, or part by part for what no spreadsheet writes."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from openpyxl import Workbook

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def workbook(*rows: Sequence[object], **others: Sequence[Sequence[object]]) -> bytes:
    """Return a workbook whose first sheet, Sheet, has these rows, and others by their names."""
    book = Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(list(row))
    for name, lines in others.items():
        other = book.create_sheet(name)
        for line in lines:
            other.append(list(line))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def altered(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return an archive with one part changed."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as before,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for part in before.infolist():
            kept = before.read(part)
            after.writestr(part.filename, change(kept) if part.filename == name else kept)
    return out.getvalue()


def archive(*parts: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive of parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, content in parts:
            made.writestr(name, content)
    return out.getvalue()
