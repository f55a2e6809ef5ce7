"""The append rule of a writer's log (spec chapter 05)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple, assert_never

from sheaf_protocol.digest import ZERO, EntryId, short
from sheaf_protocol.errors import Fault, RemoteProtocolError

if TYPE_CHECKING:
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.identity import KeyLog


class Head(NamedTuple):
    """The last entry of a log that a node holds."""

    seq: int
    id: EntryId
    time_ms: int


EMPTY = Head(seq=0, id=EntryId(ZERO), time_ms=0)
"""The head of a log of which nothing is held."""


class Place(enum.Enum):
    """Where an entry stands against the head that a node holds."""

    NEXT = "next"
    PAST = "past"
    """At or below the head: known already, or the other side of a fork."""
    GAP = "gap"
    BAD_PREV = "bad_prev"
    """The next number on another predecessor: somewhere below, the log was forked."""
    BAD_TIME = "bad_time"


def place(head: Head, header: Header) -> Place:
    """Return where a header stands against the head (LOG-2 to LOG-5)."""
    if header.seq <= head.seq:
        return Place.PAST
    if header.seq > head.seq + 1:
        return Place.GAP
    if header.prev != head.id:
        return Place.BAD_PREV
    # LOG-5: time does not run backwards inside a log, which stops back-dating behind own entries.
    return Place.NEXT if header.time_ms >= head.time_ms else Place.BAD_TIME


def require_next(head: Head, header: Header) -> None:
    """Return if the header continues the log at the head, else raise.

    Raises RemoteProtocolError: `log.past` (known, or the other side of a fork: compare ids),
    `log.gap` (not yet), `log.bad_prev` (search back for the fork), `log.bad_time`.
    """
    log = f"in the log of writer {short(header.wid)}"
    detail = f"expected entry {head.seq + 1} {log}, got {header.seq}"
    match place(head, header):
        case Place.NEXT:
            return
        case Place.PAST:
            raise RemoteProtocolError("log.past", detail)
        case Place.GAP:
            raise RemoteProtocolError("log.gap", detail, Fault.NOT_YET)
        case Place.BAD_PREV:
            detail = f"expected entry {header.seq} {log} to follow {short(head.id)}"
            raise RemoteProtocolError("log.bad_prev", f"{detail}, got {short(header.prev)}")
        case Place.BAD_TIME:
            detail = f"expected a time >= {head.time_ms} {log}, got {header.time_ms}"
            raise RemoteProtocolError("log.bad_time", detail)
        case _ as never:
            assert_never(never)


def require_writer(keys: KeyLog, header: Header, id_: EntryId) -> None:
    """Return if the key log lets this writer sign the entry of this header and id, else raise.

    Judged on bytes alone: the entry's own time against the delegation, its place and its id
    against the cut in its federation.
    Raises `key.unknown` (not yet: the delegation may still arrive), `key.expired`, `key.closed`.
    """
    writer = keys.writers.get(header.wid)
    if writer is None:
        raise unknown_writer(header)
    if writer.is_expired_at(header.time_ms):
        raise RemoteProtocolError("key.expired", f"writer {short(header.wid)} had expired")
    cut = writer.cut_in(header.fid)
    if cut is not None and cut.is_void(header.seq, id_):
        detail = f"writer {short(header.wid)} was closed at {cut.seq} on {short(cut.head)}"
        raise RemoteProtocolError("key.closed", f"{detail}, got {header.seq}, {short(id_)}")


def unknown_writer(header: Header) -> RemoteProtocolError:
    """Return the refusal of an entry whose writer no key log delegates so far."""
    detail = f"expected a delegation of writer {short(header.wid)}"
    return RemoteProtocolError("key.unknown", detail, Fault.NOT_YET)
