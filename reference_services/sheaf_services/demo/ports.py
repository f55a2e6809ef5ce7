"""Ports for nodes that are started beside one another on one machine."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from typing import Final

_BELOW_EPHEMERAL: Final = range(15_000, 32_000)
"""Where no system takes the ports of outgoing connections from, which come and go meanwhile."""
_DRAWS: Final = 200


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different.

    They are drawn, since another process may look for its own at the same moment. Raises OSError.
    """
    drawn = random.SystemRandom()
    with ExitStack() as stack:
        found: list[int] = []
        for _ in range(_DRAWS):
            if len(found) == count:
                return found
            port = drawn.choice(_BELOW_EPHEMERAL)
            try:
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            found.append(port)
    raise OSError(f"expected {count} free ports of {_BELOW_EPHEMERAL}, got {len(found)}")
