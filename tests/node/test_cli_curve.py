"""`sheaf curve`: what the node's answers look like to a person, and what is asked of the node."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from tests.node.answering import FakeNode

from sheaf_node.cli import curve as module
from sheaf_node.cli.main import sheaf

if TYPE_CHECKING:
    from pathlib import Path

BASE = "/api/v1/services/private_demand/"
ID = "1a2b3c4d" * 8
OPEN = ["open", "oats", "--unit", "KGM", "--currency", "GBP", "--levels", "9,10", "--cap", "100"]
ROUND = {"curve": ID, "item": "oats", "coordinator": "Tarset", "closes_at_ms": 0, "levels": [9, 10]}
ROUND |= {
    "opened": [],
    "bids": 6,
    "counted": 5,
    "totals": None,
    "reason": None,
    "own": None,
    "state": "closed",
}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    fake = FakeNode(BASE)
    monkeypatch.setattr(module, "NodeClient", lambda _home: fake)
    return fake


def run(*args: str) -> Result:
    return CliRunner().invoke(sheaf, ["curve", *args])


def test_open_asks_for_what_is_given_and_says_whether_it_was_open(node: FakeNode) -> None:
    node.answer = {"opened": 1, "curve": None}
    first = run(*OPEN, "--hours", "2").stdout
    node.answer = {"opened": 0, "curve": ID}
    again = run(*OPEN).stdout

    given = {"item": "oats", "unit": "KGM", "currency": "GBP", "levels": "9,10", "cap": 100}
    assert node.asked == [("open", given | {"closes_in_s": 7200}), ("open", given)]
    assert first.startswith("Opened a round for oats; `sheaf curve show` tells")
    assert again == "A round for oats is open already: 1a2b3c4d.\n"


@pytest.mark.parametrize(
    ("args", "body"),
    [
        (["60,40"], {"quantities": [60, 40]}),
        (["--at", "9=60", "--at", "10=40"], {"prices": {"9": 60, "10": 40}}),
    ],
)
def test_bid_sends_the_line(node: FakeNode, args: list[str], body: dict[str, Any]) -> None:
    node.answer = {"curve": ID, "quantities": [60, 40], "members": []}

    shown = run("bid", *args, "--round", "1a2b", "--below-k", "open").stdout

    assert json.loads(node.body) == body
    assert node.asked == [("bid", {"curve": "1a2b", "below_k": "open"})]
    assert shown == "Bid 60, 40 in round 1a2b3c4d, for the coordinator's eyes alone.\n"


def test_bid_for_small_members_prints_one_proof_a_line(node: FakeNode, tmp_path: Path) -> None:
    lines = tmp_path / "lines.json"
    lines.write_text('[{"name": "Ann", "quantities": [5, 5]}]')
    node.answer = {"curve": ID, "quantities": [5, 5], "members": [{"name": "Ann"}]}

    shown = run("bid", "--members", str(lines)).stdout

    assert json.loads(node.body) == {"members": [{"name": "Ann", "quantities": [5, 5]}]}
    assert json.loads(shown) == {"name": "Ann"}


@pytest.mark.parametrize(
    "args", [[], ["1,1", "--at", "9=1"], ["1,x"], ["--at", "9"]], ids=["none", "two", "x", "half"]
)
def test_line_that_is_none_is_misuse(node: FakeNode, args: list[str]) -> None:
    assert run("bid", *args).exit_code == 2
    assert node.asked == []


def test_members_that_are_no_json_are_misuse(node: FakeNode, tmp_path: Path) -> None:
    (tmp_path / "lines.json").write_text("Ann")

    assert run("bid", "--members", str(tmp_path / "lines.json")).exit_code == 2


ROWS = [
    pytest.param({"state": "open", "counted": None}, "open until 1970-01-01 00:00 UTC", id="open"),
    pytest.param({"state": "due"}, "past its time, not closed", id="due"),
    pytest.param({"state": "verified", "totals": [200, 150]}, "200 at 9, 150 at 10", id="right"),
    pytest.param({"state": "faulty", "totals": [200, 150]}, "wrong: see", id="wrong"),
    pytest.param({"state": "withheld", "reason": "curve.too_few"}, "too few co-ops", id="few"),
    pytest.param({"state": "withheld", "reason": "curve.new"}, "curve.new", id="not known here"),
    pytest.param({"own": {"quantities": [6, 4]}}, "6 at 9, 4 at 10", id="own line"),
    pytest.param({"own": {"quantities": None}}, "closed, no totals so far", id="lost line"),
]


@pytest.mark.parametrize(("change", "text"), ROWS)
def test_round_is_shown_in_words(node: FakeNode, change: dict[str, Any], text: str) -> None:
    node.answer = {"rounds": [ROUND | change]}

    shown = run("show").stdout

    assert text in shown
    assert ("200 at 9" in shown) == (change.get("state") == "verified")


@pytest.mark.parametrize(
    ("opened", "text"),
    [
        ({"quantities": [6, 4], "code": "ok"}, "Hill opened its line in round 1a2b3c4d: 6 at 9, 4"),
        ({"quantities": None, "code": "curve.mismatch"}, "1a2b3c4d: wrongly [curve.mismatch]"),
    ],
)
def test_a_supplier_is_shown_what_was_opened_to_it(
    node: FakeNode, opened: dict[str, Any], text: str
) -> None:
    node.answer = {"rounds": [ROUND | {"opened": [{"coop": "Hill"} | opened]}]}

    assert text in run("show").stdout


def test_alerts_are_sentences(node: FakeNode) -> None:
    alert = {"code": "curve.sum", "curve": ID, "item": "oats", "message": "Tarset\x1b did"}
    node.answer = {"alerts": [alert]}
    shown = run("alerts").stdout
    node.answer = {"alerts": []}

    assert shown == "oats, round 1a2b3c4d: Tarset\\u001b did [curve.sum]\n"
    assert run("alerts").stdout == "Nothing is wrong with any round that this node knows.\n"


def test_nothing_to_show_says_how_to_begin(node: FakeNode) -> None:
    node.answer = {"rounds": []}

    assert "sheaf curve open" in run("show").stdout


def test_reveal_and_check_say_what_was_done(node: FakeNode, tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    proof.write_bytes(b"{}")
    node.answer = {"bid": ID, "is_counted": None}

    assert run("reveal", "Mills", "--round", "1a").stdout == "Opened bid 1a2b3c4d to Mills.\n"
    assert run("check", str(proof)).stdout == (
        "The line is part of bid 1a2b3c4d; what is counted is told at the close.\n"
    )
    assert [name for name, _ in node.asked] == ["reveal", "check_share"]


@pytest.mark.parametrize(
    "args", [OPEN, ["bid", "1,1"], ["show"], ["alerts"], ["reveal", "Mills", "--round", "1a"]]
)
def test_json_is_the_nodes_answer(node: FakeNode, args: list[str]) -> None:
    node.answer = {"opened": 1, "curve": ID, "members": [], "rounds": [], "alerts": [], "bid": ID}

    assert json.loads(run(*args, "--json").stdout) == node.answer
