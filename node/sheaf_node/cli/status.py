"""`sheaf status`: what a running node holds and whom it is linked to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import home_option, json_option, print_json, printable

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@json_option
@home_option
def status(as_json: bool, home: Path) -> None:
    """Show what a running node holds and its links."""
    answer = NodeClient(home).get("/api/v1/status")
    if as_json:
        print_json(answer)
        return
    _print(answer)


def _print(answer: Any) -> None:
    click.echo(f"{printable(answer['name'])}, co-op {answer['cid'][:8]}")
    if not answer["federations"]:
        click.echo("In no federation yet: `sheaf federation adopt FILE` joins one.")
    for federation in answer["federations"]:
        name = printable(federation["name"])
        click.echo(
            f"{name}: {federation['members']} members, {federation['entries']} entries"
            f" in {federation['logs']} logs"
        )
        if federation["forked"]:
            click.echo(f"  {federation['forked']} log(s) forked: their authors must open a new one")
    click.echo(f"Services: {', '.join(answer['services']) or 'none'}")
    if answer["stopped"]:
        click.echo(f"  stopped by a fault, see the node's output: {', '.join(answer['stopped'])}")
    for name, code in answer["refused"].items():
        click.echo(f"  {name} may not publish what it wants to: {code}")
    linked = [peer for peer in answer["peers"] if peer["in_sync"]]
    click.echo(f"Peers: {len(answer['peers'])} linked, {len(linked)} in sync")
    for dial in answer["dials"]:
        if not dial["is_linked"]:
            reason = dial["reason"] or "being dialled"
            click.echo(f"  not linked: {printable(dial['url'])}: {printable(reason)}")
