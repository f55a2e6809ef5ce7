"""Whether a node listens where its settings have others dial it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.address import is_this_computer, own_urls, read_public_name
from sheaf_node.doctor.finding import Finding, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_node.config import Config

_TODO = "set peer_host to that address, or to 0.0.0.0 for all of this computer's"


def unheard(config: Config) -> Iterator[Finding]:
    """Yield what leads others to a node that listens on its own computer alone."""
    if not is_this_computer(config.peer_host):
        return
    urls = own_urls(config.public_names, config.peer_host, config.peer_port)
    for name, url in zip(config.public_names, urls, strict=True):
        if url.startswith("ws://") and not is_this_computer(read_public_name(name).host):
            said = f"others dial {url}, and peer_host {config.peer_host} is this computer alone"
            yield warn("names", said, f"{_TODO}, unless a proxy passes it on")
    if config.discovery.lan:
        said = f"discovery.lan is on, and peer_host {config.peer_host} is this computer alone: no"
        yield warn("multicast", f"{said} node on this network can dial this one", _TODO)
