"""A copy of a home: what goes with it, and what is not copied at all."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sheaf_node.backup import (
    lay_down,
    snapshot,
)
from sheaf_node.blobs import Blobs
from sheaf_node.keyring import KEYS, Passphrase, read_files
from sheaf_node.keyring.protection import protect
from sheaf_node.keyring.secret_file import LEAST
from sheaf_node.store import DATABASE, Store
from sheaf_node.store.migrations import SCHEMAS
from sheaf_protocol.testing.author import START_MS

from .backing import (
    Backed,
    change,
    create,
    heads,
    left_in,
    make_backed,
    make_written,
    refused,
    told,
)
from .storing import FID

SHARED = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
CHARTER = f"{'ab' * 32}.charter"


@pytest.fixture
async def hill(tmp_path: Path) -> Backed:
    return await make_written(tmp_path / "hill")


def test_a_copy_holds_the_home_and_nothing_of_the_process(hill: Backed, tmp_path: Path) -> None:
    home = hill.home
    for folder in ("federations", "recovery", "recovering"):
        (home / folder).mkdir()
    for name in (f"federations/{CHARTER}", f"federations/{'ab' * 32}.seen", "federations/x.new"):
        (home / name).write_bytes(b"charter")
    for name in ("api.token", "list.csv", "recovery/marker", "recovering/x"):
        (home / name).write_bytes(b"not this")

    manifest = hill.snapshot(tmp_path / "copy")

    keys = {f"keys/{name}" for name in read_files(home).files}
    federations = {f"federations/{CHARTER}", f"federations/{'ab' * 32}.seen"}
    assert manifest.names == {"sheaf.db", "sheaf.toml"} | keys | federations
    copied = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*.*")}
    assert copied | {"keys/key_log"} == manifest.names


def test_a_copy_says_where_the_logs_end(hill: Backed, tmp_path: Path) -> None:
    manifest = hill.snapshot(tmp_path / "copy")

    assert told(manifest) == heads(hill.home) == heads(tmp_path / "copy")
    assert (manifest.cid, manifest.wid) == (hill.coop.cid, hill.coop.wid)
    assert [last.fid for last in manifest.heads] == [FID]
    assert manifest.schema == SCHEMAS[-1]


def test_keys_under_a_passphrase_are_copied_without_it(hill: Backed, tmp_path: Path) -> None:
    protect(read_files(hill.home), Passphrase("hare"), random=os.urandom, cost=LEAST)

    manifest = hill.snapshot(tmp_path / "copy")

    assert manifest.wid == hill.coop.wid
    assert read_files(tmp_path / "copy").files == read_files(hill.home).files


async def test_a_store_in_use_is_copied_as_it_was_committed(hill: Backed, tmp_path: Path) -> None:
    store = Store.open(hill.home / DATABASE, random=os.urandom, own=hill.coop.wid)

    manifest = hill.snapshot(tmp_path / "copy")

    assert [last.seq for last in manifest.heads] == [5]
    await store.close()


async def test_blobs_are_copied_where_they_are_asked_for(hill: Backed, tmp_path: Path) -> None:
    blobs = Blobs(hill.home)
    ref = await blobs.add(b"map", FID, START_MS)
    await blobs.close()

    without = hill.snapshot(tmp_path / "without")
    manifest = hill.snapshot(tmp_path / "copy", blobs=True)
    lay_down(manifest, tmp_path / "copy", tmp_path / "new", now_ms=START_MS)

    assert not any("blob" in name for name in without.names)
    assert {"blobs.db", f"blobs/{ref.id.hex()}"} < manifest.names
    again = Blobs(tmp_path / "new")
    assert await again.read(ref.id) == b"map"
    await again.close()


def test_what_is_no_node_is_not_backed_up(tmp_path: Path) -> None:
    missing = tmp_path / "none"

    refused(lambda: snapshot(missing, tmp_path / "copy", created_ms=1), "config.missing")

    assert not (tmp_path / "copy").exists()


def test_a_node_that_never_ran_has_no_store_to_back_up(tmp_path: Path) -> None:
    fresh = make_backed(tmp_path / "hill")

    detail = refused(lambda: fresh.snapshot(tmp_path / "copy"), "store.unreadable")

    assert "`sheaf serve` makes it" in detail


def test_a_file_of_the_home_that_cannot_be_read_is_named(hill: Backed, tmp_path: Path) -> None:
    (hill.home / "federations" / CHARTER).mkdir(parents=True)

    detail = refused(lambda: hill.snapshot(tmp_path / "copy"), "backup.read")

    assert CHARTER in detail


def test_a_home_without_its_writer_is_not_backed_up(hill: Backed, tmp_path: Path) -> None:
    (hill.home / KEYS / "writer.key").unlink()

    refused(lambda: hill.snapshot(tmp_path / "copy"), "key.missing")


def test_a_store_that_is_no_database_is_not_backed_up(hill: Backed, tmp_path: Path) -> None:
    (hill.home / DATABASE).write_bytes(b"not a database, and long enough to tell" * 100)

    refused(lambda: hill.snapshot(tmp_path / "copy"), "store.corrupt")


def test_a_damaged_store_does_not_become_a_backup(hill: Backed, tmp_path: Path) -> None:
    # An index that lacks a row: a copy of it is damaged alike.
    change(hill.home / DATABASE, "CREATE TABLE odd (x)")
    change(hill.home / DATABASE, "INSERT INTO odd VALUES (1), (2)")
    _make_column_not_null(hill.home / DATABASE)

    refused(lambda: create(hill, tmp_path / "file"), "store.corrupt")

    assert left_in(tmp_path) == ["hill"]


def _make_column_not_null(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("INSERT INTO odd VALUES (NULL)")
        connection.execute("PRAGMA writable_schema = ON")
        sql = "UPDATE sqlite_master SET sql = 'CREATE TABLE odd (x NOT NULL)' WHERE name = 'odd'"
        connection.execute(sql)


@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no second disk here")
async def test_blobs_are_copied_to_another_disk(hill: Backed) -> None:
    blobs = Blobs(hill.home)
    ref = await blobs.add(b"map", FID, START_MS)
    await blobs.close()

    with TemporaryDirectory(dir=SHARED) as folder:
        hill.snapshot(Path(folder) / "copy", blobs=True)

        assert (Path(folder) / "copy" / "blobs" / ref.id.hex()).read_bytes() == b"map"
