import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sheaf_node.store import Change, NewEntry, Store
from sheaf_protocol.digest import Digest, FederationId
from sheaf_protocol.envelope import Envelope, open_header
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.frontier import LogState
from sheaf_protocol.log import Head, fork_leaf, make_fork_proof
from sheaf_protocol.testing.author import (
    START_MS,
    LogAuthor,
    TestCoop,
    make_coop,
    make_federation,
    unsigned,
)

FID, OTHER_FID = FederationId(bytes(32)), FederationId(b"o" * 32)
BODY = b"\x80"  # an empty map


def zeros(size: int) -> bytes:
    return bytes(size)


def open_store(folder: Path, **options: Any) -> Store:
    return Store.open(folder / "sheaf.db", random=zeros, **options)


def new(envelope: Envelope, **options: Any) -> NewEntry:
    header = open_header(envelope)
    return NewEntry(id=envelope.id, envelope=envelope, header=header, kind=header.kind, **options)


def authored(count: int, coop: TestCoop | None = None) -> tuple[LogAuthor, list[Envelope]]:
    author = LogAuthor(coop or make_coop("Hill Farm"), FID)
    return author, [author.append("x.note", BODY) for _ in range(count)]


async def test_entries_come_back_as_they_were_stored(tmp_path: Path) -> None:
    author, (first, second, third) = authored(3)
    withheld = Envelope(third.header, third.signature, b"")
    store = open_store(tmp_path)

    stored = await store.commit(
        Change(
            entries=[
                new(unsigned(first), proven_by_seq=2),
                new(second, no_effect="policy.role"),
                new(withheld),
            ]
        )
    )

    assert [entry.arrival for entry in stored] == [1, 2, 3]
    assert store.entries_after(0) == stored
    assert store.entries_after(1, 1) == stored[1:2]
    assert [store.entry(e.id) for e in stored] == stored
    assert stored[0].envelope.signature == b""
    assert stored[0].proven_by_seq == 2
    assert stored[1].no_effect == "policy.role"
    assert stored[2].envelope.payload == b""
    assert store.logs[author.log].head == author.head
    await store.close()


async def test_an_unknown_id_has_no_entry(tmp_path: Path) -> None:
    author, (first,) = authored(1)
    store = open_store(tmp_path)

    assert store.entry(first.id) is None
    assert store.log_entries(author.log, 1, 9, 10**6) == []
    await store.close()


async def test_nothing_can_be_read_before_it_is_durable(tmp_path: Path) -> None:
    author, (first,) = authored(1)
    store = open_store(tmp_path)

    committing = asyncio.ensure_future(store.commit(Change(entries=[new(first)])))
    await asyncio.sleep(0)
    heads_before = dict(store.logs)
    await committing

    assert heads_before == {}
    assert store.logs[author.log].head.seq == 1
    await store.close()


async def test_a_reopened_store_knows_all_that_it_knew(tmp_path: Path) -> None:
    hill, dale = make_coop("Hill Farm"), make_coop("Dale Supplies")
    certificate = make_federation([(hill, ["buyer"]), (dale, ["supplier"])])
    author = LogAuthor(hill, certificate.fid)
    twin, one = author.twin(), author.append("x.note", BODY)
    proof = make_fork_proof(one, twin.append("x.note", b"\x90"))
    store = open_store(tmp_path)
    ops = [(coop.cid, op) for coop in (hill, dale) for op in coop.key_ops]
    await store.commit(Change(key_ops=ops, certificates=[certificate], entries=[new(one)]))
    await store.commit(Change(fork_proofs=[proof]))
    before = (store.store_id, store.arrival, dict(store.logs), store.frontier(certificate.fid))
    await store.close()

    again = open_store(tmp_path, own=hill.wid)

    assert before == (
        again.store_id,
        again.arrival,
        dict(again.logs),
        again.frontier(certificate.fid),
    )
    assert again.key_logs == {hill.cid: hill.keys, dale.cid: dale.keys}
    assert again.key_ops(hill.cid, 1) == hill.key_ops[1:]
    assert again.certificates == {certificate.fid: certificate}
    assert again.fork_proofs == {proof.id: proof}
    await again.close()


async def test_changes_brought_at_once_share_a_transaction(tmp_path: Path) -> None:
    commits: list[str] = []
    _, envelopes = authored(40)
    store = open_store(tmp_path, connect=traced(commits))
    commits.clear()

    await asyncio.gather(*(store.commit(Change(entries=[new(e)])) for e in envelopes))

    assert store.arrival == 40
    assert commits.count("COMMIT") <= 3  # the first may go alone; the rest waited for it
    await store.close()


async def test_more_changes_than_the_queue_holds_are_all_stored(tmp_path: Path) -> None:
    _, envelopes = authored(200)
    store = open_store(tmp_path)

    stored = await asyncio.gather(*(store.commit(Change(entries=[new(e)])) for e in envelopes))

    assert [entries[0].arrival for entries in stored] == list(range(1, 201))
    await store.close()


async def test_a_change_that_does_not_fit_sinks_no_other(tmp_path: Path) -> None:
    _, (first, second, third) = authored(3)
    store = open_store(tmp_path)

    results = await asyncio.gather(
        store.commit(Change(entries=[new(first)])),
        store.commit(Change(entries=[new(third)])),
        store.commit(Change(entries=[new(second)])),
        return_exceptions=True,
    )

    assert [entry.id for entry in store.entries_after(0)] == [first.id, second.id]
    assert isinstance(results[1], LocalProtocolError)
    assert results[1].code == "store.conflict"
    await store.close()


async def test_a_change_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    _, (first, _, third) = authored(3)
    store = open_store(tmp_path)

    with pytest.raises(LocalProtocolError):
        await store.commit(Change(entries=[new(first), new(third)]))

    assert store.entries_after(0) == []
    assert not store.logs
    await store.close()


@pytest.mark.parametrize(
    "make_change",
    [
        lambda first: Change(entries=[new(unsigned(first))]),  # nothing proves it
        lambda first: Change(entries=[new(first), new(first)]),  # twice at one place
        lambda _: Change(key_ops=[(make_coop("A").cid, make_coop("B").key_ops[0])]),  # another's
        lambda _: Change(
            certificates=[make_federation([(make_coop("A"), ["buyer"])])] * 2
        ),  # one certificate twice
    ],
)
async def test_a_change_against_the_state_is_refused(
    tmp_path: Path, make_change: Callable[[Envelope], Change]
) -> None:
    _, (first,) = authored(1)
    store = open_store(tmp_path)
    change = make_change(first)

    with pytest.raises(LocalProtocolError) as refusal:
        await store.commit(change)

    assert refusal.value.code == "store.conflict"
    assert store.arrival == 0
    await store.close()


async def test_a_change_is_stored_although_its_caller_went_away(tmp_path: Path) -> None:
    _, (first,) = authored(1)
    store = open_store(tmp_path)
    committing = asyncio.ensure_future(store.commit(Change(entries=[new(first)])))
    await asyncio.sleep(0)

    committing.cancel()
    await store.close()
    again = open_store(tmp_path)

    assert again.arrival == 1
    await again.close()


async def test_closing_commits_what_is_queued(tmp_path: Path) -> None:
    _, envelopes = authored(20)
    store = open_store(tmp_path)
    waiting = [asyncio.ensure_future(store.commit(Change(entries=[new(e)]))) for e in envelopes]
    await asyncio.sleep(0)

    await store.close()
    await asyncio.gather(*waiting)

    with pytest.raises(Refusal) as refusal:
        store.entries_after(0)
    assert refusal.value.code == "store.closed"


async def test_no_decision_is_made_while_as_many_changes_wait_as_are_allowed(
    tmp_path: Path,
) -> None:
    _, (first, second) = authored(2)
    store = open_store(tmp_path, queued=1)
    arrivals = []

    async def commit(envelope: Envelope) -> None:
        def decide(_: object) -> tuple[Change, None]:
            arrivals.append(store.arrival)
            return Change(entries=[new(envelope)]), None

        await store.transact(decide)

    await asyncio.gather(commit(first), commit(second))

    assert arrivals == [0, 1]  # the second waited until the first was durable
    await store.close()


async def test_a_closed_store_refuses_changes_and_closes_once(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.close()
    await store.close()

    with pytest.raises(Refusal) as refusal:
        await store.commit(Change())

    assert refusal.value.code == "store.closed"


# --- forks and cuts


async def test_a_fork_takes_the_effect_of_all_from_there_on(tmp_path: Path) -> None:
    author, before = authored(2)
    twin, ours = author.twin(), [author.append("x.note", BODY) for _ in range(2)]
    proof = make_fork_proof(ours[0], twin.append("x.note", b"\x90"))
    store = open_store(tmp_path)
    await store.commit(Change(entries=[new(e) for e in (*before, *ours)]))

    await store.commit(Change(fork_proofs=[proof]))

    effects = [entry.no_effect for entry in store.entries_after(0)]
    assert effects == [None, None, "log.forked", "log.forked"]
    assert store.voids == 1
    assert store.frontier(FID)[author.log] == LogState(
        seq=3, head=fork_leaf(author.log, 3, before[-1].id), is_forked=True
    )
    await store.close()


async def test_a_lower_fork_proof_takes_the_place_of_a_higher_one(tmp_path: Path) -> None:
    author = LogAuthor(make_coop("Hill Farm"), FID)
    twin = author.twin()
    ours = [author.append("x.note", BODY) for _ in range(3)]
    theirs = [twin.append("x.note", b"\x90") for _ in range(3)]
    high, low = make_fork_proof(ours[2], theirs[2]), make_fork_proof(ours[0], theirs[0])
    store = open_store(tmp_path)
    await store.commit(Change(entries=[new(e) for e in ours]))

    await store.commit(Change(fork_proofs=[high]))
    await store.commit(Change(fork_proofs=[low]))
    with pytest.raises(LocalProtocolError):
        await store.commit(Change(fork_proofs=[high]))

    assert {entry.no_effect for entry in store.entries_after(0)} == {"log.forked"}
    assert store.logs[author.log].forked_at == 1
    assert store.fork_proofs == {low.id: low}
    await store.close()


async def test_a_forked_log_looks_incomplete_until_all_below_the_fork_is_held(
    tmp_path: Path,
) -> None:
    author, (first, second) = authored(2)
    twin = author.twin()
    proof = make_fork_proof(author.append("x.note", BODY), twin.append("x.note", b"\x90"))
    store = open_store(tmp_path)

    await store.commit(Change(fork_proofs=[proof]))
    at_none = store.frontier(FID)
    await store.commit(Change(entries=[new(first)]))
    at_one = store.frontier(FID)
    await store.commit(Change(entries=[new(second)]))

    assert at_none == {}
    assert at_one[author.log].seq == 1
    assert store.frontier(FID)[author.log].is_forked
    await store.close()


async def test_a_cut_takes_the_effect_of_all_beyond_it(tmp_path: Path) -> None:
    coop = make_coop("Hill Farm")
    author, before = authored(2, coop)
    cut = author.head
    beyond = [author.append("x.note", BODY) for _ in range(2)]
    store = open_store(tmp_path)
    await store.commit(Change(key_ops=[(coop.cid, op) for op in coop.key_ops]))
    await store.commit(Change(entries=[new(e) for e in (*before, *beyond)]))

    await store.commit(Change(key_ops=[(coop.cid, coop.close({FID: cut}))]))

    effects = [entry.no_effect for entry in store.entries_after(0)]
    assert effects == [None, None, "key.closed", "key.closed"]
    assert store.voids == 1
    assert store.frontier(FID) == {author.log: LogState(seq=2, head=Digest(cut.id))}
    await store.close()


async def test_each_log_of_a_writer_is_cut_at_the_number_of_its_federation(
    tmp_path: Path,
) -> None:
    coop = make_coop("Hill Farm")
    here, there, unlisted = (
        LogAuthor(coop, fid) for fid in (FID, OTHER_FID, FederationId(b"u" * 32))
    )
    envelopes = [a.append("x.note", BODY) for a in (here, there, unlisted) for _ in range(3)]
    first = Head(seq=1, id=envelopes[0].id, time_ms=START_MS)
    store = open_store(tmp_path)
    await store.commit(Change(key_ops=[(coop.cid, op) for op in coop.key_ops]))
    await store.commit(Change(entries=[new(e) for e in envelopes]))

    close = coop.close({FID: first, OTHER_FID: there.head})
    await store.commit(Change(key_ops=[(coop.cid, close)]))

    effects = [entry.no_effect for entry in store.entries_after(0)]
    assert effects == [None, *["key.closed"] * 2, *[None] * 3, *["key.closed"] * 3]
    assert store.voids == 2
    assert store.frontier(FID) == {here.log: LogState(seq=1, head=Digest(first.id))}
    assert store.frontier(OTHER_FID) == {there.log: LogState(seq=3, head=Digest(there.head.id))}
    assert store.frontier(unlisted.fid) == {}
    await store.close()


@pytest.mark.parametrize("count", [2, 3])
async def test_a_log_of_another_past_than_its_cut_ends_before_it(
    tmp_path: Path, count: int
) -> None:
    coop = make_coop("Hill Farm")
    author = LogAuthor(coop, FID)
    thief = author.twin()
    for _ in range(2):
        author.append("x.note", BODY)
    stolen = [thief.append("x.note", b"\x90") for _ in range(count)]
    store = open_store(tmp_path)
    await store.commit(Change(key_ops=[(coop.cid, op) for op in coop.key_ops]))
    await store.commit(Change(entries=[new(e) for e in stolen]))

    await store.commit(Change(key_ops=[(coop.cid, coop.close({FID: author.head}))]))

    effects = [entry.no_effect for entry in store.entries_after(0)]
    assert effects == [None, *["key.closed"] * (count - 1)]
    assert store.voids == 1
    assert store.frontier(FID) == {thief.log: LogState(seq=1, head=Digest(stolen[0].id))}
    await store.close()


@pytest.mark.parametrize("is_cut_first", [True, False])
async def test_a_fork_below_a_cut_outweighs_it_in_either_order(
    tmp_path: Path, is_cut_first: bool
) -> None:
    coop = make_coop("Hill Farm")
    author = LogAuthor(coop, FID)
    twin = author.twin()
    ours = [author.append("x.note", BODY) for _ in range(3)]
    proof = make_fork_proof(ours[0], twin.append("x.note", b"\x90"))
    store = open_store(tmp_path)
    await store.commit(Change(key_ops=[(coop.cid, op) for op in coop.key_ops]))
    await store.commit(Change(entries=[new(e) for e in ours]))
    close = Change(key_ops=[(coop.cid, coop.close({FID: author.head}))])
    changes = [close, Change(fork_proofs=[proof])]

    for change in changes if is_cut_first else reversed(changes):
        await store.commit(change)

    assert {entry.no_effect for entry in store.entries_after(0)} == {"log.forked"}
    assert store.frontier(FID)[author.log].is_forked
    await store.close()


async def test_entries_stored_with_the_change_that_voids_them_say_so(tmp_path: Path) -> None:
    author, (first,) = authored(1)
    twin, second = author.twin(), author.append("x.note", BODY)
    proof = make_fork_proof(second, twin.append("x.note", b"\x90"))
    store = open_store(tmp_path)

    stored = await store.commit(Change(entries=[new(first), new(second)], fork_proofs=[proof]))

    assert [entry.no_effect for entry in stored] == [None, "log.forked"]
    assert store.entries_after(0) == stored
    await store.close()


async def test_entries_beyond_a_cut_are_stored_without_effect(tmp_path: Path) -> None:
    coop = make_coop("Hill Farm")
    author, within = authored(1, coop)
    ops = [*coop.key_ops, coop.close({FID: author.head})]
    store = open_store(tmp_path)

    stored = await store.commit(
        Change(
            key_ops=[(coop.cid, op) for op in ops],
            entries=[new(e) for e in (*within, author.append("x.note", BODY))],
        )
    )

    assert [entry.no_effect for entry in stored] == [None, "key.closed"]
    await store.close()


async def test_a_closed_log_looks_incomplete_until_its_cut_is_held(tmp_path: Path) -> None:
    coop = make_coop("Hill Farm")
    author, (first, _) = authored(2, coop)
    ops = [*coop.key_ops, coop.close({FID: author.head})]
    store = open_store(tmp_path)

    await store.commit(Change(key_ops=[(coop.cid, op) for op in ops], entries=[new(first)]))

    assert store.frontier(FID) == {author.log: LogState(seq=1, head=Digest(first.id))}
    await store.close()


# --- ranges


async def ranged(folder: Path, signed: set[int], count: int = 8) -> tuple[Store, LogAuthor]:
    author, envelopes = authored(count)
    store = open_store(folder)
    await store.commit(
        Change(
            entries=[
                new(e) if seq in signed else new(unsigned(e), proven_by_seq=count)
                for seq, e in enumerate(envelopes, 1)
            ]
        )
    )
    return store, author


@pytest.mark.parametrize(
    ("signed", "first", "last", "expected"),
    [
        (set(range(1, 9)), 3, 5, [3, 4, 5]),  # as asked
        ({8}, 3, 5, [3, 4, 5, 6, 7, 8]),  # on to what proves them
        ({4, 8}, 3, 5, [3, 4, 5, 6, 7, 8]),  # the last asked for must be proven too
        ({4}, 3, 9, [3, 4]),  # the rest has no proof in the log
        ({4}, 5, 9, [5, 6, 7, 8]),  # none at all: a control item proves it
    ],
)
async def test_a_range_ends_where_a_signature_proves_it(
    tmp_path: Path, signed: set[int], first: int, last: int, expected: list[int]
) -> None:
    store, author = await ranged(tmp_path, signed)

    entries = store.log_entries(author.log, first, last, 10**6)

    assert [entry.header.seq for entry in entries] == expected
    await store.close()


@pytest.mark.parametrize(
    ("signed", "expected"),
    [
        (set(range(1, 9)), [1, 2]),  # as many as fit
        ({1, 8}, [1]),  # back to the last signature
        ({8}, list(range(1, 9))),  # never none
    ],
)
async def test_a_range_stops_where_its_bytes_run_out(
    tmp_path: Path, signed: set[int], expected: list[int]
) -> None:
    store, author = await ranged(tmp_path, signed)
    two_entries = sum(e.envelope.size for e in store.entries_after(0, 2)) + 70

    entries = store.log_entries(author.log, 1, 8, two_entries)

    assert [entry.header.seq for entry in entries] == expected
    await store.close()


# --- the file


def traced(statements: list[str]) -> Callable[..., sqlite3.Connection]:
    class Traced(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            statements.append(sql)
            return super().execute(sql, *args)

    return lambda *args, **options: sqlite3.connect(*args, factory=Traced, **options)


def failing(at: str) -> Callable[..., sqlite3.Connection]:
    """Return connections whose statements that begin with `at` fail like a full disk."""

    class Failing(sqlite3.Connection):
        is_armed = False

        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if sql.startswith(at) and Failing.is_armed:
                raise sqlite3.OperationalError("database or disk is full")
            # Opening, which commits too, is over when the reader looks for the store's id.
            Failing.is_armed = Failing.is_armed or sql.startswith("SELECT value FROM store")
            return super().execute(sql, *args)

    return lambda *args, **options: sqlite3.connect(*args, factory=Failing, **options)


@pytest.mark.parametrize("at", ["BEGIN", "COMMIT"])
async def test_a_disk_error_stops_the_store_for_good(tmp_path: Path, at: str) -> None:
    failures: list[bool] = []
    _, envelopes = authored(3)
    store = open_store(tmp_path, connect=failing(at), on_failure=lambda: failures.append(True))

    results = await asyncio.gather(
        *(store.commit(Change(entries=[new(e)])) for e in envelopes), return_exceptions=True
    )

    assert [getattr(result, "code", None) for result in results] == ["store.failed"] * 3
    assert failures == [True]
    assert not store.logs
    for call in (
        lambda: store.entries_after(0),
        lambda: store.entry(envelopes[0].id),
        lambda: store.frontier(FID),
    ):
        with pytest.raises(Refusal) as refusal:
            call()
        assert refusal.value.code == "store.failed"
    await store.close()


async def test_nothing_of_a_failed_commit_is_there_after_a_restart(tmp_path: Path) -> None:
    _, (first,) = authored(1)
    store = open_store(tmp_path, connect=failing("COMMIT"))
    with pytest.raises(Refusal):
        await store.commit(Change(entries=[new(first)]))
    await store.close()

    again = open_store(tmp_path)

    assert again.arrival == 0
    await again.commit(Change(entries=[new(first)]))
    await again.close()


async def test_callers_that_wait_for_room_hear_of_a_failure(tmp_path: Path) -> None:
    _, envelopes = authored(100)
    store = open_store(tmp_path, connect=failing("COMMIT"))

    results = await asyncio.gather(
        *(store.commit(Change(entries=[new(e)])) for e in envelopes), return_exceptions=True
    )

    assert {getattr(result, "code", None) for result in results} == {"store.failed"}
    await store.close()


async def test_a_second_store_in_one_folder_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path)

    with pytest.raises(Refusal) as refusal:
        open_store(tmp_path)

    assert refusal.value.code == "store.locked"
    assert str(tmp_path) in refusal.value.detail
    await store.close()
    await open_store(tmp_path).close()


async def test_a_store_of_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    await open_store(tmp_path).close()
    path = tmp_path / "sheaf.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('sheaf.store', '9999_future', 'then')"
        )
    connection.close()
    before = path.read_bytes()

    with pytest.raises(Refusal) as refusal:
        open_store(tmp_path)

    assert refusal.value.code == "store.schema_newer"
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sheaf.db").write_bytes(b"no database" * 1000)

    with pytest.raises(Refusal) as refusal:
        open_store(tmp_path)

    assert refusal.value.code == "store.unreadable"


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Refusal) as refusal:
        Store.open(tmp_path / "file" / "sheaf.db", random=zeros)

    assert refusal.value.code == "store.unreadable"


async def test_the_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    store = open_store(tmp_path)

    modes = {
        name: (tmp_path / name).stat().st_mode & 0o077 for name in ("sheaf.db", "sheaf.db-wal")
    }

    assert set(modes.values()) == {0}
    await store.close()


async def damaged(tmp_path: Path, sql: str) -> TestCoop:
    """Return the author of a store of which one row was changed behind its back."""
    coop = make_coop("Hill Farm")
    _, envelopes = authored(5, coop)
    store = open_store(tmp_path)
    await store.commit(Change(key_ops=[(coop.cid, op) for op in coop.key_ops]))
    await store.commit(Change(entries=[new(e) for e in envelopes]))
    await store.close()
    with sqlite3.connect(tmp_path / "sheaf.db") as connection:
        connection.execute(sql)
    connection.close()
    return coop


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entries SET payload = zeroblob(length(payload)) WHERE seq = 3",  # a payload
        "UPDATE entries SET signature = zeroblob(64) WHERE seq = 2",  # a signature
        "UPDATE entries SET id = zeroblob(32) WHERE seq = 5",  # the head's id
        "UPDATE entries SET header = (SELECT header FROM entries WHERE seq = 1) WHERE seq = 4",
        "DELETE FROM entries WHERE seq = 2",  # a hole
        "DELETE FROM key_ops WHERE seq = 0",  # the key log's beginning
    ],
)
async def test_a_damaged_own_log_is_not_opened(tmp_path: Path, sql: str) -> None:
    coop = await damaged(tmp_path, sql)

    with pytest.raises(Refusal) as refusal:
        open_store(tmp_path, own=coop.wid)

    assert refusal.value.code == "store.corrupt"


async def test_an_own_log_fetched_back_without_each_signature_is_opened(tmp_path: Path) -> None:
    coop = make_coop("Hill Farm")
    _, (first, second) = authored(2, coop)
    store = open_store(tmp_path)
    await store.commit(Change(entries=[new(unsigned(first), proven_by_seq=2), new(second)]))
    await store.close()

    await open_store(tmp_path, own=coop.wid).close()


async def test_a_damaged_copy_of_another_log_does_not_stop_the_node(tmp_path: Path) -> None:
    await damaged(tmp_path, "UPDATE entries SET payload = zeroblob(9) WHERE seq = 3")

    await open_store(tmp_path, own=make_coop("Dale Supplies").wid).close()
