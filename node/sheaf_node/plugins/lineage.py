"""The lines of writers in one federation, as far as its entries were read (spec chapter 18).

Services fold the entries of a line in its order. So a reader asks here whether an entry has to wait
for the log of a writer that its own one succeeded, and whether what was shown of a line would be
shown otherwise by now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.ingest.succession import SUCCEED, said_by, succession_of
from sheaf_protocol.digest import log_id
from sheaf_protocol.lineage import OPENING, Lineage, changes, lineage
from sheaf_protocol.retention import is_retired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sheaf_node.store import Store, StoredEntry
    from sheaf_protocol.digest import CoopId, EntryId, FederationId, LogId, WriterId
    from sheaf_protocol.identity import Cut, KeyLog
    from sheaf_protocol.lineage import Link, Succession

_ALONE = Lineage()


class Lineages:
    """What one reader knows of lines, and what it has shown of them."""

    def __init__(
        self, store: Store, fid: FederationId, own: CoopId, now_ms: Callable[[], int]
    ) -> None:
        self._store, self._fid, self._now_ms = store, fid, now_ms
        self._said: dict[CoopId, dict[EntryId, Succession]] = {}
        self._spoken: set[LogId] = set()
        """Logs in which something else than what may precede a succession was read."""
        self._read: dict[LogId, int] = {}
        self._lineages: dict[CoopId, tuple[KeyLog, Lineage]] = {}
        self._shown: dict[tuple[CoopId, WriterId], Link | None] = {}
        # Our own line is asked for before anything is read.
        self.take_up(said_by(store.logs, store.planned_entry, fid, own))

    def take_up(self, entries: Iterable[StoredEntry]) -> None:
        """Learn successions that were found before, as far as they still have effect."""
        for entry in entries:
            said = succession_of(entry)
            if said is not None:
                cid = entry.header.cid
                self._said.setdefault(cid, {})[entry.id] = said
                if self._changes(cid, said):
                    self._lineages.pop(cid, None)

    def known(self) -> Sequence[StoredEntry]:
        """Return the entries of all successions that were read, for a reader that begins anew."""
        ids = [id_ for said in self._said.values() for id_ in said]
        return [entry for entry in map(self._store.entry, ids) if entry is not None]

    @property
    def is_outdated(self) -> bool:
        """Whether a writer that was shown stands elsewhere by now, so that all is read anew."""
        return any(
            self.link(cid, wid) != shown
            for (cid, wid), shown in self._shown.items()
            if cid in self._said
        )

    def link(self, cid: CoopId, wid: WriterId) -> Link | None:
        """Return where a writer stands in its line; None where it is alone in it."""
        return self._lineage(cid).links.get(wid)

    def show(self, cid: CoopId, wid: WriterId) -> Link | None:
        """Return the same, and note that it was shown."""
        return self._shown.setdefault((cid, wid), self.link(cid, wid))

    def waits(self, entry: StoredEntry) -> bool:
        """Return whether an entry is not read for now, and learn what it says of its line.

        The entries of a log are to be given in order, each again after it had to wait.
        """
        header = entry.header
        if entry.kind == SUCCEED and entry.log not in self._spoken:
            self.take_up([entry])
        cid, wid, seq = header.cid, header.wid, header.seq
        if cid in self._said and self._has_to_wait(cid, wid, seq):
            return True
        if entry.kind not in OPENING:
            self._spoken.add(entry.log)
        self._read[entry.log] = seq
        return False

    def _changes(self, cid: CoopId, said: Succession) -> bool:
        """Return whether a succession changes the lines known: nearly none of a flood of them does.

        A new key log judges all of them again.
        """
        known = self._lineages.get(cid)
        return known is None or changes(known[0], self._fid, known[1], said)

    def _has_to_wait(self, cid: CoopId, wid: WriterId, seq: int) -> bool:
        known = self._lineage(cid)
        if seq >= known.pending.get(wid, seq + 1):
            return True
        waits_for = known.link(wid).waits_for
        return not all(
            self._is_read(cid, before, cut) for at, (before, cut) in waits_for.items() if at <= seq
        )

    def _is_read(self, cid: CoopId, wid: WriterId, cut: Cut) -> bool:
        """Return whether all that ever counts of a writer's log was read.

        A fork or the leaving of its co-op may end it below its cut. A retired log need not be to be
        had any more: then what is here has to do.
        """
        log = log_id(self._fid, cid, wid)
        held, writer = self._store.logs.get(log), self._store.key_logs[cid].writers[wid]
        ends = [cut.seq]
        if held is not None and held.forked_at is not None:
            ends.append(held.forked_at - 1)
        chain = self._store.chains.get(self._fid)
        left = None if chain is None else chain.federation.cut_of(cid, wid)
        if left is not None:
            ends.append(left.seq)
        if is_retired(writer, self._now_ms()):
            ends.append(0 if held is None else held.head.seq)
        return self._read.get(log, 0) >= min(ends)

    def _lineage(self, cid: CoopId) -> Lineage:
        said = self._said.get(cid)
        if said is None:
            return _ALONE
        keys = self._store.key_logs[cid]
        known = self._lineages.get(cid)
        if known is None or known[0] is not keys:
            known = self._lineages[cid] = (keys, lineage(keys, self._fid, said.values()))
        return known[1]
