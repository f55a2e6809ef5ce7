"""`sheaf serve`: runs the node until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
import threading
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from sheaf_node.cli.notice import home_notices, print_notices
from sheaf_node.cli.output import exit_status, home_option
from sheaf_node.cli.passphrase import given_passphrase
from sheaf_node.config import load_config
from sheaf_node.observing.log_lines import set_up_log
from sheaf_node.observing.supervisor import READY, STOPPING, stay_alive, tell_supervisor
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.app import Node
    from sheaf_node.config import Log
    from sheaf_node.keyring import Passphrase

STOP_S: Final = 9.0
"""Seconds from the signal to the end: supervisors and people wait ten, then they kill. What is not
done by then waits for a disk or a peer, and a kill loses nothing that was acknowledged."""
LATE: Final = 3
"""Exit status of a node that did not end in time."""
_LOG = logging.getLogger("sheaf.node")


@click.command()
@click.option("--stop-on-eof", is_flag=True, help="Stop when standard input ends.")
@home_option
def serve(stop_on_eof: bool, home: Path) -> None:
    """Run the node of a folder."""
    # A core file would hold the keys.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Before anybody types a passphrase for a folder that is no node's.
    log = load_config(home).log
    set_up_log(log, sys.stderr)
    try:
        passphrase = given_passphrase(home)
        with ExitStack() as ended:
            asyncio.run(_serve(home, passphrase, ended, stop_on_eof=stop_on_eof, log=log))
    except Refusal as refusal:
        if log.format == "text":
            raise
        _LOG.error("%s", refusal.detail, extra={"event": "refused", "code": refusal.code})
        sys.exit(exit_status(refusal))
    _LOG.info("stopped", extra={"event": "stopped"})


async def _serve(
    home: Path, passphrase: Passphrase | None, ended: ExitStack, *, stop_on_eof: bool, log: Log
) -> None:
    """Run the node; what `ended` holds is called once the event loop is closed as well."""
    from sheaf_node import serving  # noqa: PLC0415 - aiohttp loads only where it serves
    from sheaf_node.clock import SystemClock  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if stop_on_eof:
        _watch_input(stop)
    running = asyncio.create_task(
        serving.serve(
            home,
            clock=SystemClock(),
            random=os.urandom,
            on_ready=partial(_announce, home, log),
            passphrase=passphrase,
        )
    )
    stopping = asyncio.create_task(stop.wait())
    alive = asyncio.create_task(stay_alive(SystemClock()))
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    alive.cancel()
    ended.callback(_end_in_time().cancel)
    tell_supervisor(STOPPING)
    if not running.done():
        _LOG.info("stopping", extra={"event": "stopping"})
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return
    running.result()
    raise Refusal("store.failed", "the disk refused a write; nothing unacknowledged was kept")


def _end_in_time() -> threading.Timer:
    """End the process before long, whatever still holds it: a thread, a lock, a disk."""
    # Not a task: what holds it may be the event loop, or its end.
    late = threading.Timer(STOP_S, _give_up)
    late.daemon = True
    late.start()
    return late


def _give_up() -> None:
    _LOG.error("expected to end within %d s; ended by force", STOP_S, extra={"event": "forced"})
    os._exit(LATE)


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


def _announce(home: Path, log: Log, node: Node) -> None:
    """Say that the node serves, and what is to be done; to programs all by the log."""
    # What a node holds stays for as long as it runs: a collector that goes through all of it, again
    # and again, stops the event loop for a tenth of a second, and finds nothing.
    gc.collect()
    gc.freeze()
    tell_supervisor(READY)
    _LOG.info("serving %s", home, extra={"event": "serving"})
    if log.format == "json":
        for matter, text in home_notices(home).items():
            _LOG.warning("%s", text, extra={"event": f"notice.{matter}"})
        return
    click.echo(f"Serving {home}. Ctrl-C stops.")
    ingest = node.parts.ingest
    if not ingest.federations and ingest.known.adopted:
        click.echo("Not admitted so far: this node takes part as soon as a member's tells it so.")
    elif not ingest.federations:
        click.echo(
            "In no federation yet: `sheaf invite create` founds one, `sheaf join` enters one."
        )
    print_notices(home_notices(home))
