"""From stored entries to the records that a service follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sheaf_node.plugins.service import SeenRecord
from sheaf_node.store.model import WITHHELD
from sheaf_protocol.codec import decode
from sheaf_protocol.envelope import SEALED, body_of
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.log import Head
from sheaf_protocol.records import PRIVATE, decode_record
from sheaf_protocol.sealing import Author, Private, Sealed, open_private
from sheaf_protocol.subscription import Filter, awaits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_node.keyring import Keyring
    from sheaf_node.store import Store, StoredEntry
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId, EntryId, LogId, WriterId


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one read; falsy at the end of the store."""

    records: Sequence[SeenRecord]
    entries: int

    def __bool__(self) -> bool:
        return self.entries > 0


class Reader:
    """A cursor over the store for one federation."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        federation: Federation,
        subscription: Filter | None = None,
    ) -> None:
        self.cursor = 0
        self._subscription = subscription or Filter()
        self._waiting: dict[LogId, StoredEntry] = {}
        """Of each log that is not read on the entry that it waits for (ENV-39)."""
        self._store = store
        self._keyring = keyring
        self._federation = federation
        self._heads: dict[LogId, tuple[CoopId, WriterId, Head]] = {}
        self._contested: set[EntryId] = set()
        """What was shown as contested already."""

    def heads(self) -> Sequence[tuple[CoopId, WriterId, Head]]:
        """Return the last entry read of each log that counts, in the order of log ids."""
        return [head for _, head in sorted(self._heads.items())]

    def next_batch(
        self, limit: int, follows: frozenset[str], *, sees_contested: bool = False
    ) -> Batch:
        """Return the next entries' records of the kinds followed; contested ones only if asked."""
        entries = self._store.entries_after(self.cursor, limit) or self._resumed(limit)
        records: list[SeenRecord] = []
        for entry in entries:
            self.cursor = max(self.cursor, entry.arrival)
            if entry.header.fid != self._federation.fid or self._waits(entry):
                continue
            self._note_head(entry)
            if sees_contested:
                records += self._see_contested(entry, follows)
            seen = None if entry.no_effect is not None else self._see(entry, follows)
            if seen is not None:
                records.append(seen)
        return Batch(records, len(entries))

    def _waits(self, entry: StoredEntry) -> bool:
        """Return whether an entry is not read for now: its payload may come, or one before it."""
        before = self._waiting.get(entry.log)
        if before is not None and before.header.seq <= entry.header.seq:
            return True
        is_missing = entry.absence == WITHHELD and entry.void is None
        if is_missing and awaits(self._subscription, entry.kind):
            self._waiting[entry.log] = entry
            return True
        return False

    def _resumed(self, limit: int) -> Sequence[StoredEntry]:
        """Return the next entries that had to wait, of a log that has to wait no more.

        They are read in the order of their log, and up to where the others were read.
        """
        for log, waiting in self._waiting.items():
            again = self._store.entry(waiting.id)
            if again is not None and again.absence == WITHHELD and again.void is None:
                continue
            del self._waiting[log]
            held = self._store.log_after(log, waiting.header.seq, limit + 1)
            found = [entry for entry in held if entry.arrival <= self.cursor]
            if len(found) > limit:
                self._waiting[log] = found[limit]
            return found[:limit]
        return []

    def _note_head(self, entry: StoredEntry) -> None:
        """Note how far a log was read. From a fork or cut on replicas hold different entries, so
        what they are to agree on ends before it.
        """
        if entry.void is not None:
            return
        header = entry.header
        head = Head(seq=header.seq, id=entry.id, time_ms=header.time_ms)
        self._heads[header.log] = (header.cid, header.wid, head)

    def _see(self, entry: StoredEntry, follows: frozenset[str]) -> SeenRecord | None:
        if not entry.envelope.payload:
            return None
        if entry.kind == SEALED:
            return self._see_sealed(entry, follows)
        if entry.kind not in follows:
            return None
        body = body_of(entry.envelope.payload)
        return self._seen(entry, entry.kind, entry.header.refs, body)

    def _see_contested(self, entry: StoredEntry, follows: frozenset[str]) -> Iterator[SeenRecord]:
        """Yield what is known as contested once this entry is read: itself, or what it names."""
        if entry.void is not None:
            void = [entry] if self._store.is_contested(entry) else []
        elif entry.fault is None:
            named = (self._store.entry(ref) for ref in entry.header.refs)
            void = [e for e in named if e is not None and self._is_contested_by(entry, e)]
        else:
            return
        for each in void:
            seen = self._see(each, follows) if each.id not in self._contested else None
            if seen is not None:
                self._contested.add(each.id)
                yield replace(seen, is_contested=True)

    def _is_contested_by(self, entry: StoredEntry, named: StoredEntry) -> bool:
        is_read = named.arrival <= self.cursor and named.header.fid == self._federation.fid
        is_other = named.header.cid != entry.header.cid
        return is_read and is_other and named.void is not None and named.fault is None

    def _see_sealed(self, entry: StoredEntry, follows: frozenset[str]) -> SeenRecord | None:
        """Return what was sealed to us, if its author may publish what is inside (ENV-7)."""
        if not follows & PRIVATE:
            return None
        private = self._open(entry)
        if private is None or private.kind not in follows or private.kind not in PRIVATE:
            return None
        if not self._federation.may(entry.header.cid, private.kind):
            return None
        try:
            return self._seen(entry, private.kind, private.refs, private.body)
        except RemoteProtocolError:
            return None

    def _open(self, entry: StoredEntry) -> Private | None:
        sealed = decode(body_of(entry.envelope.payload), Sealed)
        header = entry.header
        author = Author(header.fid, header.cid, header.wid)
        for public, secret in self._keyring.prekeys:
            try:
                private = open_private(sealed, author=author, public=public, secret=secret)
            except RemoteProtocolError:
                return None
            if private is not None:
                return private
        return None

    def _seen(
        self, entry: StoredEntry, kind: str, refs: Sequence[EntryId], body: bytes
    ) -> SeenRecord | None:
        record = decode_record(kind, body)
        if record is None:
            return None
        header = entry.header
        return SeenRecord(
            id=entry.id,
            cid=header.cid,
            wid=header.wid,
            log=header.log,
            seq=header.seq,
            time_ms=header.time_ms,
            kind=kind,
            refs=tuple(refs),
            record=record,
        )
