"""Setting up: init, cards, charters, and what all commands share."""

import json
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from sheaf_node.charter_file import (
    adopted_charters,
    draft_charter,
    read_charter_file,
    write_file,
)
from sheaf_node.cli.main import sheaf
from sheaf_node.cli.output import default_home, fail, print_json, printable
from sheaf_node.config import load_config
from sheaf_node.keyring import load_keyring
from sheaf_protocol.charter import read_charter
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal

MANUAL = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
HEAVY = ["aiohttp", "sqlite_utils", "zeroconf", "openpyxl", "rapidfuzz", "pyvrp", "numpy", "nacl"]
REFUSED, MISUSED = 1, 2


def run(*args: object) -> Result:
    return CliRunner().invoke(sheaf, [str(arg) for arg in args])


def done(*args: object) -> str:
    """Return what a command printed that went well."""
    result = run(*args)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*args: object, code: str, exit_code: int = REFUSED) -> str:
    """Return the one sentence of a refusal."""
    result = run(*args)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert isinstance(result.exception, SystemExit), result.exception
    [line] = result.stderr.splitlines()
    assert line.startswith("sheaf: ")
    assert line.endswith(f"[{code}]")
    return line


@pytest.fixture
def homes(tmp_path: Path) -> dict[str, Path]:
    """Three co-ops' homes and their cards beside them, in no federation yet."""
    found = {}
    for name in ("hill", "dale", "haul"):
        found[name] = tmp_path / name
        done("init", name.title(), "--home", found[name])
        done("federation", "card", "--out", tmp_path / f"{name}.card", "--home", found[name])
    return found


@pytest.fixture
def draft(homes: dict[str, Path], tmp_path: Path) -> Path:
    """A charter of Hill and Dale that nobody has signed."""
    out = tmp_path / "borders.charter"
    members = [f"{tmp_path}/hill.card=member", f"{tmp_path}/dale.card=supplier,coordinator"]
    done("federation", "draft", "Borders", *members, "--out", out)
    return out


# --- init


def test_init_makes_keys_and_settings(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"

    output = done("init", "Hill Farm", "--home", home, "--peer-port", 7000, "--local-port", 7001)

    config = load_config(home)
    assert (config.name, config.peer_port, config.local_port) == ("Hill Farm", 7000, 7001)
    assert load_keyring(home).cid.hex()[:8] in output
    assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o700


def test_a_second_init_changes_nothing(homes: dict[str, Path]) -> None:
    before = load_keyring(homes["hill"]).cid

    refused("init", "Other", "--home", homes["hill"], code="node.exists")

    assert load_keyring(homes["hill"]).cid == before
    assert load_config(homes["hill"]).name == "Hill"


def test_init_beside_old_keys_is_refused(homes: dict[str, Path]) -> None:
    (homes["hill"] / "sheaf.toml").unlink()

    refused("init", "Hill", "--home", homes["hill"], code="key.exists")


@pytest.mark.parametrize("place", ["file/home", "/proc/sheaf"])
def test_init_in_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()

    refused("init", "Hill", "--home", tmp_path / place, code="key.write")


def test_init_that_cannot_write_settings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sheaf.toml").symlink_to(tmp_path / "missing" / "sheaf.toml")

    refused("init", "Hill", "--home", tmp_path, code="node.unwritable")


@pytest.mark.parametrize(
    "arguments",
    [
        ["Hill", "--country", "Scotland"],  # no ISO code
        ["Hill", "--country", "gb"],  # lower case
        [""],  # no name
        ["Hill\x1b[2J"],  # a terminal command
        ["H" * 1000],  # too long
    ],
)
def test_init_with_a_wrong_name_or_country_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    home = tmp_path / "home"

    refused("init", *arguments, "--home", home, code="key.name")

    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Hill", "--country", "scotland"], "ISO 3166 code, such as GB or FR, got 'scotland'"),
        (["a\nb"], "a name of 1 to 120 characters on one line"),
    ],
)
def test_init_says_which_of_name_and_country_is_wrong(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    assert words in refused("init", *arguments, "--home", tmp_path / "home", code="key.name")


def test_init_tells_what_to_do_about_the_keys(tmp_path: Path) -> None:
    output = done("init", "Hill", "--home", tmp_path / "home")

    assert "`sheaf identity recovery-sheet` prints it" in output
    assert "`sheaf identity passphrase`" in output


@pytest.mark.parametrize(
    "arguments",
    [
        [],  # no name
        ["Hill", "--peer-port", "0"],  # no port
        ["Hill", "--local-port", "70000"],  # no such port
        ["Hill", "--peer-port", "7000", "--local-port", "7000"],  # one port for two
        ["Hill", "--colour", "red"],  # no such option
    ],
)
def test_init_asked_wrongly_is_misuse(tmp_path: Path, arguments: list[str]) -> None:
    assert run("init", *arguments, "--home", tmp_path / "home").exit_code == MISUSED
    assert not (tmp_path / "home").exists()


# --- founding a federation


def test_members_found_a_federation_by_passing_files(
    homes: dict[str, Path], tmp_path: Path
) -> None:
    charter = tmp_path / "borders.charter"
    members = [f"{tmp_path}/{name}.card=member" for name in homes]

    done("federation", "draft", "Borders", *members, "--out", charter)
    assert done("federation", "show", charter).count("(not signed)") == 3
    for count, home in enumerate(homes.values(), start=1):
        output = done("federation", "sign", charter, "--home", home)
        assert output.count("(signed)") == count
    for home in homes.values():
        assert "Borders" in done("federation", "adopt", charter, "--home", home)

    [fid] = {adopted_charters(home)[0].certificate.fid for home in homes.values()}
    assert fid.hex()[:8] in done("federation", "show", charter)


def test_signing_twice_signs_once(homes: dict[str, Path], draft: Path) -> None:
    done("federation", "sign", draft, "--home", homes["hill"])
    before = draft.read_bytes()

    done("federation", "sign", draft, "--home", homes["hill"])

    assert draft.read_bytes() == before


def test_adopting_a_charter_that_is_not_signed_by_all_is_refused(
    homes: dict[str, Path], draft: Path
) -> None:
    done("federation", "sign", draft, "--home", homes["hill"])

    line = refused("federation", "adopt", draft, "--home", homes["hill"], code="charter.signature")

    assert f"Dale ({load_keyring(homes['dale']).cid.hex()[:8]})" in line
    assert "Hill" not in line
    assert adopted_charters(homes["hill"]) == []


def test_a_signature_that_is_wrong_is_told_by_its_id(homes: dict[str, Path], draft: Path) -> None:
    for name in ("hill", "dale"):
        done("federation", "sign", draft, "--home", homes[name])
    signed = read_charter_file(draft.read_bytes())
    first, second = signed.certificate.approvals
    swapped = [
        msgspec.structs.replace(first, signature=second.signature),
        msgspec.structs.replace(second, signature=first.signature),
    ]
    certificate = msgspec.structs.replace(signed.certificate, approvals=swapped)
    write_file(draft, encode(msgspec.structs.replace(signed, certificate=certificate)))

    line = refused("federation", "adopt", draft, "--home", homes["hill"], code="charter.signature")

    assert "expected the approval of" in line


def test_a_draft_takes_no_signed_charters_place(
    homes: dict[str, Path], draft: Path, tmp_path: Path
) -> None:
    again = ("federation", "draft", "Borders", f"{tmp_path}/hill.card=member", "--out", draft)
    done(*again)
    done("federation", "sign", draft, "--home", homes["hill"])
    before = draft.read_bytes()

    line = refused(*again, code="charter.signed")

    assert str(draft) in line
    assert draft.read_bytes() == before


def test_a_card_in_a_charters_place_is_called_a_card(
    homes: dict[str, Path], tmp_path: Path
) -> None:
    line = refused("federation", "show", tmp_path / "hill.card", code="charter.file")

    assert "this is a card, not a charter" in line


def test_a_node_joins_several_federations_and_may_adopt_one_again(
    homes: dict[str, Path], draft: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.charter"
    cards = [f"{tmp_path}/{name}.card=member" for name in ("hill", "dale")]
    done("federation", "draft", "Other", *cards, "--out", other)
    for charter in (draft, other):
        for name in ("hill", "dale"):
            done("federation", "sign", charter, "--home", homes[name])
    done("federation", "adopt", draft, "--home", homes["hill"])
    done("federation", "adopt", draft, "--home", homes["hill"])

    done("federation", "adopt", other, "--home", homes["hill"])

    names = [read_charter(c.certificate).name for c in adopted_charters(homes["hill"])]
    assert sorted(names) == ["Borders", "Other"]


def test_a_stranger_neither_signs_nor_adopts(homes: dict[str, Path], draft: Path) -> None:
    for name in ("hill", "dale"):
        done("federation", "sign", draft, "--home", homes[name])
    before = draft.read_bytes()

    for verb in ("sign", "adopt"):
        refused("federation", verb, draft, "--home", homes["haul"], code="charter.not_member")

    assert draft.read_bytes() == before
    assert adopted_charters(homes["haul"]) == []


@pytest.mark.parametrize("verb", ["card", "sign", "adopt"])
def test_a_folder_without_a_node_is_told(
    homes: dict[str, Path], draft: Path, tmp_path: Path, verb: str
) -> None:
    for name in ("hill", "dale"):
        done("federation", "sign", draft, "--home", homes[name])
    files = ["--out", tmp_path / "new.card"] if verb == "card" else [draft]

    line = refused("federation", verb, *files, "--home", tmp_path / "wrong", code="key.missing")

    assert "`sheaf init`" in line
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize("content", [b"", b"not a card", bytes(100), b"\x81\xa7key_log\x90"])
def test_a_card_that_is_none_is_refused(
    homes: dict[str, Path], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "bad.card").write_bytes(content)

    refused(
        *("federation", "draft", "Borders", f"{tmp_path}/bad.card=member"),
        *("--out", tmp_path / "out"),
        code="charter.card",
    )

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["show", "sign", "adopt"])
@pytest.mark.parametrize("name", ["hill.card", "empty", "half", "missing", "."])
def test_a_file_that_is_no_charter_is_refused(
    homes: dict[str, Path], draft: Path, tmp_path: Path, name: str, verb: str
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "half").write_bytes(draft.read_bytes()[:-40])
    home = [] if verb == "show" else ["--home", homes["hill"]]
    if name == ".":
        assert run("federation", verb, tmp_path, *home).exit_code == MISUSED
    else:
        refused("federation", verb, tmp_path / name, *home, code="charter.file")


@pytest.mark.parametrize(
    "member",
    [
        "hill.card=owner",  # no such role
        "hill.card=member,",  # half a list
        "hill.card=member,member",  # twice
        "hill.card=",  # no role
        "hill.card",  # no role either
        "=member",  # no card
    ],
)
def test_a_role_that_does_not_exist_is_misuse(
    homes: dict[str, Path], tmp_path: Path, member: str
) -> None:
    card = f"{tmp_path}/{member}" if member.startswith("hill") else member

    result = run("federation", "draft", "Borders", card, "--out", tmp_path / "out")

    assert result.exit_code == MISUSED
    assert "CARD=ROLE" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_card_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    refused(
        *("federation", "draft", "Borders", f"{tmp_path}/no.card=member"),
        *("--out", tmp_path / "out"),
        code="charter.file",
    )


def test_a_coop_twice_is_refused_before_anybody_signs(
    homes: dict[str, Path], tmp_path: Path
) -> None:
    card = f"{tmp_path}/hill.card=member"

    line = refused(
        *("federation", "draft", "Borders", card, card, "--out", tmp_path / "out"),
        code="charter.members",
    )

    assert "Hill" in line


@pytest.mark.parametrize("name", ["", "Borders\n", "B" * 121])
def test_a_name_that_no_charter_can_have_is_refused_before_anybody_signs(
    homes: dict[str, Path], tmp_path: Path, name: str
) -> None:
    refused(
        *("federation", "draft", name, f"{tmp_path}/hill.card=member", "--out", tmp_path / "out"),
        code="charter.file",
    )


def test_a_place_that_cannot_be_written_is_refused(
    homes: dict[str, Path], draft: Path, tmp_path: Path
) -> None:
    out = tmp_path / "missing" / "hill.card"
    refused("federation", "card", "--out", out, "--home", homes["hill"], code="charter.file")

    for name in ("hill", "dale"):
        done("federation", "sign", draft, "--home", homes[name])
    (homes["hill"] / "federations").touch()
    refused("federation", "adopt", draft, "--home", homes["hill"], code="charter.file")


def test_a_charter_without_a_members_key_log_shows_it_as_unknown(
    homes: dict[str, Path], draft: Path, tmp_path: Path
) -> None:
    ops = load_keyring(homes["hill"]).key_ops
    whole = draft_charter("Other", [(ops, ["member"])], bytes(16))
    without = whole[: whole.rindex(b"\xa8key_logs")] + b"\xa8key_logs\x90"
    write_file(tmp_path / "without", without)

    assert "unknown" in done("federation", "show", tmp_path / "without")
    refused(
        *("federation", "adopt", tmp_path / "without", "--home", homes["hill"]),
        code="charter.unknown_member",
    )


# --- what people see


def test_terminal_commands_in_a_peers_text_are_shown_and_not_obeyed(
    homes: dict[str, Path], tmp_path: Path
) -> None:
    card = f"{tmp_path}/hill.card=member"
    done("federation", "draft", "Evil\x9b2J\x7f\u202e", card, "--out", tmp_path / "evil")

    output = done("federation", "show", tmp_path / "evil")

    assert "Evil\\u009b2J\\u007f\\u202e, federation" in output


def test_a_refusal_shows_terminal_commands_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        fail(Refusal("import.unreadable", "expected a file at \x1b[2J\n"))

    assert end.value.code == REFUSED
    assert capsys.readouterr().err == (
        "sheaf: expected a file at \\u001b[2J\\u000a [import.unreadable]\n"
    )


def test_names_of_all_languages_are_printed_as_they_are() -> None:
    assert printable("Käserei Tal 🐄 नमस्ते") == "Käserei Tal 🐄 नमस्ते"


def test_json_holds_no_terminal_command(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "\x9b2J\x1b"})

    output = capsys.readouterr().out
    assert output.isascii()
    assert output.rstrip("\n").isprintable()
    assert json.loads(output) == {"name": "\x9b2J\x1b"}


def test_the_home_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHEAF_HOME", "/somewhere")
    assert default_home() == Path("/somewhere")

    monkeypatch.delenv("SHEAF_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_home() == Path("/data/sheaf")

    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/mary")
    assert default_home() == Path("/home/mary/.local/share/sheaf")


@pytest.mark.parametrize("command", ["status", "log", "import", "serve"])
def test_a_wrong_home_is_told_with_its_path(tmp_path: Path, command: str) -> None:
    (tmp_path / "list.csv").touch()
    arguments = ["purchases", tmp_path / "list.csv"] if command == "import" else []

    line = refused(command, *arguments, "--home", tmp_path / "wrong", code="config.missing")

    assert str(tmp_path / "wrong") in line
    assert not (tmp_path / "wrong").exists()


# --- help


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from sheaf_node.cli import main\n"
        "sys.argv = ['sheaf', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )

    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout

    assert output.splitlines()[-1] == "[]"
    assert "federation" in output


def test_help_says_what_each_command_says_of_itself() -> None:
    rows = dict(re.findall(r"^  (\w+) {2,}(\S.*)$", done("--help"), re.MULTILINE))

    with click.Context(sheaf) as context:
        assert set(rows) == set(sheaf.list_commands(context))
    assert all(rows.values())


def test_an_unknown_command_is_misuse() -> None:
    assert run("nonsense").exit_code == MISUSED
    assert run("federation", "nonsense").exit_code == MISUSED


def test_the_module_is_the_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "sheaf_node", "status", "--home", "/nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (REFUSED, "")
    assert ended.stderr.endswith("[config.missing]\n")


# --- the manual


def commands(command: click.Command, path: str = "sheaf") -> Iterator[tuple[str, set[str]]]:
    """Yield each command as the manual writes it, with its options."""
    with click.Context(command) as context:
        words = [param.make_metavar(context) for param in command.params if is_argument(param)]
        options = {
            name
            for param in command.params
            if not is_argument(param)
            for name in param.opts
            if name.startswith("--")
        }
        yield " ".join([path, *words]), options
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                yield from commands(inner, f"{path} {name}")


def is_argument(param: click.Parameter) -> bool:
    return isinstance(param, click.Argument)


def test_every_command_and_option_is_in_the_manual_and_the_other_way_round() -> None:
    written = {}
    for section in re.split(r"^##+ ", MANUAL, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        written[title] = set(re.findall(r"^- `(--[a-z-]+)`", text, re.MULTILINE))

    def plain(title: str) -> str:
        return title.replace("{prices|purchases|transport}", "WHAT")

    assert written == {plain(title): options for title, options in commands(sheaf)}
