"""`sheaf seat` against a node that runs, up to a browser and to a node of the seat's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner
from tests.node.seated import ASKING, BUYING, make_sponsor

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.main import sheaf
from sheaf_node.keyring import load_keyring
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

REFUSED, MISUSED = 1, 2
VIEW = "/api/v1/services/pooled_purchasing/seat"
PATIENCE_S = 120
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def run(*args: object) -> Result:
    return CliRunner().invoke(sheaf, ["seat", *map(str, args)])


def done(*args: object) -> str:
    result = run(*args)
    assert result.exit_code == 0, result.output
    return result.stdout


def other(*args: object) -> str:
    """Return what another command of the node prints."""
    result = CliRunner().invoke(sheaf, [*map(str, args)])
    assert result.exit_code == 0, result.output
    return result.stdout


@contextmanager
def serving(home: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Serving")
        try:
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def hill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sponsor whose node runs, with a port for seats."""
    folder = tmp_path_factory.mktemp("sponsor")
    peer, local, pages = free_ports(3)
    home = make_sponsor(folder, peer_port=peer, local_port=local)
    with (home / "sheaf.toml").open("a") as file:
        file.write(f"\n[seats]\nport = {pages}\n")
    (folder / "list.csv").write_text(BUYING)
    (folder / "items.csv").write_text(ASKING)
    with serving(home):
        yield home


def take_on(hill: Path, name: str) -> dict[str, Any]:
    keys = hill.parent / f"{name}-keys"
    return dict(json.loads(done("add", name, "--keys", keys, "--json", "--home", hill)))


def opened(address: str, form: bytes | None = None) -> str:
    with urllib.request.urlopen(address, form, timeout=30) as answer:  # noqa: S310 - our own port
        return str(answer.read().decode())


def sending(page: str) -> bytes:
    """Return what the button under a list sends."""
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen is not None
    return urlencode({"answer": "send", "seen": seen[1]}).encode()


# --- the command


def test_a_seat_has_keys_of_its_own_that_the_node_does_not_keep(hill: Path) -> None:
    told = take_on(hill, "Croft")

    own = load_keyring(Path(told["keys"]))
    assert own.cid.hex() == told["cid"]
    secrets = [path.read_bytes() for path in (Path(told["keys"]) / "keys").glob("*.key")]
    kept = [held_in(path) for path in hill.rglob("*")]
    assert secrets
    assert not any(secret in data for secret in secrets for data in kept)
    assert "Croft" in done("list", "--home", hill)


def held_in(path: Path) -> bytes:
    """Return what is in a file; nothing where it is none, or not any more: the node runs."""
    with suppress(IsADirectoryError, FileNotFoundError):
        return path.read_bytes()
    return b""


def test_the_same_name_again_is_refused_before_any_key_is_made(hill: Path) -> None:
    take_on(hill, "Byre")

    again = run("add", "Byre", "--keys", hill.parent / "other", "--home", hill)

    assert (again.exit_code, again.stderr[-14:].strip()) == (REFUSED, "[seat.exists]")
    assert not (hill.parent / "other").exists()


def test_a_name_that_is_none_is_refused(hill: Path) -> None:
    assert "[seat.name]" in run("add", "  ", "--home", hill).stderr


def test_a_seat_is_taken_on_again_by_its_id(hill: Path, tmp_path: Path) -> None:
    told = take_on(hill, "Cairn")
    done("remove", "Cairn", "--yes", "--home", hill)

    said = done("add", "Cairn", "--id", told["cid"], "--home", hill)

    assert told["cid"][:8] in said
    assert "folder" not in said
    done("remove", "Cairn", "--yes", "--home", hill)


def test_a_list_of_a_seat_becomes_a_draft_and_goes_back_with_a_word(hill: Path) -> None:
    take_on(hill, "Tarn")
    typed = {"item-0": "Hay", "quantity-0": "3", "unit-0": "bag", "max_price-0": "4"}
    add = urlencode({"answer": "add", "currency": "GBP", **typed}).encode()

    told = done("link", "Tarn", "--list", "purchases", "--home", hill)
    address = re.search(r"http\S+", told)
    assert address is not None
    sent = opened(address[0], sending(opened(address[0], add)))
    [row] = json.loads(other("draft", "list", "--json", "--home", hill))
    back = other("draft", "return", row["id"], "More, please.", "--home", hill)
    again = re.search(r"http\S+", back)
    assert again is not None
    word = opened(again[0])
    opened(again[0], sending(word))
    published = other("draft", "publish", row["id"], "--yes", "--home", hill)

    assert "A page for a list, to be answered once" in told
    assert "Your list is with Hill Farm: 1 line." in sent
    assert (row["state"], row["made_by"]) == ("ready", {"sort": "seat", "name": "Tarn"})
    assert "More, please." in word
    assert published == "Tarn: purchases: published 1.\n"
    assert "hay" in done("history", "Tarn", "--home", hill)


@pytest.mark.parametrize(
    "given", [[], ["--list", "x"], ["--list", "prices", "--approve", "list.csv"]]
)
def test_a_link_asked_for_wrongly_is_misuse(hill: Path, given: list[str]) -> None:
    assert run("link", "Croft", *given, "--home", hill).exit_code == MISUSED


@pytest.mark.parametrize("given", [["--id", "12"], ["--id", "c0" * 32, "--keys", "x"]])
def test_an_id_that_is_none_is_misuse(hill: Path, given: list[str]) -> None:
    assert run("add", "Cairn", *given, "--home", hill).exit_code == MISUSED


def test_a_list_is_published_by_word(hill: Path) -> None:
    take_on(hill, "Garth")

    tried = done(
        "import", "Garth", "purchases", hill.parent / "list.csv", "--dry-run", "--home", hill
    )
    said = done("import", "Garth", "purchases", hill.parent / "list.csv", "--home", hill)

    assert tried == "list.csv: would publish 1 of 1 line.\n"
    assert said == "list.csv: published 1 of 1 line.\n"
    assert "sponsor's word" in done("history", "Garth", "--home", hill)


def test_a_link_leads_to_a_page_and_an_answer_into_the_log(hill: Path) -> None:
    take_on(hill, "Fold")
    said = done("link", "Fold", "--approve", hill.parent / "list.csv", "--home", hill)
    [address] = re.findall(r"http://\S+", said)

    assert "Hen feed" in opened(address)
    assert "1 line" in opened(address, b"answer=yes")

    [line] = json.loads(done("history", "Fold", "--json", "--home", hill))
    assert (line["by"], line["name"]) == ("link", "Fold")
    assert "opens on this computer alone" in said


@pytest.mark.parametrize("files", [[], ["--approve", "a", "--quote", "b"]])
def test_a_link_asks_one_thing(hill: Path, files: list[str]) -> None:
    assert run("link", "Croft", *files, "--home", hill).exit_code == MISUSED


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("link", "Nobody", "--quote", "items.csv"), "seat.unknown"),
        (("link", "../x", "--quote", "items.csv"), "seat.unknown"),
        (("import", "Nobody", "prices", "list.csv"), "seat.unknown"),
        (("history", "Nobody"), "seat.unknown"),
        (("remove", "Nobody", "--yes"), "seat.unknown"),
        (("link", "Nobody", "--quote", "missing.csv"), "import.unreadable"),
    ],
)
def test_what_is_not_there_is_named(hill: Path, arguments: tuple[str, ...], code: str) -> None:
    there = [hill.parent / each if each.endswith(".csv") else each for each in arguments]

    result = run(*there, "--home", hill)

    assert result.exit_code == REFUSED
    assert f"[{code}]" in result.stderr


def test_a_removed_seat_is_gone_and_its_lines_stay(hill: Path) -> None:
    told = take_on(hill, "Shiel")
    done("import", "Shiel", "purchases", hill.parent / "list.csv", "--home", hill)

    assert "no seat" in done("remove", "Shiel", "--yes", "--home", hill)

    assert "Shiel" not in done("list", "--home", hill)
    view = NodeClient(hill).get(VIEW, {"seat": told["cid"]})
    assert [line["name"] for line in view["lines"]] == ["Shiel"]


def test_without_a_port_a_link_is_refused_with_what_to_do(tmp_path: Path) -> None:
    peer, local = free_ports(2)
    home = make_sponsor(tmp_path, peer_port=peer, local_port=local)
    (tmp_path / "list.csv").write_text(BUYING)
    with serving(home):
        done("add", "Croft", "--keys", tmp_path / "keys", "--home", home)

        result = run("link", "Croft", "--approve", tmp_path / "list.csv", "--home", home)

    assert result.exit_code == REFUSED
    assert result.stderr.endswith("set `port` under [seats] in sheaf.toml [seat.off]\n")


# --- moving


def test_a_seat_moves_to_its_own_node_with_its_id_and_history(hill: Path) -> None:
    told = take_on(hill, "Steading")
    done("import", "Steading", "purchases", hill.parent / "list.csv", "--home", hill)
    peer, local = free_ports(2)
    own = Path(told["keys"])
    settings = (own / "sheaf.toml").read_text()
    settings = settings.replace("= 8440", f"= {peer}").replace("= 8441", f"= {local}")
    (own / "sheaf.toml").write_text(settings)

    made = CliRunner().invoke(sheaf, ["invite", "create", "--json", "--home", str(hill)])
    address = json.loads(made.stdout)["link"]
    joined = CliRunner().invoke(
        sheaf, ["join", address, "--yes", "--allow-loopback", "--home", str(own)]
    )
    assert joined.exit_code == 0, joined.output
    with serving(own):
        lines = wait_for(lambda: json.loads(done("history", "--json", "--home", own)))

    assert [line["name"] for line in lines] == ["Steading"]
    assert load_keyring(own).cid.hex() == told["cid"]
    state = {
        each["name"]: each["state"] for each in json.loads(done("list", "--json", "--home", hill))
    }
    assert state["Steading"] == "moved"
    after = run("import", "Steading", "purchases", hill.parent / "list.csv", "--home", hill)
    assert "[seat.moved]" in after.stderr


def wait_for(found: Any) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.5)
    raise AssertionError(f"expected something within {PATIENCE_S} s")


# --- a browser


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("asks", ["--approve", "--quote"])
def test_a_telephones_browser_shows_the_page_and_complains_of_nothing(
    hill: Path, tmp_path: Path, asks: str
) -> None:
    """The page keeps the rules that it comes with, or the browser would say so."""
    name = f"Phone {asks[2:]}"
    take_on(hill, name)
    file = hill.parent / ("list.csv" if asks == "--approve" else "items.csv")
    address = json.loads(done("link", name, asks, file, "--json", "--home", hill))["address"]
    picture = tmp_path / "page.png"
    command = [str(CHROMIUM), "--headless", "--disable-gpu", "--no-sandbox"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=360,740"]
    command += ["--enable-logging=stderr", f"--screenshot={picture}", "--dump-dom", address]

    shown = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )

    assert "Hen feed" in shown.stdout
    assert 'name="viewport"' in shown.stdout
    assert "Content Security Policy" not in shown.stderr
    assert "Refused to" not in shown.stderr
