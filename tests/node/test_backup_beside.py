"""What goes with a backup beside the logs, and what a restored home does not do by itself."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from sheaf_node.backup import restore_backup, verify_whole
from sheaf_node.backup.beside import database_bytes
from sheaf_node.backup.header import MAGIC
from sheaf_node.backup.holding import allow, held_in
from sheaf_node.backup.sealed_file import write_backup
from sheaf_node.keyring import load_key_ops
from sheaf_node.plugins.installed import Installed, added_services
from sheaf_node.plugins.storage import FileStorage
from sheaf_node.seats import SeatShelf
from sheaf_node.store import DATABASE, Store
from sheaf_node.webhooks import Ledger
from sheaf_node.webhooks.model import Stage, State
from sheaf_protocol.testing.author import START_MS

from .backing import Backed, code_of, create, listed_anew, make_written, refused
from .lively import EXAMPLE, PASSWORD, SEAT, Lively, enliven, files_in, tokens_of
from .test_cli_identity import done
from .test_cli_identity import refused as told_off

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
async def hill(tmp_path: Path) -> Backed:
    return await make_written(tmp_path / "hill")


@pytest.fixture
def lively(hill: Backed, tmp_path: Path) -> Lively:
    with closing(sqlite3.connect(hill.home / DATABASE)) as connection:
        rows = connection.execute("SELECT id FROM entries ORDER BY arrival LIMIT 3").fetchall()
    return enliven(hill.home, tmp_path, [id_ for (id_,) in rows])


@pytest.fixture
def restored(hill: Backed, lively: Lively, tmp_path: Path) -> Path:
    create(hill, tmp_path / "file")
    restore_backup(tmp_path / "file", hill.seeds, tmp_path / "new", now_ms=START_MS)
    return tmp_path / "new"


def webhook_of(home: Path) -> Any:
    with closing(Ledger(home)) as ledger:
        [kept] = ledger.webhooks()
        return kept, ledger.deliveries(kept.id, 10)


def test_all_that_is_the_coops_comes_back_to_the_byte(
    hill: Backed, lively: Lively, restored: Path
) -> None:
    same = {"kinds", "saved_peers.json", "federations", "keys"}
    code = {name for name in files_in(hill.home) if "/code-" in name}

    for name in files_in(hill.home):
        if name.split("/")[0] in same or name in code or name == f"seats/{SEAT.cid}.json":
            assert (restored / name).read_bytes() == (hill.home / name).read_bytes(), name
    assert len(code) == 4
    assert [each.name for each in SeatShelf(restored)] == ["Croft"]
    storage = FileStorage(Installed(restored).storage("plain"), most_bytes=2_000)
    assert storage.get("password") == PASSWORD
    storage.close()
    kept, _ = webhook_of(restored)
    assert (kept.id, kept.secret, kept.url) == (lively.hook.id, lively.hook.secret, lively.hook.url)


def test_nothing_of_a_restored_home_is_for_others_to_read(restored: Path) -> None:
    folders = [restored, *(path for path in restored.rglob("*") if path.is_dir())]
    secrets = [
        path
        for name in ("webhooks.db", "services/plain/storage.db")
        for path in restored.glob(name)
    ]

    assert [path for path in folders + secrets if path.stat().st_mode & 0o077] == []
    assert len(secrets) == 2


def test_no_secret_stands_in_clear_beside_the_backup(
    hill: Backed, lively: Lively, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []

    def look(path: Path) -> None:
        folder = path.parent
        seen.extend(each.read_bytes() for each in folder.rglob("*") if each.is_file())

    monkeypatch.setattr("sheaf_node.backup.creating.require_integrity", look)

    create(hill, tmp_path / "file")

    assert seen
    on_disk = [*seen, (tmp_path / "file").read_bytes()]
    assert [s for s in lively.secrets for data in on_disk if s in data] == []


# --- nothing acts twice


def test_a_token_opens_nothing_after_a_restore_until_somebody_allows_it(
    lively: Lively, restored: Path
) -> None:
    before = tokens_of(restored).find(lively.token)

    allow(restored, "token:ci")

    assert before is None
    found = tokens_of(restored).find(lively.token)
    assert found is not None
    assert found.name == "ci"


def test_a_token_that_came_back_and_is_not_right_any_more_is_revoked(restored: Path) -> None:
    tokens_of(restored).revoke("ci")

    assert held_in(restored).tokens == []
    assert code_of(lambda: allow(restored, "token:ci")) == "backup.held"


def test_a_token_made_since_under_the_same_name_stays_and_the_old_one_opens_nothing(
    lively: Lively, restored: Path
) -> None:
    tokens = tokens_of(restored)
    new = tokens.create("ci", tokens_of(lively.home).listed()[0].scopes)

    assert code_of(lambda: allow(restored, "token:ci")) == "token.taken"
    assert tokens.find(new) is not None
    assert tokens.find(lively.token) is None


def test_no_service_of_others_runs_after_a_restore_until_somebody_allows_it(
    lively: Lively, restored: Path
) -> None:
    installed = Installed(restored)
    before, known = list(installed), added_services(restored)

    allow(restored, "service:price_alert")

    assert before == []
    assert known == ["plain", "price_alert"]  # so that settings of theirs are no typo
    assert list(installed) == [lively.grants[0]]
    assert held_in(restored).services == ["plain"]


def test_a_service_whose_files_changed_since_is_not_allowed(restored: Path) -> None:
    installed = Installed(restored)
    code = installed.code(installed.held_grant("plain"))
    (code / "inner" / "Read me.txt").write_text("other")

    found = code_of(lambda: allow(restored, "service:plain"))

    assert found == "service.folder"
    assert installed.find("plain") is None


def test_a_service_that_came_back_may_be_removed_or_added_again(
    restored: Path, tmp_path: Path
) -> None:
    token = ("--token-file", tmp_path / "token")
    with suppress(FileNotFoundError):
        (restored / "services" / "price_alert" / "storage.db").unlink()

    done("service", "remove", "plain", "--yes", "--home", restored)
    done("service", "add", EXAMPLE, "--yes", *token, "--home", restored)

    assert not (restored / "services" / "plain").exists()
    assert held_in(restored).services == []
    assert [grant.manifest.name for grant in Installed(restored)] == ["price_alert"]


def test_a_link_that_waited_for_an_answer_has_ended_at_any_time(restored: Path) -> None:
    shelf = SeatShelf(restored)
    [seat] = shelf

    states = [sorted(each.state(at) for each in shelf.links(seat)) for at in (0, START_MS)]

    assert states[1] == ["answered", "expired"]
    assert shelf.open_links(START_MS) == 0


def test_an_invitation_does_not_come_back(restored: Path) -> None:
    assert not (restored / "invitations").exists()


async def test_webhooks_keep_their_queue_and_send_nothing_until_they_are_allowed(
    restored: Path,
) -> None:
    store = Store.open(restored / DATABASE, random=os.urandom)
    with closing(Ledger(restored)) as ledger:
        ledger.begin(store.store_id, store.arrival)
    await store.close()
    before, queue = webhook_of(restored)

    allow(restored, f"webhook:{before.id}")

    assert (before.state, before.cursor) == (State.HELD, 2)
    assert {each.stage for each in queue} == set(Stage)
    assert webhook_of(restored)[0].state is State.ACTIVE


async def test_webhooks_go_no_further_than_the_store_that_came_back(restored: Path) -> None:
    with closing(Ledger(restored)) as ledger:
        ledger.begin(b"\x01" * 16, 1)

    kept, queue = webhook_of(restored)

    assert kept.cursor == 1
    assert [each.arrival for each in queue if each.stage is Stage.PENDING] == []


def test_what_is_held_back_is_held_back_by_the_next_restore_as_well(
    hill: Backed, restored: Path, tmp_path: Path
) -> None:
    again = Backed(restored, hill.coop, hill.author)
    create(again, tmp_path / "second")

    restore_backup(tmp_path / "second", hill.seeds, tmp_path / "newer", now_ms=START_MS)

    assert held_in(tmp_path / "newer") == held_in(restored)
    allow(tmp_path / "newer", "service:price_alert")


def test_a_home_that_was_not_restored_holds_nothing_back(hill: Backed, lively: Lively) -> None:
    assert not held_in(hill.home)
    assert held_in(hill.home).named == []


# --- what is not sound


def test_a_backup_of_the_older_format_still_restores(
    hill: Backed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sheaf_node.backup.header.VERSION", 1)
    create(hill, tmp_path / "old")
    monkeypatch.undo()
    create(hill, tmp_path / "file")

    restore_backup(tmp_path / "old", hill.seeds, tmp_path / "new", now_ms=START_MS)

    versions = [(tmp_path / name).read_bytes()[len(MAGIC) :][:2] for name in ("old", "file")]
    assert versions == [b"\x00\x01", b"\x00\x02"]
    assert not held_in(tmp_path / "new")


def changed(hill: Backed, folder: Path, name: str, data: bytes) -> Path:
    """Return a backup in which one file is another than the home had."""
    manifest = hill.snapshot(folder / "copy")
    (folder / "copy" / name).write_bytes(data)
    told = listed_anew(manifest, folder / "copy")
    write_backup(folder / "file", told, folder / "copy", load_key_ops(hill.home))
    return folder / "file"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("webhooks.db", b"no database, and long enough to tell" * 100),
        ("services/plain/storage.db", b"no database, and long enough to tell" * 100),
        ("services/plain/grant.json", b"{}"),
        (f"seats/{SEAT.cid}.json", b"[]"),
    ],
)
def test_what_is_unsound_beside_the_logs_makes_no_home(
    hill: Backed, lively: Lively, tmp_path: Path, name: str, data: bytes
) -> None:
    file = changed(hill, tmp_path, name, data)

    found = code_of(lambda: restore_backup(file, hill.seeds, tmp_path / "new", now_ms=START_MS))

    assert found == "backup.unsound"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "order",
    [
        "CREATE TRIGGER undo AFTER UPDATE ON webhooks"
        " BEGIN UPDATE webhooks SET state = 'active'; END",
        "CREATE VIEW other AS SELECT 1",
        "CREATE VIRTUAL TABLE other USING fts5(x)",
    ],
)
def test_a_database_that_would_undo_what_is_held_back_makes_no_home(
    hill: Backed, lively: Lively, tmp_path: Path, order: str
) -> None:
    with closing(sqlite3.connect(hill.home / "webhooks.db")) as connection:
        connection.execute(order)
    create(hill, tmp_path / "file")

    def restore() -> None:
        restore_backup(tmp_path / "file", hill.seeds, tmp_path / "new", now_ms=START_MS)

    assert "webhooks.db" in refused(restore, "backup.unsound")
    assert not (tmp_path / "new").exists()


def test_code_that_no_grant_was_given_for_makes_no_home(
    hill: Backed, lively: Lively, tmp_path: Path
) -> None:
    [name] = [each for each in files_in(hill.home) if each.endswith("price_alert.py")]
    file = changed(hill, tmp_path, name, b"import os")

    restore = lambda: restore_backup(file, hill.seeds, tmp_path / "new", now_ms=START_MS)  # noqa: E731

    assert "price_alert" in refused(restore, "backup.unsound")


@pytest.mark.parametrize("name", ["webhooks.db", "services/plain/storage.db"])
def test_a_newer_database_beside_the_logs_waits_for_that_version(
    hill: Backed, lively: Lively, tmp_path: Path, name: str
) -> None:
    with closing(sqlite3.connect(hill.home / name)) as connection:
        connection.execute("PRAGMA user_version = 99")
    create(hill, tmp_path / "file")

    found = code_of(
        lambda: restore_backup(tmp_path / "file", hill.seeds, tmp_path / "new", now_ms=START_MS)
    )

    assert found == "backup.schema"


def test_a_damaged_database_beside_the_logs_is_named_and_does_not_become_a_backup(
    hill: Backed, lively: Lively, tmp_path: Path
) -> None:
    (hill.home / "webhooks.db").write_bytes(b"no database, and long enough to tell" * 100)

    detail = refused(lambda: create(hill, tmp_path / "file"), "backup.read")

    assert "webhooks.db" in detail
    assert not (tmp_path / "file").exists()


def test_files_of_a_service_that_were_changed_stay_behind_with_its_grant_kept(
    hill: Backed, lively: Lively, tmp_path: Path
) -> None:
    [name] = [each for each in files_in(hill.home) if each.endswith("price_alert.py")]
    (hill.home / name).write_text("import os")

    create(hill, tmp_path / "file")
    restore_backup(tmp_path / "file", hill.seeds, tmp_path / "new", now_ms=START_MS)

    assert held_in(tmp_path / "new").services == ["plain", "price_alert"]
    assert code_of(lambda: allow(tmp_path / "new", "service:price_alert")) == "service.folder"
    token = ("--token-file", tmp_path / "token")
    done("service", "add", EXAMPLE, "--yes", *token, "--home", tmp_path / "new")


def test_a_deep_look_at_a_backup_writes_none_of_it(
    hill: Backed, lively: Lively, tmp_path: Path
) -> None:
    create(hill, tmp_path / "file")

    manifest = verify_whole(tmp_path / "file", hill.seeds, tmp_path)

    assert {"webhooks.db", "tokens/ci.json", "services/plain/grant.json"} < manifest.names


def test_a_database_is_copied_without_what_was_deleted_in_it(tmp_path: Path) -> None:
    path = tmp_path / "any.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE kept (x)")
        connection.execute("INSERT INTO kept VALUES ('canary'), ('stays')")
        connection.execute("DELETE FROM kept WHERE x = 'canary'")
        data = database_bytes(path)

    assert data is not None
    assert b"stays" in data
    assert b"canary" not in data
    assert database_bytes(tmp_path / "none.db") is None


# --- what people see


def test_people_see_what_is_held_and_let_it_go_on(restored: Path, lively: Lively) -> None:
    shown = done("backup", "held", "--home", restored)
    listed = json.loads(done("backup", "held", "--json", "--home", restored))

    said = done("backup", "allow", "token:ci", "--home", restored)
    done("backup", "allow", "--all", "--home", restored)

    hook = f"webhook:{lively.hook.id}"
    assert listed == ["token:ci", "service:plain", "service:price_alert", hook]
    assert all(item in shown for item in listed)
    assert said == "token:ci goes on.\n"
    assert "Nothing is held back." in done("backup", "held", "--home", restored)
    told_off("backup", "allow", "token:ci", "--home", restored, code="backup.held")


def test_a_restore_says_what_it_holds_back(hill: Backed, lively: Lively, tmp_path: Path) -> None:
    from .test_cli_identity import sheet_in  # noqa: PLC0415 - beside its only user

    sheet, file = sheet_in(hill.home, tmp_path / "sheet"), tmp_path / "file"
    create(hill, file)

    said = done("backup", "restore", file, "--sheet", sheet, "--yes", "--home", tmp_path / "new")

    assert "token:ci, service:plain, service:price_alert, webhook:" in said
