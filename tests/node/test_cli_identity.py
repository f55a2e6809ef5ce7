"""`sheaf identity`: what its users type and read, beside nodes that run as processes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sheaf_node.cli.main import sheaf
from sheaf_node.identity import held_state
from sheaf_node.keyring import Passphrase, fingerprint, load_key_ops, load_keyring, read_files
from sheaf_node.keyring.protection import protect
from sheaf_node.keyring.secret_file import LEAST
from sheaf_node.keyring.words import words_of
from sheaf_node.store import DATABASE
from sheaf_protocol.digest import WriterId
from sheaf_protocol.identity import Rank, fold_key_log, signing_key
from sheaf_services.demo.ports import free_ports

REFUSED, MISUSED = 1, 2
PATIENCE_S = 30
WORDS = "seven old ewes cross water"


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "sheaf_node", *map(str, args)]


def ended(*args: object, told: str = "", env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(sheaf, [str(arg) for arg in args], input=told, env=env)


def done(*args: object, told: str = "", env: dict[str, str] | None = None) -> str:
    result = ended(*args, told=told, env=env)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*args: object, code: str, told: str = "", env: dict[str, str] | None = None) -> str:
    result = ended(*args, told=told, env=env)
    assert result.exit_code == REFUSED, result.output
    assert result.stderr.endswith(f"[{code}]\n"), result.stderr
    return result.stderr


def make_home(home: Path, name: str) -> Path:
    peer_port, local_port = free_ports(2)
    done("init", name, "--home", home, "--peer-port", peer_port, "--local-port", local_port)
    return home


def found(folder: Path, *homes: Path) -> None:
    """Found a federation of homes whose last one dials the others."""
    members, charter = [], folder / "charter"
    for home in homes:
        card = folder / f"{home.name}.card"
        done("federation", "card", "--out", card, "--home", home)
        members.append(f"{card}=member")
    done("federation", "draft", "Borders", *members, "--out", charter)
    for home in homes:
        done("federation", "sign", charter, "--home", home)
    for home in homes:
        done("federation", "adopt", charter, "--home", home)


def dial(home: Path, other: Path) -> None:
    port = re.search(r"peer_port = (\d+)", (other / "sheaf.toml").read_text())
    assert port is not None
    settings = home / "sheaf.toml"
    address = f'peers = [\n    {{ url = "ws://127.0.0.1:{port[1]}" }},\n'
    settings.write_text(
        re.sub(r"peers = \[\n.*?(?=\]\n)", address, settings.read_text(), flags=re.S)
    )


@contextmanager
def serving(home: Path, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command("serve", "--home", home),
        stdout=pipe,
        stderr=pipe,
        text=True,
        env=os.environ | (env or {}),
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Serving"), process.communicate()[1]
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


def publish(home: Path, refs: list[str]) -> None:
    lines = "".join(f"{ref},EWE-NUTS,4,bag,9.50,GBP\n" for ref in refs)
    file = home / "list.csv"
    file.write_text("ref,item,quantity,unit,max_price,currency\n" + lines)
    done("import", "purchases", file, "--home", home)


def wait_for(home: Path, entries: int) -> None:
    """Wait until a running node holds so many entries."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        [federation] = json.loads(done("status", "--json", "--home", home))["federations"]
        if federation["entries"] >= entries:
            return
        assert time.monotonic() < deadline, federation


def shown(home: Path) -> dict:
    return json.loads(done("identity", "show", "--json", "--home", home))


def sheet_in(home: Path, file: Path) -> Path:
    file.write_text(done("identity", "recovery-sheet", "--home", home))
    return file


def answer_back(home: Path, *, wrong: bool = False) -> tuple[int, str]:
    """Confirm a sheet, reading each question before it is answered."""
    seeds = {use: (home / "keys" / f"{use}.key").read_bytes() for use in ("rotation", "next")}
    with subprocess.Popen(
        command("identity", "recovery-sheet", "--confirm", "--home", home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(3):
            asked = ""
            while not asked.endswith(": "):
                asked += process.stdout.read(1)
            question = re.search(r"Word (\d+) of the (\w+) key", asked)
            assert question is not None, asked
            word = words_of(seeds[question[2]])[int(question[1]) - 1]
            process.stdin.write(f"{'zebra' if wrong and word != 'zebra' else word}\n")
            process.stdin.flush()
        output, errors = process.communicate(timeout=PATIENCE_S)
    return process.returncode, output + errors


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of Hill, in no federation."""
    return make_home(tmp_path / "hill", "Hill")


@pytest.fixture
def member(home: Path, tmp_path: Path) -> Path:
    """The home of Hill, alone in a federation, with three lines published."""
    found(tmp_path, home)
    publish(home, ["r1", "r2", "r3"])
    return home


# --- show


def test_show_tells_people_and_programs_who_the_coop_is(home: Path) -> None:
    text, answer = done("identity", "show", "--home", home), shown(home)

    keyring = load_keyring(home)
    assert answer["cid"] == keyring.cid.hex()
    assert answer["fingerprint"] == fingerprint(keyring.cid)
    assert [writer["wid"] for writer in answer["writers"]] == [keyring.wid.hex()]
    assert set(answer["notices"]) == {"plain_keys", "sheet"}
    assert f"Fingerprint: {fingerprint(keyring.cid)}\n" in text
    assert "Manager key" in text
    assert "Recovery sheet: not kept yet" in text
    assert text.count("Warning: ") == 2


def test_init_and_card_show_the_fingerprint(tmp_path: Path) -> None:
    told = done("init", "Hill", "--home", tmp_path / "hill")
    card = done("federation", "card", "--out", tmp_path / "card", "--home", tmp_path / "hill")

    words = fingerprint(load_keyring(tmp_path / "hill").cid)
    assert words in told
    assert words in card
    assert "Warning: the keys are not encrypted" in told


def test_show_needs_no_passphrase(home: Path) -> None:
    protect(read_files(home), Passphrase(WORDS), random=os.urandom, cost=LEAST)

    assert shown(home)["is_sealed"] is True


def test_a_folder_without_keys_is_told(tmp_path: Path) -> None:
    refused("identity", "show", "--home", tmp_path, code="key.missing")


# --- passphrase


def test_a_passphrase_guards_the_node(member: Path, tmp_path: Path) -> None:
    (tmp_path / "words").write_text(f"{WORDS}\n")
    right = {"SHEAF_PASSPHRASE_FILE": str(tmp_path / "words")}

    done("identity", "passphrase", "--new-file", tmp_path / "words", "--home", member)

    line = refused("serve", "--home", member, code="key.passphrase")
    assert "SHEAF_PASSPHRASE_FILE" in line
    with serving(member, right):
        assert "plain_keys" not in json.loads(done("status", "--json", "--home", member))["notices"]
    done("identity", "passphrase", "--remove", "--home", member, env=right)
    assert load_keyring(member)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"wrong\n", "key.passphrase"), (b"", "key.passphrase"), (b"\xff", "key.passphrase")],
)
def test_a_wrong_passphrase_changes_nothing(
    home: Path, tmp_path: Path, content: bytes, code: str
) -> None:
    protect(read_files(home), Passphrase(WORDS), random=os.urandom, cost=LEAST)
    (tmp_path / "words").write_bytes(content)
    before = dict(read_files(home).files)

    refused(
        *("identity", "passphrase", "--remove", "--home", home),
        code=code,
        env={"SHEAF_PASSPHRASE_FILE": str(tmp_path / "words")},
    )

    assert dict(read_files(home).files) == before


def test_keys_of_a_running_node_are_left_alone(member: Path, tmp_path: Path) -> None:
    (tmp_path / "words").write_text(WORDS)
    before = dict(read_files(member).files)

    with serving(member):
        for arguments in (
            ["passphrase", "--new-file", tmp_path / "words"],
            ["rotate"],
            ["revoke", "--new-manager"],
        ):
            refused("identity", *arguments, "--home", member, code="store.locked")

    assert dict(read_files(member).files) == before


def test_a_new_passphrase_is_asked_for_in_a_terminal_only(home: Path) -> None:
    line = refused("identity", "passphrase", "--home", home, code="key.passphrase")

    assert "--new-file" in line


def test_a_passphrase_file_that_cannot_be_read_says_why(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "words"
    file.write_bytes(b"\xff\xfe")

    text = refused(
        "identity", "passphrase", "--new-file", file, "--home", home, code="key.passphrase"
    )
    none = refused(
        "identity", "passphrase", "--new-file", "x", "--home", home, code="key.passphrase"
    )

    assert "no text" in text
    assert "No such file" in none


def test_removing_and_setting_at_once_is_misuse(home: Path, tmp_path: Path) -> None:
    result = ended("identity", "passphrase", "--remove", "--new-file", "x", "--home", home)

    assert result.exit_code == MISUSED


# --- the recovery sheet


def test_a_sheet_is_kept_when_three_words_of_it_came_back(home: Path) -> None:
    assert "sheet" in shown(home)["notices"]

    status, told = answer_back(home)

    assert status == 0, told
    assert "Kept." in told
    assert "sheet" not in shown(home)["notices"]
    assert "Recovery sheet: kept 20" in done("identity", "show", "--home", home)


def test_a_wrong_word_keeps_nothing(home: Path) -> None:
    status, told = answer_back(home, wrong=True)

    assert status == REFUSED
    assert told.endswith("[key.words]\n")
    assert shown(home)["sheet_kept_ms"] is None


def test_keys_are_forgotten_only_after_the_sheet_came_back(home: Path) -> None:
    refused("identity", "recovery-sheet", "--forget", "--home", home, code="key.sheet")
    answer_back(home)

    done("identity", "recovery-sheet", "--forget", "--home", home)

    assert not list((home / "keys").glob("rotation.key"))
    assert not list((home / "keys").glob("next.key"))
    refused("identity", "recovery-sheet", "--home", home, code="key.missing")


def test_a_page_is_its_owners_alone(home: Path, tmp_path: Path) -> None:
    page = tmp_path / "sheet.html"
    page.write_text("what others may read")
    page.chmod(0o644)

    done("identity", "recovery-sheet", "--html", page, "--home", home)

    assert page.stat().st_mode & 0o777 == 0o600
    assert words_of((home / "keys" / "next.key").read_bytes())[4] in page.read_text()


def test_a_page_that_cannot_be_written_is_refused(home: Path, tmp_path: Path) -> None:
    page = tmp_path / "missing" / "sheet.html"

    refused("identity", "recovery-sheet", "--html", page, "--home", home, code="key.write")


@pytest.mark.parametrize("options", [["--confirm", "--forget"], ["--confirm", "--html", "x"]])
def test_options_that_exclude_one_another_are_misuse(home: Path, options: list[str]) -> None:
    assert ended("identity", "recovery-sheet", *options, "--home", home).exit_code == MISUSED


# --- rotate


def test_rotate_replaces_all_keys_but_the_writer(member: Path) -> None:
    before = load_keyring(member)
    old = fold_key_log(before.key_ops)
    next_seed = (member / "keys" / "next.key").read_bytes()

    told = done("identity", "rotate", "--home", member)

    after = load_keyring(member)
    new = fold_key_log(after.key_ops)
    assert "prints the new one" in told
    assert (after.cid, after.wid) == (before.cid, before.wid)
    assert new.manager == after.require_manager().public != old.manager
    assert (member / "keys" / "rotation.key").read_bytes() == next_seed
    assert set(new.next).isdisjoint(old.next)
    assert new.prekeys[-1].key == after.prekeys[-1][0] != before.prekeys[-1][0]
    assert shown(member)["sheet_kept_ms"] is None


def test_the_node_takes_a_rotation_in_when_it_starts_and_writes_on(member: Path) -> None:
    done("identity", "rotate", "--home", member)

    with serving(member):
        publish(member, ["r1", "r2", "r3", "r4"])

    keyring, state = load_keyring(member), held_state(member / DATABASE)
    assert state.key_logs[keyring.cid].manager == keyring.require_manager().public
    assert [held.head.seq for held in state.logs.values()] == [4]


def test_rotate_takes_the_words_of_a_sheet_and_of_no_other(member: Path, tmp_path: Path) -> None:
    sheet = sheet_in(member, tmp_path / "sheet.txt")
    other = sheet_in(make_home(tmp_path / "dale", "Dale"), tmp_path / "other.txt")
    answer_back(member)
    done("identity", "recovery-sheet", "--forget", "--home", member)

    refused("identity", "rotate", "--sheet", other, "--home", member, code="key.sheet")
    done("identity", "rotate", "--sheet", sheet, "--home", member)

    refused("identity", "rotate", "--sheet", sheet, "--home", member, code="key.sheet_spent")


def test_words_may_be_typed_with_their_numbers(member: Path) -> None:
    seed = (member / "keys" / "next.key").read_bytes()
    (member / "keys" / "next.key").unlink()
    typed = " ".join(f"{n}. {word}" for n, word in enumerate(words_of(seed), start=1))

    refused("identity", "rotate", "--home", member, told="zoo zoo\n", code="key.words")
    done("identity", "rotate", "--home", member, told=f"{typed}\n")

    assert fold_key_log(load_key_ops(member)).authorities[-2].rank == Rank.NEXT


def test_operations_that_are_not_kept_are_voided(member: Path) -> None:
    """A revocation, for once by a thief: it ended our writer before its first entry."""
    keys = dict(read_files(member).files)
    wid = load_keyring(member).wid
    [fid] = held_state(member / DATABASE).chains
    place = ["--at", f"{fid.hex()}:0"]
    done("identity", "revoke", "--writer", wid.hex(), *place, "--home", member)
    for name in ("writer.key", "manager.key"):  # ours, which the thief did not have
        (member / "keys" / name).write_bytes(keys[name])

    done("identity", "rotate", "--keep", "3", "--home", member)

    after = load_keyring(member)
    assert after.wid == wid
    with serving(member):
        publish(member, ["r1", "r2", "r3", "r4"])
        lines = done("log", "--json", "--home", member).splitlines()
    assert [json.loads(line)["no_effect"] for line in lines] == [None] * 4


def test_a_writer_whose_delegation_was_not_kept_ends_where_it_stands(member: Path) -> None:
    first = load_keyring(member).wid
    done("identity", "revoke", "--writer", first.hex(), "--home", member)
    publish(member, ["r8", "r9"])
    second = load_keyring(member).wid

    done("identity", "rotate", "--keep", "3", "--home", member)

    third = load_keyring(member).wid
    writers = fold_key_log(load_key_ops(member)).writers
    assert list(writers) == [first, second, third]
    assert [cut.seq for cut in writers[second].cuts.values()] == [3]
    with serving(member):
        publish(member, ["r10"])
    state = held_state(member / DATABASE)
    assert sorted(held.head.seq for held in state.logs.values()) == [2, 3, 3]


@pytest.mark.parametrize("keep", [2, 4])  # less than the charter names; more than there are
def test_only_what_no_charter_names_can_be_voided(member: Path, keep: int) -> None:
    before = dict(read_files(member).files)

    result = ended("identity", "rotate", "--keep", keep, "--home", member)

    assert result.exit_code == MISUSED
    assert "from 3, which a charter names, to 3" in result.stderr
    assert dict(read_files(member).files) == before


# --- revoke


def test_revoke_ends_a_writer_at_what_the_node_holds(member: Path) -> None:
    before = load_keyring(member)

    told = done("identity", "revoke", "--writer", before.wid.hex()[:8], "--home", member)

    after = load_keyring(member)
    log = fold_key_log(after.key_ops)
    assert re.search(rf"Writer {before.wid.hex()[:8]} ends at 3 in ", told)
    assert [cut.seq for cut in log.writers[before.wid].cuts.values()] == [3]
    assert after.wid != before.wid
    assert log.manager == after.require_manager().public == before.require_manager().public


def test_revoke_ends_a_writer_at_a_place_that_was_given(member: Path) -> None:
    wid = load_keyring(member).wid
    [fid] = held_state(member / DATABASE).chains

    done(
        "identity", "revoke", "--writer", wid.hex(), "--at", f"{fid.hex()[:6]}:1", "--home", member
    )

    [cut] = fold_key_log(load_key_ops(member)).writers[wid].cuts.values()
    assert cut.seq == 1
    with serving(member):
        lines = done("log", "--json", "--home", member).splitlines()
    told = [json.loads(line) for line in lines]
    # The new writer may have said already whom it succeeds.
    assert [each["no_effect"] for each in told if each["wid"] == wid.hex()] == [
        None,
        "key.closed",
        "key.closed",
    ]


def test_a_writer_may_end_before_its_first_entry(member: Path) -> None:
    wid = load_keyring(member).wid
    [fid] = held_state(member / DATABASE).chains

    told = done(
        *("identity", "revoke", "--writer", wid.hex(), "--at", f"{fid.hex()}:0", "--json"),
        *("--home", member),
    )

    assert json.loads(told)["operations"] == 5
    assert fold_key_log(load_key_ops(member)).writers[wid].cuts == {}


def test_revoke_names_a_new_manager(member: Path) -> None:
    before = load_keyring(member)

    done("identity", "revoke", "--new-manager", "--home", member)

    after = load_keyring(member)
    assert after.wid == before.wid
    assert after.require_manager().public != before.require_manager().public
    assert after.prekeys[-1] != before.prekeys[-1]


def test_revoke_refuses_another_sheets_words(member: Path, tmp_path: Path) -> None:
    other = sheet_in(make_home(tmp_path / "dale", "Dale"), tmp_path / "other.txt")
    before = dict(read_files(member).files)

    refused(
        *("identity", "revoke", "--new-manager", "--sheet", other, "--home", member),
        code="key.sheet",
    )

    assert dict(read_files(member).files) == before


@pytest.mark.parametrize(
    "options",
    [
        [],  # nothing to do
        ["--new-manager", "--at", "00:1"],  # a place of what?
        ["--writer", "zz"],  # no writer
        ["--writer", "", "--at", "zz:1"],  # no place
        ["--writer", "", "--at", ":99"],  # more than there is
    ],
)
def test_revoke_asked_wrongly_is_misuse(member: Path, options: list[str]) -> None:
    before = dict(read_files(member).files)

    assert ended("identity", "revoke", *options, "--home", member).exit_code == MISUSED

    assert dict(read_files(member).files) == before


def test_a_writer_nobody_delegated_is_ended_by_its_whole_id(member: Path) -> None:
    stranger = WriterId(signing_key(b"stranger".ljust(32)).public)

    done("identity", "revoke", "--writer", stranger.hex(), "--home", member)

    assert fold_key_log(load_key_ops(member)).writers[stranger].is_closed


# --- everything lost


def test_a_coop_comes_back_from_its_sheet_and_a_fellows_export(home: Path, tmp_path: Path) -> None:
    fellow = make_home(tmp_path / "dale", "Dale")
    found(tmp_path, home, fellow)
    dial(fellow, home)
    sheet = sheet_in(home, tmp_path / "sheet.txt")
    with serving(home), serving(fellow):
        publish(home, ["r1", "r2", "r3"])
        wait_for(fellow, 3)
        told = done(
            *("identity", "export", load_keyring(home).cid.hex()[:8]),
            *("--out", tmp_path / "hill.export", "--home", fellow),
        )
    lost, back = load_keyring(home), tmp_path / "back"

    peer_port, local_port = free_ports(2)
    ports = ["--peer-port", peer_port, "--local-port", local_port]
    shown_first = done(
        *("identity", "recover", "--from", tmp_path / "hill.export", "--sheet", sheet, *ports),
        *("--home", back),
        told="y\n",
    )

    assert fingerprint(lost.cid) in told
    assert f"Writer {lost.wid.hex()[:8]} ends at 3 in " in shown_first
    new = load_keyring(back)
    log = fold_key_log(new.key_ops)
    assert new.cid == lost.cid
    assert log.manager == new.require_manager().public != lost.require_manager().public
    assert [cut.seq for cut in log.writers[lost.wid].cuts.values()] == [3]
    assert new.wid in log.writers
    assert [bytes(prekey.key) for prekey in log.prekeys] == [new.prekeys[0][0]]
    dial(back, fellow)
    with serving(fellow), serving(back):
        publish(back, ["r4"])
        wait_for(fellow, 4)
        wait_for(back, 4)
    state = held_state(fellow / DATABASE)
    assert state.key_logs[lost.cid].manager == new.require_manager().public


def test_an_export_is_refused_for_a_coop_that_is_not_known(member: Path, tmp_path: Path) -> None:
    for text in ("00000000", "hill", load_keyring(member).cid.hex()[:7]):
        refused(
            *("identity", "export", text, "--out", tmp_path / "x", "--home", member),
            code="key.coop",
        )


def test_an_export_of_a_node_that_never_ran_is_refused(home: Path, tmp_path: Path) -> None:
    refused(
        *("identity", "export", "00000000", "--out", tmp_path / "x", "--home", home),
        code="store.unreadable",
    )


@pytest.mark.parametrize("content", [None, b"", b"\x80", b"not an export"])
def test_a_file_that_is_no_export_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)

    refused(
        *("identity", "recover", "--from", tmp_path / "file", "--home", tmp_path / "back"),
        code="key.export",
    )

    assert not (tmp_path / "back").exists()


def test_recover_makes_nothing_in_the_home_of_a_node(member: Path, tmp_path: Path) -> None:
    refused(
        *("identity", "recover", "--from", tmp_path / "x", "--home", member), code="node.exists"
    )


def test_recover_refuses_another_coops_sheet_and_a_no(member: Path, tmp_path: Path) -> None:
    file, back = tmp_path / "export", tmp_path / "back"
    cid = load_keyring(member).cid.hex()
    with serving(member):
        done("identity", "export", cid, "--out", file, "--home", member)
    sheet = sheet_in(member, tmp_path / "sheet.txt")
    other = sheet_in(make_home(tmp_path / "dale", "Dale"), tmp_path / "other.txt")
    recover = ("identity", "recover", "--from", file, "--home", back)

    refused(*recover, "--sheet", other, code="key.sheet")
    assert ended(*recover, "--sheet", sheet, told="n\n").exit_code == REFUSED
    assert ended(*recover, "--peer-port", 7000, "--local-port", 7000).exit_code == MISUSED

    assert not back.exists()


# --- what must not show


def test_no_secret_shows_in_what_a_node_writes_and_says(member: Path, tmp_path: Path) -> None:
    secrets = [data for name, data in read_files(member).files.items() if name.endswith(".key")]
    with serving(member) as process:
        said = [done(*words, "--home", member) for words in (["status"], ["log"])]
        said += [done("status", "--json", "--home", member), json.dumps(shown(member))]
        said.append(ended("identity", "rotate", "--home", member).stderr)
        process.send_signal(signal.SIGTERM)
        said += process.communicate(timeout=PATIENCE_S)
    written = [
        path.read_bytes()
        for path in (*member.rglob("*"), *tmp_path.glob("*"))
        if path.is_file() and path.parent.name != "keys"
    ]

    assert len(secrets) == 5
    for secret in secrets:
        forms = [secret.hex(), str(secret), words_of(secret)[0] + " " + words_of(secret)[1]]
        assert not any(form in text for form in forms for text in said)
        assert not any(secret in data or secret.hex().encode() in data for data in written)
