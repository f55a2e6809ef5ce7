"""An upgrade, and its way back, in a process that is killed at each of its steps in turn."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlite_utils import Database

from sheaf_node.backup.soundness import require_integrity, schema_of
from sheaf_node.store import DATABASE, Store
from sheaf_node.store.migrations import MIGRATIONS, SCHEMAS
from sheaf_node.upgrading import apply, look, roll_back
from sheaf_node.upgrading.census import take_census

from .aged import OldStore
from .backing import code_of, make_backed
from .dying import NOW_MS, SOFTWARE, killed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A home whose store is of the first schema."""
    backed = make_backed(tmp_path / "hill")
    OldStore(backed.home / DATABASE, backed.coop)
    return backed.home


async def opens(home: Path, room: Path) -> None:
    """Open a copy of a home's store as `sheaf serve` does, and look that all steps are done."""
    for name in (DATABASE, f"{DATABASE}-wal"):
        if (home / name).exists():
            shutil.copyfile(home / name, room / name)
    store = Store.open(room / DATABASE, random=os.urandom)
    await store.close()
    assert schema_of(room / DATABASE) == SCHEMAS[-1]


def schema(home: Path) -> str:
    """Return the schema, by a connection that may play a journal back."""
    with closing(sqlite3.connect(home / DATABASE)) as connection:
        return MIGRATIONS.applied(Database(connection))[-1].name


async def test_an_upgrade_killed_at_any_step_leaves_a_home_that_starts_upgrades_and_goes_back(
    old: Path, tmp_path: Path
) -> None:
    before = take_census(old / DATABASE)

    dead, done = killed("apply", old, tmp_path / "homes")

    assert schema(done) == SCHEMAS[-1]
    seen = set()
    for home in dead:
        room = tmp_path / "rooms" / home.name
        room.mkdir(parents=True)
        seen.add(schema(home))
        await opens(home, room)
        apply(home, software=SOFTWARE, now_ms=NOW_MS)
        require_integrity(home / DATABASE)
        assert take_census(home / DATABASE) == before
        assert not [path for path in home.iterdir() if path.name.startswith(".sheaf-backup-")]
        assert roll_back(home).schema == schema(home) == SCHEMAS[0]
        assert take_census(home / DATABASE) == before
    assert seen == set(SCHEMAS), "expected to have died after each step of the migration"


async def test_a_way_back_killed_at_any_step_leaves_a_home_that_goes_either_way(
    old: Path, tmp_path: Path
) -> None:
    before = take_census(old / DATABASE)
    apply(old, software=SOFTWARE, now_ms=NOW_MS)

    dead, done = killed("roll_back", old, tmp_path / "homes")

    assert schema(done) == SCHEMAS[0]
    for home in dead:
        assert schema(home) in {SCHEMAS[0], SCHEMAS[-1]}
        if look(home, software=SOFTWARE).note is None:
            assert code_of(lambda home=home: roll_back(home)) == "upgrade.none"
        else:
            roll_back(home)
        assert schema(home) == SCHEMAS[0]
        assert take_census(home / DATABASE) == before
        apply(home, software=SOFTWARE, now_ms=NOW_MS)
        assert take_census(home / DATABASE) == before
