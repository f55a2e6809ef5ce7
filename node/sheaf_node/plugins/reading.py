"""From stored entries to the records that a service follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_node.plugins.service import SeenRecord
from sheaf_node.store.model import CLOSED, FORKED
from sheaf_protocol.codec import decode
from sheaf_protocol.envelope import SEALED, body_of
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.log import Head
from sheaf_protocol.records import PRIVATE, decode_record
from sheaf_protocol.sealing import Author, Private, Sealed, open_private

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    def __init__(self, store: Store, keyring: Keyring, federation: Federation) -> None:
        self.cursor = 0
        self._store = store
        self._keyring = keyring
        self._federation = federation
        self._heads: dict[LogId, tuple[CoopId, WriterId, Head]] = {}

    def heads(self) -> Sequence[tuple[CoopId, WriterId, Head]]:
        """Return the last entry read of each log that counts, in the order of log ids."""
        return [head for _, head in sorted(self._heads.items())]

    def next_batch(self, limit: int, follows: frozenset[str]) -> Batch:
        """Return the next entries' records of the kinds followed."""
        entries = self._store.entries_after(self.cursor, limit)
        records = []
        for entry in entries:
            self.cursor = entry.arrival
            if entry.header.fid != self._federation.fid:
                continue
            self._note_head(entry)
            seen = self._see(entry, follows)
            if seen is not None:
                records.append(seen)
        return Batch(records, len(entries))

    def _note_head(self, entry: StoredEntry) -> None:
        """Note how far a log was read. From a fork or cut on replicas hold different entries, so
        what they are to agree on ends before it.
        """
        if entry.no_effect in {FORKED, CLOSED}:
            return
        header = entry.header
        head = Head(seq=header.seq, id=entry.id, time_ms=header.time_ms)
        self._heads[header.log] = (header.cid, header.wid, head)

    def _see(self, entry: StoredEntry, follows: frozenset[str]) -> SeenRecord | None:
        if entry.no_effect is not None or not entry.envelope.payload:
            return None
        if entry.kind == SEALED:
            return self._see_sealed(entry, follows)
        if entry.kind not in follows:
            return None
        body = body_of(entry.envelope.payload)
        return self._seen(entry, entry.kind, entry.header.refs, body)

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
