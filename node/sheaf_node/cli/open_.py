"""`sheaf open`: signs a browser in to the running node, or signs all out."""

from __future__ import annotations

import json
import webbrowser
from typing import TYPE_CHECKING

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import home_option, json_option, print_json

if TYPE_CHECKING:
    from pathlib import Path


@click.command("open")
@click.option("--read-only", is_flag=True, help="Let the browser look and change nothing.")
@click.option("--browser", is_flag=True, help="Open the link in this computer's browser.")
@click.option("--end", is_flag=True, help="Sign all browsers out instead.")
@json_option
@home_option
def open_(*, read_only: bool, browser: bool, end: bool, as_json: bool, home: Path) -> None:
    """Print a link by which one browser of this computer signs in, once and within a minute."""
    if end and (read_only or browser):
        raise click.UsageError("expected --end alone")
    client = NodeClient(home)
    if end:
        ended = client.delete("/api/v1/sessions")
        if as_json:
            print_json(ended)
            return
        click.echo(f"Signed out: {ended['ended']}. No link holds any more.")
        return
    wanted = json.dumps({"is_read_only": read_only}).encode()
    made = client.post("/api/v1/session/links", wanted)
    if browser and not webbrowser.open(made["link"]):
        click.echo("This computer opens no browser: open the link in one.", err=True)
    if as_json:
        print_json(made)
        return
    click.echo(made["link"])
    click.echo("It holds for a minute, for one browser on this computer.", err=True)
