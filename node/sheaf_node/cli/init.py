"""`sheaf init`: keys, configuration and an empty store in a fresh folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from sheaf_node.cli.output import home_option
from sheaf_node.clock import SystemClock
from sheaf_node.config import CONFIG_FILE, initial_config
from sheaf_node.keyring import create_keyring
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("name")
@click.option("--country", default="GB", show_default=True, help="ISO 3166 code of the co-op.")
@click.option("--peer-port", default=8440, show_default=True, type=click.IntRange(1, 65535))
@click.option("--local-port", default=8441, show_default=True, type=click.IntRange(1, 65535))
@home_option
def init(name: str, country: str, peer_port: int, local_port: int, home: Path) -> None:
    """Set up a node for the co-op NAME. Keys are made here and never leave the folder."""
    if (home / CONFIG_FILE).exists():
        raise Refusal("node.exists", f"expected no node in {home}; it has one already")
    home.mkdir(parents=True, exist_ok=True)
    keyring = create_keyring(
        home, name=name, country=country, random=os.urandom, now_ms=SystemClock().now_ms()
    )
    text = initial_config(name=name, peer_port=peer_port, local_port=local_port)
    (home / CONFIG_FILE).write_text(text)
    click.echo(f"{name} is co-op {short(keyring.cid)}, in {home}.")
    click.echo("The folder keys/ is the co-op's signature: back it up, show it to nobody, and move")
    click.echo("keys/rotation.key off this computer.")
    click.echo("Next: `sheaf federation card` gives the card that a federation admits you by.")
