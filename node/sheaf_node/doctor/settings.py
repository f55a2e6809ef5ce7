"""Faults of settings that parse, as far as they show without a network."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from sheaf_node.address import audiences, is_this_computer, link_address
from sheaf_node.peer_list import same_place
from sheaf_node.plugins import added_services, load_services
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from sheaf_node.config import Config


def faults_of(config: Config, path: Path) -> list[Refusal]:
    """Return all that keeps a node from working with these settings. It loads the services."""
    return [
        *_of_ports(config, path),
        *_of_services(config, path, [*load_services(), *added_services(path.parent)]),
        *_of_peers(config, path),
        *_of_names(config, path),
    ]


def _of_ports(config: Config, path: Path) -> Iterator[Refusal]:
    if config.peer_port and config.peer_port == config.local_port:
        detail = f"expected two ports, got {config.peer_port} for peer_port and local_port"
        yield _invalid(path, detail)


def _of_services(config: Config, path: Path, known: Collection[str]) -> Iterator[Refusal]:
    for name in config.services:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"installed: {', '.join(known)}"
            detail = f"expected an installed service, got 'services.{name}' in {path}; {hint}"
            yield Refusal("config.unknown_key", detail)


def _of_peers(config: Config, path: Path) -> Iterator[Refusal]:
    own = audiences(config.public_names, config.peer_host, config.peer_port)
    seen: list[str] = []
    for peer in config.peers:
        _, audience = link_address(peer.url)
        if any(same_place(peer.url, other) for other in seen):
            yield _invalid(path, f"expected each peer once, got {peer.url} again")
        if audience.lower() in own:
            yield _invalid(path, f"expected other nodes in peers, got {peer.url}, this one")
        seen.append(peer.url)


def _of_names(config: Config, path: Path) -> Iterator[Refusal]:
    if not config.public_names and not is_this_computer(config.peer_host):
        detail = f"expected public_names, as peer_host is {config.peer_host}: nobody can dial us"
        yield _invalid(path, f"{detail} by a name that is not listed")


def _invalid(path: Path, detail: str) -> Refusal:
    return Refusal("config.invalid", f"{path}: {detail}")
