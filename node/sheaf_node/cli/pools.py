"""`sheaf pools`: opens, closes and shows pools, and takes a line back, at the running node.

Which pools there are and what they came to is the purchasing service's to say; here its answers
become text for a terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.amounts import bare_quantity, money, quantity, unit_price
from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.letter import print_letters
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable, utc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SERVICE: Final = "/api/v1/services/pooled_purchasing"
_REASONS: Final[Mapping[str, str]] = {
    "pool.no_demand": "no line for it counted",
    "pool.too_few": "fewer co-ops want it than the pool needs, so nobody is bound",
    "pool.no_offer": "no offer for it counted",
    "pool.no_tier": "no price that the total earns is within enough of the maxima",
    "pool.no_fit": "what is offered cannot be shared out so that all minimums hold",
}
_POOL_HEAD: Final = ("pool", "state", "lines", "outcome")
LINE_HEAD: Final = ("your line", "item", "state", "wanted", "got", "paid")


@click.group()
def pools() -> None:
    """Open, close and show pools, or take back a line of this co-op."""


@pools.command("open")
@click.option("--hours", type=click.IntRange(0), help="Time to join, in hours (168: a week).")
@click.option("--k-min", type=int, help="Co-ops that must want the item (3).")
@click.option("--fee-bps", type=int, help="The coordinator's fee, in 1/100 of a percent (0).")
@click.option("--zone", help="Zone that the pools deliver to (ALL).")
@click.option("--offers", type=click.Choice(["one", "several"]), help="How many may win (one).")
@click.option("--may-close-early", is_flag=True, help="Let `sheaf pools close` close them.")
@json_option
@home_option
def open_(
    *,
    hours: int | None,
    k_min: int | None,
    fee_bps: int | None,
    zone: str | None,
    offers: str | None,
    may_close_early: bool,
    as_json: bool,
    home: Path,
) -> None:
    """Open a pool for each item on offer that has none open; for coordinators."""
    given = {
        "closes_in_s": None if hours is None else hours * 3600,
        "k_min": k_min,
        "fee_bps": fee_bps,
        "zone": zone,
        "offers": offers,
        "may_close_early": 1 if may_close_early else None,
    }
    options = {name: value for name, value in given.items() if value is not None}
    answer = NodeClient(home).post(f"{SERVICE}/open_pools", b"", options)
    _print_count("Opened", answer["opened"], answer, as_json=as_json)


@pools.command("close")
@json_option
@home_option
def close(*, as_json: bool, home: Path) -> None:
    """Close this co-op's pools that may close early; others close by themselves in time."""
    answer = NodeClient(home).post(f"{SERVICE}/close_pools", b"")
    _print_count("Closed", answer["closed"], answer, as_json=as_json)


@pools.command("show")
@json_option
@home_option
def show(*, as_json: bool, home: Path) -> None:
    """Show the pools, what they came to, and what became of this co-op's own lines."""
    report = NodeClient(home).get(f"{SERVICE}/report")
    if as_json:
        print_json(report)
        return
    if report["pools"]:
        print_table(_POOL_HEAD, map(_pool_cells, report["pools"]))
    else:
        click.echo("No pool yet: a coordinator opens them with `sheaf pools open`.")
    click.echo()
    if report["lines"]:
        print_table(LINE_HEAD, map(line_cells, report["lines"]))
    else:
        click.echo("No lines of this co-op: `sheaf needs import FILE` publishes them.")


@pools.command("letter")
@click.argument("ref", default="")
@json_option
@home_option
def letter(*, ref: str, as_json: bool, home: Path) -> None:
    """Tell what awards gave this co-op's lines, what that saves and how to check it."""
    answer = NodeClient(home).get(f"{SERVICE}/letters", {"ref": ref} if ref else {})
    if as_json:
        print_json(answer)
    elif answer["letters"]:
        print_letters(answer["letters"])
    else:
        click.echo("No award has decided on a line of this co-op so far.")


@pools.command("withdraw")
@click.argument("ref")
@json_option
@home_option
def withdraw(*, ref: str, as_json: bool, home: Path) -> None:
    """Take back the line REF, as `sheaf pools show` names it. Pools closed before keep it."""
    answer = NodeClient(home).post(f"{SERVICE}/withdraw", b"", {"ref": ref})
    tell_withdrawn(answer, as_json=as_json)


def tell_withdrawn(answer: Any, *, as_json: bool) -> None:
    """Print that a line or an offer was taken back."""
    if as_json:
        print_json(answer)
    else:
        click.echo(f"Withdrew {printable(answer['withdrawn'])}.")


def _print_count(verb: str, count: int, answer: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    click.echo(f"{verb} {count} pool{'' if count == 1 else 's'}.")
    for skipped in answer["skipped"]:
        click.echo(f"  {printable(skipped['item'])}: {printable(skipped['why'])}")


def _pool_cells(one: Any) -> Sequence[str]:
    lines = str(one["demands"]) if one["is_closed"] else "-"
    return one["item"], one["state"], lines, _outcome(one)


def _outcome(one: Any) -> str:
    outcome = one["outcome"]
    if outcome is None and one["stuck"]:
        return f"cannot be cleared on this machine: {one['stuck']}"
    if outcome is None and one["is_closed"]:
        return "not decided yet, or entries that it names have not come"
    if outcome is None:
        closes_at = utc(one["closes_at_ms"])
        return f"closes {closes_at:%Y-%m-%d %H:%M} UTC"
    if not outcome["awarded"]:
        return _REASONS.get(outcome["reason"], outcome["reason"])
    units, value = quantity(outcome["units"], one), money(outcome["value_minor"], one)
    return f"{units}{_at(one)}, {value} under the list price"


def _at(one: Any) -> str:
    """Return the price of the one supplier that won, or how many did."""
    outcome = one["outcome"]
    if len(outcome["offers"]) > 1:
        return f" of {len(outcome['offers'])} suppliers"
    return "" if outcome["price"] is None else f" at {unit_price(outcome['price'], one)}"


def line_cells(line: Any) -> Sequence[str]:
    """Return an own line as cells under `LINE_HEAD`."""
    wanted = quantity(line["wanted"], line)
    got = bare_quantity(line["got"], line) if line["got"] else "-"
    paid = money(line["paid_minor"], line) if line["got"] else "-"
    return line["ref"], line["item"], line["state"], wanted, got, paid
