"""Several recovery sheets for several people."""

import json
import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sheaf_node.keyring import Passphrase, load_key_ops, load_keyring, read_files
from sheaf_node.keyring.protection import protect
from sheaf_node.keyring.secret_file import LEAST
from sheaf_node.keyring.sheet import read_sheets
from sheaf_protocol.identity import Rank, fold_key_log

from .board import board_home, failed, files_of, forget, keep, ports, ran, run, sheets_in, words_on
from .test_cli_identity import (
    MISUSED,
    PATIENCE_S,
    REFUSED,
    WORDS,
    command,
    dial,
    done,
    ended,
    found,
    make_home,
    publish,
    serving,
    shown,
    wait_for,
)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """The home of Hill, of whose three sheets two are needed."""
    return board_home(tmp_path / "hill", "Hill")


@pytest.fixture
def away(board: Path, tmp_path: Path) -> tuple[Path, list[Path]]:
    """The same after its keys are on paper alone, and the sheets."""
    sheets = sheets_in(board, tmp_path / "sheets")
    forget(board)
    return board, sheets


def test_a_board_gets_as_many_keys_as_sheets(board: Path) -> None:
    log = fold_key_log(load_key_ops(board))

    assert (len(log.rotation), len(log.next), log.threshold) == (3, 3, 2)
    assert len(list((board / "keys").glob("rotation*.key"))) == 3
    assert len(list((board / "keys").glob("next*.key"))) == 3


@pytest.mark.parametrize(
    "options",
    [
        ["--sheets", 2, "--needed", 3],  # more than there are
        ["--needed", 2],  # of the one by default
        ["--sheets", 8],
        ["--sheets", 0],
        ["--sheets", 3, "--needed", 0],
    ],
)
def test_sheets_that_cannot_be_are_misuse(tmp_path: Path, options: list[object]) -> None:
    home = tmp_path / "hill"

    assert ended("init", "Hill", *options, "--home", home).exit_code == MISUSED

    assert not home.exists()


def test_each_sheet_says_which_it_is_and_holds_keys_of_its_own(board: Path, tmp_path: Path) -> None:
    all_text = ran("identity", "recovery-sheet", "--home", board)
    texts = [file.read_text() for file in sheets_in(board, tmp_path / "sheets")]

    sheets = read_sheets(all_text)
    assert re.findall(r"sheet \d of \d, any \d needed", all_text) == [
        f"sheet {number} of 3, any 2 needed" for number in (1, 2, 3)
    ]
    assert len({sheet.next for sheet in sheets} | {sheet.rotation for sheet in sheets}) == 6
    assert [read_sheets(text)[0].next for text in texts] == [sheet.next for sheet in sheets]
    log = fold_key_log(load_key_ops(board))
    assert {sheet.cid for sheet in sheets} == {log.cid}


def test_a_page_to_print_has_each_sheet_on_a_page_of_its_own(board: Path, tmp_path: Path) -> None:
    page = tmp_path / "sheets.html"

    ran("identity", "recovery-sheet", "--html", page, "--home", board)

    text = page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600
    assert text.count("<section>") == 3
    assert "Sheet 2 of 3, any 2 needed" in text
    assert "section + section { break-before: page }" in text


def test_sheets_are_kept_one_by_one_and_warned_of_until_all_are(board: Path) -> None:
    assert keep(board, "--sheet", 2)[0] == 0
    one = shown(board)
    failed("identity", "recovery-sheet", "--forget", "--home", board, code="key.sheet")
    status, told = keep(board)
    text = ran("identity", "show", "--home", board)

    assert one["sheets_not_kept"] == [1, 3]
    assert "recovery sheets 1 and 3 of 3 are not kept" in one["notices"]["sheet"]
    assert status == 0
    assert "Sheet 2 of 3" not in told  # kept before
    assert "and so are all" in told
    assert "sheet" not in shown(board)["notices"]
    assert "Recovery sheets: 3, any 2 needed; all kept 20" in text


def test_a_wrong_word_keeps_no_sheet(board: Path) -> None:
    status, told = keep(board, wrong=True)

    assert status == REFUSED
    assert told.endswith("[key.words]\n")
    assert shown(board)["sheets_not_kept"] == [1, 2, 3]


def test_a_sheet_that_there_is_not_is_misuse(board: Path) -> None:
    result = ended("identity", "recovery-sheet", "--sheet", 4, "--home", board)

    assert result.exit_code == MISUSED
    assert "expected --sheet from 1 to 3, got 4" in result.stderr


def test_forgetting_takes_all_keys_of_all_sheets(away: tuple[Path, list[Path]]) -> None:
    board, _ = away

    names = files_of(board).keys()

    assert not any(name.startswith(("rotation", "next")) for name in names)
    assert load_keyring(board)


def test_homes_with_one_sheet_are_as_they_were(tmp_path: Path) -> None:
    home = make_home(tmp_path / "hill", "Hill")

    text = done("identity", "recovery-sheet", "--home", home)

    assert text.startswith("SHEAF RECOVERY SHEET, made 20")
    assert {"rotation.key", "next.key"} <= files_of(home).keys()


# --- rotate and revoke with some of the sheets


@pytest.mark.parametrize("chosen", [(0, 1), (0, 2), (2, 1), (0, 1, 2)])
def test_any_sheets_that_are_enough_rotate(
    away: tuple[Path, list[Path]], chosen: tuple[int, ...]
) -> None:
    board, sheets = away
    before = fold_key_log(load_key_ops(board))
    given = [word for index in chosen for word in ("--sheet", sheets[index])]

    told = ran("identity", "rotate", *given, "--home", board)

    log = fold_key_log(load_key_ops(board))
    assert "3 new ones, any 2 needed" in told
    assert (len(log.rotation), len(log.next), log.threshold) == (3, 3, 2)
    assert set(log.rotation).isdisjoint(before.rotation)
    first = log.authorities[before.size]
    assert (first.rank, first.by) == (Rank.NEXT, tuple(sorted(chosen)))
    assert log.manager == load_keyring(board).require_manager().public != before.manager
    assert shown(board)["sheets_not_kept"] == [1, 2, 3]


def test_the_new_sheets_rotate_and_the_old_ones_are_spent(
    away: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    board, old = away
    ran("identity", "rotate", "--sheet", old[0], "--sheet", old[2], "--home", board)
    new = sheets_in(board, tmp_path / "new")
    forget(board)

    for file in old:
        line = failed(
            *("identity", "rotate", "--sheet", file, "--home", board), code="key.sheet_spent"
        )
        assert "newer ones took its place" in line
    ran("identity", "rotate", "--sheet", new[1], "--sheet", new[2], "--home", board)


def test_one_file_may_hold_all_sheets(board: Path, tmp_path: Path) -> None:
    file = tmp_path / "all.txt"
    file.write_text(ran("identity", "recovery-sheet", "--home", board))
    forget(board)

    ran("identity", "rotate", "--sheet", file, "--home", board)


def test_each_wrong_sheet_is_told_by_its_own_sentence(
    away: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    board, sheets = away
    other = sheets_in(board_home(tmp_path / "dale", "Dale"), tmp_path / "other")
    before = files_of(board)

    def rotate(*files: Path, code: str) -> str:
        given = [word for file in files for word in ("--sheet", file)]
        return failed("identity", "rotate", *given, "--home", board, code=code)

    assert "this is a sheet of co-op" in rotate(sheets[0], other[1], code="key.sheet")
    assert "got sheet 2 twice" in rotate(sheets[1], sheets[1], code="key.sheet_twice")
    few = rotate(sheets[2], code="key.sheet_few")
    assert "expected 2 of the 3 recovery sheets, got sheet 3" in few
    assert files_of(board) == before


def test_words_are_typed_sheet_after_sheet(away: tuple[Path, list[Path]]) -> None:
    board, sheets = away
    typed = "".join(f"{words_on(sheets[index], 'next')}\n" for index in (2, 0))

    result = run("identity", "rotate", "--json", "--home", board, told=typed)

    assert result.returncode == 0, result.stderr
    assert "Read so far: no sheet; 2 more of 3 needed" in result.stderr
    assert "Read so far: sheet 3; 1 more of 3 needed" in result.stderr
    assert json.loads(result.stdout)["operations"] == 6


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (lambda sheets: words_on(sheets[0], "next"), "key.sheet_few"),
        (lambda sheets: "\n".join([words_on(sheets[0], "next")] * 2), "key.sheet_twice"),
        (lambda sheets: words_on(sheets[0], "rotation"), "key.sheet"),  # the other key of it
        (lambda _: "zoo zoo", "key.words"),
    ],
)
def test_words_typed_wrongly_change_nothing(
    away: tuple[Path, list[Path]], typed, code: str
) -> None:
    board, sheets = away
    before = files_of(board)

    failed("identity", "rotate", "--home", board, told=f"{typed(sheets)}\n", code=code)

    assert files_of(board) == before


def test_the_number_of_sheets_changes_with_a_rotation(
    away: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    board, sheets = away
    two = ["--sheet", sheets[0], "--sheet", sheets[1]]

    assert (
        ended("identity", "rotate", *two, "--sheets", 1, "--home", board).exit_code == MISUSED
    )  # two of one
    ran("identity", "rotate", *two, "--sheets", 5, "--needed", 3, "--home", board)
    five = fold_key_log(load_key_ops(board))
    ran("identity", "rotate", "--sheets", 1, "--needed", 1, "--home", board)

    one = fold_key_log(load_key_ops(board))
    assert (len(five.rotation), len(five.next), five.threshold) == (5, 5, 3)
    assert (len(one.rotation), len(one.next), one.threshold) == (1, 1, 1)
    assert [n for n in files_of(board) if n.startswith(("rotation", "next"))] == [
        "next.key",
        "rotation.key",
    ]
    file = tmp_path / "only.txt"
    file.write_text(ran("identity", "recovery-sheet", "--home", board))
    forget(board)
    ran("identity", "rotate", "--sheet", file, "--sheets", 2, "--needed", 2, "--home", board)
    assert shown(board)["sheets_needed"] == 2


def test_revoke_takes_as_many_sheets(away: tuple[Path, list[Path]]) -> None:
    board, sheets = away
    wid = load_keyring(board).wid.hex()
    end = ["identity", "revoke", "--writer", wid, "--home", board]

    failed(*end, "--sheet", sheets[1], code="key.sheet_few")
    ran(*end, "--sheet", sheets[1], "--sheet", sheets[2])

    log = fold_key_log(load_key_ops(board))
    revoked = [each for each in log.authorities if each.rank is Rank.ROTATION]
    assert [each.by for each in revoked[1:]] == [(1, 2)]
    assert shown(board)["sheets_not_kept"] == []  # they are as good as before


def test_a_coop_comes_back_with_two_of_three_sheets(
    away: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    board, sheets = away
    fellow = make_home(tmp_path / "dale", "Dale")
    found(tmp_path, board, fellow)
    dial(fellow, board)
    export, back = tmp_path / "hill.export", tmp_path / "back"
    with serving(board), serving(fellow):
        publish(board, ["r1", "r2"])
        wait_for(fellow, 2)
        cid = load_keyring(board).cid.hex()
        ran("identity", "export", cid, "--out", export, "--home", fellow)
    shutil.rmtree(board)
    recover = ("identity", "recover", "--from", export, "--yes", *ports(), "--home", back)

    failed(*recover, "--sheet", sheets[0], code="key.sheet_few")
    assert not back.exists()
    told = ran(*recover, "--sheet", sheets[0], "--sheet", sheets[2])

    assert "3 new ones, any 2 needed" in told
    dial(back, fellow)
    with serving(fellow), serving(back):
        publish(back, ["r3"])
        wait_for(fellow, 3)


def typed_in_terminal(lines: list[str], *args: object) -> tuple[int, str]:
    """Type lines where a terminal is, and return how the command ended and what it showed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(*args), stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        os.close(theirs)
        os.write(ours, "".join(f"{line}\n" for line in lines).encode())
        output, _ = process.communicate(timeout=PATIENCE_S)
    os.close(ours)
    return process.returncode, output


def test_in_a_terminal_wrong_words_are_asked_for_again(away: tuple[Path, list[Path]]) -> None:
    board, sheets = away
    first, second = (words_on(sheets[index], "next") for index in (0, 1))

    status, shown_ = typed_in_terminal(
        ["zoo zoo", first, first, second], "identity", "rotate", "--home", board
    )

    assert status == 0, shown_
    assert "expected 24 words, got 2." in shown_
    assert "expected 2 different sheets, got sheet 1 twice." in shown_


def test_a_forgotten_passphrase_cannot_be_passed_by_with_too_few_sheets(board: Path) -> None:
    protect(read_files(board), Passphrase(WORDS), random=os.urandom, cost=LEAST)

    failed("identity", "rotate", "--home", board, code="key.passphrase")
