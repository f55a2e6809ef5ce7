"""Several recovery sheets for several people, and fellow co-ops that help one back."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from sheaf_node.app import DATABASE
from sheaf_node.identity import held_state
from sheaf_node.keyring import Passphrase, load_key_ops, load_keyring, read_files
from sheaf_node.keyring.protection import protect
from sheaf_node.keyring.secret_file import LEAST
from sheaf_node.keyring.sheet import mark_kept, read_sheets
from sheaf_node.keyring.words import words_of
from sheaf_protocol.identity import Rank, fold_key_log

from .ports import free_ports
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
    refused,
    serving,
    shown,
    wait_for,
)


def run(*args: object, told: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command as a process, as a manager does."""
    return subprocess.run(
        command(*args), input=told, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def ran(*args: object, told: str = "") -> str:
    result = run(*args, told=told)
    assert result.returncode == 0, result.stderr
    return result.stdout


def failed(*args: object, code: str, told: str = "") -> str:
    result = run(*args, told=told)
    assert result.returncode == REFUSED, result.stdout + result.stderr
    assert result.stderr.endswith(f"[{code}]\n"), result.stderr
    return result.stderr


def board_home(home: Path, name: str, sheets: int = 3, needed: int = 2) -> Path:
    peer_port, local_port = free_ports(2)
    done(
        *("init", name, "--home", home, "--sheets", sheets, "--needed", needed),
        *("--peer-port", peer_port, "--local-port", local_port),
    )
    return home


def sheets_in(home: Path, folder: Path) -> list[Path]:
    """Print each sheet into a file of its own."""
    folder.mkdir(exist_ok=True)
    files = []
    for number in range(1, shown(home)["sheets"] + 1):
        file = folder / f"sheet-{number}.txt"
        file.write_text(done("identity", "recovery-sheet", "--sheet", number, "--home", home))
        files.append(file)
    return files


def words_on(file: Path, use: str) -> str:
    [sheet] = read_sheets(file.read_text())
    return " ".join(sheet.words[use])


def mark_all(home: Path) -> None:
    """Mark all sheets as kept, as if words had come back."""
    for number in shown(home)["sheets_not_kept"]:
        mark_kept(home, 1, number)


def keep(home: Path, *options: object, wrong: bool = False) -> tuple[int, str]:
    """Confirm sheets, reading each question before it is answered."""
    number, told = 1, ""
    with subprocess.Popen(
        command("identity", "recovery-sheet", "--confirm", *options, "--home", home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        line = ""
        while read := process.stdout.read(1):
            line, told = line + read, told + read
            if begun := re.search(r"Sheet (\d) of \d:\n", line):
                number, line = int(begun[1]), ""
            question = re.search(r"Word (\d+) of the (\w+) key: ", line)
            if question is None:
                continue
            ending = "" if number == 1 else f"-{number}"
            seed = (home / "keys" / f"{question[2]}{ending}.key").read_bytes()
            word = words_of(seed)[int(question[1]) - 1]
            process.stdin.write(f"{'zebra' if wrong and word != 'zebra' else word}\n")
            process.stdin.flush()
            line = ""
        _, errors = process.communicate(timeout=PATIENCE_S)
    return process.returncode, told + errors


def forget(home: Path) -> None:
    mark_all(home)
    done("identity", "recovery-sheet", "--forget", "--home", home)


def files_of(home: Path) -> dict[str, bytes]:
    return dict(read_files(home).files)


def ports() -> list[object]:
    peer_port, local_port = free_ports(2)
    return ["--peer-port", peer_port, "--local-port", local_port]


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


# --- sheets for a board


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


# --- guardians


def card_of(home: Path) -> Path:
    card = home.parent / f"{home.name}.guardian"
    card.write_text(done("identity", "guardian-card", "--home", home))
    return card


def named(board: Path, guardians: list[Path], needed: int = 2) -> None:
    given = [word for home in guardians for word in ("--guardians", card_of(home))]
    done("identity", "rotate", *given, "--needed-guardians", needed, "--home", board)


@pytest.fixture
def fellows(tmp_path: Path) -> list[Path]:
    """Three fellow co-ops, none of which runs."""
    return [make_home(tmp_path / name.lower(), name) for name in ("Dale", "Mill", "Ford")]


@pytest.fixture
def lost(tmp_path: Path, fellows: list[Path]) -> tuple[Path, Path]:
    """The home of Hill, which named its fellows as guardians, and what Dale exported of it."""
    hill = board_home(tmp_path / "hill", "Hill")
    found(tmp_path, hill, fellows[0])
    named(hill, fellows)
    dial(fellows[0], hill)
    export = tmp_path / "hill.export"
    with serving(hill), serving(fellows[0]):
        publish(hill, ["r1", "r2"])
        wait_for(fellows[0], 2)
        cid = load_keyring(hill).cid.hex()
        done("identity", "export", cid, "--out", export, "--home", fellows[0])
    return hill, export


def test_a_guardian_card_names_one_key_that_stays(fellows: list[Path]) -> None:
    dale = fellows[0]

    first, second = (ran("identity", "guardian-card", "--home", dale) for _ in range(2))

    seed = (dale / "keys" / "guardian.key").read_bytes()
    assert first == second
    assert seed.hex() not in first.replace(" ", "")
    assert load_keyring(dale).wid.hex() not in first.replace(" ", "").replace("\n", "")


def test_guardians_are_named_at_the_next_rotation(board: Path, fellows: list[Path]) -> None:
    cards = [word for home in fellows for word in ("--card", card_of(home))]

    told = ran("identity", "guardians", *cards, "--needed", 2, "--home", board)
    planned = json.loads(ran("identity", "guardians", "--json", "--home", board))
    ran("identity", "rotate", "--home", board)

    log = fold_key_log(load_key_ops(board))
    after = json.loads(ran("identity", "guardians", "--json", "--home", board))
    assert "The next rotation names, any 2 needed:\n  Dale: " in told
    assert planned["guardians"] == []
    assert (len(log.guardians), log.guardian_threshold) == (3, 2)
    assert [each["name"] for each in after["guardians"]] == ["Dale", "Mill", "Ford"]
    assert after["planned"] is None
    assert "Guardians, any 2 needed:" in ran("identity", "show", "--home", board)


def test_guardians_stay_when_a_rotation_names_none(board: Path, fellows: list[Path]) -> None:
    named(board, fellows)
    before = fold_key_log(load_key_ops(board)).guardians

    told = ran("identity", "rotate", "--home", board)

    assert fold_key_log(load_key_ops(board)).guardians == before
    assert "Dale" in told


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: "", "key.guardian_card"),
        (lambda text: text.replace("Guardian key", "Other key"), "key.guardian_card"),
        (lambda text: re.sub(r"Words +\w+", "Words zebra", text), "key.guardian_card"),
        (lambda text: text.replace("Words", "Wards"), "key.guardian_card"),
    ],
)
def test_a_card_that_is_none_is_refused(
    board: Path, fellows: list[Path], change, code: str
) -> None:
    card = card_of(fellows[0])
    card.write_text(change(card.read_text()))
    before = files_of(board)

    failed("identity", "guardians", "--card", card, "--needed", 1, "--home", board, code=code)

    assert files_of(board) == before


def test_guardians_that_cannot_be_are_refused(
    board: Path, fellows: list[Path], tmp_path: Path
) -> None:
    dale, own = card_of(fellows[0]), card_of(board)
    ask = ("identity", "guardians", "--home", board)

    failed(*ask, "--card", dale, "--card", dale, "--needed", 1, code="key.guardian")
    failed(*ask, "--card", own, "--needed", 1, code="key.guardian")
    failed(*ask, "--card", dale, "--needed", 2, code="key.guardian")
    failed(*ask, "--card", tmp_path / "none", "--needed", 1, code="key.guardian_card")
    assert ended(*ask, "--card", dale).exit_code == MISUSED
    assert ended("identity", "rotate", "--guardians", dale, "--home", board).exit_code == MISUSED


def test_guardians_bring_a_coop_back_without_any_sheet(
    lost: tuple[Path, Path], fellows: list[Path], tmp_path: Path
) -> None:
    hill, export = lost
    gone = load_keyring(hill)
    shutil.rmtree(hill)
    back, draft = tmp_path / "back", tmp_path / "hill.recovery"
    finish = ("identity", "recover", "--finish", draft, *ports(), "--home", back)

    told = ran(
        *("identity", "recover", "--from", export, "--draft", draft, "--home", back),
        *("--sheets", 2, "--needed", 2),
    )
    failed(*finish, code="key.draft_few")
    seen = ran("identity", "countersign", draft, "--home", fellows[2], told="y\n")
    failed(*finish, code="key.draft_few")
    ran("identity", "countersign", draft, "--yes", "--home", fellows[0])
    done_text = ran(*finish)

    words = re.search(r"^Draft: (.+)$", told, re.MULTILINE)
    assert words is not None
    assert f"Draft: {words[1]}\n" in seen
    assert f"Writer {gone.wid.hex()[:8]} ends at 2 in " in seen
    assert "Signed, 1 of 2 needed" in seen
    assert "2 new ones, any 2 needed" in done_text
    new = load_keyring(back)
    log = fold_key_log(new.key_ops)
    assert (new.cid, log.manager) == (gone.cid, new.require_manager().public)
    assert [each.by for each in log.authorities if each.rank is Rank.GUARDIANS] == [(0, 2)]
    assert not (back / "recovering").exists()
    dial(back, fellows[0])
    with serving(fellows[0]), serving(back):
        publish(back, ["r3"])
        wait_for(fellows[0], 3)
        wait_for(back, 3)
    state = held_state(fellows[0] / DATABASE)
    assert state.key_logs[gone.cid].manager == new.require_manager().public
    sheets = sheets_in(back, tmp_path / "sheets")
    forget(back)
    ran("identity", "rotate", "--sheet", sheets[0], "--sheet", sheets[1], "--home", back)


def test_guardians_may_sign_copies_of_the_draft(
    lost: tuple[Path, Path], fellows: list[Path], tmp_path: Path
) -> None:
    back, draft = tmp_path / "back", tmp_path / "draft"
    ran("identity", "recover", "--from", lost[1], "--draft", draft, "--home", back)
    copies = []
    for home in fellows:
        copies.append(tmp_path / f"{home.name}.copy")
        shutil.copy(draft, copies[-1])
        ran("identity", "countersign", copies[-1], "--yes", "--home", home)
    again = ran("identity", "countersign", copies[0], "--yes", "--home", fellows[0])

    given = [word for copy in copies for word in ("--finish", copy)]
    ran("identity", "recover", *given, *ports(), "--home", back)

    log = fold_key_log(load_key_ops(back))
    assert "has signed it already" in again
    # Of the choices that are signed the one that weighs most.
    assert [each.by for each in log.authorities if each.rank is Rank.GUARDIANS] == [(0, 1)]


def test_a_guardian_that_says_no_signs_nothing(
    lost: tuple[Path, Path], fellows: list[Path], tmp_path: Path
) -> None:
    draft = tmp_path / "draft"
    ran("identity", "recover", "--from", lost[1], "--draft", draft, "--home", tmp_path / "back")
    before = draft.read_bytes()

    result = run("identity", "countersign", draft, "--home", fellows[1], told="n\n")

    assert result.returncode == REFUSED
    assert draft.read_bytes() == before


def test_who_is_no_guardian_cannot_sign(lost: tuple[Path, Path], tmp_path: Path) -> None:
    draft, other = tmp_path / "draft", make_home(tmp_path / "moor", "Moor")
    ran("identity", "recover", "--from", lost[1], "--draft", draft, "--home", tmp_path / "back")
    sign = ("identity", "countersign", draft, "--yes", "--home", other)

    failed(*sign, code="key.guardian")  # without a guardian key
    card_of(other)
    failed(*sign, code="key.guardian")  # with one that nobody named


def test_a_draft_on_an_older_key_log_is_not_signed(
    lost: tuple[Path, Path], fellows: list[Path], tmp_path: Path
) -> None:
    hill, export = lost
    draft = tmp_path / "draft"
    ran("identity", "recover", "--from", export, "--draft", draft, "--home", tmp_path / "back")
    ran("identity", "revoke", "--new-manager", "--home", hill)
    with serving(hill), serving(fellows[0]):
        publish(hill, ["r1", "r2", "r3"])
        wait_for(fellows[0], 3)

    line = failed("identity", "countersign", draft, "--yes", "--home", fellows[0], code="key.draft")

    assert "this node holds 8 operations of Hill, the draft 6" in line


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda _: b"", lambda _: b"\x80"])
def test_a_file_that_is_no_draft_is_refused_by_all(
    lost: tuple[Path, Path], fellows: list[Path], tmp_path: Path, change
) -> None:
    back, draft = tmp_path / "back", tmp_path / "draft"
    done("identity", "recover", "--from", lost[1], "--draft", draft, "--home", back)
    draft.write_bytes(change(draft.read_bytes()))

    refused("identity", "countersign", draft, "--yes", "--home", fellows[1], code="key.draft")
    refused("identity", "recover", "--finish", draft, "--home", back, code="key.draft")
    missing = tmp_path / "missing"
    refused("identity", "recover", "--finish", missing, "--home", back, code="key.draft")

    assert not (back / "keys").exists()


def test_the_draft_of_another_home_finishes_nothing(
    lost: tuple[Path, Path], tmp_path: Path
) -> None:
    """A thief with an export makes a draft too; guardians compare its words before they sign."""
    drafts = [tmp_path / "ours", tmp_path / "thiefs"]
    for draft in drafts:
        home = tmp_path / f"{draft.name}.home"
        ran("identity", "recover", "--from", lost[1], "--draft", draft, "--home", home)

    failed(
        *("identity", "recover", "--finish", drafts[1], "--home", tmp_path / "ours.home"),
        code="key.draft",
    )
    failed(
        *("identity", "recover", "--finish", drafts[0], "--home", tmp_path / "nowhere"),
        code="key.draft",
    )


def test_without_guardians_no_recovery_is_drafted(
    fellows: list[Path], tmp_path: Path, board: Path
) -> None:
    found(tmp_path, board)
    export, back = tmp_path / "export", tmp_path / "back"
    with serving(board):
        cid = load_keyring(board).cid.hex()
        ran("identity", "export", cid, "--out", export, "--home", board)

    failed(
        *("identity", "recover", "--from", export, "--draft", tmp_path / "draft", "--home", back),
        code="key.guardian",
    )

    assert not back.exists()


@pytest.mark.parametrize(
    "options",
    [
        [],  # from what?
        ["--finish", "x", "--from", "y"],
        ["--finish", "x", "--draft", "y"],
        ["--from", "x", "--draft", "y", "--sheet", "z"],
        ["--from", "x", "--sheets", 3],  # the sheets say how many
    ],
)
def test_two_ways_to_recover_at_once_are_misuse(tmp_path: Path, options: list[object]) -> None:
    result = ended("identity", "recover", *options, "--home", tmp_path / "back")

    assert result.exit_code == MISUSED
    assert not (tmp_path / "back").exists()


# --- interrupted


def killed_after(wait_s: float, *args: object) -> None:
    with subprocess.Popen(
        command(*args), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline and process.poll() is None:
            pass
        process.send_signal(signal.SIGKILL)


def test_a_recovery_killed_anywhere_goes_on(
    lost: tuple[Path, Path], fellows: list[Path], tmp_path: Path
) -> None:
    back, draft = tmp_path / "back", tmp_path / "draft"
    begin = ("identity", "recover", "--from", lost[1], "--draft", draft, "--home", back)
    finish = ("identity", "recover", "--finish", draft, *ports(), "--home", back)
    started = time.monotonic()
    ran("identity", "show", "--home", fellows[0])
    usual_s = time.monotonic() - started
    steps = [usual_s * share for share in (0.7, 0.85, 1.0, 1.15, 1.3)]

    for wait_s in steps:
        killed_after(wait_s, *begin)
    ran(*begin)
    for home in fellows[:2]:
        for wait_s in steps[::2]:
            killed_after(wait_s, "identity", "countersign", draft, "--yes", "--home", home)
        ran("identity", "countersign", draft, "--yes", "--home", home)
    ran(*begin)  # what was signed stays signed
    for wait_s in steps:
        killed_after(wait_s, *finish)
    if not (back / "sheaf.toml").exists() or (back / "recovering" / "keys").exists():
        ran(*finish)

    log = fold_key_log(load_key_ops(back))
    assert load_keyring(back).require_manager().public == log.manager
    assert not (back / "recovering" / "keys").exists()
    assert len(list((back / "federations").glob("*.charter"))) == 1


@pytest.mark.parametrize("missing", ["sheaf.toml", "federations"])
def test_a_finish_that_died_half_way_is_finished(
    lost: tuple[Path, Path], fellows: list[Path], tmp_path: Path, missing: str
) -> None:
    back, draft, kept = tmp_path / "back", tmp_path / "draft", tmp_path / "kept"
    finish = ("identity", "recover", "--finish", draft, *ports(), "--home", back)
    ran("identity", "recover", "--from", lost[1], "--draft", draft, "--home", back)
    for home in fellows[:2]:
        ran("identity", "countersign", draft, "--yes", "--home", home)
    shutil.copytree(back / "recovering", kept)
    ran(*finish)
    shutil.copytree(kept, back / "recovering")
    (back / "sheaf.toml").unlink()
    if missing == "federations":
        shutil.rmtree(back / "federations")
    before = files_of(back)

    ran(*finish)

    assert files_of(back) == before
    assert (back / "sheaf.toml").exists()
    assert not (back / "recovering").exists()
    assert len(list((back / "federations").glob("*.charter"))) == 1
    failed(*finish, code="node.exists")
