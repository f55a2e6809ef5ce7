"""A throw-away node of this implementation to run the kit against: home, charters, process.

What `docs/conformance.md` asks of an implementer's operator, done for our own: a card, the charters
adopted, the kit's addresses pinned, the node served.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import sys
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp

from sheaf_node.api.token import read_token
from sheaf_node.charter_file import FOLDER, make_card, write_file
from sheaf_node.config import CONFIG_FILE
from sheaf_node.conform.kit import prepare
from sheaf_node.keyring import create_keyring, load_key_ops
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from sheaf_node.clock import Clock
    from sheaf_node.conform.kit import Kit

SERVE: Final = f"{shlex.quote(sys.executable)} -m sheaf_node serve --stop-on-eof --home {{home}}"
"""The command that serves a home; `{home}` is put in."""
JUDGE: Final = (sys.executable, "-m", "sheaf_node", "spec", "judge")
"""The command that judges vectors as this implementation reads them."""
START_S: Final = 30.0
STOP_S: Final = 10.0
_OK: Final = 200
_FIRST_PORT: Final = 15_000
_PORTS: Final = 15_000
_TAIL: Final = 1_000
"""Characters of a node's last words that a refusal quotes."""
_WAITS: Final = "[waits]\nredial_first_ms = 50\nredial_most_ms = 400\nannounce_ms = 20\n"
_LIMITS: Final = """[limits]
handshakes = 64
links = 128
links_per_address = 64
author_entries = 400
blob_bytes = 67_108_864
"""
"""Room for all that the kit has open at a time, and quotas that a case can fill."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnNode:
    """A running node of ours, and how to reach it."""

    kit: Kit
    url: str
    api: str
    token: str
    listen: int
    """The port of the kit that it dials."""


@asynccontextmanager
async def own_node(
    folder: Path, clock: Clock, *, seed: bytes | None, paths: Sequence[str], serve: str = SERVE
) -> AsyncIterator[OwnNode]:
    """Serve a new home in a folder while the block runs; `paths` are those of the kit's port.

    Raises Refusal `node.unreachable` where the node does not start.
    """
    home, kit_folder = folder / "home", folder / "kit"
    ports = peer_port, local_port, listen = _free_ports(3)
    _make_home(home, clock, ports, paths)
    write_file(folder / "card", make_card(load_key_ops(home)))
    kit = prepare(kit_folder, folder / "card", seed=seed, now_ms=clock.now_ms())
    # As `sheaf federation adopt` does, but for the check: the node makes it when it starts.
    (home / FOLDER).mkdir()
    for path in (kit_folder / "charters").glob("*.charter"):
        path.rename(home / FOLDER / path.name)
    command = [part.replace("{home}", str(home)) for part in shlex.split(serve)]
    said = folder / "node.log"
    with said.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log
        )
    try:
        if not await _is_up(process, f"http://127.0.0.1:{peer_port}/.well-known/sheaf"):
            tail = said.read_text(errors="replace")[-_TAIL:]
            detail = f"expected a node on port {peer_port} within {START_S:g} s; it said: {tail}"
            raise Refusal("node.unreachable", detail)
        yield OwnNode(
            kit=kit,
            url=f"ws://127.0.0.1:{peer_port}",
            api=f"http://127.0.0.1:{local_port}",
            token=read_token(home),
            listen=listen,
        )
    finally:
        await _stop(process)


def _make_home(home: Path, clock: Clock, ports: Sequence[int], paths: Sequence[str]) -> None:
    peer_port, local_port, listen = ports
    create_keyring(
        home, name="Node under test", country="GB", random=os.urandom, now_ms=clock.now_ms()
    )
    tables = ", ".join(f'{{ url = "ws://127.0.0.1:{listen}{path}" }}' for path in paths)
    settings = (
        'name = "Node under test"\n'
        f"peer_port = {peer_port}\n"
        f"local_port = {local_port}\n"
        # By the second a case has the node meet itself.
        f'public_names = ["127.0.0.1:{peer_port}", "127.0.0.1:{listen}"]\n'
        f"peers = [{tables}]\n"
    )
    path = home / CONFIG_FILE
    path.touch(mode=0o600)
    path.write_text(settings + _WAITS + _LIMITS)


async def _is_up(process: asyncio.subprocess.Process, document: str) -> bool:
    """Return whether a node's well-known document can be read before time is up."""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_S), aiohttp.ClientSession() as client:
            while process.returncode is None:
                with suppress(aiohttp.ClientError, OSError):
                    async with client.get(document) as answer:
                        if answer.status == _OK:
                            return True
                await asyncio.sleep(0.05)
    return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Close its input, and end it by force where that does not stop it."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, below those that the system gives to connections."""
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            port = _FIRST_PORT + int.from_bytes(os.urandom(2)) % _PORTS
            with suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
        return found
