"""`sheaf invoices`: what accepted goods come to, at the running node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.amounts import money
from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.order_words import (
    SERVICE,
    day_of,
    quantity_of,
    read_day,
    read_lines,
    read_quantity,
)
from sheaf_node.cli.output import (
    counted,
    home_option,
    json_option,
    print_json,
    print_table,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD: Final = ("invoice", "number", "with", "we", "item", "state", "total", "open", "due", "check")
_SUM_HEAD: Final = ("with", "we", "billed", "credited", "paid", "open")
_WAYS: Final = {"buyer": "pay", "supplier": "are paid"}
_CODES: Final = ("AB", "IP", "UQ", "CA", "RE", "AP", "PD")
_REASONS: Final = (
    *("DEL", "FIN", "ITM", "LEG", "NON", "OTH", "PAY"),
    *("PPD", "PRI", "QTY", "QUA", "REC", "REF", "UNR"),
)
_ACTIONS: Final = ("CNA", "CNF", "CNP", "NIN", "NOA", "OTH", "PIN")


@click.group()
def invoices() -> None:
    """Issue invoices from receipts, answer them, credit them, add them up."""


@invoices.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path) -> None:
    """List the invoices to and from this co-op."""
    answer = NodeClient(home).get(f"{SERVICE}/invoices")
    if as_json:
        print_json(answer)
    elif answer["invoices"]:
        print_table(_HEAD, map(_cells, answer["invoices"]))
    else:
        click.echo("No invoices: `sheaf invoices issue ORDER` makes one of what was received.")


@invoices.command("show")
@click.argument("invoice")
@json_option
@home_option
def show(*, invoice: str, as_json: bool, home: Path) -> None:
    """Show INVOICE with its lines and taxes."""
    one = NodeClient(home).get(f"{SERVICE}/invoice", {"invoice": invoice})
    if as_json:
        print_json(one)
        return
    click.echo(f"Invoice {printable(one['number'])} with {printable(one['with'])}: {one['state']}")
    head = ("line", "quantity", "goods", "carriage", "fee", "tax")
    print_table(head, [_line_cells(one, line) for line in one["lines"]])
    for each in one["taxes"]:
        base, tax = money(each["base_minor"], one), money(each["tax_minor"], one)
        click.echo(f"Tax {each['category']} {_percent(each['rate_bps'])} of {base}: {tax}")
    click.echo(f"Of this the coordinator's fee: {money(one['fee_minor'], one)}")
    click.echo(f"Total: {money(one['total_minor'], one)}, due {day_of(one['due_ms'])}")
    if one["check"] != "ok":
        click.echo(f"Its rates are not those that were awarded [{printable(one['check'])}].")


@invoices.command("issue")
@click.argument("order")
@click.option("--tax", metavar="CATEGORY=PERCENT", help="S=20, Z=0, E=0, ... (by the settings).")
@click.option("--number", help="Our own number.")
@json_option
@home_option
def issue(*, order: str, tax: str | None, number: str | None, as_json: bool, home: Path) -> None:
    """Bill all that was received of ORDER and is not billed."""
    body: dict[str, Any] = {} if number is None else {"number": number}
    if tax is not None:
        category, _, percent = tax.partition("=")
        body["tax"] = {"category": category.upper(), "rate_bps": read_quantity(percent or "0", 2)}
    answer = NodeClient(home).post(f"{SERVICE}/issue", _raw(body), {"order": order})
    _print(answer, f"Issued an invoice for order {answer['order'][:8]}.", as_json=as_json)


@invoices.command("answer")
@click.argument("invoice")
@click.argument("code", type=click.Choice(_CODES, case_sensitive=False))
@click.option("--reason", "reasons", multiple=True, type=click.Choice(_REASONS), help="Why.")
@click.option("--action", "actions", multiple=True, type=click.Choice(_ACTIONS), help="What next.")
@json_option
@home_option
def answer(
    *,
    invoice: str,
    code: str,
    reasons: Sequence[str],
    actions: Sequence[str],
    as_json: bool,
    home: Path,
) -> None:
    """Answer INVOICE: AB received, IP in process, UQ query, CA conditional, RE, AP or PD paid."""
    body = {"code": code.upper(), "reasons": reasons, "actions": actions}
    said = NodeClient(home).post(f"{SERVICE}/answer_invoice", _raw(body), {"invoice": invoice})
    _print(said, f"Answered the invoice with {code.upper()}.", as_json=as_json)


@invoices.command("credit")
@click.argument("invoice")
@click.argument("lines", nargs=-1, metavar="[LINE=]QUANTITY...")
@click.option("--return", "request", help="For this return, by its id or its beginning.")
@click.option("--reason", type=click.Choice(_REASONS), default="OTH", help="Why (OTH).")
@click.option("--number", help="Our own number.")
@json_option
@home_option
def credit(
    *,
    invoice: str,
    lines: Sequence[str],
    request: str | None,
    reason: str,
    number: str | None,
    as_json: bool,
    home: Path,
) -> None:
    """Take back what is named of INVOICE, or all that is left of it."""
    client = NodeClient(home)
    body: dict[str, Any] = {"reason": reason, **({} if number is None else {"number": number})}
    if lines:
        scale = client.get(f"{SERVICE}/invoice", {"invoice": invoice})["scale"]
        asked = read_lines(lines, scale)
        body["lines"] = [{"line": at, "quantity": quantity} for at, quantity in asked.items()]
    options = {"invoice": invoice, **({} if request is None else {"request": request})}
    said = client.post(f"{SERVICE}/credit", _raw(body), options)
    _print(said, "Issued a credit note.", as_json=as_json)


@invoices.command("statement")
@click.option("--with", "name", help="One co-op, by its name.")
@click.option("--from", "first", metavar="DAY", help="From this UTC day on.")
@click.option("--to", "last", metavar="DAY", help="Up to this UTC day, it included.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write: .csv or .xlsx."
)
@json_option
@home_option
def statement(
    *,
    name: str | None,
    first: str | None,
    last: str | None,
    out: Path | None,
    as_json: bool,
    home: Path,
) -> None:
    """Add up what was billed, credited, paid and is open, by co-op."""
    given = {
        "with": name,
        "from_ms": None if first is None else read_day(first) - 86_399_999,
        "to_ms": None if last is None else read_day(last) + 1,
    }
    options = {key: value for key, value in given.items() if value is not None}
    told = NodeClient(home).get(f"{SERVICE}/statement", options)
    if out is not None:
        # Loaded by those who want a file: a spreadsheet's library takes its time.
        from sheaf_node.cli.statement_file import write_statement  # noqa: PLC0415

        write_statement(told, out)
    if as_json:
        print_json(told)
    elif out is not None:
        click.echo(f"Wrote {counted(len(told['rows']), 'document', 'documents')} to {out}.")
    elif told["sums"]:
        print_table(_SUM_HEAD, map(_sum_cells, told["sums"]))
    else:
        click.echo("Nothing was billed in this time.")


def _raw(body: Any) -> bytes:
    return json.dumps(body).encode()


def _print(answer: Any, said: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(said)


def _cells(one: Any) -> Sequence[str]:
    return (
        *(one["invoice"][:8], one["number"], one["with"], _WAYS[one["side"]], one["item"]),
        *(one["state"].replace("_", " "), money(one["total_minor"], one)),
        *(money(one["open_minor"], one), day_of(one["due_ms"]), one["check"]),
    )


def _line_cells(one: Any, line: Any) -> Sequence[str]:
    tax = line["tax"]
    return (
        *(str(line["line"] + 1), quantity_of(line["quantity"], one["scale"])),
        *(money(line[f"{name}_minor"], one) for name in ("amount", "carriage", "fee")),
        f"{tax['category']} {_percent(tax['rate_bps'])}",
    )


def _sum_cells(one: Any) -> Sequence[str]:
    names = ("billed", "credited", "paid", "open")
    sums = (money(one[f"{name}_minor"], one) for name in names)
    return one["with"], _WAYS[one["side"]], *sums


def _percent(bps: int) -> str:
    return f"{quantity_of(bps, 2)} %"
