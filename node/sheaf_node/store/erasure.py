"""What the store knows of erasures: the marks that entries set, and which entries they erase.

Whether an entry is erased is not kept but asked for, so that an erase which loses its effect, or
gets it back, needs no correction. The decision itself is the protocol's (`retention.is_erased`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from sheaf_protocol.digest import CoopId, EntryId, FederationId
from sheaf_protocol.retention import Mark, erases_in_force

if TYPE_CHECKING:
    import sqlite3

    from sheaf_node.store.effects import Effects
    from sheaf_protocol.envelope import Header

_Dated: TypeAlias = tuple[Mark, int]

# An entry that went with its retired log had effect, else its mark went too.
_MARKS: Final = (
    "SELECT marks.id, target, is_restore, marks.time_ms, taken_ms FROM marks"
    " LEFT JOIN entries ON entries.id = marks.id"
    " WHERE fid = ?1 AND cid = ?2 AND void IS NULL AND fault IS NULL AND (target = ?3"
    " OR target IN (SELECT id FROM marks WHERE target = ?3 AND is_restore = 0))"
)


class Erasures:
    """Queries over the marks of one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        rows = connection.execute("SELECT DISTINCT fid, cid FROM marks")
        self._authors = {(FederationId(fid), CoopId(cid)) for fid, cid in rows}
        self._known: dict[EntryId, bool] = {}

    def learn(self, effects: Effects) -> None:
        """Take in what has become durable.

        Marks are looked for only where a co-op has set any: every entry that comes is asked about,
        and nearly no co-op ever erases anything. What was found of an entry holds until marks come,
        or some count which did not, or the reverse: it may have a hundred thousand.
        """
        self._authors |= {(marked.header.fid, marked.header.cid) for marked, _ in effects.marks}
        if effects.marks or effects.has_control or effects.has_payloads:
            self._known.clear()

    def is_erased(self, id_: EntryId, header: Header) -> bool:
        """Return whether the entry of this id and header, held or not, is erased."""
        known = self._known.get(id_)
        if known is not None:
            return known
        marks = [mark for mark, _ in self._marks(id_, header)]
        if not marks:
            return False
        found = self._known[id_] = bool(erases_in_force(id_, header, marks))
        return found

    def erased_at(self, id_: EntryId, header: Header) -> int | None:
        """Return when this node took the first erase that counts for an entry, by its own clock."""
        dated = self._marks(id_, header)
        in_force = {mark.id for mark in erases_in_force(id_, header, [mark for mark, _ in dated])}
        return min((taken_ms for mark, taken_ms in dated if mark.id in in_force), default=None)

    def erases_of(self, id_: EntryId, header: Header) -> list[Mark]:
        """Return the erases that count for an entry: what a restore has to name."""
        return erases_in_force(id_, header, [mark for mark, _ in self._marks(id_, header)])

    def _marks(self, id_: EntryId, header: Header) -> list[_Dated]:
        """Return the marks of the entry's own co-op that bear on it, by name or by a restore."""
        if (header.fid, header.cid) not in self._authors:
            return []
        rows = self._connection.execute(_MARKS, (header.fid, header.cid, id_))
        return [
            (
                Mark(
                    id=EntryId(mark),
                    fid=header.fid,
                    cid=header.cid,
                    time_ms=time_ms,
                    target=EntryId(target),
                    is_restore=bool(is_restore),
                ),
                taken_ms,
            )
            for mark, target, is_restore, time_ms, taken_ms in rows
        ]
