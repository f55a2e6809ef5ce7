"""`sheaf offers`: what answers look like to a supplier, and what is asked of the node."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.node.answering import FakeNode

from sheaf_node.cli import offers as module
from sheaf_node.cli.main import sheaf

BASE = "/api/v1/services/pooled_purchasing/"
OFFER = {
    "ref": "nuts:XBG",
    "item": "nuts",
    "name": "Ewe nuts",
    "unit": "XBG",
    "scale": 1,
    "currency": "GBP",
    "minor_digits": 2,
    "state": "stands",
    "valid_until_ms": 1_772_409_599_999,
    "tiers": [
        {"from_quantity": 10, "price": {"amount": 1_000, "base": 10}},
        {"from_quantity": 200, "price": {"amount": 9_125, "base": 100}},
    ],
    "max_quantity": 5_000,
    "min_quantity": None,
    "pack": 60,
    "lead_days": None,
    "awards": 1,
    "sold": 125,
    "goods_minor": 11_406,
}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    fake = FakeNode(BASE)
    monkeypatch.setattr(module, "NodeClient", lambda _home: fake)
    return fake


def run(*args: str) -> Result:
    return CliRunner().invoke(sheaf, ["offers", *args])


def test_a_list_tells_what_each_offer_won(node: FakeNode) -> None:
    node.answer = {"offers": [OFFER, OFFER | {"ref": "hay", "awards": 0, "state": "ended"}]}

    _, first, second = run("list").stdout.splitlines()

    assert first.split() == (
        ["nuts:XBG", "nuts", "stands", "2026-03-01", "9.125", "GBP", "12.5", "XBG", "114.06", "GBP"]
    )
    assert second.split() == ["hay", "nuts", "ended", "2026-03-01", "9.125", "GBP", "-", "-"]


def test_one_offer_is_shown_with_all_prices_and_limits(node: FakeNode) -> None:
    node.answer = {"offers": [OFFER]}

    lines = run("show", "nuts:XBG").stdout.splitlines()[2:]

    assert [line.strip() for line in lines] == [
        "from 1 XBG: 10.00 GBP",
        "from 20 XBG: 9.125 GBP",
        "delivers multiples of 6 XBG",
        "delivers at most 500 XBG",
    ]


def test_an_offer_that_there_is_not_is_refused(node: FakeNode) -> None:
    node.answer = {"offers": []}

    result = run("show", "nonsense")

    assert getattr(result.exception, "code", None) in {1, "offer.unknown"}


def test_without_offers_it_says_how_to_make_one(node: FakeNode) -> None:
    node.answer = {"offers": []}

    assert "sheaf offers import FILE" in run("list").stdout


def test_an_offer_is_taken_back_by_its_reference(node: FakeNode) -> None:
    node.answer = {"withdrawn": "nuts:XBG"}

    assert run("withdraw", "nuts:XBG").stdout == "Withdrew nuts:XBG.\n"
    assert node.asked == [("withdraw_offer", {"ref": "nuts:XBG"})]


@pytest.mark.parametrize(
    ("args", "told"),
    [(["list"], [OFFER]), (["show", "nuts:XBG"], OFFER)],
)
def test_json_is_what_the_node_answers(node: FakeNode, args: list[str], told: Any) -> None:
    node.answer = {"offers": [OFFER]}

    assert json.loads(run(*args, "--json").stdout) == told
