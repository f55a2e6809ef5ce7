"""An upgrade of a home: what it asks for, what it leaves, and when it is taken back."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from sheaf_node.backup.soundness import schema_of
from sheaf_node.cli.main import sheaf
from sheaf_node.keyring.files import KEY_LOG
from sheaf_node.store import DATABASE, Change, Store
from sheaf_node.store.migrations import SCHEMAS
from sheaf_node.upgrading import KEPT_MS, apply, drop_old, look, roll_back
from sheaf_node.upgrading.census import own_ends, take_census
from sheaf_node.upgrading.looking import require_room
from sheaf_node.upgrading.snapshot import FOLDER, NOTE

from .aged import OldStore
from .backing import Backed, coop_of, left_in, make_backed, make_written, refused
from .storing import BODY, new
from .test_cli_identity import command, make_home, serving

if TYPE_CHECKING:
    from pathlib import Path

NOW_MS = 1_770_000_000_000
SOFTWARE = "0.2.0"


class Aged:
    """A home whose store is of the first schema."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.database = home / DATABASE
        self.old = OldStore(self.database, coop_of(home))

    def upgraded(self) -> None:
        assert apply(self.home, software=SOFTWARE, now_ms=NOW_MS) is not None

    async def signs(self, author: int) -> None:
        """Have one of the old store's authors add an entry; author 0 is the home's own."""
        store = Store.open(self.database, random=os.urandom)
        await store.commit(Change(entries=[new(self.old.authors[author].append("x.note", BODY))]))
        await store.close()


@pytest.fixture
def aged(tmp_path: Path) -> Aged:
    return Aged(make_backed(tmp_path / "hill").home)


@pytest.fixture
async def hill(tmp_path: Path) -> Backed:
    return await make_written(tmp_path / "hill")


def sheafs(*args: object, told: str = "") -> str:
    result = CliRunner().invoke(sheaf, [str(arg) for arg in args], input=told)
    assert result.exit_code == 0, result.output
    return result.stdout


def store_id(database: Path) -> bytes:
    with closing(sqlite3.connect(database)) as connection:
        [row] = connection.execute("SELECT value FROM store WHERE key = 'store_id'").fetchall()
    return bytes(row[0])


def test_a_look_says_what_would_be_done_and_changes_nothing(aged: Aged) -> None:
    before = aged.database.read_bytes()

    outlook = look(aged.home, software=SOFTWARE)

    assert (outlook.schema, outlook.steps) == (SCHEMAS[0], list(SCHEMAS[1:]))
    assert outlook.needed > 4 * len(before)
    assert (outlook.note, outlook.kept_back, outlook.backup_ms) == (None, None, None)
    assert aged.database.read_bytes() == before
    assert FOLDER not in left_in(aged.home)


def test_an_upgrade_holds_all_that_was_held_and_keeps_a_copy_of_before(aged: Aged) -> None:
    before = take_census(aged.database)

    done = apply(aged.home, software=SOFTWARE, now_ms=NOW_MS)

    assert done is not None
    assert (done.steps, schema_of(aged.database)) == (list(SCHEMAS[1:]), SCHEMAS[-1])
    assert take_census(aged.database) == before
    assert schema_of(aged.home / FOLDER / DATABASE) == SCHEMAS[0]
    assert apply(aged.home, software=SOFTWARE, now_ms=NOW_MS) is None


def test_a_copy_is_for_its_owner_alone_and_holds_no_key(aged: Aged) -> None:
    secrets = [path.read_bytes() for path in (aged.home / "keys").glob("*.key")]

    aged.upgraded()

    folder = aged.home / FOLDER
    assert left_in(folder) == [NOTE, DATABASE]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert (stat.S_IMODE(folder.stat().st_mode), modes) == (0o700, {0o600})
    held = [path.read_bytes() for path in folder.iterdir()]
    assert not [secret for secret in secrets for data in held if secret in data]


async def test_a_home_of_this_version_is_left_alone(hill: Backed) -> None:
    assert apply(hill.home, software=SOFTWARE, now_ms=NOW_MS) is None
    assert FOLDER not in left_in(hill.home)


def test_a_home_without_a_store_has_nothing_to_upgrade(tmp_path: Path) -> None:
    home = make_backed(tmp_path / "hill").home

    assert apply(home, software=SOFTWARE, now_ms=NOW_MS) is None
    assert look(home, software=SOFTWARE).schema == ""


async def test_a_home_whose_node_runs_is_not_upgraded(hill: Backed) -> None:
    store = Store.open(hill.home / DATABASE, random=os.urandom)

    refused(lambda: apply(hill.home, software=SOFTWARE, now_ms=NOW_MS), "store.locked")
    refused(lambda: roll_back(hill.home), "store.locked")
    told = json.loads(sheafs("upgrade", "check", "--json", "--home", hill.home))
    await store.close()

    assert told["is_running"] is True


@pytest.mark.parametrize("call", ["look", "apply", "roll_back"])
async def test_a_store_of_a_later_version_is_refused_and_left_alone(
    hill: Backed, call: str
) -> None:
    hill.sql(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('sheaf.store', '0099_later', '')"
    )
    before = (hill.home / DATABASE).read_bytes()
    calls = {
        "look": lambda: look(hill.home, software=SOFTWARE),
        "apply": lambda: apply(hill.home, software=SOFTWARE, now_ms=NOW_MS),
        "roll_back": lambda: roll_back(hill.home),
    }

    refused(calls[call], "store.schema_newer")

    assert (hill.home / DATABASE).read_bytes() == before


def test_a_disk_without_room_is_refused_before_anything_is_written(aged: Aged) -> None:
    outlook = look(aged.home, software=SOFTWARE)

    full = replace(outlook, free=outlook.needed - 1)

    refused(lambda: require_room(full, aged.home), "upgrade.room")
    require_room(replace(outlook, free=outlook.needed), aged.home)


def test_a_store_that_was_damaged_before_is_not_upgraded(aged: Aged) -> None:
    size = aged.database.stat().st_size
    with aged.database.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * 4096)

    refused(lambda: apply(aged.home, software=SOFTWARE, now_ms=NOW_MS), "store.corrupt")

    assert FOLDER not in left_in(aged.home)


class Losing(sqlite3.Connection):
    """Loses an entry as soon as the store is migrated."""

    def close(self) -> None:
        self.execute("PRAGMA foreign_keys = OFF")
        self.execute("DELETE FROM entries WHERE arrival = 1")
        super().close()


def test_an_upgrade_that_lost_an_entry_is_taken_back(aged: Aged) -> None:
    before = take_census(aged.database)
    losing = partial(sqlite3.connect, factory=Losing)

    detail = refused(
        lambda: apply(aged.home, software=SOFTWARE, now_ms=NOW_MS, connect=losing), "upgrade.lost"
    )

    assert f"expected the {before['entries'].count} entries of before" in detail
    assert schema_of(aged.database) == SCHEMAS[0]
    assert take_census(aged.database) == before


class Full(sqlite3.Connection):
    """A database that may not grow: what SQLite says of it is what it says of a full disk."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.execute("PRAGMA max_page_count = 1")


def test_an_upgrade_that_the_disk_refused_goes_on_once_there_is_room(aged: Aged) -> None:
    before = take_census(aged.database)
    full = partial(sqlite3.connect, factory=Full)

    detail = refused(
        lambda: apply(aged.home, software=SOFTWARE, now_ms=NOW_MS, connect=full),
        "store.unreadable",
    )
    aged.upgraded()

    assert "full" in detail
    assert take_census(aged.database) == before
    assert roll_back(aged.home).schema == SCHEMAS[0]


def test_an_upgrade_is_taken_back_while_nothing_was_signed(aged: Aged) -> None:
    before, was = take_census(aged.database), store_id(aged.database)
    aged.upgraded()

    note = roll_back(aged.home)

    assert (note.schema, schema_of(aged.database)) == (SCHEMAS[0], SCHEMAS[0])
    assert take_census(aged.database) == before
    assert FOLDER not in left_in(aged.home)
    assert not aged.database.with_name("sheaf.db-wal").exists()
    aged.upgraded()
    store = Store.open(aged.database, random=os.urandom)
    assert store.store_id != was, "peers know the numbers of the store that took in more"


async def test_what_others_signed_since_does_not_stand_in_the_way(aged: Aged) -> None:
    before = take_census(aged.database)
    aged.upgraded()
    await aged.signs(1)

    roll_back(aged.home)

    assert take_census(aged.database) == before


async def test_an_upgrade_is_not_taken_back_once_the_coop_signed_an_entry(aged: Aged) -> None:
    aged.upgraded()
    await aged.signs(0)
    before = take_census(aged.database)

    detail = refused(lambda: roll_back(aged.home), "upgrade.signed")

    assert "entry 3 of its log" in detail
    assert "`sheaf backup restore`" in detail
    assert take_census(aged.database) == before
    assert schema_of(aged.database) == SCHEMAS[-1]


def test_an_upgrade_is_not_taken_back_once_the_coop_changed_its_keys(
    aged: Aged, tmp_path: Path
) -> None:
    aged.upgraded()
    other = make_backed(tmp_path / "mill").home
    log = (aged.home / "keys" / KEY_LOG).read_bytes()
    (aged.home / "keys" / KEY_LOG).write_bytes((other / "keys" / KEY_LOG).read_bytes())
    refused(lambda: roll_back(aged.home), "upgrade.signed")
    (aged.home / "keys" / KEY_LOG).write_bytes(log)

    assert roll_back(aged.home).schema == SCHEMAS[0]


async def test_there_is_no_way_back_without_a_copy(hill: Backed) -> None:
    refused(lambda: roll_back(hill.home), "upgrade.none")


@pytest.mark.parametrize("name", [DATABASE, NOTE])
def test_a_copy_with_a_flipped_bit_is_not_put_back(aged: Aged, name: str) -> None:
    aged.upgraded()
    path, before = aged.home / FOLDER / name, take_census(aged.database)
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)

    refused(lambda: roll_back(aged.home), "upgrade.damaged")

    assert take_census(aged.database) == before
    assert look(aged.home, software=SOFTWARE).kept_back is not None


def test_a_copy_that_is_gone_is_not_put_back(aged: Aged) -> None:
    aged.upgraded()
    (aged.home / FOLDER / DATABASE).unlink()

    refused(lambda: roll_back(aged.home), "upgrade.damaged")


async def test_a_later_upgrade_copies_the_store_as_it_is_then(aged: Aged) -> None:
    aged.upgraded()
    await aged.signs(1)
    forget_last_step(aged.database)

    done = apply(aged.home, software=SOFTWARE, now_ms=NOW_MS + 1)

    assert done is not None
    assert (done.note.schema, done.note.created_ms) == (SCHEMAS[-2], NOW_MS + 1)
    assert done.note.census == take_census(aged.database)


def forget_last_step(database: Path) -> None:
    """Take the newest step of the schema away, as if the store were of the version before."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("DROP TABLE receipts")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = ?", (SCHEMAS[-1],))


@pytest.mark.parametrize(
    ("later_ms", "is_gone"),
    [(0, False), (KEPT_MS - 1, False), (KEPT_MS, True), (-60_000, False), (-KEPT_MS, True)],
)
def test_a_copy_goes_after_three_days_or_when_it_is_far_in_the_future(
    aged: Aged, later_ms: int, is_gone: bool
) -> None:
    aged.upgraded()

    assert drop_old(aged.home, NOW_MS + later_ms) == is_gone
    assert (FOLDER not in left_in(aged.home)) == is_gone


def test_what_is_no_copy_any_more_goes_by_the_age_of_its_folder(aged: Aged) -> None:
    aged.upgraded()
    (aged.home / FOLDER / NOTE).write_bytes(b"?")
    made_ms = int((aged.home / FOLDER).stat().st_mtime * 1000)

    assert not drop_old(aged.home, made_ms + KEPT_MS - 1)
    assert drop_old(aged.home, made_ms + KEPT_MS)


def test_where_there_is_no_copy_none_is_dropped(tmp_path: Path) -> None:
    assert not drop_old(tmp_path, NOW_MS)


def test_a_backup_holds_no_copy_of_before(aged: Aged, tmp_path: Path) -> None:
    aged.upgraded()

    file = tmp_path / "file"
    told = json.loads(sheafs("backup", "create", "--out", file, "--json", "--home", aged.home))

    names = len(left_in(aged.home / "keys")) + len([DATABASE, "sheaf.toml"])
    assert told["files"] == names


def test_the_census_tells_rows_apart_that_run_into_one_another(aged: Aged) -> None:
    sums = set()
    for id_, header in ((b"ab", b"c"), (b"a", b"bc"), (b"a", "bc")):
        with closing(sqlite3.connect(aged.database, isolation_level=None)) as connection:
            sql = "UPDATE entries SET id = ?, header = ? WHERE arrival = 1"
            connection.execute(sql, (id_, header))
        sums.add(take_census(aged.database)["entries"].sha256)

    assert len(sums) == 3


def test_the_ends_of_a_coops_logs_are_the_same_in_every_schema(aged: Aged) -> None:
    cid = aged.old.coops[0].cid
    before = own_ends(aged.database, cid)
    aged.upgraded()

    assert own_ends(aged.database, cid) == before
    assert [(end.seq, end.wid.lower()) for end in before] == [(2, aged.old.coops[0].wid.hex())]


def test_the_operator_reads_what_will_be_done_and_what_was(aged: Aged) -> None:
    home = ("--home", aged.home)

    first = sheafs("upgrade", "check", *home)
    applied = sheafs("upgrade", "apply", *home)
    second = sheafs("upgrade", "check", *home)
    left = sheafs("upgrade", "rollback", "--yes", *home)

    assert f"of schema {SCHEMAS[0]}; this version needs {SCHEMAS[-1]}: 6 steps." in first
    assert "free: enough." in first
    assert f"Upgraded from {SCHEMAS[0]} to {SCHEMAS[-1]}; all that was held is there." in applied
    assert "`sheaf upgrade rollback` puts it back." in second
    assert f"The store is of {SCHEMAS[0]} again" in left


def test_a_way_back_that_is_not_confirmed_changes_nothing(aged: Aged) -> None:
    aged.upgraded()

    result = CliRunner().invoke(
        sheaf, ["upgrade", "rollback", "--home", str(aged.home)], input="n\n"
    )

    assert result.exit_code == 1
    assert schema_of(aged.database) == SCHEMAS[-1]


def test_a_program_upgrades_and_goes_back(aged: Aged) -> None:
    home = ("--json", "--home", aged.home)

    told = [
        json.loads(sheafs("upgrade", *call, *home))
        for call in (["check"], ["apply"], ["apply"], ["rollback", "--yes"])
    ]

    assert told[0]["steps"] == told[1]["steps"] == list(SCHEMAS[1:])
    assert told[1]["copy"]["schema"] == told[3]["copy"]["schema"] == SCHEMAS[0]
    assert told[2] == {"copy": None, "steps": []}


def test_an_old_home_is_upgraded_and_served_by_processes_of_their_own(tmp_path: Path) -> None:
    aged = Aged(make_home(tmp_path / "hill", "Hill"))
    run = partial(_ended, "upgrade")

    assert run("apply", "--home", aged.home)[0] == 0
    with serving(aged.home):
        code, _, errors = run("apply", "--home", aged.home)
        assert (code, errors.endswith("[store.locked]\n")) == (1, True), errors
    later = "INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('sheaf.store', '0099')"
    with closing(sqlite3.connect(aged.database, isolation_level=None)) as connection:
        connection.execute(later)

    for call in (("upgrade", "check"), ("upgrade", "apply"), ("serve",)):
        code, _, errors = _ended(*call, "--home", aged.home)
        assert (code, errors.endswith("[store.schema_newer]\n")) == (1, True), errors


def _ended(*args: object) -> tuple[int, str, str]:
    done = subprocess.run(command(*args), capture_output=True, text=True, timeout=240, check=False)
    return done.returncode, done.stdout, done.stderr
