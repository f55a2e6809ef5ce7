"""`sheaf log`: the entries that a node holds, in the order in which they arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import home_option, json_option, print_json, printable, utc

if TYPE_CHECKING:
    from pathlib import Path

_GONE: Final = frozenset({"erased", "expired"})


@click.command()
@click.option(
    "--after", default=0, type=click.IntRange(0, 2**53 - 1), help="Begin after this arrival number."
)
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="List this many at most.",
)
@json_option
@home_option
def log(after: int, limit: int, as_json: bool, home: Path) -> None:
    """List the entries that a running node holds."""
    node = NodeClient(home)
    page = node.get("/api/v1/log", {"after": after, "limit": limit})
    for entry in page["items"]:
        if as_json:
            print_json(entry)
            continue
        when = utc(entry["time_ms"]).strftime("%Y-%m-%d %H:%M:%S")
        effect = f"  no effect: {entry['no_effect']}" if entry["no_effect"] else ""
        absence = f"  {entry['absence']}" if entry["absence"] in _GONE else ""
        click.echo(
            f"{entry['arrival']:>7}  {when}  {entry['cid'][:8]} {entry['seq']:>6}"
            f"  {entry['id'][:12]}  {printable(entry['kind'])}{absence}{effect}"
        )
    if as_json or page["next"] is None:
        return
    if page["next"] < node.get("/api/v1/status")["arrival"]:
        click.echo(f"More: sheaf log --after {page['next']}")
