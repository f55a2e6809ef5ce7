"""The store: what a node holds, made durable before anybody hears of it.

What is read here is what is durable; `committing.py` has the way there.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, TypeVar

from sheaf_node.store.admission import QUEUED, Admission
from sheaf_node.store.committing import Committing
from sheaf_node.store.database import open_store
from sheaf_node.store.frontier import frontier_of
from sheaf_node.store.model import ProvenRun
from sheaf_node.store.writer import MakeWriter, Writer
from sheaf_node.turns import Turns
from sheaf_protocol.limits import MAX_BATCH_ENTRIES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from sheaf_node.clock import Randomness
    from sheaf_node.store.database import Database
    from sheaf_node.store.effects import Effects
    from sheaf_node.store.model import Change, HeldLog, StoredEntry, Usage
    from sheaf_node.store.planned import Planned
    from sheaf_node.store.reader import Reader
    from sheaf_node.store.schema import Connect
    from sheaf_node.store.scrub import Damage, Page
    from sheaf_node.store.state import State
    from sheaf_protocol.charter import Chain
    from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, LogId, WriterId
    from sheaf_protocol.fork import ForkProof
    from sheaf_protocol.frontier import LogState
    from sheaf_protocol.identity import KeyHistory, KeyLog, KeyOp
    from sheaf_protocol.link import Cursor

T = TypeVar("T")


class Store:
    """One node's logs. All methods are for the thread of one event loop.

    Once the disk has failed, every call raises Refusal `store.failed`; after `close`,
    `store.closed`.
    """

    def __init__(
        self,
        database: Database,
        state: State,
        *,
        on_failure: Callable[[], None] | None,
        admission: Admission,
        writer: MakeWriter = Writer,
    ) -> None:
        self._durable, self._reader = state, database.reader
        self.store_id = self._reader.store_id()
        self.erasures = self._reader.erasures
        self.retired: frozenset[LogId] = frozenset()
        """Logs that are neither told of nor asked for nor served; see `retire`."""
        self.damages: Mapping[int, Damage] = {}
        """What the newest scrub found, by arrival number."""
        self._committing = Committing(
            database,
            state,
            retired=lambda: self.retired,
            on_failure=on_failure,
            admission=admission,
            writer=writer,
        )
        self._require_usable = self._committing.require_usable

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        random: Randomness,
        own: WriterId | None = None,
        on_failure: Callable[[], None] | None = None,
        connect: Connect = sqlite3.connect,
        queued: int = QUEUED,
        turns: Turns | None = None,
        writer: MakeWriter = Writer,
    ) -> Store:
        """Return the store in the file at `path`, made or migrated where needed.

        `own` is the writer whose logs are verified first. `on_failure` is called once, on the event
        loop, when the disk fails. `queued` changes may wait for the disk; callers wait beyond it,
        and peers' changes for their turn; `writer` makes them durable.
        Raises Refusal: `store.locked`, `store.schema_newer`, `store.unreadable`, `store.corrupt`.
        """
        database, state = open_store(path, connect, random, own)
        admission = Admission(queued, turns or Turns())
        return cls(database, state, on_failure=on_failure, admission=admission, writer=writer)

    @property
    def arrival(self) -> int:
        """The arrival number of the newest durable entry; 0 when there is none."""
        return self._durable.arrival

    @property
    def voids(self) -> int:
        """How often since opening entries stored before lost their effect or got it back.

        A fork or a cut takes it; a key log whose other branch wins may do either, and so may a
        certificate. Whoever folds entries begins again when it has changed.
        """
        return self._durable.voids.total()

    def voids_in(self, fid: FederationId) -> int:
        """Return how many of those were in one federation."""
        return self._durable.voids[fid]

    @property
    def logs(self) -> Mapping[LogId, HeldLog]:
        """The logs held, with their durable heads."""
        return self._durable.logs

    @property
    def key_logs(self) -> Mapping[CoopId, KeyLog]:
        """The key logs held, folded to the state in force."""
        return self._durable.key_logs

    @property
    def key_histories(self) -> Mapping[CoopId, KeyHistory]:
        """Of each key log the path in force, and beside it the rival where it is frozen."""
        return self._durable.key_histories

    def anchors_of(self, cid: CoopId) -> frozenset[Digest]:
        """Return the heads of a co-op's key log that no other branch undoes."""
        return self._durable.anchors_of(cid)

    @property
    def chains(self) -> Mapping[FederationId, Chain]:
        """The certificates held of each federation, from its genesis on."""
        return self._durable.chains

    @property
    def fork_proofs(self) -> Mapping[Digest, ForkProof]:
        """The fork proofs held: of each forked log the lowest."""
        return self._durable.fork_proofs

    def key_ops(self, cid: CoopId, first: int = 0) -> Sequence[KeyOp]:
        """Return the operations of a key log's path from number `first` on."""
        history = self._durable.key_histories.get(cid)
        return () if history is None else history.path[first:]

    def entry(self, id_: EntryId) -> StoredEntry | None:
        """Return the entry with this id, or None."""
        self._require_usable()
        return self._reader.entry(id_)

    def entries_after(self, arrival: int, limit: int = 512) -> list[StoredEntry]:
        """Return the next entries in the order in which this store took them."""
        self._require_usable()
        recent = self._committing.recent.after(arrival, limit)
        return self._reader.entries_after(arrival, limit) if recent is None else list(recent)

    def log_entries(
        self, log: LogId, first: int, last: int, max_bytes: int, most: int = MAX_BATCH_ENTRIES
    ) -> ProvenRun:
        """Return entries `first` to `last` of a log, or as many of them as fit, with their proof.

        See `Reader.log_entries`. Empty where nothing from `first` on is held.
        """
        self._require_usable()
        held = self._durable.logs.get(log)
        if held is None or first > held.head.seq or log in self.retired:
            return ProvenRun()
        return self._reader.log_entries(held.number, first, last, max_bytes=max_bytes, most=most)

    def is_contested(self, entry: StoredEntry) -> bool:
        """Return whether an entry is void and yet one of another co-op that counts names it.

        The other relied on it, so what its author owes by it is not gone.
        """
        self._require_usable()
        is_void = entry.void is not None and entry.fault is None
        return is_void and self._reader.is_contested(entry.id, entry.header.cid)

    def frontier(
        self, fid: FederationId, only: Iterable[LogId] | None = None
    ) -> dict[LogId, LogState]:
        """Return how far logs of a federation are held, as replicas compare it: all, or `only` some
        of those held."""
        self._require_usable()
        shown = frontier_of(self._durable, fid, self._reader.entry_at, only)
        return {log: state for log, state in shown.items() if log not in self.retired}

    def retire(self, logs: frozenset[LogId]) -> bool:
        """Leave these logs out from now on, and no others; return whether that changes anything."""
        before, self.retired = self.retired, logs
        return logs != before

    @property
    def usage(self) -> Mapping[tuple[FederationId, CoopId], Usage]:
        """What each co-op's entries of a federation take up."""
        return self._durable.usage

    def log_after(self, log: LogId, seq: int, limit: int = 512) -> list[StoredEntry]:
        """Return the entries of a log from a number on, as services see them."""
        self._require_usable()
        held = self._durable.logs.get(log)
        return [] if held is None else self._reader.log_after(held.number, seq, limit)

    def promises(self) -> list[StoredEntry]:
        """Return the entries of kind `writer.promise`, void or not, in the order of arrival."""
        self._require_usable()
        return self._reader.promises()

    def ids_like(self, start: bytes) -> list[EntryId]:
        """Return two entries at most whose ids begin so."""
        self._require_usable()
        rest = 32 - len(start)
        return self._reader.ids_like(start + bytes(rest), start + b"\xff" * rest)

    @property
    def absences(self) -> Reader:
        """Queries about payloads that are not here, or are to go."""
        self._require_usable()
        return self._reader

    @property
    def receipts(self) -> Reader:
        """Queries about receipts; one on its way to the disk is not found: see `is_planned`."""
        self._require_usable()
        return self._reader

    def is_planned(self, receipt: Digest) -> bool:
        """Return whether a receipt is on its way to the disk, and not found yet."""
        return receipt in self._committing.planned.receipts

    def changed_after(self, arrival: int) -> set[LogId]:
        """Return the logs that took in entries after an arrival number."""
        return {log for log, held in self._durable.logs.items() if held.arrival > arrival}

    def cursor(self, peer: WriterId, fid: FederationId) -> Cursor | None:
        """Return when a peer last held what we hold of a federation, or None."""
        return self._durable.cursors.get((peer, fid))

    def scrub(self, arrival: int, limit: int) -> Page:
        """Check the next rows in the order of arrival, byte by byte."""
        self._require_usable()
        return self._reader.scrub(arrival, limit)

    async def commit(self, change: Change) -> list[StoredEntry]:
        """Store a change and return its entries once they are durable.

        Raises LocalProtocolError `store.conflict` where the change does not follow what was
        planned before; nothing of it is then stored.
        """
        _, entries = await self.transact(lambda _: (change, None))
        return entries

    async def transact(
        self,
        decide: Callable[[Planned], tuple[Change, T]],
        *,
        then: Callable[[Effects], None] | None = None,
        is_foreign: bool = False,
    ) -> tuple[T, list[StoredEntry]]:
        """Decide on the newest planned state, store what was decided, return when it is durable.

        `decide` is called without a wait before its change is planned, so it needs no lock; it may
        be called while earlier changes are still on their way to the disk. `then` is called when
        the change is durable, even where the caller has been cancelled by then. For `is_foreign`
        see `begin`.
        """
        result, entries, done = await self.begin(decide, then=then, is_foreign=is_foreign)
        await done
        return result, entries

    async def begin(
        self,
        decide: Callable[[Planned], tuple[Change, T]],
        *,
        then: Callable[[Effects], None] | None = None,
        is_foreign: bool = False,
    ) -> tuple[T, list[StoredEntry], asyncio.Future[None]]:
        """Decide and queue as `transact` does; return without waiting for the disk.

        The future ends when the change is durable. What peers brought, `is_foreign`, waits for its
        turn, and leaves some places to what this node does itself.
        """
        return await self._committing.begin(decide, then, is_foreign=is_foreign)

    def planned_entry(self, log: LogId, seq: int) -> StoredEntry | None:
        """Return the entry at a place of a log, durable or on its way to the disk."""
        return self._committing.planned.entry_at(log, seq)

    def planned_id(self, log: LogId, seq: int) -> EntryId | None:
        """Return the id of the entry at a place of a log, durable or on its way to the disk."""
        return self._committing.planned.id_at(log, seq)

    async def close(self) -> None:
        """Commit what is queued, then let go of the files."""
        await self._committing.close()
