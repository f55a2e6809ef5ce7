"""`sheaf erase` and `sheaf restore`: this co-op takes back what an entry of its own said."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import home_option, json_option, print_json, utc

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("entry")
@click.option("--reason", help="A code for the log, such as personal_data; no free text.")
@json_option
@home_option
def erase(entry: str, reason: str | None, as_json: bool, home: Path) -> None:
    """Erase ENTRY of this co-op on all nodes; the first digits of its id are enough."""
    query = {} if reason is None else {"reason": reason}
    answer = NodeClient(home).post(f"/api/v1/entries/{quote(entry, safe='')}/erase", b"", query)
    if as_json:
        print_json(answer)
        return
    deleted_at = utc(answer["deleted_at_ms"])
    click.echo(f"Erased {answer['kind']} {answer['id'][:12]}: no node shows or passes it on now.")
    click.echo(f"It is deleted from {deleted_at:%Y-%m-%d %H:%M} UTC on, if no award rests on it.")
    click.echo(f"Until then: sheaf restore {answer['id'][:12]}")


@click.command()
@click.argument("entry")
@json_option
@home_option
def restore(entry: str, as_json: bool, home: Path) -> None:
    """Take back the erasure of ENTRY, within 72 hours."""
    answer = NodeClient(home).post(f"/api/v1/entries/{quote(entry, safe='')}/restore", b"")
    if as_json:
        print_json(answer)
        return
    click.echo(f"Restored {answer['kind']} {answer['id'][:12]} on all members' nodes.")
    if not answer["is_here"]:
        click.echo("Its payload is not on this node; peers that hold it are asked for it.")
