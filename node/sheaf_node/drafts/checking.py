"""What is found of a draft's lines: what they would be published as, and what is wrong with them.

A list is judged by the service that takes it; records are judged by their kinds' own shape. What
only the log can say, a missing role say, is said when it is published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from sheaf_node.drafts.model import (
    MAX_RECORD_BYTES,
    MOST_LINES,
    Checked,
    LineFault,
    PreparedRecord,
)
from sheaf_node.drafts.problem_file import is_formula
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.json_view import from_json, read_json
from sheaf_protocol.records import KINDS, PRIVATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.drafts.model import NewLine

MOST_FAULTS: Final = 200
_DEEPER: Final = 64
"""More calls than there are around a record when it is read again."""


def body_of_record(line: PreparedRecord) -> bytes:
    """Return a record as it is published. Raises LocalProtocolError `schema.invalid`."""
    return encode(from_json(line.record, KINDS[line.kind]))


def checked_records(lines: Sequence[NewLine | PreparedRecord]) -> Checked:
    """Return what is found of records, each by itself."""
    faults: list[LineFault] = []
    prepared = []
    for number, line in enumerate(lines, start=1):
        record, refusal = _prepared(line)
        prepared.append(record)
        if refusal is not None:
            said = refusal.detail[:500]
            faults.append(LineFault(line=number, column="", code=refusal.code, message=said))
    return Checked(rows=[], records=prepared, faults=faults[:MOST_FAULTS], faulty=len(faults))


def checked_list(told: object, *, is_of_stranger: bool) -> Checked:
    """Return what a service told of a list. Raises Refusal `draft.full` for too long a list.

    A list that came over the port for seats is refused cells that a spreadsheet would carry out
    as formulas: the sponsor's people open it in one.
    """
    found = msgspec.convert(told, Checked)
    if max(len(found.rows), len(found.records)) > MOST_LINES:
        raise Refusal("draft.full", f"expected at most {MOST_LINES} lines in a draft")
    formulas = list(_formulas(found)) if is_of_stranger else []
    if not formulas:
        return found
    faults = sorted([*found.faults, *formulas], key=lambda fault: fault.line)
    return Checked(
        rows=found.rows,
        records=[],
        faults=faults[:MOST_FAULTS],
        faulty=max(found.faulty, len({fault.line for fault in faults})),
        questions=found.questions,
        matches=found.matches,
        notes=found.notes,
    )


def _formulas(found: Checked) -> list[LineFault]:
    said = "expected no cell that begins as a formula does"
    told = {(fault.line, fault.column) for fault in found.faults}
    return [
        LineFault(
            line=row.line,
            column=column,
            code="import.formula",
            message=f"{said}, got {cell[:40]!r}",
        )
        for row in found.rows
        for column, cell in row.cells.items()
        if is_formula(cell) and (row.line, column) not in told
    ]


def _prepared(line: NewLine | PreparedRecord) -> tuple[PreparedRecord, Refusal | None]:
    """Return a line as it is kept, and what is wrong with it. What is no value is kept as null."""
    if isinstance(line, PreparedRecord):
        return line, _misfit(line)
    data = bytes(line.record)
    if len(data) > MAX_RECORD_BYTES:
        said = f"expected at most {MAX_RECORD_BYTES} bytes of record, got {len(data)}"
        return PreparedRecord(line.kind, None), Refusal("schema.invalid", said)
    try:
        record = read_json(data)
        # What is beyond the integers of the wire, or too deep to be read again, is not kept.
        _require_kept(record)
    except (LocalProtocolError, OverflowError, RecursionError, UnicodeEncodeError) as exc:
        refusal = Refusal("schema.invalid", f"expected the JSON view of a record: {exc}")
        return PreparedRecord(line.kind, None), refusal
    prepared = PreparedRecord(line.kind, record, list(line.refs))
    return prepared, _misfit(prepared)


def _require_kept(record: object) -> None:
    for _ in range(_DEEPER):
        record = [record]
    msgspec.msgpack.decode(msgspec.msgpack.encode(record))


def _misfit(line: PreparedRecord) -> Refusal | None:
    if line.kind not in KINDS or line.kind in PRIVATE:
        return Refusal("api.kind", f"expected a public record kind, got {line.kind!r}")
    try:
        body_of_record(line)
    except LocalProtocolError as exc:
        return Refusal(exc.code, exc.detail)
    return None
