import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.node.storing import (
    FID,
    authored,
    keys,
    new,
    open_store,
    zeros,
)

from sheaf_node.store import Change, Store
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.author import (
    TestCoop,
    make_coop,
    unsigned,
)


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
    await store.commit(keys(coop))
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
        "UPDATE entries SET proof = zeroblob(64) WHERE seq = 2",  # a signature
        "UPDATE entries SET proof = zeroblob(65) WHERE seq = 2",  # what should be one
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
    await store.commit(Change(entries=[new(unsigned(first)), new(second)]))
    await store.close()

    await open_store(tmp_path, own=coop.wid).close()


async def test_a_damaged_copy_of_another_log_does_not_stop_the_node(tmp_path: Path) -> None:
    await damaged(tmp_path, "UPDATE entries SET payload = zeroblob(9) WHERE seq = 3")

    await open_store(tmp_path, own=make_coop("Dale Supplies").wid).close()
