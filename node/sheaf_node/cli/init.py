"""`sheaf init`: keys and settings in a fresh folder."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

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
    from collections.abc import Callable
    from pathlib import Path

    from sheaf_node.keyring import Keyring

_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - where the operator says that others reach it
SHEETS: Final = click.IntRange(1, MAX_SHEETS)
PORT: Final = click.IntRange(1, 65_535)


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeWish:
    """How a new home is to be."""

    country: str
    peer_port: int
    local_port: int
    public_address: str
    lan: bool = False
    sheets: int = 1
    needed: int = 1


def home_wish_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a new home that `init` and `join` share; the command gets `wish`."""

    @functools.wraps(command)
    def run(
        *,
        country: str,
        peer_port: int,
        local_port: int,
        public_address: str,
        lan: bool,
        **given: Any,
    ) -> Any:
        require_two_ports(peer_port, local_port)
        wish = HomeWish(
            country=country,
            peer_port=peer_port,
            local_port=local_port,
            public_address=public_address,
            lan=lan,
        )
        return command(wish=wish, **given)

    options = (
        click.option(
            "--public-address",
            default="",
            help="Where other co-ops reach this node, such as https://mill.example.",
        ),
        click.option(
            "--lan",
            is_flag=True,
            help="Let co-ops on this network find the node, which listens there.",
        ),
        click.option(
            "--local-port",
            default=8441,
            show_default=True,
            type=PORT,
            help="Port for this computer's own programs.",
        ),
        click.option(
            "--peer-port",
            default=8440,
            show_default=True,
            type=PORT,
            help="Port of other nodes.",
        ),
        click.option(
            "--country",
            default="GB",
            show_default=True,
            help="Country by two letters, such as DE.",
        ),
    )
    return functools.reduce(lambda made, option: option(made), options, run)


@click.command()
@click.argument("name", required=False)
@home_wish_options
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
def init(*, name: str | None, wish: HomeWish, sheets: int, needed: int, home: Path) -> None:
    """Set up a node for the co-op NAME. Keys are made here and never leave the folder."""
    require_enough(sheets, needed)
    _require_no_node(home)
    called = name if name is not None else asked_name()
    whole = HomeWish(
        country=wish.country,
        peer_port=wish.peer_port,
        local_port=wish.local_port,
        public_address=wish.public_address,
        lan=wish.lan,
        sheets=sheets,
        needed=needed,
    )
    make_home(home, called, whole)
    click.echo(
        "Next: `sheaf invite create` invites another co-op, `sheaf join` follows an invitation."
    )


def asked_name() -> str:
    """Return the name of the co-op as typed; misuse where there is no terminal to ask in."""
    if not sys.stdin.isatty():
        raise click.UsageError("expected the NAME of this co-op")
    return str(click.prompt("Name of this co-op", err=True))


def make_home(home: Path, name: str, wish: HomeWish, *, err: bool = False) -> Keyring:
    """Make the keys and settings of a co-op in a folder, and tell of them; `err` on standard error.

    Raises Refusal `node.exists`, `node.unwritable`, `key.*`, `invite.address`.
    """
    settings = _settings(name, wish)
    try:
        _require_no_node(home)
        keyring = create_keyring(
            home,
            name=name,
            country=wish.country,
            random=os.urandom,
            now_ms=SystemClock().now_ms(),
            sheets=wish.sheets,
            needed=wish.needed,
        )
        write_settings(home, settings)
    except OSError as exc:
        detail = f"expected a folder to write to at {home}, got: {exc.strerror}"
        raise Refusal("node.unwritable", detail) from exc
    cid = keyring.cid
    click.echo(f"{name} is co-op {short(cid)}, in {home}.", err=err)
    click.echo(f"Fingerprint, to read to other members: {fingerprint(cid)}", err=err)
    click.echo("The folder keys/ is the co-op's signature: show it to nobody.", err=err)
    print_notices(home_notices(home), err=err)
    return keyring


def _settings(name: str, wish: HomeWish) -> str:
    """Return the text of the settings. An address without TLS is the node's own; one with TLS is
    of a proxy on this computer, so that the node listens here alone.
    """
    if not wish.public_address:
        return initial_config(
            name=name,
            peer_port=wish.peer_port,
            local_port=wish.local_port,
            public_name=_own_number() if wish.lan else "127.0.0.1",
            peer_host=_EVERYWHERE if wish.lan else None,
            is_near=wish.lan,
        )
    from urllib.parse import urlsplit  # noqa: PLC0415

    from sheaf_node.joining.inviting import public_url  # noqa: PLC0415 - aiohttp comes with it

    parts = urlsplit(public_url(wish.public_address))
    is_plain = parts.scheme == "http"
    if wish.lan and not is_plain:
        detail = "the node is behind a proxy there, and listens on this computer alone"
        raise Refusal("invite.nearby", f"expected --lan without an address with https://: {detail}")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    # Where others reach it is told to members: that is what the operator gave it for.
    return initial_config(
        name=name,
        peer_port=(parts.port or wish.peer_port) if is_plain else wish.peer_port,
        local_port=wish.local_port,
        public_name=host,
        is_listed=True,
        is_near=wish.lan,
        peer_host=_EVERYWHERE if is_plain else None,
    )


def _own_number() -> str:
    """Return an address of this computer on its network. Raises Refusal `invite.nearby`."""
    from sheaf_node.joining.nearby import require_network  # noqa: PLC0415 - aiohttp comes with it

    return require_network()


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
