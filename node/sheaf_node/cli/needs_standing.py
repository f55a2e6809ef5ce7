"""`sheaf needs standing`: lists that are needed again each week, two weeks or month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.list_words import tell_notes
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable, utc

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SERVICE: Final = "/api/v1/services/pooled_purchasing"


@click.group()
def standing() -> None:
    """Show, pause or remove lists that are published again for each period. The node must run.

    `sheaf needs import FILE --standing weekly --until DAY` keeps one, or changes it.
    """


@standing.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path) -> None:
    """List the standing lists, and when each is published next."""
    lists = NodeClient(home).get(f"{_SERVICE}/standing")["lists"]
    if as_json:
        print_json(lists)
    elif lists:
        head = ("list", "every", "lines", "days before", "next (UTC)", "until")
        print_table(head, map(_cells, lists))
    else:
        click.echo("No standing list: `sheaf needs import FILE --standing weekly --until DAY`.")


@standing.command()
@click.argument("name")
@click.option("--off", is_flag=True, help="Go on with it.")
@json_option
@home_option
def pause(*, name: str, off: bool, as_json: bool, home: Path) -> None:
    """Stop publishing the list NAME. What is published stays."""
    query = {"list": name, **({"off": "1"} if off else {})}
    told = NodeClient(home).post(f"{_SERVICE}/pause_standing", b"", query)
    _tell(told, f"{printable(name)} is paused." if not off else "", as_json=as_json)


@standing.command()
@click.argument("name")
@json_option
@home_option
def remove(*, name: str, as_json: bool, home: Path) -> None:
    """Forget the list NAME. What is published stays; `sheaf needs withdraw` takes a line back."""
    told = NodeClient(home).post(f"{_SERVICE}/remove_standing", b"", {"list": name})
    _tell(told, f"Forgot the standing list {printable(name)}.", as_json=as_json)


def keep_standing(
    home: Path, content: bytes, query: Mapping[str, str], *, is_dry: bool, as_json: bool
) -> None:
    """Keep a list that is published again for each period."""
    given = {**query, "dry_run": "1"} if is_dry else query
    told = NodeClient(home).post(f"{_SERVICE}/keep_standing", content, given)
    if not as_json:
        tell_notes(told["notes"])
    _tell(told, "Would keep it so: nothing is changed." if is_dry else "", as_json=as_json)


def _tell(told: Any, said: str, *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    count = "1 line" if told["lines"] == 1 else f"{told['lines']} lines"
    when = "" if told["next_ms"] is None else f", next on {utc(told['next_ms']):%Y-%m-%d} UTC"
    usual = f"{printable(told['name'])}: {count}, {told['every']} until {told['until']}{when}."
    click.echo(said or usual)


def _cells(one: Any) -> tuple[str, ...]:
    after = "over" if one["next_ms"] is None else f"{utc(one['next_ms']):%Y-%m-%d}"
    state = "paused" if one["is_paused"] else after
    counts = (str(one["lines"]), str(one["lead_days"]))
    return (one["name"], one["every"], *counts, state, one["until"])
