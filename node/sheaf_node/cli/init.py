"""`sheaf init`: keys and settings in a fresh folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click

from sheaf_node.cli.notice import home_notices, print_notices
from sheaf_node.cli.output import home_option
from sheaf_node.clock import SystemClock
from sheaf_node.config import CONFIG_FILE, initial_config
from sheaf_node.keyring import create_keyring, fingerprint
from sheaf_node.keyring.files import MAX_SHEETS
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

SHEETS: Final = click.IntRange(1, MAX_SHEETS)
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
@click.option(
    "--sheets",
    default=1,
    show_default=True,
    type=SHEETS,
    help="Recovery sheets, each for another person to keep.",
)
@click.option(
    "--needed",
    default=1,
    show_default=True,
    type=SHEETS,
    help="How many of the sheets are needed together.",
)
@home_option
def init(
    *,
    name: str,
    country: str,
    peer_port: int,
    local_port: int,
    sheets: int,
    needed: int,
    home: Path,
) -> None:
    """Set up a node for the co-op NAME. Keys are made here and never leave the folder."""
    require_two_ports(peer_port, local_port)
    require_enough(sheets, needed)
    settings = initial_config(name=name, peer_port=peer_port, local_port=local_port)
    try:
        _require_no_node(home)
        keyring = create_keyring(
            home,
            name=name,
            country=country,
            random=os.urandom,
            now_ms=SystemClock().now_ms(),
            sheets=sheets,
            needed=needed,
        )
        write_settings(home, settings)
    except OSError as exc:
        detail = f"expected a folder to write to at {home}, got: {exc.strerror}"
        raise Refusal("node.unwritable", detail) from exc
    cid = keyring.cid
    click.echo(f"{name} is co-op {short(cid)}, in {home}.")
    click.echo(f"Fingerprint, to read to other members: {fingerprint(cid)}")
    click.echo("The folder keys/ is the co-op's signature: show it to nobody.")
    print_notices(home_notices(home))
    click.echo("Next: `sheaf federation card` gives the card that a federation admits you by.")


def require_two_ports(peer_port: int, local_port: int) -> None:
    """Refuse one port for two uses, as misuse."""
    if peer_port == local_port:
        raise click.UsageError(f"expected two ports, got {peer_port} for peers and this computer")


def require_enough(sheets: int, needed: int) -> None:
    """Refuse to need more sheets than there are, as misuse."""
    if needed > sheets:
        raise click.UsageError(f"expected --needed up to the {sheets} of --sheets, got {needed}")


def write_settings(home: Path, settings: str) -> None:
    """Write `sheaf.toml`, last of all: a home that has it is whole."""
    path = home / CONFIG_FILE
    path.touch(mode=0o600)  # whoever may write the settings names our peers
    path.write_text(settings, encoding="utf-8")


def _require_no_node(home: Path) -> None:
    if (home / CONFIG_FILE).exists():
        raise Refusal("node.exists", f"expected no node in {home}; it has one already")
