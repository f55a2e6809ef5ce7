"""`sheaf pools`: what the node's answers look like to a person, and what is asked of the node."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.node.answering import FakeNode

from sheaf_node.cli import pools as module
from sheaf_node.cli.main import sheaf
from sheaf_protocol.errors import Refusal

BASE = "/api/v1/services/pooled_purchasing/"
MONEY = {"currency": "GBP", "minor_digits": 2}
POOL = MONEY | {"item": "nuts", "unit": "XBG", "scale": 0, "closes_at_ms": 0, "demands": 3}
POOL |= {"is_closed": True, "outcome": None, "state": "closed", "stuck": None}
AWARD = {"awarded": True, "units": 27, "value_minor": 2700, "price": {"amount": 900, "base": 1}}
AWARD |= {"offers": [{}]}
LINE = MONEY | {"ref": "nuts-1", "item": "nuts", "unit": "XBG", "scale": 0, "state": "waiting"}
LINE |= {"wanted": 9, "got": 0, "paid_minor": 0}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    fake = FakeNode(BASE)
    monkeypatch.setattr(module, "NodeClient", lambda _home: fake)
    return fake


def run(*args: str) -> Result:
    return CliRunner().invoke(sheaf, ["pools", *args])


def test_open_asks_for_what_is_given_and_tells_what_was_skipped(node: FakeNode) -> None:
    node.answer = {"opened": 1, "skipped": [{"item": "hay\x1b", "why": "nobody offers it"}]}

    plain = run("open").stdout
    run("open", "--hours", "2", "--k-min", "1", "--fee-bps", "5", "--zone", "NORTH")
    run("open", "--may-close-early")

    assert plain == "Opened 1 pool.\n  hay\\u001b: nobody offers it\n"
    given = {"closes_in_s": 7200, "k_min": 1, "fee_bps": 5, "zone": "NORTH"}
    assert [options for _, options in node.asked] == [{}, given, {"may_close_early": 1}]


def test_close_and_withdraw_say_what_was_done(node: FakeNode) -> None:
    node.answer = {"closed": 2, "skipped": [], "withdrawn": "nuts-1"}

    assert run("close").stdout == "Closed 2 pools.\n"
    assert run("withdraw", "nuts-1").stdout == "Withdrew nuts-1.\n"
    assert node.asked == [("close_pools", None), ("withdraw", {"ref": "nuts-1"})]


@pytest.mark.parametrize("args", [["open"], ["close"], ["show"], ["withdraw", "nuts-1"]])
def test_json_is_the_nodes_answer(node: FakeNode, args: list[str]) -> None:
    node.answer = {"opened": 0, "closed": 0, "skipped": [], "pools": [], "lines": []}

    assert json.loads(run(*args, "--json").stdout) == node.answer


OUTCOMES = [
    pytest.param(
        {"outcome": AWARD | {"offers": [{}, {}]}},
        "nuts  closed  3      27 XBG of 2 suppliers, 27.00 GBP under the list price",
        id="of several suppliers",
    ),
    pytest.param(
        {"stuck": "pool.solver_stopped"},
        "nuts  closed  3      cannot be cleared on this machine: pool.solver_stopped",
        id="a solver that does not come back",
    ),
    pytest.param(
        {"state": "awarded", "outcome": AWARD},
        "nuts  awarded  3      27 XBG at 9.00 GBP, 27.00 GBP under the list price",
        id="awarded",
    ),
    pytest.param(
        {"scale": 3, "outcome": AWARD | {"units": 12_500, "price": {"amount": 9, "base": 1_000}}},
        "nuts  closed  3      12.5 XBG at 0.09 GBP, 27.00 GBP under the list price",
        id="a measured quantity",
    ),
    pytest.param(
        {"outcome": AWARD | {"price": {"amount": 9_125, "base": 10}}},
        "nuts  closed  3      27 XBG at 9.125 GBP, 27.00 GBP under the list price",
        id="a price below the minor unit",
    ),
    pytest.param(
        {"outcome": AWARD | {"price": None}},
        "nuts  closed  3      27 XBG, 27.00 GBP under the list price",
        id="an offer that is not here",
    ),
    pytest.param(
        {"state": "lapsed", "outcome": {"awarded": False, "reason": "pool.no_offer"}},
        "nuts  lapsed  3      no offer for it counted",
        id="lapsed",
    ),
    pytest.param(
        {"outcome": {"awarded": False, "reason": "pool.new\x07"}},
        "nuts  closed  3      pool.new\\u0007",
        id="lapsed for a reason not known here",
    ),
    pytest.param(
        {"state": "open", "is_closed": False},
        "nuts  open   -      closes 1970-01-01 00:00 UTC",
        id="open",
    ),
    pytest.param(
        {},
        "nuts  closed  3      not decided yet, or entries that it names have not come",
        id="not decided",
    ),
]


@pytest.mark.parametrize(("changes", "told"), OUTCOMES)
def test_show_tells_what_a_pool_came_to(node: FakeNode, changes: dict[str, Any], told: str) -> None:
    node.answer = {"pools": [POOL | changes], "lines": []}

    lines = run("show").stdout.splitlines()

    assert lines[1] == told
    assert lines[3].startswith("No lines of this co-op")


def test_show_tells_what_became_of_own_lines(node: FakeNode) -> None:
    got = {"ref": "n2", "state": "awarded", "got": 9, "paid_minor": 8100}
    node.answer = {"pools": [], "lines": [LINE, LINE | got]}

    lines = run("show").stdout.splitlines()

    assert lines[0].startswith("No pool yet")
    assert lines[2:] == [
        "your line  item  state    wanted  got  paid",
        "nuts-1     nuts  waiting  9 XBG   -    -",
        "n2         nuts  awarded  9 XBG   9    81.00 GBP",
    ]


def test_a_refusal_ends_in_one_sentence(node: FakeNode) -> None:
    node.answer = Refusal("policy.role", "expected a co-op with the role coordinator")

    result = run("open")

    assert result.exit_code == 1
    assert result.stderr.endswith("[policy.role]\n")
