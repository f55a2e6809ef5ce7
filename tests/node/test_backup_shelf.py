"""Backups as files: taken, looked at, restored, kept and removed."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sheaf_node.backup import (
    create_backup,
    drop_older,
    name_of,
    restore_backup,
    verify_whole,
)
from sheaf_node.backup.creating import put_in_place
from sheaf_node.backup.folder import workshop
from sheaf_node.store import DATABASE
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.author import START_MS

from .backing import Backed, create, heads, left_in, make_backed, make_written, refused, told


@pytest.fixture
async def hill(tmp_path: Path) -> Backed:
    return await make_written(tmp_path / "hill")


async def test_a_backup_is_taken_checked_and_restored(hill: Backed, tmp_path: Path) -> None:
    made = create(hill, tmp_path / "file")
    await hill.write(3)

    checked = verify_whole(tmp_path / "file", hill.seeds, tmp_path)
    restored = restore_backup(tmp_path / "file", hill.seeds, tmp_path / "new", now_ms=START_MS)

    assert made == checked == restored
    assert (told(made), heads(tmp_path / "new")) == (heads(tmp_path / "new"), told(restored))
    assert [last.seq for last in made.heads] == [5]
    assert left_in(tmp_path) == ["file", "hill", "new"]


def test_a_look_at_a_backup_leaves_no_secret_on_the_disk(hill: Backed, tmp_path: Path) -> None:
    create(hill, tmp_path / "file")
    (tmp_path / "room").mkdir()

    verify_whole(tmp_path / "file", hill.seeds, tmp_path / "room")

    assert left_in(tmp_path / "room") == []


def test_no_backup_takes_the_place_of_a_file(hill: Backed, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")

    refused(lambda: create(hill, tmp_path / "file"), "backup.exists")

    assert (tmp_path / "file").read_bytes() == b"mine"


@pytest.mark.parametrize("knows_links", [True, False])
def test_a_file_that_came_while_a_backup_was_made_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, knows_links: bool
) -> None:
    if not knows_links:
        monkeypatch.setattr(os, "link", no_link)
    (tmp_path / "draft").write_bytes(b"backup")
    (tmp_path / "file").write_bytes(b"mine")

    refused(lambda: put_in_place(tmp_path / "draft", tmp_path / "file"), "backup.exists")

    assert (tmp_path / "file").read_bytes() == b"mine"


@pytest.mark.parametrize("knows_links", [True, False])
def test_a_finished_backup_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, knows_links: bool
) -> None:
    if not knows_links:
        monkeypatch.setattr(os, "link", no_link)
    (tmp_path / "draft").write_bytes(b"backup")

    put_in_place(tmp_path / "draft", tmp_path / "file")

    assert left_in(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"backup"


def test_a_backup_that_cannot_get_its_name_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", no_link)

    refused(lambda: put_in_place(tmp_path / "no draft", tmp_path / "file"), "backup.write")

    assert left_in(tmp_path) == []


def no_link(*_: object, **__: object) -> None:
    """Say what a file system without hard links says."""
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_a_folder_that_is_a_file_takes_no_backup(hill: Backed, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")

    refused(lambda: create(hill, tmp_path / "file" / "backup"), "backup.write")


def test_what_a_dead_process_left_is_swept_away(hill: Backed, tmp_path: Path) -> None:
    (tmp_path / ".sheaf-backup-dead" / "home").mkdir(parents=True)
    (tmp_path / ".sheaf-backup-file").write_bytes(b"")
    (tmp_path / ".sheaf-backup-link").symlink_to(hill.home)

    create(hill, tmp_path / "file")

    left = [".sheaf-backup-file", ".sheaf-backup-link", "file", "hill"]
    assert left_in(tmp_path) == left
    assert (hill.home / "sheaf.db").exists()


def test_what_a_living_process_works_on_is_left_alone(hill: Backed, tmp_path: Path) -> None:
    with workshop(tmp_path) as room:
        (room / "half").write_bytes(b"done")
        create(hill, tmp_path / "file")

        assert (room / "half").read_bytes() == b"done"


@pytest.fixture
def shelf(hill: Backed, tmp_path: Path) -> list[Path]:
    """Four backups of one co-op, a day from one another."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    paths = []
    for day in range(4):
        at_ms = START_MS + day * 86_400_000
        path = folder / name_of(hill.coop.cid, at_ms)
        create_backup(hill.home, path, created_ms=at_ms, software="")
        paths.append(path)
    return paths


def test_the_newest_backups_are_kept(hill: Backed, shelf: list[Path]) -> None:
    gone = drop_older(shelf[-1], hill.coop.cid, keep=2)

    assert gone == shelf[:2]
    assert left_in(shelf[0].parent) == [path.name for path in shelf[2:]]


def test_the_backup_just_made_is_kept_whatever_its_clock_said(
    hill: Backed, shelf: list[Path]
) -> None:
    gone = drop_older(shelf[0], hill.coop.cid, keep=1)

    assert gone == shelf[1:]


def test_more_to_keep_than_there_are_removes_none(hill: Backed, shelf: list[Path]) -> None:
    assert drop_older(shelf[-1], hill.coop.cid, keep=9) == []


def test_what_is_no_backup_of_this_coop_is_never_removed(
    hill: Backed, shelf: list[Path], tmp_path: Path
) -> None:
    mill = make_backed(tmp_path / "mill", name="Mill")
    (mill.home / DATABASE).write_bytes((hill.home / DATABASE).read_bytes())
    folder = shelf[0].parent
    theirs = folder / name_of(hill.coop.cid, START_MS - 1_000)
    create_backup(mill.home, theirs, created_ms=START_MS - 1_000, software="")
    damaged = folder / name_of(hill.coop.cid, START_MS - 2_000)
    damaged.write_bytes(b"SHEAFBAK")
    (folder / "by-hand.backup").write_bytes(shelf[0].read_bytes())

    gone = drop_older(shelf[-1], hill.coop.cid, keep=1)

    assert gone == shelf[:3]
    assert {theirs.name, damaged.name, "by-hand.backup"} < set(left_in(folder))


def test_workshops_of_many_at_a_time_do_not_sweep_one_another(tmp_path: Path) -> None:
    def work() -> int:
        whole = 0
        for _ in range(40):
            with workshop(tmp_path) as room:
                (room / "half").write_bytes(b"done")
                whole += (room / "half").read_bytes() == b"done"
        return whole

    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(work) for _ in range(8)]

    assert [future.result() for future in futures] == [40] * 8
    assert left_in(tmp_path) == []


def test_of_two_restores_to_one_place_one_makes_the_home(hill: Backed, tmp_path: Path) -> None:
    made, home = create(hill, tmp_path / "file"), tmp_path / "new"

    def restore() -> str:
        try:
            restore_backup(tmp_path / "file", hill.seeds, home, now_ms=START_MS)
        except Refusal as refusal:
            return refusal.code
        return "restored"

    with ThreadPoolExecutor(2) as threads:
        futures = [threads.submit(restore) for _ in range(2)]

    assert sorted(future.result() for future in futures) == ["backup.exists", "restored"]
    assert heads(home) == told(made)


def test_a_home_of_an_impossible_name_is_refused(hill: Backed, tmp_path: Path) -> None:
    create(hill, tmp_path / "file")
    home = tmp_path / ("x" * 300)

    refused(
        lambda: restore_backup(tmp_path / "file", hill.seeds, home, now_ms=START_MS), "backup.write"
    )
