"""`sheaf serve`: runs the node until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import click

from sheaf_node.cli.notice import home_notices, print_notices
from sheaf_node.cli.output import home_option
from sheaf_node.cli.passphrase import given_passphrase
from sheaf_node.config import load_config
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.app import Node
    from sheaf_node.keyring import Passphrase


@click.command()
@click.option("--stop-on-eof", is_flag=True, help="Stop when standard input ends.")
@home_option
def serve(stop_on_eof: bool, home: Path) -> None:
    """Run the node of a folder."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # It writes a traceback for each malformed request, so that strangers could fill the disk; what
    # goes wrong in a request of ours is logged by `sheaf_node.api` and `sheaf_node.peering`.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    # A core file would hold the keys.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    load_config(home)  # before anybody types a passphrase for a folder that is no node's
    passphrase = given_passphrase(home)
    asyncio.run(_serve(home, passphrase, stop_on_eof=stop_on_eof))


async def _serve(home: Path, passphrase: Passphrase | None, *, stop_on_eof: bool) -> None:
    from sheaf_node import app  # noqa: PLC0415 - aiohttp loads only where it serves
    from sheaf_node.clock import SystemClock  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if stop_on_eof:
        _watch_input(stop)
    serving = asyncio.create_task(
        app.serve(
            home,
            clock=SystemClock(),
            random=os.urandom,
            on_ready=partial(_announce, home),
            passphrase=passphrase,
        )
    )
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not serving.done():
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
        return
    serving.result()
    raise Refusal("store.failed", "the disk refused a write; nothing unacknowledged was kept")


def _watch_input(stop: asyncio.Event) -> None:
    try:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _on_input, stop)
    except OSError as exc:  # a file or /dev/null, whose end nobody can wait for
        raise click.UsageError("--stop-on-eof expects a pipe or terminal to read from") from exc


def _on_input(stop: asyncio.Event) -> None:
    """Stop at the end of standard input: whoever started us is gone."""
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def _announce(home: Path, node: Node) -> None:
    click.echo(f"Serving {home}. Ctrl-C stops.")
    ingest = node.parts.ingest
    if not ingest.federations and ingest.adopted:
        click.echo("Not admitted so far: this node takes part as soon as a member's tells it so.")
    elif not ingest.federations:
        click.echo("In no federation yet: `sheaf federation create` founds one, `join` enters one.")
    print_notices(home_notices(home))
