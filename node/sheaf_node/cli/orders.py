"""`sheaf orders`: what becomes of orders after their award, at the running node.

What may be said, and what it does, is the service's to say; here its answers become text for a
terminal, and words of people its questions.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.amounts import money
from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.order_words import (
    SERVICE,
    day_of,
    quantity_of,
    read_day,
    read_line,
    read_lines,
    read_money,
    read_quantity,
)
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_HEAD: Final = ("order", "with", "we", "item", "state", "ordered", "accepted", "open", "to do")
_LINE_HEAD: Final = ("line", "ordered", "outstanding", "on the way", "accepted")
_WAYS: Final = {"buyer": "buy", "supplier": "sell"}
_DUE: Final[Mapping[str, str]] = {
    "accept": "accept",
    "agree": "agree",
    "answer_cancel": "answer cancel",
    "answer_change": "answer change",
    "answer_invoice": "answer the invoice",
    "answer_return": "answer return",
    "despatch": "despatch",
    "invoice": "issue an invoice",
    "receive": "receive",
}
_REASONS: Final = ("damaged", "expired", "late", "other", "quality", "temperature", "wrong_item")


@click.group()
def orders() -> None:
    """Follow orders: accept, change, despatch, count, give back."""


@orders.command("list")
@click.option("--all", "shows_all", is_flag=True, help="Also orders that are over.")
@json_option
@home_option
def list_(*, shows_all: bool, as_json: bool, home: Path) -> None:
    """List the orders that this co-op placed or was sent, and what is to be done."""
    answer = NodeClient(home).get(f"{SERVICE}/orders")
    if as_json:
        print_json(answer)
        return
    rows = [one for one in answer["orders"] if shows_all or one["is_open"] or one["due"]]
    if rows:
        print_table(_HEAD, map(_cells, rows))
    else:
        click.echo("No open orders: awards make them, and `--all` shows those that are over.")


@orders.command("show")
@click.argument("order")
@json_option
@home_option
def show(*, order: str, as_json: bool, home: Path) -> None:
    """Show ORDER: its lines, deliveries, returns and invoices."""
    one = NodeClient(home).get(f"{SERVICE}/order", {"order": order})
    if as_json:
        print_json(one)
        return
    who = "to" if one["side"] == "buyer" else "from"
    click.echo(f"Order {one['order'][:8]} {who} {printable(one['with'])}: {one['state']}")
    print_table(_LINE_HEAD, [_line_cells(one, line) for line in one["lines"]])
    for sentence in _sentences(one):
        click.echo(sentence)


@orders.command("accept")
@click.argument("order")
@click.option("--cancel-fee-bps", type=int, help="What cancelling costs at most, in 1/100 percent.")
@json_option
@home_option
def accept(*, order: str, cancel_fee_bps: int | None, as_json: bool, home: Path) -> None:
    """Accept ORDER as it stands; for its supplier."""
    body = {"code": "AP", **_given(cancel_fee_bps=cancel_fee_bps)}
    _say(home, "respond", order, body, as_json=as_json, said="Accepted")


@orders.command("propose")
@click.argument("order")
@click.option(
    "--deliver", "deliveries", multiple=True, metavar="[LINE=]QUANTITY@DAY", help="A promise."
)
@click.option("--price", "prices", multiple=True, metavar="[LINE=]AMOUNT", help="A lower price.")
@click.option("--never", "never", multiple=True, metavar="LINE", help="A line that will not come.")
@click.option("--agree-by", metavar="DAY", help="Until when the buyer may agree.")
@json_option
@home_option
def propose(
    *,
    order: str,
    deliveries: Sequence[str],
    prices: Sequence[str],
    never: Sequence[str],
    agree_by: str | None,
    as_json: bool,
    home: Path,
) -> None:
    """Promise less of ORDER, in parts, or for a lower price; for its supplier."""
    one = NodeClient(home).get(f"{SERVICE}/order", {"order": order})
    lines = _promises(one, deliveries, prices, never)
    by_ms = None if agree_by is None else read_day(agree_by)
    body = {"code": "CA", "lines": lines, **_given(agree_by_ms=by_ms)}
    _say(home, "respond", order, body, as_json=as_json, said="Proposed changes of")


@orders.command("reject")
@click.argument("order")
@click.option("--reason", default="other", show_default=True, help="A word, such as stock.")
@json_option
@home_option
def reject(*, order: str, reason: str, as_json: bool, home: Path) -> None:
    """Reject ORDER before it is accepted; for its supplier."""
    body = {"code": "RE", "reason": reason}
    _say(home, "respond", order, body, as_json=as_json, said="Rejected")


@orders.command("agree")
@click.argument("order")
@click.option("--refuse", is_flag=True, help="Do not take the changes; the order ends.")
@json_option
@home_option
def agree(*, order: str, refuse: bool, as_json: bool, home: Path) -> None:
    """Take the changes that the supplier of ORDER proposes."""
    said = "Refused the changes of" if refuse else "Agreed to the changes of"
    code = "RE" if refuse else "AP"
    _say(home, "agree", order, None, as_json=as_json, said=said, code=code)


@orders.command("change")
@click.argument("order")
@click.argument("lines", nargs=-1, required=True, metavar="[LINE=]QUANTITY...")
@json_option
@home_option
def change(*, order: str, lines: Sequence[str], as_json: bool, home: Path) -> None:
    """Ask for other quantities of ORDER once it is accepted; 0 takes a line back."""
    one = NodeClient(home).get(f"{SERVICE}/order", {"order": order})
    asked = read_lines(lines, one["scale"])
    body = {"lines": [{"line": at, "quantity": n} for at, n in asked.items()]}
    _say(home, "change", order, body, as_json=as_json, said="Asked to change")


@orders.command("cancel")
@click.argument("order")
@click.option("--dry-run", is_flag=True, help="Tell what it may cost, and do nothing.")
@json_option
@home_option
def cancel(*, order: str, dry_run: bool, as_json: bool, home: Path) -> None:
    """Take ORDER back, or once it is accepted ask to cancel what is outstanding."""
    if not dry_run:
        _say(home, "cancel", order, None, as_json=as_json, said="Asked to cancel")
        return
    client = NodeClient(home)
    told = client.post(f"{SERVICE}/cancel", b"", {"order": order, "dry_run": 1})
    if as_json:
        print_json(told)
        return
    one = client.get(f"{SERVICE}/order", {"order": order})
    how = "the supplier may refuse" if told["needs_consent"] else "the supplier cannot refuse"
    click.echo(f"It costs at most {money(told['fee_most_minor'], one)}; {how}.")


@orders.command("answer")
@click.argument("order")
@click.argument("what", type=click.Choice(["change", "cancel", "return"]))
@click.option("--refuse", is_flag=True, help="Refuse it.")
@click.option("--fee", help="What a cancellation costs, up to what was named: 12.50.")
@click.option("--return", "request", help="Which return, by its id or its beginning.")
@json_option
@home_option
def answer(
    *,
    order: str,
    what: str,
    refuse: bool,
    fee: str | None,
    request: str | None,
    as_json: bool,
    home: Path,
) -> None:
    """Answer a change, a cancellation or a return that the buyer of ORDER asks for."""
    options = {"code": "RE" if refuse else "AP", **_given(request=request)}
    if fee is not None and what == "cancel":
        one = NodeClient(home).get(f"{SERVICE}/order", {"order": order})
        options["fee"] = str(read_money(fee, one["minor_digits"]))
    said = f"{'Refused' if refuse else 'Confirmed'} the {what} of"
    _say(home, f"answer_{what}", order, None, as_json=as_json, said=said, **options)


@orders.command("despatch")
@click.argument("order")
@click.argument("lines", nargs=-1, metavar="[LINE=]QUANTITY...")
@click.option("--last", is_flag=True, help="Nothing more of these lines will come.")
@click.option("--ref", help="Number of the delivery note.")
@click.option("--arrives", metavar="DAY", help="When it arrives (today).")
@click.option("--packages", type=click.IntRange(0), help="How many packages.")
@json_option
@home_option
def despatch(
    *,
    order: str,
    lines: Sequence[str],
    last: bool,
    ref: str | None,
    arrives: str | None,
    packages: int | None,
    as_json: bool,
    home: Path,
) -> None:
    """Send off what is named of ORDER, or all that is outstanding; for its supplier."""
    one = NodeClient(home).get(f"{SERVICE}/order", {"order": order})
    rest = {"outstanding": 0} if last else {}
    sent = [
        {"line": at, "delivered": n, **rest} for at, n in read_lines(lines, one["scale"]).items()
    ]
    arrives_ms = None if arrives is None else read_day(arrives)
    body = {"lines": sent, **_given(ref=ref, arrives_ms=arrives_ms, packages=packages)}
    _say(home, "despatch", order, body, as_json=as_json, said="Despatched goods of")


@orders.command("receive")
@click.argument("order")
@click.option("--despatch", "despatch_", help="Which one, by its id or its beginning.")
@click.option("--short", multiple=True, metavar="[LINE=]QUANTITY", help="Advised and not come.")
@click.option("--over", multiple=True, metavar="[LINE=]QUANTITY", help="Come and not advised.")
@click.option("--damaged", multiple=True, metavar="[LINE=]QUANTITY", help="Come damaged.")
@click.option("--refused", multiple=True, metavar="[LINE=]QUANTITY", help="Come and not taken.")
@click.option("--reason", type=click.Choice(_REASONS), help="Why it was not taken.")
@json_option
@home_option
def receive(
    *,
    order: str,
    despatch_: str | None,
    reason: str | None,
    as_json: bool,
    home: Path,
    **counts: Sequence[str],
) -> None:
    """Count what came of ORDER; without options, all as it was despatched."""
    one = NodeClient(home).get(f"{SERVICE}/order", {"order": order})
    lines: dict[int, dict[str, Any]] = {}
    for name, words in counts.items():
        for at, quantity in read_lines(words, one["scale"]).items():
            lines.setdefault(at, {"line": at, **_given(reason=reason)})[name] = quantity
    body = {"lines": list(lines.values())}
    options = _given(despatch=despatch_)
    _say(home, "receive", order, body, as_json=as_json, said="Counted goods of", **options)


@orders.command("return")
@click.argument("order")
@click.argument("lines", nargs=-1, required=True, metavar="[LINE=]QUANTITY...")
@click.option("--reason", type=click.Choice(_REASONS), default="other", help="Why (other).")
@click.option("--despatch", "despatch_", help="Of which one, by its id or its beginning.")
@json_option
@home_option
def return_(
    *,
    order: str,
    lines: Sequence[str],
    reason: str,
    despatch_: str | None,
    as_json: bool,
    home: Path,
) -> None:
    """Ask to give back accepted goods of ORDER."""
    one = NodeClient(home).get(f"{SERVICE}/order", {"order": order})
    asked = read_lines(lines, one["scale"])
    body = {"lines": [{"line": at, "quantity": n, "reason": reason} for at, n in asked.items()]}
    options = _given(despatch=despatch_)
    _say(home, "ask_return", order, body, as_json=as_json, said="Asked to return of", **options)


def _given(**named: Any) -> dict[str, Any]:
    return {name: value for name, value in named.items() if value is not None}


def _say(
    home: Path, name: str, order: str, body: Any, *, as_json: bool, said: str, **options: Any
) -> None:
    """Ask the service for something, and say what was done."""
    raw = b"" if body is None else json.dumps(body).encode()
    answer = NodeClient(home).post(f"{SERVICE}/{name}", raw, {"order": order, **options})
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{said} order {answer['order'][:8]}.")


def _promises(
    one: Any, deliveries: Sequence[str], prices: Sequence[str], never: Sequence[str]
) -> list[dict[str, Any]]:
    """Return lines as the service takes them; a line with a price alone comes as ordered."""
    lines: dict[int, dict[str, Any]] = {}
    for word in deliveries:
        line, _, rest = word.rpartition("=")
        quantity, _, day = rest.partition("@")
        made = lines.setdefault(read_line(line or "1"), {"deliveries": []})
        units = read_quantity(quantity, one["scale"])
        made["deliveries"].append({"quantity": units, "by_ms": read_day(day)})
    for word in never:
        lines[read_line(word)] = {"deliveries": []}
    for word in prices:
        line, _, amount = word.rpartition("=")
        at = read_line(line or "1")
        if at not in lines:
            raise click.UsageError(f"expected a delivery of line {at + 1} with its price")
        lines[at]["amount"] = read_money(amount, one["minor_digits"])
    if not lines:
        raise click.UsageError("expected --deliver or --never")
    return [{"line": at, **made} for at, made in sorted(lines.items())]


def _cells(one: Any) -> Sequence[str]:
    ordered, accepted, outstanding = (
        quantity_of(one[name], one["scale"]) for name in ("ordered", "accepted", "outstanding")
    )
    due = ", ".join(_DUE.get(each, each) for each in one["due"]) or "-"
    state = one["state"].replace("_", " ")
    side = _WAYS[one["side"]]
    ordered = f"{ordered} {one['unit']}"
    return (
        *(one["order"][:8], one["with"], side, one["item"]),
        *(state, ordered, accepted, outstanding, due),
    )


def _line_cells(one: Any, line: Any) -> Sequence[str]:
    names = ("ordered", "outstanding", "on_the_way", "accepted")
    return (str(line["line"] + 1), *(quantity_of(line[name], one["scale"]) for name in names))


def _sentences(one: Any) -> list[str]:
    """Return what else is to be said of an order, a sentence each."""
    said = []
    if one["proposal"] is not None:
        said.append(f"Changes are proposed; agree until {day_of(one['proposal']['agree_by_ms'])}.")
    if one["amendment"] != "none":
        said.append(f"Change: {one['amendment']}.")
    if one["cancellation"] != "none":
        said.append(f"Cancellation: {one['cancellation']}.")
    for each in one["deliveries"]:
        until = day_of(each["inspect_until_ms"])
        ref = printable(each["ref"])
        said.append(f"Despatch {ref} ({each['despatch'][:8]}): {each['state']}; count by {until}.")
    said += [f"Return {each['return'][:8]}: {each['state']}." for each in one["returns"]]
    for each in one["invoices"]:
        total = money(each["total_minor"], each)
        said.append(f"Invoice {printable(each['number'])}: {total}, {each['state']}.")
    if one["unread"]:
        said.append("The supplier has not read all of this yet.")
    return said
