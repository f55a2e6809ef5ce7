"""Fellow co-ops that help one back which lost everything."""

import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.long import IS_LONG

from sheaf_node.identity import held_state
from sheaf_node.keyring import load_key_ops, load_keyring
from sheaf_node.store import DATABASE
from sheaf_protocol.identity import Rank, fold_key_log

from .board import board_home, failed, files_of, forget, ports, ran, run, sheets_in
from .test_cli_identity import (
    MISUSED,
    REFUSED,
    command,
    dial,
    done,
    ended,
    found,
    make_home,
    publish,
    refused,
    serving,
    wait_for,
)

FELLOWS = ("dale", "mill", "ford")
SHARES = (0.7, 0.85, 1.0, 1.15, 1.3) if IS_LONG else (0.75, 1.0, 1.25)
"""When a command is killed, of the time that one usually takes."""


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """The home of Hill, of whose three sheets two are needed."""
    return board_home(tmp_path / "hill", "Hill")


def card_of(home: Path) -> Path:
    card = home.parent / f"{home.name}.guardian"
    card.write_text(done("identity", "guardian-card", "--home", home))
    return card


def named(board: Path, guardians: list[Path], needed: int = 2) -> None:
    given = [word for home in guardians for word in ("--guardians", card_of(home))]
    done("identity", "rotate", *given, "--needed-guardians", needed, "--home", board)


class Made(NamedTuple):
    """Homes that are made once: a test takes a copy, since no path or running node is in them."""

    folder: Path
    """Of three fellow co-ops, none of which runs, and nothing else."""
    lost: Path
    """Of the same, and of Hill, which named its fellows as guardians, with Dale's export of it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder, lost = tmp_path_factory.mktemp("fellows"), tmp_path_factory.mktemp("lost") / "all"
    for name in FELLOWS:
        make_home(folder / name, name.title())
    shutil.copytree(folder, lost)
    hill, export = board_home(lost / "hill", "Hill"), lost / "hill.export"
    found(lost, hill, lost / "dale")
    named(hill, [lost / name for name in FELLOWS])
    dial(lost / "dale", hill)
    with serving(hill), serving(lost / "dale"):
        publish(hill, ["r1", "r2"])
        wait_for(lost / "dale", 2)
        cid = load_keyring(hill).cid.hex()
        done("identity", "export", cid, "--out", export, "--home", lost / "dale")
    return Made(folder, lost)


@pytest.fixture
def fellows(tmp_path: Path, made: Made) -> list[Path]:
    """Three fellow co-ops, none of which runs."""
    shutil.copytree(made.folder, tmp_path, dirs_exist_ok=True)
    return [tmp_path / name for name in FELLOWS]


@pytest.fixture
def lost(tmp_path: Path, fellows: list[Path], made: Made) -> tuple[Path, Path]:
    """The home of Hill, which named its fellows as guardians, and what Dale exported of it."""
    for home in fellows:
        shutil.rmtree(home)
    shutil.copytree(made.lost, tmp_path, dirs_exist_ok=True)
    return tmp_path / "hill", tmp_path / "hill.export"


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
    subprocess.run(
        command("identity", "show", "--home", fellows[0]), stdout=subprocess.DEVNULL, check=True
    )
    usual_s = time.monotonic() - started
    steps = [usual_s * share for share in SHARES]

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
