"""Tells systemd how the node is (`sd_notify`): ready, alive, about to stop. Others hear nothing."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.clock import Clock

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"


def tell_supervisor(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send a state to the socket that `NOTIFY_SOCKET` names; where there is none, do nothing."""
    path = environment.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    # Whoever does not listen any more is not told; the node goes on.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.connect(address)
        out.send(state.encode())


async def stay_alive(clock: Clock, environment: Mapping[str, str] = os.environ) -> None:
    """Tell the supervisor that the event loop turns, twice in each of its intervals.

    Returns at once where it asks for no such thing (`WATCHDOG_USEC`).
    """
    given = environment.get("WATCHDOG_USEC", "")
    if not (given.isascii() and given.isdecimal()) or environment.get(
        "WATCHDOG_PID", str(os.getpid())
    ) != str(os.getpid()):
        return
    every_ms = max(int(given) // 2_000, 100)
    while True:
        tell_supervisor(ALIVE, environment)
        await clock.sleep_ms(every_ms)
