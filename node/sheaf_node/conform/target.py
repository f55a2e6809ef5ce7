"""The node under test as the kit reaches it: addresses, and the audience that a dialler names."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sheaf_protocol.errors import Refusal

LINK_PATH: Final = "/sheaf/1/link"
WELL_KNOWN: Final = "/.well-known/sheaf"
_SCHEMES: Final = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}
_PORTS: Final = {"ws": 80, "wss": 443}
_CONNECT_S: Final = 10.0
"""As long as a node of ours waits for a peer to take its connection."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The peer port of the node under test."""

    link: str
    """The URL of its links."""
    document: str
    """The URL of its well-known document."""
    audience: str
    host: str
    port: int


def read_target(url: str) -> Target:
    """Return where a URL leads. Raises Refusal `peer.url`."""
    try:
        parts = urlsplit(url)
        scheme, host = _SCHEMES[parts.scheme], parts.hostname or ""
        port = parts.port or _PORTS[scheme]
    except (KeyError, ValueError) as exc:
        raise Refusal("peer.url", f"expected ws://host[:port][/path], got {url!r}") from exc
    if not host or parts.query or parts.username:
        raise Refusal("peer.url", f"expected an address without user or query, got {url!r}")
    shown = f"[{host}]" if ":" in host else host
    web = "https" if scheme == "wss" else "http"
    return Target(
        link=f"{scheme}://{shown}:{port}{parts.path.rstrip('/') or LINK_PATH}",
        document=f"{web}://{shown}:{port}{WELL_KNOWN}",
        audience=shown if port == _PORTS[scheme] else f"{shown}:{port}",
        host=host,
        port=port,
    )


async def require_listening(target: Target) -> None:
    """Return once something took a connection at a target. Raises Refusal `link.unreachable`."""
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(target.host, target.port)
    except OSError as exc:  # TimeoutError is one
        got = "nobody in time" if isinstance(exc, TimeoutError) else exc.strerror or str(exc)
        detail = f"expected the node under test at {target.host}:{target.port}, got: {got}"
        raise Refusal("link.unreachable", detail) from exc
    writer.close()
