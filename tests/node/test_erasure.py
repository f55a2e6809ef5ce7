"""What a node does with entries that are erased, by whatever order it hears of them."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.node.taking import BODY, Bench

from sheaf_node.housekeeping import EVERY_MS, Housekeeping
from sheaf_node.store import Change, Store
from sheaf_node.store.model import ERASED, PAST, WITHHELD
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import ERASE_AFTER_MS, EXPIRE_GRACE_MS, MAX_BATCH_BYTES, RETENTION_MS
from sheaf_protocol.records import Erase, Restore
from sheaf_protocol.testing.author import START_MS, LogAuthor

SECRET = b"the customer's name is in here"
LARGE = SECRET * 1_500
"""A payload that lies on overflow pages of the database."""


def note(author: LogAuthor, body: bytes = SECRET, expires_ms: int = 0) -> Envelope:
    return author.append("x.note", encode({"text": body}), expires_ms=expires_ms)


def bare(envelope: Envelope) -> Envelope:
    return Envelope(envelope.header, envelope.signature, b"")


def housekeeping(bench: Bench, *, kept: tuple[EntryId, ...] = (), days: int = 0) -> Housekeeping:
    return Housekeeping(
        store=bench.store,
        arrivals=bench.arrivals,
        clock=bench.clock,
        keeps=lambda id_: id_ in kept,
        retention_days=days,
    )


async def tidied(bench: Bench, after_ms: int, *, kept: tuple[EntryId, ...] = ()) -> None:
    bench.clock.advance(after_ms)
    await housekeeping(bench, kept=kept).tidy()


def absences(bench: Bench) -> list[tuple[str | None, bool]]:
    """Return of each entry why its payload is not shown, and whether it is here."""
    entries = bench.store.entries_after(0)
    return [(entry.absence, bool(entry.envelope.payload)) for entry in entries]


def passed_on(bench: Bench, author: LogAuthor) -> list[bool]:
    """Return of each entry of a log whether peers get its payload."""
    run = bench.store.log_entries(author.log, 1, 99, MAX_BATCH_BYTES)
    return [bool(entry.envelope.payload) for entry in run.entries]


async def test_erased_entry_is_hidden_and_not_passed_on_at_once(bench: Bench) -> None:
    author = bench.author()
    entry = note(author)
    await bench.receive(entry)

    await bench.receive(author.publish(Erase(entry=entry.id)))

    assert absences(bench) == [(ERASED, True), (None, True)]
    assert passed_on(bench, author) == [False, True]


async def test_erase_that_comes_before_its_target_counts(bench: Bench) -> None:
    """Another writer of the co-op erases, and its log comes first."""
    author, key = bench.author(), signing_key(b"second".ljust(32))
    op = bench.hill.delegate(key, START_MS + 10**9)
    await bench.ingest.receive_key_ops(bench.hill.cid, [op])
    entry = note(author)
    second = LogAuthor(bench.hill, bench.fid, writer=key)
    await bench.receive(second.publish(Erase(entry=entry.id)))

    told = await bench.told(entry)

    assert told == [("new", None)]
    assert absences(bench) == [(None, True), (ERASED, False)]


async def test_erase_of_another_co_op_does_nothing(bench: Bench) -> None:
    entry = note(bench.author())

    await bench.receive(entry, bench.author(bench.dale).publish(Erase(entry=entry.id)))

    assert absences(bench) == [(None, True), (None, True)]


async def test_restore_shows_the_entry_again(bench: Bench) -> None:
    author = bench.author()
    entry = note(author)
    erase = author.publish(Erase(entry=entry.id))
    await bench.receive(entry, erase)

    await bench.receive(author.publish(Restore(erase=erase.id)))

    assert absences(bench)[0] == (None, True)
    assert passed_on(bench, author) == [True, True, True]


async def test_erased_payload_is_deleted_after_three_days_of_our_own_clock(bench: Bench) -> None:
    """Whatever time the erase bears: a thief would back-date it."""
    author = bench.author()
    entry = note(author)
    erase = author.publish(Erase(entry=entry.id))
    bench.clock.advance(ERASE_AFTER_MS)
    await bench.receive(entry, erase)

    await tidied(bench, ERASE_AFTER_MS - 1)
    before = absences(bench)
    await tidied(bench, 1)

    assert (before[0], absences(bench)[0]) == ((ERASED, True), (ERASED, False))
    assert passed_on(bench, author) == [False, True]


async def test_deleted_payload_is_never_taken_again(bench: Bench) -> None:
    author = bench.author()
    entry = note(author)
    await bench.receive(entry, author.publish(Erase(entry=entry.id)))
    await tidied(bench, ERASE_AFTER_MS)

    told = await bench.told(entry)

    assert told == [("known", None)]
    assert absences(bench)[0] == (ERASED, False)


async def test_payload_that_a_service_keeps_is_not_deleted_until_it_lets_go(bench: Bench) -> None:
    author = bench.author()
    entry = note(author)
    await bench.receive(entry, author.publish(Erase(entry=entry.id)))

    await tidied(bench, ERASE_AFTER_MS, kept=(entry.id,))
    kept = absences(bench)[0]
    await tidied(bench, 0)

    assert (kept, absences(bench)[0]) == ((ERASED, True), (ERASED, False))


async def test_erases_beyond_a_cut_erase_nothing(bench: Bench) -> None:
    """The writer's key was stolen; its manager ends it below the thief's erase, in time."""
    author = bench.author()
    entry = note(author)
    last = author.head
    await bench.receive(entry, author.publish(Erase(entry=entry.id)))

    await bench.ingest.receive_key_ops(bench.hill.cid, [bench.hill.close({bench.fid: last})])
    await tidied(bench, 2 * ERASE_AFTER_MS)

    assert absences(bench) == [(None, True), (None, True)]


async def test_payload_that_was_deleted_wrongly_is_asked_for_and_taken_again(bench: Bench) -> None:
    author = bench.author()
    entry = note(author)
    last = author.head
    await bench.receive(entry, author.publish(Erase(entry=entry.id)))
    await tidied(bench, ERASE_AFTER_MS)

    await bench.ingest.receive_key_ops(bench.hill.cid, [bench.hill.close({bench.fid: last})])
    await tidied(bench, 0)
    lacking = [each.id for each in bench.store.absences.lacking(0, 9, None)]
    await bench.receive(entry)

    assert lacking == [entry.id]
    assert absences(bench)[0] == (None, True)


@pytest.mark.parametrize("body", [SECRET, LARGE])
async def test_deleted_payload_is_in_no_file_any_more(
    bench: Bench, tmp_path: Path, body: bytes
) -> None:
    author = bench.author()
    entries = [note(author, b"before" * 40), note(author, body), note(author, b"after" * 40)]
    await bench.receive(*entries, author.publish(Erase(entry=entries[1].id)))
    before = holding(tmp_path)

    await tidied(bench, ERASE_AFTER_MS)

    assert before
    assert holding(tmp_path) == []
    assert absences(bench) == [(None, True), (ERASED, False), (None, True), (None, True)]


@pytest.fixture
def backup(bench: Bench, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another process in the middle of reading the database."""
    connection = sqlite3.connect(tmp_path / "sheaf.db", isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT COUNT(*) FROM entries").fetchone()
    yield connection
    connection.close()


async def test_payload_that_a_reader_holds_in_the_wal_goes_with_a_later_commit(
    bench: Bench, tmp_path: Path, backup: sqlite3.Connection
) -> None:
    author = bench.author()
    entry = note(author)
    await bench.receive(entry, author.publish(Erase(entry=entry.id)))
    await tidied(bench, ERASE_AFTER_MS)
    before = holding(tmp_path)

    backup.execute("COMMIT")
    await bench.receive(note(author, b"later"))

    assert (before, holding(tmp_path)) == (["sheaf.db-wal"], [])


async def test_payload_that_a_crash_left_in_the_wal_is_gone_after_the_start(
    bench: Bench, tmp_path: Path, backup: sqlite3.Connection
) -> None:
    author = bench.author()
    entry = note(author)
    await bench.receive(entry, author.publish(Erase(entry=entry.id)))
    await tidied(bench, ERASE_AFTER_MS)
    copy = copied(tmp_path)
    before = holding(copy)

    store = Store.open(copy / "sheaf.db", random=bytes)

    assert (before, holding(copy)) == (["sheaf.db-wal"], [])
    await store.close()


def holding(folder: Path) -> list[str]:
    """Return the files that hold the secret."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return [path.name for path in files if SECRET in path.read_bytes()]


def copied(folder: Path) -> Path:
    """Return what a crash leaves of a database."""
    copy = folder / "copy"
    copy.mkdir()
    for path in folder.glob("sheaf.db*"):
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


async def test_what_erases_is_kept_whoever_erases_it(bench: Bench) -> None:
    author = bench.author()
    entry = note(author)
    erase = author.publish(Erase(entry=entry.id))
    await bench.receive(entry, erase, author.publish(Erase(entry=erase.id)))

    await tidied(bench, 2 * ERASE_AFTER_MS)

    assert absences(bench) == [(ERASED, False), (None, True), (None, True)]


async def test_erasures_outlive_a_restart(bench: Bench, tmp_path: Path) -> None:
    author = bench.author()
    entry = note(author)
    await bench.receive(entry, author.publish(Erase(entry=entry.id)))
    await bench.store.close()

    again = Store.open(tmp_path / "sheaf.db", random=bytes)

    assert [each.absence for each in again.entries_after(0)] == [ERASED, None]
    assert again.usage == bench.store.usage
    await again.close()


async def test_entry_without_its_payload_is_stored_and_waits_for_it(bench: Bench) -> None:
    author = bench.author()
    entry, later = note(author), note(author, b"later")

    told = await bench.told(bare(entry), later)
    held = [each.no_effect for each in bench.store.entries_after(0)]
    await bench.receive(entry)

    assert told == [("no_effect", WITHHELD), ("new", None)]
    assert held == [WITHHELD, None]
    assert [each.no_effect for each in bench.store.entries_after(0)] == [None, None]


async def test_fault_of_a_payload_that_comes_late_is_found(bench: Bench) -> None:
    author = bench.author()
    entry = author.append("demand.submit", BODY)
    await bench.receive(bare(entry))

    await bench.receive(entry)

    assert [each.fault for each in bench.store.entries_after(0)] == ["schema.invalid"]


async def test_late_payload_that_is_not_canonical_is_refused(bench: Bench) -> None:
    entry = bench.author().append("x.note", b"\xc1")
    await bench.receive(bare(entry))

    told = await bench.told(entry)

    assert told[0][0] == "rejected"
    assert absences(bench) == [(WITHHELD, False)]


async def test_erase_whose_payload_comes_late_counts_from_then_on(bench: Bench) -> None:
    author = bench.author()
    entry = note(author)
    erase = author.publish(Erase(entry=entry.id))
    await bench.receive(entry, bare(erase))
    before = absences(bench)

    await bench.receive(erase)

    assert (before[0], absences(bench)[0]) == ((None, True), (ERASED, True))


async def test_expired_payload_is_deleted_a_week_later(bench: Bench) -> None:
    author = bench.author()
    await bench.receive(note(author, expires_ms=START_MS + 1_000), note(author))

    await tidied(bench, 999 + EXPIRE_GRACE_MS)
    before = absences(bench)
    await tidied(bench, 1)

    assert before == [(None, True), (None, True)]
    assert absences(bench) == [(PAST, False), (None, True)]


async def test_expired_payload_that_a_service_keeps_stays(bench: Bench) -> None:
    author = bench.author()
    first, second = (note(author, expires_ms=START_MS + at) for at in (1, 2))
    await bench.receive(first, second)

    await tidied(bench, 1_000 + EXPIRE_GRACE_MS, kept=(first.id,))

    assert absences(bench) == [(None, True), (PAST, False)]


async def test_expired_entry_without_its_payload_holds_up_nothing(bench: Bench) -> None:
    entry = note(bench.author(), expires_ms=START_MS)

    told = await bench.told(bare(entry))

    assert told == [("new", None)]
    assert absences(bench) == [(PAST, False)]
    assert bench.store.absences.lacking(0, 9, None) == []


async def test_withheld_entry_is_waited_for_until_it_expires(bench: Bench) -> None:
    entry = note(bench.author(), expires_ms=START_MS + 10)
    await bench.receive(bare(entry))

    await tidied(bench, 10)

    assert absences(bench) == [(PAST, False)]


def retired(bench: Bench) -> tuple[LogAuthor, list[Envelope]]:
    """Return a log of three entries, the second erased by the third, of a writer that is closed."""
    author = bench.author()
    first, second = note(author), note(author)
    entries = [first, second, author.publish(Erase(entry=second.id))]
    return author, entries


async def with_retired(bench: Bench) -> LogAuthor:
    """Store that log and one more, and let its writer's time pass."""
    author, entries = retired(bench)
    other = bench.author(bench.dale)
    await bench.receive(*entries, note(other))
    close = bench.hill.close({bench.fid: author.head})
    await bench.ingest.receive_key_ops(bench.hill.cid, [close])
    expires_ms = bench.store.key_logs[bench.hill.cid].writers[bench.hill.wid].expires_ms or 0
    bench.clock.advance(expires_ms + RETENTION_MS + 1 - bench.clock.now_ms())
    return author


async def test_retired_log_is_neither_told_of_nor_served(bench: Bench) -> None:
    author = await with_retired(bench)
    before, control = bench.store.frontier(bench.fid), bench.arrivals.control

    await housekeeping(bench).tidy()

    assert (author.log in before, author.log in bench.store.frontier(bench.fid)) == (True, False)
    assert passed_on(bench, author) == []
    assert bench.arrivals.control == control + 1
    assert bench.store.log_after(author.log, 1)


async def test_log_of_an_open_writer_does_not_retire(bench: Bench) -> None:
    author = bench.author()
    await bench.receive(note(author))

    await tidied(bench, 10 * RETENTION_MS)

    assert author.log in bench.store.frontier(bench.fid)


async def test_retired_log_is_deleted_whole_where_that_is_set(bench: Bench, tmp_path: Path) -> None:
    author = await with_retired(bench)
    newest = bench.store.arrival

    await housekeeping(bench, days=1).tidy()

    assert bench.store.log_after(author.log, 1) == []
    assert [each.header.cid for each in bench.store.entries_after(0)] == [bench.dale.cid]
    assert bench.store.usage[bench.fid, bench.hill.cid].entries == 0
    await bench.store.close()
    again = Store.open(tmp_path / "sheaf.db", random=bytes)
    assert again.arrival == newest
    assert again.key_logs[bench.hill.cid].writers[bench.hill.wid].is_closed
    await again.close()


async def test_numbers_of_deleted_entries_are_not_given_again(bench: Bench, tmp_path: Path) -> None:
    author, entries = retired(bench)
    await bench.receive(*entries)
    await bench.store.commit(Change(forgotten=[author.log]))
    await bench.store.close()

    again = Store.open(tmp_path / "sheaf.db", random=bytes)

    assert (again.arrival, again.entries_after(0)) == (3, [])
    await again.close()


async def test_log_is_kept_for_as_long_as_is_set(bench: Bench) -> None:
    author = await with_retired(bench)

    await housekeeping(bench, days=401).tidy()

    assert bench.store.log_after(author.log, 1)


async def test_log_of_which_a_service_keeps_an_entry_is_not_deleted(bench: Bench) -> None:
    author = await with_retired(bench)
    [first, *_] = bench.store.log_after(author.log, 1)

    await housekeeping(bench, kept=(first.id,), days=1).tidy()

    assert len(bench.store.log_after(author.log, 1)) == 3


async def test_what_lies_beside_the_store_is_tidied_with_it(bench: Bench) -> None:
    told: list[int] = []

    async def beside(now_ms: int) -> None:
        told.append(now_ms)

    await Housekeeping(
        store=bench.store,
        arrivals=bench.arrivals,
        clock=bench.clock,
        keeps=lambda _: False,
        beside=beside,
    ).tidy()

    assert told == [bench.clock.now_ms()]


async def test_what_a_deleted_log_erased_stays_erased(bench: Bench) -> None:
    author, entries = retired(bench)
    await bench.receive(*entries)

    await bench.store.commit(Change(forgotten=[author.log]))
    told = await bench.told(*entries[:2])

    assert told == [("new", None), ("new", None)]
    assert absences(bench) == [(None, True), (ERASED, False)]


async def test_housekeeping_goes_on_by_itself(bench: Bench) -> None:
    author = bench.author()
    first, second = note(author), note(author)
    await bench.receive(first, second, author.publish(Erase(entry=first.id)))
    running = asyncio.create_task(housekeeping(bench).run())

    await hours_until(bench, lambda: absences(bench)[0] == (ERASED, False))
    await bench.receive(author.publish(Erase(entry=second.id)))
    await hours_until(bench, lambda: absences(bench)[1] == (ERASED, False))

    assert bench.clock.now_ms() - START_MS >= 2 * ERASE_AFTER_MS
    running.cancel()


async def hours_until(bench: Bench, is_true: Callable[[], bool]) -> None:
    """Let hours pass until something holds."""
    async with asyncio.timeout(20):
        while not is_true():
            bench.clock.advance(EVERY_MS)
            await asyncio.sleep(0.002)


async def test_fault_while_tidying_is_noted_and_tried_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    author = bench.author()
    entry = note(author)
    await bench.receive(entry, author.publish(Erase(entry=entry.id)))
    asked: list[EntryId] = []

    def keeps(id_: EntryId) -> bool:
        asked.append(id_)
        if len(asked) == 1:
            raise ZeroDivisionError
        return False

    tidying = Housekeeping(
        store=bench.store, arrivals=bench.arrivals, clock=bench.clock, keeps=keeps
    )
    running = asyncio.create_task(tidying.run())
    await hours_until(bench, lambda: absences(bench)[0] == (ERASED, False))

    assert "housekeeping was left undone" in caplog.text
    running.cancel()
