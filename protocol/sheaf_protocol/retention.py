"""What may be forgotten, and when: expiry, erasure, closed logs (spec 04, section 6; spec 05,
section 7).

Every decision here is made of bytes and of `now`. Whether an entry is erased rests on bytes alone,
so that all replicas agree whatever the order in which they heard; when the payload is deleted rests
on a node's own clock, so that whoever stole a writer's key cannot back-date an erase and leave its
co-op no time to end that writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.limits import ERASE_AFTER_MS, EXPIRE_GRACE_MS, RETENTION_MS
from sheaf_protocol.records import Erase, Restore
from sheaf_protocol.records.recovery import WRITER_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sheaf_protocol.digest import CoopId, EntryId, FederationId
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.identity import Writer
    from sheaf_protocol.records import Record

ERASING: Final = frozenset({"entry.erase", "entry.restore"})
"""Kinds that ask for payloads to be dropped, or take that back."""
LASTING: Final = ERASING | WRITER_KINDS
"""Kinds whose payloads are never dropped: other entries are judged by them (ENV-37, SYN-73)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """An `entry.erase` or `entry.restore` that has effect."""

    id: EntryId
    fid: FederationId
    cid: CoopId
    time_ms: int
    target: EntryId
    """The entry to be erased, or the erase that is taken back."""
    is_restore: bool


def mark_of(id_: EntryId, header: Header, record: Record | None) -> Mark | None:
    """Return the mark that an entry sets by its record, or None where that is of another kind."""
    match record:
        case Erase(entry=target):
            is_restore = False
        case Restore(erase=target):
            is_restore = True
        case _:
            return None
    return Mark(
        id=id_,
        fid=header.fid,
        cid=header.cid,
        time_ms=header.time_ms,
        target=target,
        is_restore=is_restore,
    )


def is_erased(id_: EntryId, header: Header, marks: Iterable[Mark]) -> bool:
    """Return whether the entry of this id and header is erased by marks that have effect.

    The marks may come in any order, those of other entries and co-ops among them.
    """
    return bool(erases_in_force(id_, header, marks))


def erases_in_force(id_: EntryId, header: Header, marks: Iterable[Mark]) -> list[Mark]:
    """Return the erases among marks that have effect which nothing takes back, for this entry.

    A co-op may erase and restore one entry a hundred thousand times: each mark is looked at once.
    """
    if header.kind in LASTING:  # ENV-37
        return []
    # ENV-32, ENV-33: only its own co-op erases or restores an entry, in the entry's federation.
    own = [mark for mark in marks if (mark.fid, mark.cid) == (header.fid, header.cid)]
    restored_ms: dict[EntryId, int] = {}
    for mark in own:
        if mark.is_restore:
            earlier_ms = restored_ms.get(mark.target, mark.time_ms)
            restored_ms[mark.target] = min(earlier_ms, mark.time_ms)
    erases = (mark for mark in own if mark.target == id_ and not mark.is_restore)
    return [
        erase
        for erase in erases
        if erase.id not in restored_ms or restored_ms[erase.id] > erase.time_ms + ERASE_AFTER_MS
    ]


def is_expired(header: Header, now_ms: int) -> bool:
    """Return whether a payload that is not here need not be asked for: its author let it go."""
    may_expire = header.expires_ms != 0 and header.kind not in LASTING
    return may_expire and now_ms >= header.expires_ms


def may_drop_payload(header: Header, now_ms: int, *, erased_at_ms: int | None = None) -> bool:
    """Return whether a payload may be deleted by now.

    `erased_at_ms` is when this node took the first erase that counts for the entry, by its own
    clock; None where the entry is not erased.
    """
    if erased_at_ms is not None and now_ms >= erased_at_ms + ERASE_AFTER_MS:
        return header.kind not in LASTING
    # ENV-30: later than `is_expired`, since clocks differ.
    return is_expired(header, now_ms - EXPIRE_GRACE_MS)


def is_retired(writer: Writer, now_ms: int) -> bool:
    """Return whether a writer's logs are no more told, asked for or served (LOG-40)."""
    # One that was ended by its cuts alone has no such time, so its logs stay.
    is_dated = writer.is_closed and writer.expires_ms is not None
    return is_dated and now_ms > (writer.expires_ms or 0) + RETENTION_MS
