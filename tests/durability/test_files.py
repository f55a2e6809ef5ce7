"""Files that are taken away from a running store, or are not what they were when one starts."""

from __future__ import annotations

import sqlite3
from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.durability.flips import fill
from tests.durability.workload import OWN, judge, work, zeros

from sheaf_node.store import Store
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_protocol.digest import EntryId


async def test_a_store_whose_log_was_deleted_stops_and_saves_what_it_acknowledged(
    tmp_path: Path,
) -> None:
    told: dict[int, EntryId] = {}
    store = Store.open(tmp_path / "sheaf.db", random=zeros, own=OWN)
    await work(store, Random(1), told.__setitem__, rounds=3)
    (tmp_path / "sheaf.db-wal").unlink()

    refusal = await work(store, Random(2), told.__setitem__, rounds=1)

    assert refusal is not None
    assert refusal.code == "store.failed"
    assert "sheaf.db-wal" in refusal.detail
    await store.close()
    again = Store.open(tmp_path / "sheaf.db", random=zeros, own=OWN)
    assert told
    assert judge(again, told).is_good
    await again.close()


async def test_a_store_whose_database_was_replaced_acknowledges_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "sheaf.db", random=zeros, own=OWN)
    (tmp_path / "sheaf.db").rename(tmp_path / "older.db")
    (tmp_path / "sheaf.db").write_bytes(b"")

    refusal = await work(store, Random(2), lambda *_: pytest.fail("acknowledged"), rounds=1)

    assert refusal is not None
    assert refusal.code == "store.failed"
    await store.close()


@pytest.mark.parametrize("table", ["logs", "entries", "key_ops"])
async def test_a_store_with_a_page_of_rubbish_is_not_opened(tmp_path: Path, table: str) -> None:
    path = tmp_path / "sheaf.db"
    own = await fill(path)
    connection = sqlite3.connect(path)
    [(size,)] = connection.execute("PRAGMA page_size")
    found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
    [(number,)] = found
    connection.close()
    with path.open("r+b") as file:
        file.seek((number - 1) * size)
        file.write(Random(1).randbytes(size))

    with pytest.raises(Refusal) as refusal:
        Store.open(path, random=zeros, own=own)

    assert refusal.value.code == "store.corrupt"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE logs SET wid = zeroblob(32) WHERE number = 1",
        "UPDATE certificates SET fid = zeroblob(32)",
        "UPDATE fork_proofs SET data = 7",
        "UPDATE key_ops SET data = 7",
    ],
)
async def test_a_store_with_a_row_of_rubbish_is_not_opened(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "sheaf.db"
    own = await fill(path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(sql)
    connection.close()

    with pytest.raises(Refusal) as refusal:
        Store.open(path, random=zeros, own=own)

    assert refusal.value.code == "store.corrupt"


@pytest.mark.parametrize("target", ["folder", "/dev/full"])
def test_a_folder_that_takes_no_lock_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "lock").symlink_to(target)

    with pytest.raises(Refusal) as refusal:
        Store.open(tmp_path / "sheaf.db", random=zeros)

    assert refusal.value.code == "store.unreadable"
