"""Looks whether this computer can find nodes on its network, by multicast to itself alone."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import closing
from importlib.util import find_spec
from typing import Final

from sheaf_node.doctor.finding import Finding, ok, skipped, warn

GROUP: Final = "224.0.0.251"
"""That of multicast DNS."""
WAIT_S: Final = 1.0
_LOOK: Final = "multicast"
_WITHOUT: Final = "nodes on this network are not found by themselves; set discovery.lan = false, or"


def network(*, is_on: bool) -> Finding:
    """Return whether multicast works here; skipped where no setting needs it."""
    if not is_on:
        said = "nodes on this network are not looked for: discovery.lan is off"
        return skipped(_LOOK, said, "set discovery.lan = true if members' nodes share this network")
    if find_spec("zeroconf") is None:
        said = "discovery.lan is on, and the library for it is not installed"
        return warn(_LOOK, said, f"{_WITHOUT} pip install 'sheaf-coop[lan]'")
    why = heard_ourselves()
    if why is not None:
        todo = f"{_WITHOUT} see the firewall for UDP port 5353 to {GROUP}"
        return warn(_LOOK, f"this computer does not hear its own multicast: {why}", todo)
    said = "this computer hears its own multicast; what carries it further is the network's"
    return ok(_LOOK, said)


def heard_ourselves() -> str | None:
    """Return None where a packet to the group comes back to this computer, else why not.

    It has a time to live of 0, so that it leaves no computer, and a port by chance.
    """
    said = os.urandom(16)
    try:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as heard:
            heard.bind(("", 0))
            joined = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton("0.0.0.0"))  # noqa: S104 - any interface
            heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
            heard.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
            heard.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            heard.settimeout(WAIT_S)
            heard.sendto(said, (GROUP, heard.getsockname()[1]))
            return None if heard.recv(64) == said else "something else came"
    except TimeoutError:
        return "nothing came back"
    except OSError as exc:
        return str(exc.strerror)
