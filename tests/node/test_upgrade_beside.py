"""What lies beside the store when an upgrade is taken back: as the older version can open it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from sheaf_node.plugins.installed import Installed
from sheaf_node.plugins.storage import FileStorage
from sheaf_node.store import DATABASE
from sheaf_node.upgrading import apply, roll_back
from sheaf_node.upgrading.census import take_census
from sheaf_node.webhooks import Ledger
from sheaf_node.webhooks.model import Stage, State
from sheaf_protocol.digest import EntryId

from .aged import OldStore
from .backing import code_of, make_backed
from .dying import NOW_MS, SOFTWARE, killed
from .lively import PASSWORD, Lively, delivery, enliven, webhook

if TYPE_CHECKING:
    from pathlib import Path

NEWER = "ALTER TABLE webhooks ADD COLUMN later TEXT NOT NULL DEFAULT ''"


@pytest.fixture
def old(tmp_path: Path) -> Lively:
    """A home of an earlier version with something of everything beside its store."""
    backed = make_backed(tmp_path / "hill")
    (backed.home / DATABASE).touch(mode=0o600)
    entries = OldStore(backed.home / DATABASE, backed.coop).entries
    return enliven(backed.home, tmp_path, [entry.id for entry in entries[:3]])


def later(path: Path) -> None:
    """Write a database as a later version would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(NEWER if path.name == "webhooks.db" else "CREATE TABLE later (x)")
        connection.execute("PRAGMA user_version = 9")


def upgraded(home: Path) -> None:
    assert apply(home, software=SOFTWARE, now_ms=NOW_MS) is not None


def test_what_a_later_version_wrote_anew_is_put_back_as_it_was(old: Lively) -> None:
    upgraded(old.home)
    storage = Installed(old.home).storage("plain")
    for path in (old.home / "webhooks.db", storage):
        later(path)

    roll_back(old.home)

    with closing(Ledger(old.home)) as ledger:
        assert [each.id for each in ledger.webhooks()] == [old.hook.id]
    kept = FileStorage(storage, most_bytes=2_000)
    assert kept.get("password") == PASSWORD
    kept.close()


def test_what_is_of_the_same_form_stays_with_all_that_came_since(old: Lively) -> None:
    upgraded(old.home)
    with closing(Ledger(old.home)) as ledger:
        ledger.keep(webhook(2))
        ledger.remove(old.hook.id)

    roll_back(old.home)

    with closing(Ledger(old.home)) as ledger:
        [kept] = ledger.webhooks()
    assert (kept.id, kept.state) == (webhook(2).id, State.ACTIVE)


def test_webhooks_take_up_the_store_that_went_back_and_lose_no_entry(old: Lively) -> None:
    upgraded(old.home)
    hook = old.hook
    with closing(Ledger(old.home)) as ledger:
        came_since = delivery(hook, EntryId(b"\x0c" * 32), 40)
        ledger.note(webhook(1, cursor=40), [came_since])

    roll_back(old.home)
    with closing(Ledger(old.home)) as ledger:
        ledger.begin(b"\x09" * 16, 6)
        [kept] = ledger.webhooks()
        waiting = [each for each in ledger.deliveries(hook.id, 9) if each.stage is Stage.PENDING]

    assert kept.cursor == 6
    assert [each.arrival for each in waiting] == [3]


def test_a_service_that_was_removed_since_does_not_come_back(old: Lively) -> None:
    upgraded(old.home)
    Installed(old.home).remove("plain")

    roll_back(old.home)

    assert not (old.home / "services" / "plain").exists()


def test_a_copy_beside_the_store_with_a_flipped_bit_is_not_put_back(old: Lively) -> None:
    upgraded(old.home)
    path = old.home / "upgrade" / "webhooks.db"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)

    assert code_of(lambda: roll_back(old.home)) == "upgrade.damaged"


def test_a_copy_of_before_by_an_earlier_version_is_put_back_without_the_rest(old: Lively) -> None:
    upgraded(old.home)
    note = old.home / "upgrade" / "note.json"
    text = note.read_text()
    note.write_text(text[: text.index('"beside"')].rstrip().rstrip(",") + "\n}")

    roll_back(old.home)

    with closing(Ledger(old.home)) as ledger:
        assert [each.id for each in ledger.webhooks()] == [old.hook.id]


def test_a_way_back_killed_at_any_step_leaves_each_database_of_before_or_since(
    old: Lively, tmp_path: Path
) -> None:
    shutil.rmtree(old.home / "services")  # each step copies the home
    before = take_census(old.home / DATABASE)
    upgraded(old.home)
    later(old.home / "webhooks.db")

    dead, done = killed("roll_back", old.home, tmp_path / "homes")

    for home in [*dead, done]:
        if (home / "upgrade" / "note.json").exists():
            roll_back(home)
        assert take_census(home / DATABASE) == before
        with closing(Ledger(home)) as ledger:
            assert [each.id for each in ledger.webhooks()] == [old.hook.id]
