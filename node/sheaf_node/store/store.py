"""The store: what a node holds, made durable before anybody hears of it.

The order of things is the whole point. A decision is made on the planned state and queued without a
wait in between, so decisions follow one another; the writer thread commits them in that order, many
at a time; only then the durable state moves on, the entries can be read, and the caller goes on to
acknowledge them. If the disk fails, nothing that was planned ever became visible.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from sheaf_node.store.audit import verify_own_logs
from sheaf_node.store.folder import FolderLock, OpenFiles, make_file
from sheaf_node.store.frontier import frontier_of
from sheaf_node.store.loading import load_state
from sheaf_node.store.model import ProvenRun
from sheaf_node.store.planned import Planned
from sheaf_node.store.reader import Reader
from sheaf_node.store.recent import Recent
from sheaf_node.store.schema import Connect, open_database, open_reader, whole_file
from sheaf_node.store.writer import Job, MakeWriter, Writer
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import MAX_BATCH_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sheaf_node.clock import Randomness
    from sheaf_node.store.effects import Effects
    from sheaf_node.store.model import Change, HeldLog, StoredEntry, Usage
    from sheaf_node.store.scrub import Damage, Page
    from sheaf_node.store.state import State
    from sheaf_protocol.charter import Chain
    from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, LogId, WriterId
    from sheaf_protocol.fork import ForkProof
    from sheaf_protocol.frontier import LogState
    from sheaf_protocol.identity import KeyHistory, KeyLog, KeyOp
    from sheaf_protocol.link import Cursor

T = TypeVar("T")

QUEUED: Final = 64
"""Changes waiting for the disk, where the caller sets no other limit. Full batches: 16 MiB."""


class Store:
    """One node's logs. All methods are for the thread of one event loop.

    Once the disk has failed, every call raises Refusal `store.failed`; after `close`,
    `store.closed`.
    """

    def __init__(
        self,
        *,
        connection: sqlite3.Connection,
        reader: Reader,
        lock: FolderLock,
        files: OpenFiles,
        state: State,
        on_failure: Callable[[], None] | None,
        queued: int = QUEUED,
        writer: MakeWriter = Writer,
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._lock = lock
        self._files = files
        self._is_to_copy = False  # a file was taken away: closing saves what it held
        self._on_failure = on_failure
        self._durable, self._planned_state = state, state.copy()
        self._in_flight: dict[tuple[LogId, int], StoredEntry] = {}
        self._recent = Recent()
        self._room = asyncio.Semaphore(queued)
        self._refusal: Refusal | None = None
        self._is_closed = False
        self._planned = Planned(self, self._planned_state)
        self.store_id = reader.store_id()
        self.erasures = reader.erasures
        self.retired: frozenset[LogId] = frozenset()
        """Logs that are neither told of nor asked for nor served; see `retire`."""
        self.damages: Mapping[int, Damage] = {}
        """What the newest scrub found, by arrival number."""
        self._writer = writer(connection, self._finished)

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
        writer: MakeWriter = Writer,
    ) -> Store:
        """Return the store in the file at `path`, made or migrated where needed.

        `own` is the writer whose logs are verified first. `on_failure` is called once, on the event
        loop, when the disk fails. `queued` changes may wait for the disk; callers wait beyond it;
        `writer` makes them durable.
        Raises Refusal: `store.locked`, `store.schema_newer`, `store.unreadable`, `store.corrupt`.
        """
        with ExitStack() as undo, whole_file(path):
            make_file(path)
            lock = FolderLock(path.parent)
            undo.callback(lock.release)
            connection = open_database(path, connect, random)
            undo.callback(connection.close)
            reading = open_reader(path, connect)
            undo.callback(reading.close)
            reader = Reader(reading)
            state = load_state(reading)
            if own is not None:
                verify_own_logs(reader, state, own)
            undo.pop_all()
        return cls(
            connection=connection,
            reader=reader,
            lock=lock,
            files=OpenFiles(path),
            state=state,
            on_failure=on_failure,
            queued=queued,
            writer=writer,
        )

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
        recent = self._recent.after(arrival, limit)
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

    def frontier(self, fid: FederationId) -> dict[LogId, LogState]:
        """Return how far each log of a federation is held, as replicas compare it."""
        self._require_usable()
        shown = frontier_of(self._durable, fid, self._reader.entry_at)
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
    ) -> tuple[T, list[StoredEntry]]:
        """Decide on the newest planned state, store what was decided, return when it is durable.

        `decide` is called without a wait before its change is planned, so it needs no lock; it may
        be called while earlier changes are still on their way to the disk. `then` is called when
        the change is durable, even where the caller has been cancelled by then.
        """
        await self._room.acquire()
        try:
            self._require_usable()
            change, result = decide(self._planned)
            effects = self._planned_state.plan(change)
        except BaseException:
            self._room.release()
            raise
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enqueue(effects, done, then)
        await done
        return result, effects.entries

    def planned_entry(self, log: LogId, seq: int) -> StoredEntry | None:
        """Return the entry at a place of a log, durable or on its way to the disk."""
        entry = self._in_flight.get((log, seq))
        held = self._durable.logs.get(log)
        if entry is not None or held is None:
            return entry
        return self._reader.entry_at(held.number, seq)

    def planned_id(self, log: LogId, seq: int) -> EntryId | None:
        """Return the id of the entry at a place of a log, durable or on its way to the disk."""
        entry = self._in_flight.get((log, seq))
        held = self._durable.logs.get(log)
        if entry is not None:
            return entry.id
        return None if held is None else self._reader.id_at(held.number, seq)

    async def close(self) -> None:
        """Commit what is queued, then let go of the files."""
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.to_thread(self._writer.stop)
        self._refusal = self._refusal or Refusal("store.closed", "expected an open store")
        self._close_connections()
        self._lock.release()

    def _enqueue(
        self, effects: Effects, done: asyncio.Future[None], then: Callable[[Effects], None] | None
    ) -> None:
        self._planned_state.absorb(effects)
        for entry in effects.entries:
            self._in_flight[entry.log, entry.header.seq] = entry
        self._planned.note(effects)
        self._writer.put(Job(effects, self._numbers(effects), done, then))

    def _numbers(self, effects: Effects) -> dict[LogId, int]:
        named = (*effects.logs, *effects.sizes, *(log for log, *_ in effects.judged))
        return {log: self._planned_state.logs[log].number for log in named}

    def _finished(self, group: Sequence[Job], error: Exception | None) -> None:
        """Hand a group's outcome from the writer thread to the event loop."""
        with suppress(RuntimeError):  # the loop was closed: nobody is left to tell
            group[0].loop.call_soon_threadsafe(self._settle, group, error)

    def _settle(self, group: Sequence[Job], error: Exception | None) -> None:
        missing = self._files.missing()
        if error is None and missing is not None:  # what was written there is lost with the process
            self._is_to_copy = True
            error = OSError(f"expected {missing} as it was opened; it was deleted")
        if error is not None:
            self._fail(group, error)
            return
        for job in group:
            self._durable.absorb(job.effects)
            self._recent.add(job.effects, self._planned_state.arrival)
            self.erasures.learn(job.effects)
            for entry in job.effects.entries:
                del self._in_flight[entry.log, entry.header.seq]
            self._planned.forget(job.effects)
            self._room.release()
            if job.then is not None:
                job.then(job.effects)
            if not job.done.done():
                job.done.set_result(None)

    def _fail(self, group: Sequence[Job], error: Exception) -> None:
        """Stop for good, and tell all that wait, those still queued included."""
        detail = f"the disk refused a write ({error}); the node must be restarted"
        self._refusal = Refusal("store.failed", detail)
        for job in (*group, *self._writer.abandoned()):
            self._room.release()
            if not job.done.done():
                job.done.set_exception(Refusal("store.failed", detail))
        if self._on_failure is not None:
            self._on_failure()

    def _close_connections(self) -> None:
        """Close both connections; the order decides whether the WAL is copied into the file.

        The last to close does that, if it can write. After a failure nothing may be written any
        more, so the read-only one goes last.
        """
        has_failed = self._refusal is not None and self._refusal.code == "store.failed"
        if has_failed and not self._is_to_copy:
            self._connection.close()
            self._reader.close()
        else:
            self._reader.close()
            self._connection.close()

    def _require_usable(self) -> None:
        if self._refusal is not None:
            raise Refusal(self._refusal.code, self._refusal.detail)
        if self._is_closed:
            raise Refusal("store.closed", "expected an open store")
