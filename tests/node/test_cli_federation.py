"""`sheaf federation` at a running node: create, admit, vote, tally, policy, leave."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from msgspec import structs

from sheaf_node.charter_file import adopted_ids, read_charter_file
from sheaf_node.cli.main import sheaf
from sheaf_node.keyring import load_keyring
from sheaf_node.leaving import read_taken
from sheaf_protocol.charter import Chain
from sheaf_protocol.codec import encode
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.log import EMPTY
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.epoch import make_epoch
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REFUSED, MISUSED = 1, 2
QUICK = ["--policy", "ballot_ms=1000", "--policy", "round_ms=1000"]


def run(*args: object, words: str | None = None) -> Result:
    return CliRunner().invoke(sheaf, [str(arg) for arg in args], input=words)


def done(*args: object) -> str:
    result = run(*args)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def refused(*args: object) -> str:
    """Return the code of the refusal that a command ends in."""
    result = run(*args)
    assert result.exit_code == REFUSED, result.output
    return result.stderr.splitlines()[-1].rpartition("[")[2].rstrip("]")


def make_home(folder: Path, name: str) -> Path:
    peer, local = free_ports(2)
    home = folder / name
    done("init", name.title(), "--home", home, "--peer-port", peer, "--local-port", local)
    done("federation", "card", "--out", folder / f"{name}.card", "--home", home)
    return home


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("federation")


@contextmanager
def served(home: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Serving")
        yield
        process.terminate()


@pytest.fixture(scope="module")
def hill(folder: Path) -> Iterator[Path]:
    """The home of Hill, alone in a federation of its second epoch, whose node is running."""
    home = make_home(folder, "hill")
    make_home(folder, "mill")
    done("federation", "create", "Borders", *QUICK, "--home", home)
    with served(home):
        asked = ("federation", "policy", "set", "fee_bps=300", "--json", "--home", home)
        ballot = json.loads(done(*asked))["id"]
        done("federation", "vote", ballot, "yes", "--home", home)
        yield home


# --- founding and joining


def test_one_coop_founds_a_federation_alone_and_reads_what_is_promised(tmp_path: Path) -> None:
    home = make_home(tmp_path, "hill")

    said = done("federation", "create", "Borders", "--home", home)

    assert said.startswith("Two thirds: more than two thirds")
    assert "Hill  coordinator, member  (signed)" in said
    assert len(adopted_ids(home)) == 1


def test_founders_may_choose_the_weaker_promise_and_are_told(tmp_path: Path) -> None:
    home = make_home(tmp_path, "hill")
    chosen = ("--policy", "certify=majority", "--role", "member")

    said = done("federation", "create", "Borders", *chosen, "--home", home)

    assert "safe only while nobody lies" in said


def test_several_found_one_out_of_cards(tmp_path: Path) -> None:
    hill, mill = make_home(tmp_path, "hill"), make_home(tmp_path, "mill")
    charter = tmp_path / "borders.charter"
    card = f"{tmp_path / 'mill.card'}=supplier"

    done("federation", "create", "Borders", card, "--out", charter, "--home", hill)
    assert "Mill  supplier  (not signed)" in done("federation", "show", charter)
    done("federation", "sign", charter, "--home", mill)

    assert "Adopted" in done("federation", "adopt", charter, "--home", hill)
    assert "Adopted" in done("federation", "adopt", charter, "--home", mill)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--out", "charter"],  # nobody to sign
        ["a.card=member"],  # nowhere to write
        ["--policy", "fee_bps"],  # no value
        ["--policy", "fee_bps=10001"],  # more than all
        ["--policy", "colour=red"],  # no such setting
        ["--policy", "version=3"],  # counts by itself
        ["--role", "king"],
    ],
)
def test_founding_asked_wrongly_is_misuse(tmp_path: Path, arguments: list[str]) -> None:
    home = make_home(tmp_path, "hill")

    assert run("federation", "create", "B", *arguments, "--home", home).exit_code == MISUSED
    assert adopted_ids(home) == frozenset()


def test_a_candidate_joins_by_the_file_that_a_member_wrote(hill: Path, folder: Path) -> None:
    card, invitation = folder / "mill.card", folder / "mill.charter"
    arguments = ("--role", "supplier", "--yes", "--out", invitation, "--home", hill)
    assert "admit Mill as supplier" in done("federation", "admit", card, *arguments)
    assert "  Admit Mill as supplier\n" in done("federation", "tally", "--home", hill)

    said = done("federation", "join", invitation, "--home", folder / "mill")

    assert "Not a member so far" in said
    assert adopted_ids(folder / "mill") == adopted_ids(hill)
    assert refused("federation", "adopt", invitation, "--home", folder / "mill") == (
        "charter.not_member"
    )


def test_joining_by_what_is_no_charter_is_refused(folder: Path, hill: Path) -> None:
    assert refused("federation", "join", folder / "hill.card", "--home", hill) == "charter.file"


# --- deciding


def test_admitting_asks_whether_the_words_are_the_same(hill: Path, folder: Path) -> None:
    result = run("federation", "admit", folder / "mill.card", "--home", hill, words="n\n")

    assert result.exit_code == REFUSED
    assert "Fingerprint: " in result.stderr
    assert "read you the same words?" in result.stderr


def test_a_change_of_policy_is_proposed_voted_and_in_force(hill: Path) -> None:
    asked = ("federation", "policy", "set", "no_show_bps=900", "--text", "Less.", "--home", hill)
    assert "set no_show_bps from 1000 to 900 (policy version 2)" in done(*asked)
    listed = json.loads(done("federation", "tally", "--json", "--home", hill))
    [ballot] = [each for each in listed if "no_show_bps" in each["would"]]

    shown = done("federation", "tally", ballot["id"][:8], "--home", hill)
    assert "  Less.\n" in shown
    assert "  -       Hill\n" in shown
    assert "Voted yes" in done("federation", "vote", ballot["id"][:8], "yes", "--home", hill)

    for _ in range(200):  # the node certifies in a moment of its own
        if "no_show_bps = 900\n" in done("federation", "policy", "show", "--home", hill):
            break
        time.sleep(0.05)
    else:
        pytest.fail("expected the change to be in force")
    shown = done("federation", "tally", ballot["id"], "--home", hill)
    assert "The change: set no_show_bps from 1000 to 900 (policy version 2)." in shown
    assert "passed and certified as epoch 2" in shown
    assert "  yes     Hill\n" in shown
    table = done("federation", "tally", "--home", hill)
    assert table.startswith("ballot")
    assert "certified" in table


def test_the_running_node_tells_of_its_federation(hill: Path) -> None:
    said = done("federation", "show", "--home", hill)

    assert said.startswith("Borders, federation ")
    assert "Co-ops with a vote: 1; it takes 1 to certify a change." in said
    assert json.loads(done("federation", "show", "--json", "--home", hill))["name"] == "Borders"
    assert json.loads(done("federation", "policy", "show", "--json", "--home", hill))["version"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["propose", "suspend", "Nobody"], "governance.coop"),
        (["propose", "restore", "Hill"], "charter.change"),
        (["propose", "expel", "Hill"], "charter.voters"),
        (["propose", "roles", "Hill", "--role", "member", "--days", "0"], "ballot.short"),
        (["policy", "set", "fee_bps=300"], "charter.change"),
        (["policy", "set", "colour=red"], "governance.request"),
        (["vote", "abcdef", "yes"], "governance.ballot"),
        (["show", "--federation", "ab"], "api.query"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    hill: Path, arguments: list[str], code: str
) -> None:
    done("federation", "tally", "--home", hill)

    result = run("federation", *arguments, "--home", hill)

    assert (result.exit_code, result.stdout) == (REFUSED, "")
    assert result.stderr.startswith("sheaf: expected ")
    assert result.stderr.endswith(f"[{code}]\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["propose", "suspend", "Hill", "--role", "member"],
        ["propose", "roles", "Hill"],
        ["propose", "crown", "Hill"],
        ["vote", "abcdef", "perhaps"],
        ["policy", "set", "fee_bps"],
    ],
)
def test_asked_wrongly_is_misuse(hill: Path, arguments: list[str]) -> None:
    assert run("federation", *arguments, "--home", hill).exit_code == MISUSED


def test_a_ballot_that_is_not_there_is_told(hill: Path) -> None:
    assert refused("federation", "tally", "00000000", "--home", hill) == "governance.ballot"


def test_the_policy_is_shown_with_lengths_of_time_in_words(hill: Path) -> None:
    said = done("federation", "policy", "show", "--home", hill)

    assert "anchor_ms = 259200000 (3 days)\n" in said
    assert "round_ms = 1000 (1 second)\n" in said


def test_a_charter_shows_the_words_and_the_settings_that_a_signer_signs(tmp_path: Path) -> None:
    home, out = make_home(tmp_path, "hill"), tmp_path / "duo.charter"
    make_home(tmp_path, "mill")
    mill = f"{tmp_path / 'mill.card'}=supplier"
    done("federation", "create", "Duo", mill, "--out", out, *QUICK, "--home", home)

    said, told = done("federation", "show", out), done("federation", "show", out, "--json")

    charter = json.loads(told)
    assert [member["has_signed"] for member in charter["members"]].count(True) == 1
    assert all(member["fingerprint"] in said for member in charter["members"])
    assert "Policy: as usual, but\n  ballot_ms = 1000 (1 second)\n" in said


def test_cards_without_a_file_for_the_charter_are_misuse_that_says_so(tmp_path: Path) -> None:
    home = make_home(tmp_path, "hill")

    result = run("federation", "create", "Duo", "mill.card=member", "--home", home)

    assert result.exit_code == MISUSED
    assert "expected --out" in result.stderr


# --- when two certificates appear


def forked(home: Path) -> None:
    """Let a home that founded a federation alone sign two certificates on the founding one."""
    [path] = home.glob("federations/*.charter")
    current = read_charter_file(path.read_bytes())
    keyring = load_keyring(home)
    keys = {keyring.cid: fold_key_log(keyring.key_ops)}
    federation = Chain.found(current.certificate, keys).federation
    coop = SimpleNamespace(cid=keyring.cid, writer=keyring.writer)
    sides = []
    for fee_bps in (1, 2):
        policy = structs.replace(federation.charter.policy, fee_bps=fee_bps, version=1)
        author = SimpleNamespace(cid=keyring.cid, key=keyring.writer, head=EMPTY)
        change = Change(action="policy", policy=policy)
        sides.append(make_epoch(federation, change, [coop], lines=[author]))
    path.write_bytes(encode(structs.replace(current, later=sides)))


def test_people_settle_a_fork_by_files_and_the_node_goes_on(tmp_path: Path) -> None:
    home, out = make_home(tmp_path, "hill"), tmp_path / "again.charter"
    done("federation", "create", "Borders", *QUICK, "--home", home)
    forked(home)
    with served(home):
        assert "Halted" in done("federation", "show", "--home", home)
        assert refused("federation", "policy", "set", "fee_bps=3", "--home", home) == (
            "charter.forked"
        )

        done("federation", "refound", "--out", out, "--home", home)
        assert "A re-foundation" in done("federation", "show", out)
        assert refused("federation", "adopt", out, "--home", home) == "charter.quorum"
        done("federation", "sign", out, "--home", home)
        assert refused("federation", "refound", "--out", out, "--home", home) == "charter.signed"
        assert "over the links" in done("federation", "adopt", out, "--home", home)

        assert "Halted" not in done("federation", "show", "--home", home)
        done("federation", "policy", "set", "fee_bps=3", "--home", home)


def test_nothing_is_refounded_where_nothing_is_forked(hill: Path, folder: Path) -> None:
    asked = ("federation", "refound", "--out", folder / "again", "--without", "Hill")

    assert refused(*asked, "--home", hill) == "charter.refounding"


# --- leaving


def test_a_coop_takes_its_data_along_and_the_last_voter_cannot_leave(
    hill: Path, folder: Path
) -> None:
    out = folder / "hill.export"
    asked = ("federation", "leave", "--out", out, "--home", hill)

    assert "and the charter are in" in done(*asked, "--export-only")
    assert refused(*asked, "--yes") == "charter.voters"
    result = run(*asked, words="n\n")

    assert result.exit_code == REFUSED
    taken = read_taken(out.read_bytes())
    assert {entry["kind"] for entry in taken.entries} >= {"ballot.propose", "charter.accept"}
    assert len(taken.charter.certificates) >= 2
    assert read_charter_file(bytes.fromhex(json.loads(out.read_text().splitlines()[0])["charter"]))
