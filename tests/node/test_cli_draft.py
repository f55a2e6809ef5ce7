"""`sheaf draft` against a node that runs, and one that is killed as it publishes."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.node.seated import BUYING, make_sponsor

from sheaf_node.cli.client import MATCH, NodeClient
from sheaf_node.cli.main import sheaf
from sheaf_protocol.errors import Refusal
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

REFUSED, MISUSED = 1, 2
PATH = "/api/v1/drafts"
FAULTY = BUYING + "wire,,x,roll,1,GBP\n"
DYING = """
import os, signal, sys
from sheaf_node.cli.main import main
from sheaf_node.drafts import DraftLedger
DraftLedger.remove = lambda self, id_: os.kill(os.getpid(), signal.SIGKILL)
sys.argv = ["sheaf", *sys.argv[1:]]
main()
"""
"""A node that dies once the entries of a draft are durable: before it is removed, or answered."""


def run(*args: object, **other: str) -> Result:
    return CliRunner().invoke(sheaf, [*map(str, args)], **other)


def done(*args: object, **other: str) -> str:
    result = run(*args, **other)
    assert result.exit_code == 0, result.output
    return result.stdout


@contextmanager
def serving(home: Path, *program: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, *(program or ("-m", "sheaf_node")), "serve", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Serving")
        try:
            yield process
        finally:
            process.terminate()


def make_home(folder: Path) -> Path:
    peer, local = free_ports(2)
    home = make_sponsor(folder, peer_port=peer, local_port=local)
    (folder / "list.csv").write_text(BUYING)
    (folder / "faulty.csv").write_text(FAULTY)
    return home


@pytest.fixture(scope="module")
def hill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = make_home(tmp_path_factory.mktemp("hill"))
    with serving(home):
        yield home


def made(home: Path, file: str = "list.csv") -> str:
    path = home.parent / file
    told = done("import", "purchases", path, "--draft", f"From {file}", "--json", "--home", home)
    return str(json.loads(told)["id"])


def test_a_draft_is_made_looked_at_and_published(hill: Path) -> None:
    told = done(
        "import", "purchases", hill.parent / "list.csv", "--draft", "Week 9", "--home", hill
    )
    id_ = told.split("draft ")[1][:8]

    listed = done("draft", "list", "--home", hill)
    shown = done("draft", "show", id_, "--home", hill)
    checked = done("draft", "check", id_, "--home", hill)
    published = done("draft", "publish", id_, "--home", hill, input="y\n")
    again = run("draft", "show", id_, "--home", hill)

    assert "Week 9 is draft" in told
    assert f"{id_}  ready" in listed
    assert "Hen feed" in shown
    assert shown == checked
    assert published.endswith("Week 9: published 1.\n")
    assert (again.exit_code, "[draft.unknown]" in again.stderr) == (REFUSED, True)


def test_faults_are_told_and_keep_a_draft_from_being_published(hill: Path) -> None:
    id_ = made(hill, "faulty.csv")

    shown = done("draft", "show", id_, "--home", hill)
    refused = run("draft", "publish", id_, "--yes", "--home", hill)
    done("draft", "remove", id_, "--yes", "--home", hill)

    assert "line 3, quantity: expected a number above 0" in shown
    assert "1 of 2 lines are to be mended first." in shown
    assert (refused.exit_code, "[draft.faults]" in refused.stderr) == (REFUSED, True)


def test_a_draft_that_changed_since_it_was_seen_is_not_published(hill: Path) -> None:
    id_ = made(hill)
    seen = done("draft", "show", id_, "--home", hill).rsplit("Tag ", 1)[1].strip()
    client = NodeClient(hill)
    new = {"name": "Other", "what": "purchases", "list": BUYING.replace("50", "60")}
    etag = client.get(f"{PATH}/{id_}")["etag"]
    client._ask("PUT", f"{PATH}/{id_}", None, json.dumps(new).encode(), {MATCH: etag})

    refused = run("draft", "publish", id_, "--seen", seen, "--home", hill)
    removed = done("draft", "remove", id_, "--home", hill, input="y\n")

    assert (refused.exit_code, "[draft.changed]" in refused.stderr) == (REFUSED, True)
    assert removed.endswith("Forgot the draft Other.\n")


def test_nobody_publishes_without_a_yes(hill: Path) -> None:
    id_ = made(hill)

    result = run("draft", "publish", id_, "--home", hill, input="n\n")

    assert result.exit_code != 0
    assert NodeClient(hill).get(f"{PATH}/{id_}")["state"] == "ready"


@pytest.mark.parametrize(
    "args",
    [
        ("draft", "show", "no id"),
        ("import", "transport", "x", "--draft", "x"),
        ("import", "prices", "x", "--draft", "x", "--dry-run"),
    ],
)
def test_a_draft_asked_for_wrongly_is_misuse(hill: Path, args: tuple[str, ...]) -> None:
    assert run(*args, "--home", hill).exit_code == MISUSED


def test_a_node_killed_between_publishing_and_answering_publishes_once(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    with serving(home, "-c", DYING) as node:
        id_ = made(home)
        client = NodeClient(home)
        found = client.get(f"{PATH}/{id_}")
        asked = (f"{PATH}/{id_}/publish", b"", None, "a-key-of-mine", {MATCH: found["etag"]})
        with pytest.raises(Refusal):
            client.post(*asked)
        assert node.wait(timeout=60) == -9

    with serving(home):
        client = NodeClient(home)
        left = client.get(PATH)["drafts"]
        reply = client.post(*asked)
        entries = client.get("/api/v1/log")["items"]

    assert left == []
    assert (reply["id"], reply["published"]) == (id_, 1)
    assert [entry["kind"] for entry in entries] == ["demand.submit"]
