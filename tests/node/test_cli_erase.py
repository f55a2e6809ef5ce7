"""`sheaf erase`, `sheaf restore` and `sheaf log` as a person sees them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result
from tests.node.answering import FakeNode

from sheaf_node.cli import erase as module
from sheaf_node.cli import log as log_module
from sheaf_node.cli.main import sheaf
from sheaf_protocol.errors import Refusal

ID = "ab" * 32
ENTRY = {"id": ID, "kind": "demand.submit", "seq": 3}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    fake = FakeNode()
    for each in (module, log_module):
        monkeypatch.setattr(each, "NodeClient", lambda _home: fake)
    return fake


def run(*args: str) -> Result:
    return CliRunner().invoke(sheaf, args)


def test_erase_says_what_will_happen_and_when(node: FakeNode) -> None:
    node.answer = {**ENTRY, "deleted_at_ms": 1_767_484_800_000}

    plain = run("erase", "abababab").stdout
    run("erase", "ab/../x", "--reason", "personal_data")

    assert plain == (
        "Erased demand.submit abababababab: no node shows or passes it on now.\n"
        "It is deleted from 2026-01-04 00:00 UTC on, if no award rests on it.\n"
        "Until then: sheaf restore abababababab\n"
    )
    assert node.asked == [
        ("/api/v1/entries/abababab/erase", {}),
        ("/api/v1/entries/ab%2F..%2Fx/erase", {"reason": "personal_data"}),
    ]


@pytest.mark.parametrize(("is_here", "lines"), [(True, 1), (False, 2)])
def test_restore_says_whether_the_payload_is_here(
    node: FakeNode, is_here: bool, lines: int
) -> None:
    node.answer = {**ENTRY, "is_here": is_here}

    plain = run("restore", ID).stdout

    assert plain.startswith("Restored demand.submit abababababab")
    assert plain.count("\n") == lines


@pytest.mark.parametrize("command", ["erase", "restore"])
def test_json_is_the_nodes_answer(node: FakeNode, command: str) -> None:
    node.answer = ENTRY

    assert json.loads(run(command, ID, "--json").stdout) == ENTRY


def test_refusal_of_the_node_is_the_commands(node: FakeNode) -> None:
    node.answer = Refusal("erase.not_own", "expected an entry of this co-op")

    result = run("erase", ID)

    assert (result.exit_code, "[erase.not_own]" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("absence", "no_effect", "end"),
    [
        ("erased", None, "x.note  erased"),
        ("expired", None, "x.note  expired"),
        ("env.withheld", "env.withheld", "x.note  no effect: env.withheld"),
        (None, None, "x.note"),
    ],
)
def test_log_prints_what_is_gone(
    node: FakeNode, absence: str | None, no_effect: str | None, end: str
) -> None:
    entry = {"arrival": 1, "id": ID, "cid": ID, "seq": 1, "kind": "x.note", "time_ms": 0}
    node.answer = {"items": [{**entry, "absence": absence, "no_effect": no_effect}], "next": 1}

    [line] = run("log").stdout.splitlines()

    assert line.endswith(f"  abababababab  {end}")
