"""Ports for nodes that are started beside one another on one machine."""

from __future__ import annotations

import itertools
import os
import random
import socket
from contextlib import ExitStack
from typing import Final

_BELOW_EPHEMERAL: Final = range(15_000, 32_000)
"""Where no system takes the ports of outgoing connections from, which come and go meanwhile."""
_SHARES: Final = 16
"""Processes of neighbouring numbers look among different ports: they may do so at one moment."""
_OWN: Final = _BELOW_EPHEMERAL[os.getpid() % _SHARES :: _SHARES]
_NEXT: Final = itertools.cycle(random.SystemRandom().sample(_OWN, len(_OWN)))
"""None is given again before all others: what was given may not be listened at so far."""


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different. Raises OSError."""
    with ExitStack() as stack:
        found: list[int] = []
        for port in itertools.islice(_NEXT, len(_OWN)):
            try:
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"expected {count} free ports of {_OWN}, got {len(found)}")
