"""From stored entries to the records that a service follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sheaf_node.keyring import lost_prekeys
from sheaf_node.plugins.lineage import Lineages
from sheaf_node.plugins.service import Extension, SeenRecord
from sheaf_node.store.model import WITHHELD
from sheaf_protocol.codec import decode
from sheaf_protocol.envelope import SEALED, body_of
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import PREKEY_LIFETIME_MS
from sheaf_protocol.log import Head
from sheaf_protocol.records import PRIVATE, decode_record
from sheaf_protocol.records.extension import extension_json, is_extension
from sheaf_protocol.sealing import Author, Private, Sealed, open_private
from sheaf_protocol.subscription import Filter, awaits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sheaf_node.crossing import Crossings
    from sheaf_node.keyring import Keyring
    from sheaf_node.store import Store, StoredEntry
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId, EntryId, LogId, WriterId
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.records import Record
    from sheaf_protocol.treaty import Crossed


_JUDGED: Final = 64
"""Entries looked through for imports before the loop gets its turn: each may take a millisecond."""


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
        crossings: Crossings | None = None,
        *,
        now_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        """`crossings` is what came into the federation from others, where that is wanted.

        By `now_ms` logs are known as retired, which others may not have any more.
        """
        self.cursor = 0
        self.lineages = Lineages(store, federation.fid, keyring.cid, now_ms)
        """Which writers follow on one another."""
        self._crossings = crossings
        self._version = 0 if crossings is None else crossings.version
        self._crossed = 0
        """How many of the crossings were read."""
        self._subscription = subscription or Filter()
        self._waiting: dict[LogId, StoredEntry] = {}
        """Of each log that is not read on the entry that it waits for (ENV-39)."""
        self._store = store
        self._keyring = keyring
        self._federation = federation
        self._heads: dict[LogId, tuple[CoopId, WriterId, Head]] = {}
        self._contested: set[EntryId] = set()
        """What was shown as contested already."""
        self.lost: dict[EntryId, CoopId] = {}
        """Bodies sealed to a prekey of ours whose secret is gone, and who sent them (ENV-44)."""

    def heads(self) -> Sequence[tuple[CoopId, WriterId, Head]]:
        """Return the last entry read of each log that counts, in the order of log ids.

        Without those of writers that have yet to take over from the one they succeed.
        """
        heads = (head for _, head in sorted(self._heads.items()))
        return [(cid, wid, head) for cid, wid, head in heads if self._has_begun(cid, wid, head)]

    @property
    def is_waiting(self) -> bool:
        """Whether a log is not read on, so that its records will come behind later ones."""
        return bool(self._waiting)

    def line_of(self, cid: CoopId, wid: WriterId) -> WriterId:
        """Return the line of a writer, by its first writer."""
        link = self.lineages.show(cid, wid)
        return wid if link is None else link.root

    def place_of(self, cid: CoopId, wid: WriterId, seq: int) -> tuple[WriterId, int]:
        """Return the line of a writer, and where an entry of its log stands in it."""
        link = self.lineages.show(cid, wid)
        return (wid, seq) if link is None else (link.root, link.place_of(seq))

    @property
    def is_outdated(self) -> bool:
        """Whether all is to be read anew: writers follow on one another otherwise than was shown,
        or something that crossed counts no more, or otherwise.
        """
        if self.lineages.is_outdated:
            return True
        if self._crossings is None or self._crossed == 0:
            return False
        return self._crossings.version != self._version

    def next_batch(
        self,
        limit: int,
        follows: frozenset[str],
        *,
        sees_contested: bool = False,
        abroad: frozenset[str] = frozenset(),
    ) -> Batch:
        """Return the next entries' records of the kinds followed; contested ones only if asked.

        After those of the federation come those of the kinds in `abroad` that crossed into it.
        """
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
        if entries or not abroad or self._crossings is None:
            return Batch(records, len(entries))
        return self._next_crossed(limit, abroad, self._crossings)

    def _next_crossed(self, limit: int, abroad: frozenset[str], crossings: Crossings) -> Batch:
        """Return the next records that crossed, or that more may follow."""
        has_moved = crossings.advance(min(limit, _JUDGED))
        if self._crossed == 0:
            self._version = crossings.version
        if self.is_outdated:
            return Batch([], 0)
        items = crossings.shown[self._crossed : self._crossed + limit]
        self._crossed += len(items)
        found = [self._see_crossed(item.crossed, abroad) for item in items if item.crossed]
        return Batch([seen for seen in found if seen is not None], len(items) + has_moved)

    def _see_crossed(self, crossed: Crossed, abroad: frozenset[str]) -> SeenRecord | None:
        header, record = crossed.header, crossed.record
        if isinstance(record, Sealed):
            seen = self._see_private(crossed.id, header, record, abroad)
        elif record is None or header.kind not in abroad:
            return None
        else:
            seen = _seen(crossed.id, header, header.kind, header.refs, record)
        return None if seen is None else replace(seen, home=header.fid)

    def _waits(self, entry: StoredEntry) -> bool:
        """Return whether an entry is not read for now: its payload may come, or one before it."""
        before = self._waiting.get(entry.log)
        if before is not None and before.header.seq <= entry.header.seq:
            return True
        is_missing = entry.absence == WITHHELD and entry.void is None
        is_awaited = is_missing and awaits(self._subscription, entry.kind)
        if is_awaited or self.lineages.waits(entry):
            self._waiting[entry.log] = entry
            return True
        return False

    def _has_begun(self, cid: CoopId, wid: WriterId, head: Head) -> bool:
        link = self.lineages.link(cid, wid)
        return link is None or head.seq >= link.begins

    def _resumed(self, limit: int) -> Sequence[StoredEntry]:
        """Return the next entries that had to wait, of a log that has to wait no more.

        They are read in the order of their log, and up to where the others were read.
        """
        for log, waiting in self._waiting.items():
            again = self._store.entry(waiting.id)
            if again is not None and self._still_waits(again):
                continue
            del self._waiting[log]
            held = self._store.log_after(log, waiting.header.seq, limit + 1)
            found = [entry for entry in held if entry.arrival <= self.cursor]
            if len(found) > limit:
                self._waiting[log] = found[limit]
            return found[:limit]
        return []

    def _still_waits(self, entry: StoredEntry) -> bool:
        is_missing = entry.absence == WITHHELD and entry.void is None
        return (is_missing and awaits(self._subscription, entry.kind)) or (
            self.lineages.waits(entry)
        )

    def _note_head(self, entry: StoredEntry) -> None:
        """Note how far a log was read. From a fork or cut on replicas hold different entries, so
        what they are to agree on ends before it.
        """
        if entry.void is not None:
            return
        header = entry.header
        head = Head(seq=header.seq, id=entry.id, time_ms=header.time_ms)
        self._heads[entry.log] = (header.cid, header.wid, head)

    def _see(self, entry: StoredEntry, follows: frozenset[str]) -> SeenRecord | None:
        if not entry.envelope.payload:
            return None
        if entry.kind == SEALED:
            return self._see_sealed(entry, follows)
        if entry.kind not in follows:
            return None
        record = _record(entry.kind, body_of(entry.envelope.payload))
        if record is None:
            return None
        return self._placed(entry.id, entry.header, entry.kind, entry.header.refs, record)

    def _placed(
        self,
        id_: EntryId,
        header: Header,
        kind: str,
        refs: Sequence[EntryId],
        record: Record | Extension,
    ) -> SeenRecord:
        """Return a record with its place in its log and in its writer's line."""
        seen = _seen(id_, header, kind, refs, record)
        # Lines are those of one federation: what crossed stands by itself.
        if header.fid != self._federation.fid:
            return seen
        link = self.lineages.show(header.cid, header.wid)
        return seen if link is None else replace(seen, link=link)

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
        if not follows & PRIVATE:
            return None
        sealed = decode(body_of(entry.envelope.payload), Sealed)
        return self._see_private(entry.id, entry.header, sealed, follows)

    def _see_private(
        self, id_: EntryId, header: Header, sealed: Sealed, follows: frozenset[str]
    ) -> SeenRecord | None:
        """Return what was sealed to us, if its author may publish what is inside (ENV-7)."""
        if not follows & PRIVATE:
            return None
        private = self._open(id_, header, sealed)
        if private is None or private.kind not in follows or private.kind not in PRIVATE:
            return None
        if not self._may(header, private.kind):
            return None
        try:
            record = decode_record(private.kind, private.body)
        except RemoteProtocolError:
            return None
        if record is None:
            return None
        return self._placed(id_, header, private.kind, private.refs, record)

    def _may(self, header: Header, kind: str) -> bool:
        """Return whether an author may publish a kind at this place, by the newest certificates."""
        charters = None
        if self._crossings is not None:
            charters = self._crossings.control.federations.get(header.fid)
        if charters is None:
            charters = self._federation
        return charters.standing(header.cid, header.wid, header.seq).may(kind)

    def _open(self, id_: EntryId, header: Header, sealed: Sealed) -> Private | None:
        author = Author(header.fid, header.cid, header.wid)
        for public, secret in self._keyring.prekeys:
            try:
                private = open_private(sealed, author=author, public=public, secret=secret)
            except RemoteProtocolError:
                return None
            if private is not None:
                return private
        own = self._store.key_logs.get(self._keyring.cid)
        lost = () if own is None else lost_prekeys(self._keyring, own)
        # ENV-44: no hint tells whose it is, but a sender takes the newest that is on offer.
        if any(0 <= p.expires_ms - header.time_ms <= PREKEY_LIFETIME_MS for p in lost):
            self.lost[id_] = header.cid
        return None


def _record(kind: str, body: bytes) -> Record | Extension | None:
    """Return the record of a body that its node keeps; None for a kind that nobody knows."""
    if not is_extension(kind):
        return decode_record(kind, body)
    value = extension_json(body)
    return None if value is None else Extension(kind, value)


def _seen(
    id_: EntryId, header: Header, kind: str, refs: Sequence[EntryId], record: Record | Extension
) -> SeenRecord:
    return SeenRecord(
        id=id_,
        cid=header.cid,
        wid=header.wid,
        log=header.log,
        seq=header.seq,
        time_ms=header.time_ms,
        kind=kind,
        refs=tuple(refs),
        record=record,
    )
