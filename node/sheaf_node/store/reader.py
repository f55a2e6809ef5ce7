"""Reads of what was committed, on a connection that cannot write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sheaf_node.store.erasure import Erasures
from sheaf_node.store.model import ERASED, WITHHELD, ProvenRun, StoredEntry
from sheaf_node.store.receipt import Receipt
from sheaf_node.store.scrub import scrub_rows
from sheaf_node.store.state import header_of
from sheaf_protocol.digest import Digest, EntryId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.proof import REACH, Proof, Tail, decode_proof, tail_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from sheaf_node.store.scrub import Page

_ENTRY: Final = (
    "SELECT arrival, id, header, proof, payload, fault, void, absence,"
    " EXISTS (SELECT 1 FROM marks WHERE target = entries.id) FROM entries"
)
# By the marks, which are few: the plus signs keep SQLite from going through all by arrival.
_NAMED: Final = (
    f"{_ENTRY} WHERE id IN erase_targets AND +arrival > ? AND payload NOT NULL"
    " ORDER BY +arrival LIMIT ?"
)
_IS_CONTESTED: Final = (
    "SELECT 1 FROM refs JOIN entries USING (arrival) JOIN logs ON log = number"
    " WHERE target = ? AND cid <> ? AND void IS NULL AND fault IS NULL LIMIT 1"
)


class Reader:
    """Queries over one read-only connection, for the thread that opened it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.erasures = Erasures(connection)

    def entry(self, id_: EntryId) -> StoredEntry | None:
        """Return the entry with this id, or None."""
        return self._one(f"{_ENTRY} WHERE id = ?", (id_,))

    def entry_at(self, number: int, seq: int) -> StoredEntry | None:
        """Return the entry at a place of a log, or None."""
        return self._one(f"{_ENTRY} WHERE log = ? AND seq = ?", (number, seq))

    def id_at(self, number: int, seq: int) -> EntryId | None:
        """Return the id of the entry at a place of a log, or None."""
        sql = "SELECT id FROM entries WHERE log = ? AND seq = ?"
        row = self._connection.execute(sql, (number, seq)).fetchone()
        return None if row is None else EntryId(row[0])

    def entries_after(self, arrival: int, limit: int) -> list[StoredEntry]:
        """Return the next entries in the order of arrival."""
        sql = f"{_ENTRY} WHERE arrival > ? ORDER BY arrival LIMIT ?"
        return [self._entry(row) for row in self._connection.execute(sql, (arrival, limit))]

    def log_entries(
        self, number: int, first: int, last: int, *, max_bytes: int, most: int
    ) -> ProvenRun:
        """Return entries `first` to `last` of a log, or as many of them as fit, with their proof.

        At least one comes, whatever its size. The run ends early at an entry that was stored with a
        tail: beyond it another signature proves, which may be too far off for what lies before.
        """
        sql = f"{_ENTRY} WHERE log = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?"
        taken: list[StoredEntry] = []
        size = 0
        for row in self._connection.execute(sql, (number, first, last, most)):
            entry = self._entry(row).as_passed_on()
            size += entry.envelope.size
            if taken and size > max_bytes:
                break
            taken.append(entry)
            if entry.tail is not None:
                break
        if not taken:
            return ProvenRun()
        run = ProvenRun(entries=taken, tail=self._tail(number, taken[-1]))
        while run.size > max_bytes and len(taken) > 1:
            # A header moves from the entries to the tail, so the run gets smaller by each.
            run = ProvenRun(entries=taken, tail=_tail_before(taken.pop(), taken[-1], run.tail))
        return run

    def is_contested(self, id_: EntryId, cid: bytes) -> bool:
        """Return whether an entry of another co-op than `cid` names this one and counts."""
        return self._connection.execute(_IS_CONTESTED, (id_, cid)).fetchone() is not None

    def log_after(self, number: int, seq: int, limit: int) -> list[StoredEntry]:
        """Return the entries of a log from a number on, as services see them."""
        sql = f"{_ENTRY} WHERE log = ? AND seq >= ? ORDER BY seq LIMIT ?"
        return [self._entry(row) for row in self._connection.execute(sql, (number, seq, limit))]

    def promises(self) -> list[StoredEntry]:
        """Return the entries of kind `writer.promise`, void or not, in the order of arrival."""
        # The index that finds them holds no others: it is as short as they are few.
        sql = f"{_ENTRY} WHERE kind = 'writer.promise' ORDER BY arrival"
        return [self._entry(row) for row in self._connection.execute(sql)]

    def ids_like(self, low: bytes, high: bytes) -> list[EntryId]:
        """Return two entries at most whose ids lie between these bytes, both included."""
        sql = "SELECT id FROM entries WHERE id BETWEEN ? AND ? LIMIT 2"
        return [EntryId(id_) for (id_,) in self._connection.execute(sql, (low, high))]

    def lacking(self, after: int, limit: int, kinds: Sequence[str] | None) -> list[StoredEntry]:
        """Return entries of some kinds, or of all, whose payloads nobody has brought so far.

        What was erased or has expired meanwhile is among them, with that as its absence.
        """
        wanted = "" if kinds is None else f" AND kind IN ({', '.join('?' * len(kinds))})"
        sql = (
            f"{_ENTRY} WHERE absence = '{WITHHELD}' AND arrival > ?{wanted} AND void IS NULL"
            " ORDER BY arrival LIMIT ?"
        )
        rows = self._connection.execute(sql, (after, *(kinds or ()), limit))
        return [self._entry(row) for row in rows]

    def absent(self, absence: str, after: int, limit: int) -> list[StoredEntry]:
        """Return entries that were noted as absent for a reason, which may be another by now."""
        sql = f"{_ENTRY} WHERE absence = ? AND arrival > ? ORDER BY arrival LIMIT ?"
        rows = self._connection.execute(sql, (absence, after, limit))
        return [self._entry(row) for row in rows]

    def named(self, after: int, limit: int) -> list[StoredEntry]:
        """Return entries with a payload that an erase names, whether it counts or not."""
        return [self._entry(row) for row in self._connection.execute(_NAMED, (after, limit))]

    def ending(self, before_ms: int, skip: int, limit: int) -> list[StoredEntry]:
        """Return entries with a payload that end before a time, the earliest first."""
        sql = (
            f"{_ENTRY} WHERE expires_ms <= ? AND payload NOT NULL"
            " ORDER BY expires_ms, arrival LIMIT ? OFFSET ?"
        )
        rows = self._connection.execute(sql, (before_ms, limit, skip))
        return [self._entry(row) for row in rows]

    def receipt(self, id_: Digest) -> Receipt | None:
        """Return the receipt with this id, or None."""
        sql = "SELECT id, request, taken_ms, reply FROM receipts WHERE id = ?"
        return next(iter(self._receipts(sql, (id_,))), None)

    def receipts_before(self, before_ms: int, limit: int) -> list[Receipt]:
        """Return the oldest receipts that were taken before a time."""
        sql = (
            "SELECT id, request, taken_ms, reply FROM receipts WHERE taken_ms < ?"
            " ORDER BY taken_ms LIMIT ?"
        )
        return self._receipts(sql, (before_ms, limit))

    def store_id(self) -> bytes:
        """Return the id that the store was given when it was made."""
        sql = "SELECT value FROM store WHERE key = 'store_id'"
        return bytes(self._connection.execute(sql).fetchone()[0])

    def scrub(self, arrival: int, limit: int) -> Page:
        """Check the next rows in the order of arrival."""
        return scrub_rows(self._connection, arrival, limit)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _tail(self, number: int, last: StoredEntry) -> Tail | None:
        """Return what proves the last entry of a run, where it has no signature of its own."""
        if last.envelope.signature or last.tail is not None:
            return last.tail
        sql = "SELECT header, proof FROM entries WHERE log = ? AND seq > ? ORDER BY seq LIMIT ?"
        headers = []
        proof: Proof = b""
        for header, data in self._connection.execute(sql, (number, last.header.seq, REACH)):
            headers.append(header)
            if data is not None:
                proof = decode_proof(data)
                break
        return tail_of(headers, proof)

    def _entry(self, row: tuple[Any, ...]) -> StoredEntry:
        arrival, id_, raw, data, payload, fault, void, absence, is_named = row
        proof = b"" if data is None else decode_proof(data)
        signature, tail = (b"", proof) if isinstance(proof, Tail) else (proof, None)
        header = header_of(raw)
        if is_named and self.erasures.is_erased(EntryId(id_), header):
            absence = ERASED
        elif absence == ERASED:
            absence = WITHHELD  # the erase lost its effect after the payload was deleted
        return StoredEntry(
            arrival=arrival,
            id=EntryId(id_),
            log=header.log,
            envelope=Envelope(raw, signature, payload or b""),
            header=header,
            fault=fault,
            void=void,
            tail=tail,
            absence=absence,
        )

    def _receipts(self, sql: str, key: tuple[object, ...]) -> list[Receipt]:
        return [
            Receipt(id=Digest(id_), request=Digest(request), taken_ms=taken_ms, reply=reply)
            for id_, request, taken_ms, reply in self._connection.execute(sql, key)
        ]

    def _one(self, sql: str, key: tuple[object, ...]) -> StoredEntry | None:
        row = self._connection.execute(sql, key).fetchone()
        return None if row is None else self._entry(row)


def _tail_before(dropped: StoredEntry, last: StoredEntry, tail: Tail | None) -> Tail | None:
    """Return what proves the last entry of a run from which the one after it was dropped."""
    if last.envelope.signature:
        return None
    return tail_of([dropped.envelope.header], dropped.envelope.signature if tail is None else tail)
