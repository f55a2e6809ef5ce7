"""`sheaf init`: keys and settings in a fresh folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click

from sheaf_node.cli.output import home_option
from sheaf_node.clock import SystemClock
from sheaf_node.config import CONFIG_FILE, initial_config
from sheaf_node.keyring import create_keyring
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_protocol.digest import CoopId

PORT: Final = click.IntRange(1, 65_535)


@click.command()
@click.argument("name")
@click.option("--country", default="GB", show_default=True, help="ISO 3166 code of the co-op.")
@click.option(
    "--peer-port", default=8440, show_default=True, type=PORT, help="Port that peers reach."
)
@click.option(
    "--local-port", default=8441, show_default=True, type=PORT, help="Port for this computer only."
)
@home_option
def init(name: str, country: str, peer_port: int, local_port: int, home: Path) -> None:
    """Set up a node for the co-op NAME. Keys are made here and never leave the folder."""
    if peer_port == local_port:
        raise click.UsageError(f"expected two ports, got {peer_port} for peers and this computer")
    settings = initial_config(name=name, peer_port=peer_port, local_port=local_port)
    try:
        cid = _make_node(home, name, country, settings)
    except OSError as exc:
        detail = f"expected a folder to write to at {home}, got: {exc.strerror}"
        raise Refusal("node.unwritable", detail) from exc
    click.echo(f"{name} is co-op {short(cid)}, in {home}.")
    click.echo("The folder keys/ is the co-op's signature: back it up, show it to nobody, and move")
    click.echo("keys/rotation.key and keys/next.key off this computer.")
    click.echo("Next: `sheaf federation card` gives the card that a federation admits you by.")


def _make_node(home: Path, name: str, country: str, settings: str) -> CoopId:
    """Write the settings last: a home that has them is whole."""
    if (home / CONFIG_FILE).exists():
        raise Refusal("node.exists", f"expected no node in {home}; it has one already")
    now_ms = SystemClock().now_ms()
    keyring = create_keyring(home, name=name, country=country, random=os.urandom, now_ms=now_ms)
    path = home / CONFIG_FILE
    path.touch(mode=0o600)  # whoever may write the settings names our peers
    path.write_text(settings, encoding="utf-8")
    return keyring.cid
