"""`sheaf orders` and `sheaf invoices`: what is asked of the node, and what a person is shown."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from openpyxl import load_workbook

from sheaf_node.cli import invoices as invoices_module
from sheaf_node.cli import orders as orders_module
from sheaf_node.cli.main import sheaf
from sheaf_node.cli.order_words import read_day, read_quantity
from sheaf_node.cli.statement_file import safe

if TYPE_CHECKING:
    from pathlib import Path

BASE = "/api/v1/services/order_fulfilment/"
ID = "9ecb5fd0" * 8
DAY = 86_400_000
ORDER: dict[str, Any] = {
    "order": ID,
    "side": "buyer",
    "with": "Dale Mill\x9b2J",
    "item": "feed",
    "unit": "KGM",
    "scale": 1,
    "currency": "GBP",
    "minor_digits": 2,
    "state": "change_proposed",
    "is_open": True,
    "amendment": "requested",
    "cancellation": "refused",
    "ordered": 400,
    "outstanding": 125,
    "on_the_way": 100,
    "accepted": 175,
    "unread": 1,
    "due": ["agree"],
    "lines": [{"line": 0, "ordered": 400, "outstanding": 125, "on_the_way": 100, "accepted": 175}],
    "proposal": {"agree_by_ms": DAY},
    "deliveries": [{"despatch": ID, "ref": "DN-1", "state": "despatched", "inspect_until_ms": DAY}],
    "returns": [{"return": ID, "state": "agreed"}],
    "invoices": [
        {
            "number": "I-1",
            "total_minor": 9817,
            "state": "paid",
            "currency": "GBP",
            "minor_digits": 2,
        }
    ],
}
INVOICE: dict[str, Any] = {
    "invoice": ID,
    "number": "I-1",
    "with": "Dale Mill",
    "side": "supplier",
    "item": "feed",
    "scale": 1,
    "state": "in_process",
    "currency": "GBP",
    "minor_digits": 2,
    "total_minor": 9_817,
    "open_minor": 9_817,
    "fee_minor": 81,
    "due_ms": DAY,
    "check": "invoice.terms",
    "lines": [
        {
            "line": 0,
            "quantity": 400,
            "amount_minor": 8_100,
            "carriage_minor": 0,
            "fee_minor": 81,
            "tax": {"category": "S", "rate_bps": 2_000},
        }
    ],
    "taxes": [{"category": "S", "rate_bps": 2_000, "base_minor": 8_181, "tax_minor": 1_636}],
}
ROW: dict[str, Any] = {
    "with": "=cmd|' /C calc'!A0",
    "side": "supplier",
    "document": "invoice",
    "number": "-2+3",
    "order": ID,
    "item": "feed",
    "time_ms": 0,
    "due_ms": DAY,
    "state": "issued",
    "currency": "GBP",
    "minor_digits": 2,
    "net_minor": 8_181,
    "tax_minor": 1_636,
    "billed_minor": 9_817,
    "fee_minor": 81,
    "credited_minor": 0,
    "paid_minor": 0,
    "open_minor": 9_817,
}


class Node:
    """Answers with an order, an invoice or a statement, and keeps what it was told to do."""

    def __init__(self) -> None:
        self.views: dict[str, Any] = {"order": ORDER, "invoice": INVOICE}
        self.told: list[tuple[str, Any, dict[str, Any]]] = []
        self.asked: list[tuple[str, Any]] = []

    def get(self, path: str, query: Any = None) -> Any:
        self.asked.append((path.removeprefix(BASE), query))
        return self.views[path.removeprefix(BASE)]

    def post(self, path: str, body: bytes, query: Any) -> Any:
        self.told.append((path.removeprefix(BASE), json.loads(body) if body else None, dict(query)))
        return {"order": ID, "needs_consent": True, "fee_most_minor": 1_250, "published": True}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node()
    for module in (orders_module, invoices_module):
        monkeypatch.setattr(module, "NodeClient", lambda _home: made)
    return made


def run(*args: str) -> Result:
    return CliRunner().invoke(sheaf, [*args])


def test_open_orders_are_listed_with_what_is_to_be_done(node: Node) -> None:
    node.views["orders"] = {"orders": [ORDER, {**ORDER, "is_open": False, "due": [], "item": "x"}]}
    shown = run("orders", "list").stdout
    everything = run("orders", "list", "--all").stdout

    [_, row] = shown.splitlines()
    assert row.split() == [
        *("9ecb5fd0", "Dale", "Mill\\u009b2J", "buy", "feed", "change", "proposed"),
        *("40.0", "KGM", "17.5", "12.5", "agree"),
    ]
    assert len(everything.splitlines()) == 3


def test_no_orders_is_said(node: Node) -> None:
    node.views["orders"] = {"orders": []}

    assert run("orders", "list").stdout.startswith("No open orders:")


def test_an_order_is_shown_with_all_that_came_of_it(node: Node) -> None:
    shown = run("orders", "show", "9ecb").stdout

    assert "Order 9ecb5fd0 to Dale Mill\\u009b2J: change_proposed" in shown
    assert "Despatch DN-1 (9ecb5fd0): despatched; count by 1970-01-02." in shown
    for sentence in ("Change: requested.", "Cancellation: refused.", "Invoice I-1: 98.17 GBP"):
        assert sentence in shown
    assert node.asked == [("order", {"order": "9ecb"})]


def test_json_is_what_the_node_said(node: Node) -> None:
    node.views["orders"] = {"orders": [ORDER]}
    node.views["invoices"] = {"invoices": [INVOICE]}
    node.views["statement"] = {"rows": [], "sums": []}

    assert json.loads(run("orders", "show", "9ecb", "--json").stdout) == ORDER
    assert json.loads(run("orders", "list", "--json").stdout)["orders"] == [ORDER]
    assert json.loads(run("invoices", "show", "9ecb", "--json").stdout) == INVOICE
    assert json.loads(run("invoices", "list", "--json").stdout)["invoices"] == [INVOICE]
    assert json.loads(run("invoices", "statement", "--json").stdout)["rows"] == []
    assert json.loads(run("orders", "cancel", "9ecb", "--dry-run", "--json").stdout)["order"] == ID


LINE = {"line": 0}
DAYS = {"by_ms": 2 * DAY - 1}


@pytest.mark.parametrize(
    ("words", "name", "body", "options"),
    [
        ("accept 9ecb --cancel-fee-bps 5", "respond", {"code": "AP", "cancel_fee_bps": 5}, {}),
        (
            "propose 9ecb --deliver 2.5@1970-01-02 --deliver 1=3@1970-01-02 --price 8.50 --never 2",
            "respond",
            {
                "code": "CA",
                "lines": [
                    {
                        "line": 0,
                        "deliveries": [{"quantity": 25, **DAYS}, {"quantity": 30, **DAYS}],
                        "amount": 850,
                    },
                    {"line": 1, "deliveries": []},
                ],
            },
            {},
        ),
        ("reject 9ecb --reason stock", "respond", {"code": "RE", "reason": "stock"}, {}),
        ("agree 9ecb", "agree", None, {"code": "AP"}),
        ("agree 9ecb --refuse", "agree", None, {"code": "RE"}),
        ("change 9ecb 1=2.5", "change", {"lines": [{"line": 0, "quantity": 25}]}, {}),
        ("cancel 9ecb", "cancel", None, {}),
        ("answer 9ecb change", "answer_change", None, {"code": "AP"}),
        ("answer 9ecb cancel --fee 1.5", "answer_cancel", None, {"code": "AP", "fee": "150"}),
        (
            "answer 9ecb return --refuse --return 77d0",
            "answer_return",
            None,
            {"code": "RE", "request": "77d0"},
        ),
        ("despatch 9ecb", "despatch", {"lines": []}, {}),
        (
            "despatch 9ecb 20 --last --ref DN-2 --packages 3 --arrives 1970-01-02",
            "despatch",
            {
                "lines": [{"line": 0, "delivered": 200, "outstanding": 0}],
                "ref": "DN-2",
                "arrives_ms": 2 * DAY - 1,
                "packages": 3,
            },
            {},
        ),
        ("receive 9ecb --despatch 1a2b", "receive", {"lines": []}, {"despatch": "1a2b"}),
        (
            "receive 9ecb --short 1=2 --damaged 0.5 --reason damaged",
            "receive",
            {"lines": [{**LINE, "reason": "damaged", "short": 20, "damaged": 5}]},
            {},
        ),
        (
            "return 9ecb 3 --reason quality",
            "ask_return",
            {"lines": [{**LINE, "quantity": 30, "reason": "quality"}]},
            {},
        ),
    ],
)
def test_words_become_what_the_service_is_asked(
    node: Node, words: str, name: str, body: Any, options: dict[str, Any]
) -> None:
    done = run("orders", *words.split())

    assert done.exit_code == 0, done.output
    assert node.told == [(name, body, {"order": "9ecb", **options})]
    assert done.stdout.endswith("order 9ecb5fd0.\n")


def test_what_a_cancellation_costs_is_told(node: Node) -> None:
    shown = run("orders", "cancel", "9ecb", "--dry-run").stdout

    assert shown == "It costs at most 12.50 GBP; the supplier may refuse.\n"
    assert node.told == [("cancel", None, {"order": "9ecb", "dry_run": 1})]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("orders change 9ecb 0=1", "a line from 1 on"),
        ("orders change 9ecb 1=x", "a quantity such as"),
        ("orders change 9ecb 1=2.55", "of at most 1 decimals"),
        ("orders change 9ecb 1=-1", "of at most 1 decimals"),
        ("orders change 9ecb 1=inf", "of at most 1 decimals"),
        ("orders propose 9ecb", "expected --deliver or --never"),
        ("orders propose 9ecb --deliver 2@soon", "a day such as"),
        ("orders propose 9ecb --never 1 --price 2=1", "a delivery of line 2"),
        ("invoices statement --out s.pdf", ".csv or .xlsx"),
    ],
)
def test_what_is_not_understood_is_misuse(node: Node, words: str, said: str) -> None:
    node.views["statement"] = {"rows": [], "sums": []}
    done = run(*words.split())

    assert (done.exit_code, node.told) == (2, [])
    assert said in done.output


def test_invoices_are_listed_and_shown(node: Node) -> None:
    node.views["invoices"] = {"invoices": [INVOICE]}
    listed = run("invoices", "list").stdout
    shown = run("invoices", "show", "9ecb").stdout

    assert "I-1     Dale Mill  are paid  feed  in process  98.17 GBP" in listed
    assert "Tax S 20.00 % of 81.81 GBP: 16.36 GBP" in shown
    assert "Of this the coordinator's fee: 0.81 GBP" in shown
    assert "[invoice.terms]" in shown


def test_no_invoices_are_said(node: Node) -> None:
    node.views |= {"invoices": {"invoices": []}, "statement": {"rows": [], "sums": []}}

    assert run("invoices", "list").stdout.startswith("No invoices:")
    assert run("invoices", "statement").stdout == "Nothing was billed in this time.\n"


@pytest.mark.parametrize(
    ("words", "name", "body", "options"),
    [
        (
            "issue 9ecb --tax s=20 --number 2027-1",
            "issue",
            {"number": "2027-1", "tax": {"category": "S", "rate_bps": 2_000}},
            {"order": "9ecb"},
        ),
        ("issue 9ecb", "issue", {}, {"order": "9ecb"}),
        (
            "answer 4f1c uq --reason PRI --action PIN",
            "answer_invoice",
            {"code": "UQ", "reasons": ["PRI"], "actions": ["PIN"]},
            {"invoice": "4f1c"},
        ),
        (
            "credit 4f1c 1=3 --reason QUA --number C-9",
            "credit",
            {"reason": "QUA", "number": "C-9", "lines": [{"line": 0, "quantity": 30}]},
            {"invoice": "4f1c"},
        ),
        (
            "credit 4f1c --return 77d0",
            "credit",
            {"reason": "OTH"},
            {"invoice": "4f1c", "request": "77d0"},
        ),
    ],
)
def test_words_about_invoices_become_what_the_service_is_asked(
    node: Node, words: str, name: str, body: Any, options: dict[str, Any]
) -> None:
    done = run("invoices", *words.split())

    assert done.exit_code == 0, done.output
    assert node.told == [(name, body, options)]


def test_a_statement_is_asked_for_by_whole_days(node: Node) -> None:
    node.views["statement"] = {"rows": [ROW], "sums": [{**ROW, "with": "Dale Mill"}]}
    words = ("--with", "Dale Mill", "--from", "1970-01-02", "--to", "1970-01-02")
    shown = run("invoices", "statement", *words).stdout

    given = {"with": "Dale Mill", "from_ms": DAY, "to_ms": 2 * DAY}
    assert node.asked == [("statement", given)]
    assert "Dale Mill  are paid  98.17 GBP  0.00 GBP  0.00 GBP  98.17 GBP" in shown


def test_a_statement_as_csv_has_no_formula_in_it(node: Node, tmp_path: Path) -> None:
    node.views["statement"] = {"rows": [ROW], "sums": []}
    path = tmp_path / "s.csv"
    done = run("invoices", "statement", "--out", str(path))

    text = path.read_text("utf-8-sig")
    head, row = csv.reader(io.StringIO(text))
    told = dict(zip(head, row, strict=True))
    assert done.stdout == f"Wrote 1 document to {path}.\n"
    assert (told["with"], told["number"]) == ("'=cmd|' /C calc'!A0", "'-2+3")
    assert (told["billed"], told["of which fee"], told["open"]) == ("98.17", "0.81", "98.17")


def test_a_statement_as_a_workbook_has_numbers_and_no_formula(node: Node, tmp_path: Path) -> None:
    node.views["statement"] = {"rows": [ROW], "sums": []}
    path = tmp_path / "s.xlsx"
    run("invoices", "statement", "--out", str(path))

    sheet = load_workbook(path).active
    assert sheet is not None
    head, row = sheet.iter_rows()
    told = {str(name.value): cell for name, cell in zip(head, row, strict=True)}
    assert (told["with"].value, told["with"].data_type) == ("'=cmd|' /C calc'!A0", "s")
    assert float(str(told["billed"].value)) == 98.17
    assert {cell.data_type for cell in row} <= {"s", "n"}


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1", "|x", "%x"])
def test_what_a_spreadsheet_would_carry_out_is_text(cell: str) -> None:
    assert safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["Dale Mill", "1=2", "", "a@b"])
def test_other_text_stays_as_it_is(cell: str) -> None:
    assert safe(cell) == cell


def test_quantities_and_days_are_whole_numbers() -> None:
    assert [read_quantity(word, 3) for word in ("1", "0.001", "1e3")] == [1_000, 1, 1_000_000]
    assert read_day("1970-01-01") == DAY - 1
