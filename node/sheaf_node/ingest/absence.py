"""What becomes of an entry's payload: taken, left out, or brought later (spec 04, section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.store.model import ERASED, PAST, WITHHELD, NewMark
from sheaf_protocol.envelope import body_of
from sheaf_protocol.records import decode_record
from sheaf_protocol.retention import ERASING, is_expired, mark_of

if TYPE_CHECKING:
    from sheaf_node.ingest.model import Opened
    from sheaf_node.store.planned import Planned


def absence_of(planned: Planned, item: Opened, now_ms: int) -> str | None:
    """Return why an entry is stored without its payload, or None where that is stored too."""
    if planned.is_erased(item.id, item.header):
        return ERASED  # ENV-35: also where the sender has kept it
    if item.envelope.payload:
        return None
    return PAST if is_expired(item.header, now_ms) else WITHHELD


def new_mark(item: Opened, now_ms: int) -> NewMark | None:
    """Return what an entry that has effect says of another's payload, if it does."""
    kind = item.header.kind
    record = decode_record(kind, body_of(item.envelope.payload)) if kind in ERASING else None
    mark = mark_of(item.id, item.header, record)
    if mark is None:
        return None
    return NewMark(target=mark.target, is_restore=mark.is_restore, taken_ms=now_ms)
