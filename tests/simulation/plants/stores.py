"""Bugs between a decision and the disk: told too early, written in part, or believed too much."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.simulation.disk import Disk
from tests.simulation.planted import around, change, mutant, ran

from sheaf_node.peering.live import own_batches
from sheaf_node.peering.peering import Peering
from sheaf_node.plugins.host import ServiceHost
from sheaf_node.plugins.reading import Reader
from sheaf_node.store import writer as writer_room
from sheaf_node.store.committing import Committing
from sheaf_node.store.effects import Effects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sheaf_node.store import Store

DISKS = ("expiry-race", "general", "disk")


def _calling(body: Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    return lambda original: lambda *args: body(original, *args)


def _write_early(*, is_lying: bool, name: str) -> None:
    """Let a node hear of a group when it is written, and lose it if death comes before its fsync.

    `is_lying`: the ledger is told as early, as if the disk had said that it is safe.
    """
    before: dict[int, bytes] = {}

    def begin(original: Any, disk: Disk) -> None:
        original(disk)
        wal = disk.home / "sheaf.db-wal"
        before[id(disk)] = wal.read_bytes() if wal.exists() else b""
        disk._transactions.commit(disk._under_way)
        ran(name)
        if is_lying:
            disk.on_commit(disk._under_way)
        disk._finished(disk._under_way, None)

    def sync(_: Any, disk: Disk, group: Sequence[Any]) -> None:
        if not disk._under_way:
            return
        disk._under_way = ()
        if not is_lying:
            disk.on_commit(group)
        disk._is_busy = False
        if disk._waiting:
            disk._begin()

    def survive(original: Any, disk: Disk, into: Path) -> Path:
        was_under_way, disk._under_way = disk._under_way, ()
        home: Path = original(disk, into)
        if was_under_way:
            (home / "sheaf.db-wal").write_bytes(before[id(disk)])
        return home

    def stop(original: Any, disk: Disk) -> None:
        disk._under_way = ()
        original(disk)

    for attribute, body in (
        ("_begin", begin),
        ("_sync", sync),
        ("survive", survive),
        ("stop", stop),
    ):
        change(Disk, attribute, _calling(body))


@mutant("I1 I5 I6 I13", profiles=DISKS, budget=64)
def acknowledges_before_the_fsync() -> None:
    """A store says that a change is durable when it is written and not yet synced."""
    _write_early(is_lying=False, name="acknowledges_before_the_fsync")


@mutant("I13", profiles=DISKS, budget=64)
def log_is_not_synced() -> None:
    """The write-ahead log is not synced (`synchronous=OFF`): what a power cut leaves is shorter."""
    _write_early(is_lying=True, name="log_is_not_synced")


@mutant("I1 I2 I5 I6 I7 I8 I13", profiles=("disk", "general"), budget=32)
def swallows_errors_of_the_disk() -> None:
    """A failed commit is reported as a success, and the store goes on."""

    def make(original: Any) -> Any:
        def finished(store: Committing, group: Sequence[Any], error: Exception | None) -> None:
            if error is None:
                original(store, group, None)
                return
            ran("swallows_errors_of_the_disk")
            disk = store._writer
            original(store, group, None)
            assert isinstance(disk, Disk)
            disk._has_failed = disk._is_busy = False
            if disk._waiting:
                disk._begin()

        return finished

    change(Committing, "_finished", make)


@mutant("I6", profiles=DISKS, budget=128)
def pushes_before_the_commit() -> None:
    """A node sends its new entries to its peers before they are on its own disk."""
    peerings: dict[int, Peering] = {}

    def made(original: Any, peering: Peering, **parts: Any) -> None:
        original(peering, **parts)
        peerings[id(parts["store"]._committing)] = peering

    def enqueue(
        original: Any, store: Committing, effects: Effects, *rest: Any, **named: Any
    ) -> None:
        original(store, effects, *rest, **named)
        peering = peerings.get(id(store))
        if peering is None:
            return
        for live in own_batches(effects.entries, peering._keyring.wid):
            for session in peering._links.values():
                ran("pushes_before_the_commit")
                session.push(live)

    change(Peering, "__init__", lambda original: lambda *a, **parts: made(original, *a, **parts))
    change(
        Committing, "_enqueue", lambda original: lambda *args, **n: enqueue(original, *args, **n)
    )


@mutant("I13", profiles=DISKS, budget=128)
def entry_and_effects_in_two_transactions() -> None:
    """Entries are committed first, and what they bring with them in a transaction of its own."""

    def commit(original: Any, transactions: Any, group: Sequence[Any]) -> None:
        if any(job.effects.has_control or job.effects.has_payloads for job in group):
            original(transactions, group)
            return
        refs = writer_room._SQL.pop("refs")
        try:
            original(transactions, group)
        finally:
            writer_room._SQL["refs"] = refs
        rows = [
            (target, entry.arrival)
            for job in group
            for entry in job.effects.entries
            for target in sorted(set(entry.header.refs))
        ]
        if rows:
            ran("entry_and_effects_in_two_transactions")
            transactions._connection.execute("BEGIN IMMEDIATE")
            transactions._connection.executemany(refs, rows)
            transactions._connection.execute("COMMIT")

    def without_refs(original: Any, rows: Any, job: Any) -> None:
        if "refs" in rows:
            original(rows, job)
            return
        rows["refs"] = []
        original(rows, job)
        del rows["refs"]

    change(
        writer_room.Transactions, "commit", lambda original: lambda *args: commit(original, *args)
    )
    change(writer_room, "_add_rows", lambda original: lambda *args: without_refs(original, *args))


@mutant("I13", profiles=DISKS, budget=128)
def batch_is_stored_entry_by_entry() -> None:
    """The entries of one change are committed one by one, so that death leaves a part of them."""

    def commit(original: Any, transactions: Any, group: Sequence[Any]) -> None:
        for job in group:
            effects = job.effects
            if effects.has_control or effects.has_payloads or len(effects.entries) < 2:
                original(transactions, [job])
                continue
            ran("batch_is_stored_entry_by_entry")
            for at, entry in enumerate(effects.entries):
                one = Effects(entries=[entry])
                if at == 0:
                    one = replace(effects, entries=[entry])
                original(transactions, [replace(job, effects=one)])

    change(
        writer_room.Transactions, "commit", lambda original: lambda *args: commit(original, *args)
    )


@mutant("I2 I3 I7", budget=32)
def forgets_at_restart() -> None:
    """A service does not fold what was stored before its node started."""

    def body(original: Any, reader: Reader, store: Store, *rest: Any, **named: Any) -> None:
        original(reader, store, *rest, **named)
        reader.cursor = store.arrival

    change(Reader, "__init__", around("forgets_at_restart", body))


@mutant("I2 I3 I4")
def decides_without_its_last_word() -> None:
    """A service decides again before it has read what it published."""

    def make(original: Any) -> Any:
        async def take_turn(host: ServiceHost, tasks: Any) -> None:
            host._waking.take_up()
            await host._read()
            for _ in range(2):
                ran("decides_without_its_last_word")
                host._context.begin()
                host.service.decide()
                await host._publish_own()
            host._waking.note_decided(host._context.wake_ms, is_refused=False)

        return take_turn

    change(ServiceHost, "_take_turn", make)


@mutant("I3", profiles=("general",))
def command_is_carried_out_twice() -> None:
    """A command publishes all that it asked for two times."""

    def make(original: Any) -> Any:
        async def publish(host: ServiceHost, *args: Any) -> bool:
            ran("command_is_carried_out_twice")
            publications = host._context.publications
            publications._items = [item for item in publications._items for _ in range(2)]
            return bool(await original(host, *args))

        return publish

    change(ServiceHost, "_publish", make)
