"""What is checked of every entry row, byte by byte, some rows at a time.

Each of these bytes is hashed or signed by its author, or follows from what is. So a flipped bit
shows here, whoever's log it is in; what else the store notes (cursors, times of taking) is hints.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.store.loading import corrupt
from sheaf_node.store.model import ERASED, PAST, WITHHELD
from sheaf_protocol.digest import CoopId, EntryId, WriterId, short
from sheaf_protocol.envelope import Envelope, decode_header, entry_id, open_header, verify_header
from sheaf_protocol.errors import LocalProtocolError, ProtocolError
from sheaf_protocol.log import EMPTY
from sheaf_protocol.proof import Tail, decode_proof, prove_tail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sheaf_protocol.envelope import Header

_ROWS: Final = (
    "SELECT e.arrival, e.seq, e.id, e.kind, e.header, e.proof, e.payload, e.time_ms, e.expires_ms,"
    " e.absence, before.id,"
    # By both indices the row must be found, or its log would end before it.
    " (SELECT arrival FROM entries WHERE log = e.log AND seq = e.seq) = e.arrival"
    " AND (SELECT arrival FROM entries WHERE id = e.id) = e.arrival,"
    " fid, cid, wid FROM entries AS e"
    " LEFT JOIN entries AS before ON before.log = e.log AND before.seq = e.seq - 1"
    " LEFT JOIN logs ON number = e.log WHERE e.arrival > ? ORDER BY e.arrival LIMIT ?"
)
_ABSENCES: Final = frozenset({None, ERASED, PAST, WITHHELD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A row that is not what was written."""

    arrival: int
    cid: CoopId | None
    """The log's co-op, where that can be read."""
    wid: WriterId | None
    seq: int
    detail: str
    id: EntryId | None = None
    """Where nothing but the payload is damaged: the entry, whose payload others may have."""


@dataclass(frozen=True, slots=True)
class Page:
    """What was found in the next rows. `last` is the arrival to go on from, None at the end."""

    damages: list[Damage]
    last: int | None


def require_sound(damages: Iterable[Damage], own: CoopId) -> None:
    """Return if none of these is in a co-op's own logs.

    Raises LocalProtocolError `store.corrupt`: services go on reading, and say it again when healed.
    """
    for damage in damages:
        if damage.cid in {own, None}:
            what = f"entry {damage.seq} of an own log: {damage.detail}"
            refusal = corrupt(f"{what}; `sheaf verify` looks at everything")
            raise LocalProtocolError(refusal.code, refusal.detail)


def scrub_rows(connection: sqlite3.Connection, arrival: int, limit: int) -> Page:
    """Check the next rows behind an arrival number, in the order of arrival."""
    try:
        rows = connection.execute(_ROWS, (arrival, limit)).fetchall()
    except sqlite3.DatabaseError as exc:
        lost = f"expected to read the entries that arrived behind {arrival}: {exc}"
        return Page([Damage(arrival=arrival, cid=None, wid=None, seq=0, detail=lost)], None)
    found = [_checked(row) for row in rows]
    return Page([each for each in found if each is not None], rows[-1][0] if rows else None)


def _checked(row: tuple[Any, ...]) -> Damage | None:
    arrival, seq, id_, *_, cid, wid = row
    about = {"arrival": arrival, "cid": cid, "wid": wid, "seq": seq}
    try:
        _require_header(row)
    except (ProtocolError, TypeError, ValueError) as exc:
        return Damage(**about, detail=_said(exc))
    try:
        _require_payload(row)
    except (ProtocolError, TypeError, ValueError) as exc:
        return Damage(**about, detail=_said(exc), id=EntryId(id_))
    return None


def _require_header(row: tuple[Any, ...]) -> None:
    _, seq, id_, kind, raw, proof, _, time_ms, expires_ms, _, before, is_found, *log = row
    if entry_id(raw) != id_:
        raise ValueError(f"expected a header that hashes to {short(id_)}")
    header = decode_header(raw)
    if [header.fid, header.cid, header.wid] != log or header.seq != seq:
        raise ValueError(f"expected an entry of another place, got {header.seq} of another log")
    if not is_found:
        raise ValueError("expected to find it by its place and by its id")
    if header.prev != (EMPTY.id if seq == 1 else before):
        raise ValueError("expected the entry before it in its chain")
    if (kind, time_ms, expires_ms) != (header.kind, header.time_ms, header.expires_ms or None):
        raise ValueError("expected kind and times as the header has them")
    if proof is not None:
        _require_proof(EntryId(id_), raw, header, proof)


def _require_proof(id_: EntryId, raw: bytes, header: Header, data: bytes) -> None:
    proof = decode_proof(data)
    if isinstance(proof, Tail):
        prove_tail(id_, header, proof)
    else:
        verify_header(header.wid, raw, proof)


def _require_payload(row: tuple[Any, ...]) -> None:
    raw, payload, absence = row[4], row[6], row[9]
    if absence not in _ABSENCES:
        raise ValueError(f"expected a reason for absence, got {absence[:40]!r}")
    if not payload and absence is None:
        raise ValueError("expected its payload")
    if payload:
        open_header(Envelope(raw, b"", payload))


def _said(exc: Exception) -> str:
    return exc.detail if isinstance(exc, ProtocolError) else str(exc)
