"""`sheaf curve`: rounds of private demand at the running node.

What a round came to, and what is wrong with one, is the service's to say; here its answers become
text for a terminal. Prices are in minor units, quantities whole numbers at the item's scale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable, utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SERVICE: Final = "/api/v1/services/private_demand"
_HEAD: Final = ("round", "item", "coordinator", "state", "bids", "your line", "curve")
_STATES: Final[Mapping[str, str]] = {
    "due": "past its time, not closed",
    "waiting": "closed; entries that it names have not come",
    "closed": "closed, no totals so far",
    "faulty": "wrong: see `sheaf curve alerts`",
}
_REASONS: Final[Mapping[str, str]] = {
    "curve.too_few": "too few co-ops want any",
    "curve.dominance": "one co-op's line would show",
    "curve.differencing": "too few lines differ from an earlier round",
}

_COUNTS: Final[Mapping[bool | None, str]] = {
    True: ", which is counted",
    False: ", which is not counted: its co-op may have bid again",
    None: "; what is counted is told at the close",
}


@click.group()
def curve() -> None:
    """Add up what co-ops want at each price, without showing what each of them wants."""


@curve.command("open")
@click.argument("item")
@click.option("--unit", required=True, help="Unit of the item, a UN/CEFACT code such as KGM.")
@click.option("--currency", required=True, help="ISO 4217 code, such as GBP.")
@click.option("--levels", required=True, help="Prices in minor units, rising: 900,1000,1100.")
@click.option("--cap", type=int, required=True, help="The most that one co-op may bid.")
@click.option("--base", type=int, help="Units of the item that a price is for (1).")
@click.option("--scale", type=int, help="Decimals of a quantity (0).")
@click.option("--name", help="Name of the item, for people.")
@click.option("--zone", help="Zone that the goods go to (ALL).")
@click.option("--hours", type=click.IntRange(0), help="Time to bid, in hours (168: a week).")
@click.option("--k-min", type=int, help="Co-ops that must want any (as the policy says).")
@click.option("--dominance-bps", type=int, help="Largest share of one (as the policy says).")
@json_option
@home_option
def open_(*, item: str, hours: int | None, as_json: bool, home: Path, **terms: Any) -> None:
    """Open a round for ITEM; for coordinators."""
    given = {"item": item, **terms, "closes_in_s": None if hours is None else hours * 3600}
    options = {name: value for name, value in given.items() if value is not None}
    answer = NodeClient(home).post(f"{_SERVICE}/open", b"", options)
    if as_json:
        print_json(answer)
    elif answer["opened"]:
        shown = "`sheaf curve show` tells its id and when it closes"
        click.echo(f"Opened a round for {printable(item)}; {shown}.")
    else:
        click.echo(f"A round for {printable(item)} is open already: {answer['curve'][:8]}.")


@curve.command("bid")
@click.argument("quantities", required=False)
@click.option("--at", "prices", multiple=True, metavar="PRICE=QUANTITY", help="A line by prices.")
@click.option("--round", "round_", help="Id of the round, or its beginning; else the only one.")
@click.option(
    "--below-k",
    type=click.Choice(["alone", "open", "roll_over"]),
    help="What your line does where no totals may be shown (alone).",
)
@click.option(
    "--members",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="JSON file with the lines of small members; prints a proof for each, one a line.",
)
@json_option
@home_option
def bid(
    *,
    quantities: str | None,
    prices: Sequence[str],
    round_: str | None,
    below_k: str | None,
    members: Path | None,
    as_json: bool,
    home: Path,
) -> None:
    """Bid QUANTITIES, one for each price level, parted by commas: 60,40,0."""
    body = _body(quantities, prices, members)
    given = {"curve": round_, "below_k": below_k}
    options = {name: value for name, value in given.items() if value is not None}
    answer = NodeClient(home).post(f"{_SERVICE}/bid", json.dumps(body).encode(), options)
    if as_json:
        print_json(answer)
        return
    line, is_shared = ", ".join(map(str, answer["quantities"])), bool(answer["members"])
    said = f"Bid {line} in round {answer['curve'][:8]}, for the coordinator's eyes alone."
    click.echo(said, err=is_shared)  # proofs go to a file, each to be handed on as it is
    for proof in answer["members"]:
        print_json(proof)


@curve.command("show")
@json_option
@home_option
def show(*, as_json: bool, home: Path) -> None:
    """Show the rounds, how far they are, and the curves that this node found right."""
    report = NodeClient(home).get(f"{_SERVICE}/rounds")
    if as_json:
        print_json(report)
    elif report["rounds"]:
        print_table(_HEAD, map(_cells, report["rounds"]))
        for line in (line for each in report["rounds"] for line in _opened(each)):
            click.echo(line)
    else:
        click.echo("No round yet: a coordinator opens one with `sheaf curve open`.")


@curve.command("alerts")
@json_option
@home_option
def alerts(*, as_json: bool, home: Path) -> None:
    """Show what this node found wrong in any round, and the entries that show it."""
    report = NodeClient(home).get(f"{_SERVICE}/alerts")
    if as_json:
        print_json(report)
        return
    for alert in report["alerts"]:
        round_ = f"{printable(alert['item'])}, round {alert['curve'][:8]}"
        click.echo(f"{round_}: {printable(alert['message'])} [{printable(alert['code'])}]")
    if not report["alerts"]:
        click.echo("Nothing is wrong with any round that this node knows.")


@curve.command("reveal")
@click.argument("supplier")
@click.option("--round", "round_", required=True, help="Id of the round, or its beginning.")
@json_option
@home_option
def reveal(*, supplier: str, round_: str, as_json: bool, home: Path) -> None:
    """Open this co-op's bid to SUPPLIER, which serves it by an award."""
    options = {"curve": round_, "supplier": supplier}
    answer = NodeClient(home).post(f"{_SERVICE}/reveal", b"", options)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"Opened bid {answer['bid'][:8]} to {printable(supplier)}.")


@curve.command("check")
@click.argument("proof", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@json_option
@home_option
def check(*, proof: Path, as_json: bool, home: Path) -> None:
    """Check the PROOF (a JSON file) that a small member was handed by its co-op."""
    answer = NodeClient(home).post(f"{_SERVICE}/check_share", proof.read_bytes())
    if as_json:
        print_json(answer)
    else:
        click.echo(f"The line is part of bid {answer['bid'][:8]}{_COUNTS[answer['is_counted']]}.")


def _body(quantities: str | None, prices: Sequence[str], members: Path | None) -> dict[str, Any]:
    """Return the line as the service takes it."""
    if (quantities is not None) + bool(prices) + (members is not None) == 0:
        raise click.UsageError("expected quantities, or --at, or --members")
    if quantities is not None and prices:
        raise click.UsageError("expected quantities or --at, and not both")
    body: dict[str, Any] = {}
    if quantities is not None:
        body["quantities"] = [_number(each) for each in quantities.split(",")]
    if prices:
        pairs = (each.partition("=") for each in prices)
        body["prices"] = {price.strip(): _number(quantity) for price, _, quantity in pairs}
    if members is not None:
        body["members"] = _members(members)
    return body


def _members(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise click.UsageError(f"expected a JSON list of lines in {path}") from exc


def _number(text: str) -> int:
    if not text.strip().isdecimal():
        raise click.UsageError(f"expected a whole number, got {text!r}")
    return int(text)


def _cells(one: Any) -> Sequence[str]:
    own = one["own"]
    line = "-" if own is None or own["quantities"] is None else _curve(one, own["quantities"])
    counted = one["bids"] if one["counted"] is None else one["counted"]
    coordinator, state = one["coordinator"], _state(one)
    return one["curve"][:8], one["item"], coordinator, state, str(counted), line, _outcome(one)


def _opened(one: Any) -> Iterable[str]:
    """Return a sentence for each bid that was opened to this co-op, as to a supplier."""
    for opened in one["opened"]:
        who = f"{printable(opened['coop'])} opened its line in round {one['curve'][:8]}"
        is_right = opened["code"] == "ok"
        line = _curve(one, opened["quantities"]) if is_right else f"wrongly [{opened['code']}]"
        yield f"{who}: {line}"


def _state(one: Any) -> str:
    if one["state"] == "open":
        closes_at = utc(one["closes_at_ms"])
        return f"open until {closes_at:%Y-%m-%d %H:%M} UTC"
    return _STATES.get(one["state"], one["state"])


def _outcome(one: Any) -> str:
    if one["reason"] is not None:
        return _REASONS.get(one["reason"], one["reason"])
    is_shown = one["totals"] is not None and one["state"] == "verified"
    return _curve(one, one["totals"]) if is_shown else "-"


def _curve(one: Any, quantities: Sequence[int]) -> str:
    """Return quantities with the price that each is wanted at."""
    pairs = zip(quantities, one["levels"], strict=False)
    return ", ".join(f"{quantity} at {level}" for quantity, level in pairs)
