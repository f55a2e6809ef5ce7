"""`sheaf backup` as an operator meets it."""

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from sheaf_node.app import open_node
from sheaf_node.clock import SystemClock
from sheaf_node.keyring import Passphrase, read_files
from sheaf_node.keyring.protection import protect
from sheaf_node.keyring.secret_file import LEAST
from sheaf_protocol.digest import short

from .backing import Backed, heads, left_in, make_backed, make_written
from .board import sheets_in, words_on
from .test_cli_identity import MISUSED, done, ended, refused, sheet_in


@pytest.fixture
async def hill(tmp_path: Path) -> Backed:
    """The home of Hill, of whose three sheets two are needed."""
    return await make_written(tmp_path / "hill", sheets=3, needed=2)


@pytest.fixture
def sheets(hill: Backed, tmp_path: Path) -> list[Path]:
    return sheets_in(hill.home, tmp_path / "sheets")


@pytest.fixture
def file(hill: Backed, tmp_path: Path) -> Path:
    done("backup", "create", "--out", tmp_path / "file", "--home", hill.home)
    return tmp_path / "file"


def given(*sheets: Path) -> list[object]:
    return [part for sheet in sheets for part in ("--sheet", sheet)]


def test_a_backup_tells_where_it_is_and_where_the_logs_end(hill: Backed, tmp_path: Path) -> None:
    file = tmp_path / "file"

    told = done("backup", "create", "--out", file, "--home", hill.home)

    assert f"Written to {file}: {file.stat().st_size} bytes." in told
    assert f"Writer {short(hill.coop.wid)}: 5 entries" in told
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_backup_needs_no_passphrase(hill: Backed, sheets: list[Path], tmp_path: Path) -> None:
    protect(read_files(hill.home), Passphrase("hare"), random=os.urandom, cost=LEAST)

    done("backup", "create", "--out", tmp_path / "file", "--home", hill.home)
    done(
        *("backup", "restore", tmp_path / "file", *given(*sheets[:2]), "--yes"),
        *("--home", tmp_path / "new"),
    )

    assert read_files(tmp_path / "new").files == read_files(hill.home).files


def test_backups_in_a_folder_are_named_and_the_newest_kept(hill: Backed, tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir()
    old = tmp_path / "shelf" / f"sheaf-{short(hill.coop.cid)}-20260101T000000Z.backup"
    done("backup", "create", "--out", old, "--home", hill.home)
    arguments = ("backup", "create", "--out", tmp_path / "shelf", "--home", hill.home)

    told = done(*arguments, "--keep", 1)

    [name] = left_in(tmp_path / "shelf")
    assert re.fullmatch(rf"sheaf-{short(hill.coop.cid)}-\d{{8}}T\d{{6}}Z\.backup", name)
    assert f"Removed 1 older: {old.name}." in told


def test_a_program_reads_what_was_made(hill: Backed, tmp_path: Path) -> None:
    file = tmp_path / "file"

    made = json.loads(done("backup", "create", "--out", file, "--json", "--home", hill.home))

    assert made["file"] == str(file)
    assert made["bytes"] == file.stat().st_size
    assert made["cid"] == hill.coop.cid.hex()
    assert [(last["wid"], last["seq"]) for last in made["heads"]] == [(hill.coop.wid.hex(), 5)]
    assert made["removed"] == []


def test_keeping_so_many_goes_with_a_folder(hill: Backed, tmp_path: Path) -> None:
    arguments = ("backup", "create", "--out", tmp_path / "file", "--home", hill.home)

    assert ended(*arguments, "--keep", 2).exit_code == MISUSED
    assert left_in(tmp_path) == ["hill"]


def test_a_file_that_is_there_is_not_overwritten(hill: Backed, file: Path) -> None:
    refused("backup", "create", "--out", file, "--home", hill.home, code="backup.exists")


def test_a_folder_without_a_node_is_not_backed_up(tmp_path: Path) -> None:
    arguments = ("backup", "create", "--out", tmp_path / "file", "--home", tmp_path / "none")

    refused(*arguments, code="key.missing")


def test_anybody_can_see_that_a_backup_is_whole_and_whose(hill: Backed, file: Path) -> None:
    told = done("backup", "verify", file)
    read = json.loads(done("backup", "verify", file, "--json"))

    assert "Opened by any 2 of the 3 recovery sheets of that day." in told
    assert "The file is as it was written." in told
    assert read["cid"] == hill.coop.cid.hex()
    assert (read["sheets"], read["sheets_needed"], read["is_deep"]) == (3, 2, False)


def test_the_sheets_show_that_all_within_is_whole(
    hill: Backed, sheets: list[Path], file: Path
) -> None:
    told = done("backup", "verify", file, *given(*sheets[1:]))
    read = json.loads(done("backup", "verify", file, "--json", *given(*sheets[1:])))

    assert "and so is this co-op's log" in told
    assert f"Writer {short(hill.coop.wid)}: 5 entries" in told
    assert read["is_deep"]
    assert read["wid"] == hill.coop.wid.hex()


def test_the_words_of_the_sheets_may_be_typed(file: Path, sheets: list[Path]) -> None:
    typed = "".join(f"{words_on(sheet, 'rotation')}\n" for sheet in sheets[:2])

    assert "and so is this co-op's log" in done("backup", "verify", file, "--deep", told=typed)


def test_too_few_sheets_open_nothing(file: Path, sheets: list[Path], tmp_path: Path) -> None:
    refused("backup", "verify", file, *given(sheets[0]), code="key.sheet_few")
    arguments = ("backup", "restore", file, *given(sheets[0]), "--yes", "--home", tmp_path / "new")
    told = refused(*arguments, code="key.sheet_few")

    assert "expected 2 of the 3 recovery sheets, got sheet 1" in told
    assert not (tmp_path / "new").exists()


def test_the_sheet_of_another_coop_is_told_from_a_wrong_word(file: Path, tmp_path: Path) -> None:
    mill = make_backed(tmp_path / "mill", name="Mill")
    sheet = sheet_in(mill.home, tmp_path / "sheet")

    told = refused("backup", "verify", file, *given(sheet), code="key.sheet")

    assert f"this is a sheet of co-op {short(mill.coop.cid)}" in told


def test_a_backup_opens_with_the_sheets_of_its_day_alone(tmp_path: Path) -> None:
    hill = make_backed(tmp_path / "hill")
    old = sheet_in(hill.home, tmp_path / "old")
    _make_store(hill.home)
    done("backup", "create", "--out", tmp_path / "file", "--home", hill.home)
    done("identity", "rotate", "--home", hill.home, told="y\n")
    new = sheet_in(hill.home, tmp_path / "new")

    done("backup", "verify", tmp_path / "file", *given(old))
    refused("backup", "verify", tmp_path / "file", *given(new), code="key.sheet")


def _make_store(home: Path) -> None:
    """Have a node open its store for the first time."""

    async def opened() -> None:
        async with open_node(home, clock=SystemClock(), random=os.urandom):
            pass

    asyncio.run(opened())


def test_a_restore_makes_a_home_and_says_what_comes_next(
    file: Path, hill: Backed, sheets: list[Path], tmp_path: Path
) -> None:
    home = tmp_path / "new"

    told = done("backup", "restore", file, *given(*sheets[:2]), "--home", home, told="y\n")

    assert f"Restored to {home}. What happens next:" in told
    assert "stop it, for good" in told
    assert "`sheaf recovery show`" in told
    assert heads(home) == heads(hill.home)


def test_a_restore_that_is_not_confirmed_writes_nothing(
    file: Path, sheets: list[Path], tmp_path: Path
) -> None:
    arguments = ("backup", "restore", file, *given(*sheets[:2]), "--home", tmp_path / "new")

    result = ended(*arguments, told="n\n")

    assert result.exit_code == 1
    assert not (tmp_path / "new").exists()


def test_a_program_restores(file: Path, hill: Backed, sheets: list[Path], tmp_path: Path) -> None:
    arguments = ("backup", "restore", file, *given(*sheets), "--yes", "--json")

    read = json.loads(done(*arguments, "--home", tmp_path / "new"))

    assert read["home"] == str(tmp_path / "new")
    assert [last["seq"] for last in read["heads"]] == [5]


def test_a_home_that_is_there_is_never_restored_over(
    file: Path, hill: Backed, sheets: list[Path]
) -> None:
    arguments = ("backup", "restore", file, *given(*sheets), "--yes", "--home", hill.home)

    refused(*arguments, code="backup.exists")


def test_a_damaged_backup_restores_nothing(file: Path, sheets: list[Path], tmp_path: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-5_000] ^= 1
    file.write_bytes(data)
    arguments = ("backup", "restore", file, *given(*sheets), "--yes", "--home", tmp_path / "new")

    refused("backup", "verify", file, code="backup.damaged")
    refused(*arguments, code="backup.damaged")

    assert left_in(tmp_path) == ["file", "hill", "sheets"]


def test_another_file_is_no_backup(sheets: list[Path], tmp_path: Path) -> None:
    refused("backup", "verify", sheets[0], code="backup.form")
    refused("backup", "verify", tmp_path / "none", code="backup.read")
