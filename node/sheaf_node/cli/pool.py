"""`sheaf pool`: opens, closes and shows pools, and takes a line back, at the running node.

Which pools there are and what they came to is the purchasing service's to say; here its answers
become text for a terminal.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable, utc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SERVICE: Final = "/api/v1/services/pooled_purchasing"
_REASONS: Final[Mapping[str, str]] = {
    "pool.no_demand": "no line for it counted",
    "pool.too_few": "fewer co-ops want it than the pool needs, so nobody is bound",
    "pool.no_offer": "no offer for it counted",
    "pool.no_tier": "no price that the total earns is within enough of the maxima",
}
_POOL_HEAD: Final = ("pool", "state", "lines", "outcome")
_LINE_HEAD: Final = ("your line", "item", "state", "wanted", "got", "paid")
_MOST_PRICE_DECIMALS: Final = 9


@click.group()
def pool() -> None:
    """Open, close and show pools, or take back a line of this co-op."""


@pool.command("open")
@click.option("--hours", type=click.IntRange(0), help="Time to join, in hours (168: a week).")
@click.option("--k-min", type=int, help="Co-ops that must want the item (3).")
@click.option("--fee-bps", type=int, help="The coordinator's fee, in 1/100 of a percent (0).")
@click.option("--zone", help="Zone that the pools deliver to (ALL).")
@click.option("--may-close-early", is_flag=True, help="Let `sheaf pool close` close them.")
@json_option
@home_option
def open_(
    *,
    hours: int | None,
    k_min: int | None,
    fee_bps: int | None,
    zone: str | None,
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
        "may_close_early": 1 if may_close_early else None,
    }
    options = {name: value for name, value in given.items() if value is not None}
    answer = NodeClient(home).post(f"{_SERVICE}/open_pools", b"", options)
    _print_count("Opened", answer["opened"], answer, as_json=as_json)


@pool.command("close")
@json_option
@home_option
def close(*, as_json: bool, home: Path) -> None:
    """Close this co-op's pools that may close early; others close by themselves in time."""
    answer = NodeClient(home).post(f"{_SERVICE}/close_pools", b"")
    _print_count("Closed", answer["closed"], answer, as_json=as_json)


@pool.command("show")
@json_option
@home_option
def show(*, as_json: bool, home: Path) -> None:
    """Show the pools, what they came to, and what became of this co-op's own lines."""
    report = NodeClient(home).get(f"{_SERVICE}/report")
    if as_json:
        print_json(report)
        return
    if report["pools"]:
        print_table(_POOL_HEAD, map(_pool_cells, report["pools"]))
    else:
        click.echo("No pool yet: a coordinator opens them with `sheaf pool open`.")
    click.echo()
    if report["lines"]:
        print_table(_LINE_HEAD, map(_line_cells, report["lines"]))
    else:
        click.echo("No lines of this co-op: `sheaf import purchases FILE` publishes them.")


@pool.command("withdraw")
@click.argument("ref")
@json_option
@home_option
def withdraw(*, ref: str, as_json: bool, home: Path) -> None:
    """Take back the line REF, as `sheaf pool show` names it. Pools closed before keep it."""
    answer = NodeClient(home).post(f"{_SERVICE}/withdraw", b"", {"ref": ref})
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
    if outcome is None and one["is_closed"]:
        return "not decided yet, or entries that it names have not come"
    if outcome is None:
        closes_at = utc(one["closes_at_ms"])
        return f"closes {closes_at:%Y-%m-%d %H:%M} UTC"
    if not outcome["awarded"]:
        return _REASONS.get(outcome["reason"], outcome["reason"])
    units = f"{_quantity(outcome['units'], one['scale'])} {one['unit']}"
    value = _money(outcome["value_minor"], one)
    return f"{units}{_unit_price(one)}, {value} under the list price"


def _unit_price(one: Any) -> str:
    price = one["outcome"]["price"]
    if price is None:
        return ""
    each = Decimal(price["amount"] * 10 ** one["scale"]) / price["base"]
    exact = round(each.scaleb(-one["minor_digits"]), _MOST_PRICE_DECIMALS).normalize()
    decimals = max(one["minor_digits"], -int(exact.as_tuple().exponent))
    return f" at {exact:.{decimals}f} {one['currency']}"


def _line_cells(line: Any) -> Sequence[str]:
    wanted, got = (_quantity(line[name], line["scale"]) for name in ("wanted", "got"))
    paid = _money(line["paid_minor"], line) if line["got"] else "-"
    wanted = f"{wanted} {line['unit']}"
    return line["ref"], line["item"], line["state"], wanted, got if line["got"] else "-", paid


def _quantity(units: int, scale: int) -> str:
    return f"{Decimal(units).scaleb(-scale).normalize():f}"


def _money(minor: int, one: Any) -> str:
    return f"{Decimal(minor).scaleb(-one['minor_digits']):f} {one['currency']}"
