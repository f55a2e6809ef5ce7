"""A home of a copy: whole, marked, and nowhere where something is."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlite_utils import Database

from sheaf_node.backup import (
    lay_down,
)
from sheaf_node.backup.manifest import FileOf
from sheaf_node.keyring import KEYS, read_files
from sheaf_node.recovery import is_marked
from sheaf_node.store import DATABASE, Change, Store
from sheaf_node.store.migrations import MIGRATIONS, SCHEMAS
from sheaf_protocol.proof import Tail, encode_proof
from sheaf_protocol.testing.author import START_MS, unsigned
from sheaf_protocol.testing.chain import tail_over

from .backing import (
    Backed,
    change,
    heads,
    left_in,
    listed_anew,
    make_backed,
    make_written,
    refused,
    told,
)
from .storing import keys, new

_FORGET_STEP = "DELETE FROM _sqlite_migrations WHERE id = (SELECT MAX(id) FROM _sqlite_migrations)"


@pytest.fixture
async def hill(tmp_path: Path) -> Backed:
    return await make_written(tmp_path / "hill")


def store_id(database: Path) -> list[bytes]:
    with closing(sqlite3.connect(database)) as connection:
        sql = "SELECT value FROM store WHERE key = 'store_id'"
        return [value for (value,) in connection.execute(sql)]


async def test_a_copy_becomes_a_home_that_goes_on(hill: Backed, tmp_path: Path) -> None:
    manifest = hill.snapshot(tmp_path / "copy")

    lay_down(manifest, tmp_path / "copy", tmp_path / "new", now_ms=START_MS)

    assert heads(tmp_path / "new") == told(manifest)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert read_files(tmp_path / "new").files == read_files(hill.home).files
    store = Store.open(tmp_path / "new" / DATABASE, random=os.urandom, own=hill.coop.wid)
    assert store.arrival == 5
    await store.close()
    assert left_in(tmp_path) == ["copy", "hill", "new"]


async def test_a_restored_store_passes_for_another(hill: Backed, tmp_path: Path) -> None:
    manifest = hill.snapshot(tmp_path / "copy")

    lay_down(manifest, tmp_path / "copy", tmp_path / "new", now_ms=START_MS)
    without = store_id(tmp_path / "new" / DATABASE)
    store = Store.open(tmp_path / "new" / DATABASE, random=os.urandom, own=hill.coop.wid)
    await store.close()

    assert without == []
    assert store_id(tmp_path / "new" / DATABASE) != store_id(hill.home / DATABASE)


def test_a_restored_home_is_marked_as_recovering(hill: Backed, tmp_path: Path) -> None:
    manifest = hill.snapshot(tmp_path / "copy")

    lay_down(manifest, tmp_path / "copy", tmp_path / "new", now_ms=START_MS)

    assert is_marked(tmp_path / "new")
    assert not is_marked(hill.home)


def test_nothing_is_laid_over_what_is_there(hill: Backed, tmp_path: Path) -> None:
    manifest = hill.snapshot(tmp_path / "copy")
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    for target in (hill.home, tmp_path / "file", tmp_path / "link"):
        refused(
            lambda to=target: lay_down(manifest, tmp_path / "copy", to, now_ms=START_MS),
            "backup.exists",
        )

    assert heads(hill.home) == told(manifest)


def test_an_empty_folder_may_be_where_the_home_goes(hill: Backed, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()

    lay_down(hill.snapshot(tmp_path / "copy"), tmp_path / "copy", tmp_path / "new", now_ms=START_MS)

    assert (tmp_path / "new" / DATABASE).exists()


@pytest.mark.parametrize("name", ["sheaf.toml", "sheaf.db", "keys/writer.key"])
def test_a_file_that_changed_since_makes_no_home(hill: Backed, tmp_path: Path, name: str) -> None:
    manifest = hill.snapshot(tmp_path / "copy")
    data = bytearray((tmp_path / "copy" / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "copy" / name).write_bytes(data)

    refused(
        lambda: lay_down(manifest, tmp_path / "copy", tmp_path / "new", now_ms=START_MS),
        "backup.damaged",
    )

    assert left_in(tmp_path) == ["copy", "hill"]


def test_a_file_that_is_gone_makes_no_home(hill: Backed, tmp_path: Path) -> None:
    manifest = hill.snapshot(tmp_path / "copy")
    (tmp_path / "copy" / "sheaf.toml").unlink()

    refused(
        lambda: lay_down(manifest, tmp_path / "copy", tmp_path / "new", now_ms=START_MS),
        "backup.read",
    )


@pytest.mark.parametrize("name", ["sheaf.toml", "sheaf.db"])
def test_a_copy_of_no_whole_home_makes_none(hill: Backed, tmp_path: Path, name: str) -> None:
    manifest = hill.snapshot(tmp_path / "copy")
    (tmp_path / "copy" / name).unlink()
    fewer = listed_anew(manifest, tmp_path / "copy")

    refused(
        lambda: lay_down(fewer, tmp_path / "copy", tmp_path / "new", now_ms=START_MS),
        "backup.unsound",
    )


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("DELETE FROM entries WHERE seq = 5", "backup.unsound"),
        ("UPDATE entries SET payload = x'00' WHERE seq = 2", "store.corrupt"),
        ("UPDATE entries SET id = zeroblob(32) WHERE seq = 3", "store.corrupt"),
        ("UPDATE entries SET proof = zeroblob(64) WHERE seq = 5", "store.corrupt"),
        ("DELETE FROM entries WHERE seq = 1", "store.corrupt"),
        ("UPDATE entries SET header = x'00' WHERE seq = 5", "store.corrupt"),
        ("DROP TABLE cursors", "store.corrupt"),
        (_FORGET_STEP, "backup.unsound"),
    ],
    ids=[
        "ends_earlier",
        "payload",
        "id",
        "signature",
        "begins_later",
        "head",
        "table_gone",
        "other_schema",
    ],
)
def test_a_store_that_was_unsound_when_it_was_copied_makes_no_home(
    hill: Backed, tmp_path: Path, statement: str, code: str
) -> None:
    manifest = hill.snapshot(tmp_path / "copy")
    change(tmp_path / "copy" / DATABASE, statement)
    anew = listed_anew(manifest, tmp_path / "copy")

    refused(lambda: lay_down(anew, tmp_path / "copy", tmp_path / "new", now_ms=START_MS), code)

    assert left_in(tmp_path) == ["copy", "hill"]


def test_a_store_of_a_newer_version_waits_for_that_version(hill: Backed, tmp_path: Path) -> None:
    manifest = replace(hill.snapshot(tmp_path / "copy"), schema="0099_later")

    detail = refused(
        lambda: lay_down(manifest, tmp_path / "copy", tmp_path / "new", now_ms=START_MS),
        "backup.schema",
    )

    assert "got 0099_later" in detail


async def test_a_store_of_an_older_version_is_restored_as_it_is(tmp_path: Path) -> None:
    old = make_backed(tmp_path / "hill")
    with closing(sqlite3.connect(old.home / DATABASE, isolation_level=None)) as connection:
        MIGRATIONS.apply(Database(connection), stop_before=SCHEMAS[-1])

    manifest = old.snapshot(tmp_path / "copy")
    lay_down(manifest, tmp_path / "copy", tmp_path / "new", now_ms=START_MS)

    assert manifest.schema == SCHEMAS[-2]
    with closing(sqlite3.connect(tmp_path / "new" / DATABASE)) as connection:
        names = [each.name for each in MIGRATIONS.applied(Database(connection))]
    assert names == list(SCHEMAS[:-1])
    store = Store.open(tmp_path / "new" / DATABASE, random=os.urandom)
    await store.close()


def test_a_store_of_a_newer_version_is_not_backed_up_by_this_one(
    hill: Backed, tmp_path: Path
) -> None:
    change(
        hill.home / DATABASE,
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('sheaf.store', '0099_later', '')",
    )

    refused(lambda: hill.snapshot(tmp_path / "copy"), "store.schema_newer")


def test_the_keys_of_another_coop_make_no_home(hill: Backed, tmp_path: Path) -> None:
    manifest = hill.snapshot(tmp_path / "copy")
    other = make_backed(tmp_path / "mill")
    for path in (tmp_path / "copy" / KEYS).iterdir():
        path.unlink()
    for path in (other.home / KEYS).iterdir():
        path.rename(tmp_path / "copy" / KEYS / path.name)
    names = [f"{KEYS}/{path.name}" for path in (tmp_path / "copy" / KEYS).iterdir()]
    kept = [each for each in manifest.files if not each.name.startswith(KEYS)]
    listed = [*kept, *(FileOf(name=name, sha256=b"\0" * 32, size=0) for name in names)]
    mixed = listed_anew(replace(manifest, files=listed), tmp_path / "copy")

    refused(
        lambda: lay_down(mixed, tmp_path / "copy", tmp_path / "new", now_ms=START_MS), "backup.coop"
    )


async def test_an_own_log_that_came_back_from_peers_is_proven_by_its_tail(tmp_path: Path) -> None:
    hill = make_backed(tmp_path / "hill")
    first, second = (hill.author.append("x.note", b"\x80") for _ in range(2))
    store = Store.open(hill.home / DATABASE, random=os.urandom)
    await store.commit(keys(hill.coop))
    await store.commit(Change(entries=[new(unsigned(first), tail=tail_over([second]))]))
    await store.close()

    manifest = hill.snapshot(tmp_path / "copy")
    lay_down(manifest, tmp_path / "copy", tmp_path / "new", now_ms=START_MS)
    forged = encode_proof(Tail([second.header], bytes(64)))
    with closing(sqlite3.connect(tmp_path / "copy" / DATABASE, isolation_level=None)) as connection:
        connection.execute("UPDATE entries SET proof = ?", (forged,))
    anew = listed_anew(manifest, tmp_path / "copy")

    refused(
        lambda: lay_down(anew, tmp_path / "copy", tmp_path / "forged", now_ms=START_MS),
        "store.corrupt",
    )
