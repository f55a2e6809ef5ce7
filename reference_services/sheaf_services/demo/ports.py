"""Ports for nodes that are started beside one another on one machine."""

from __future__ import annotations

import os
import random
import socket
from contextlib import ExitStack
from typing import Final

_BELOW_EPHEMERAL: Final = range(15_000, 32_000)
"""Where no system takes the ports of outgoing connections from, which come and go meanwhile."""
_SHARES: Final = 16
_DRAWS: Final = 200


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different.

    They are drawn, and by processes of neighbouring numbers from among others, since another one
    may look for its own at the same moment. Raises OSError.
    """
    drawn, own = random.SystemRandom(), _BELOW_EPHEMERAL[os.getpid() % _SHARES :: _SHARES]
    with ExitStack() as stack:
        found: list[int] = []
        for _ in range(_DRAWS):
            if len(found) == count:
                return found
            port = drawn.choice(own)
            try:
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            found.append(port)
    raise OSError(f"expected {count} free ports of {own}, got {len(found)}")
