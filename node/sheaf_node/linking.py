"""What links an open node with others: sockets, blobs, discovery and invitations.

The real network comes from here; everything below takes it as an argument.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sheaf_node.app import make_peering
from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.directory import directory_hints
from sheaf_node.joining import Inviting, Shelf, Welcoming
from sheaf_node.observing.watching import Watching
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_node.peering.lan import listening
from sheaf_node.peering.look_back import LOOK_BACK_PATH
from sheaf_node.peering.looking_back import LookBack
from sheaf_node.peering.saved import Saved
from sheaf_node.peering.seeking import Seeking
from sheaf_protocol.invitation import JOIN_PATH

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from pathlib import Path

    from sheaf_node.app import Node
    from sheaf_node.peering import Peering
    from sheaf_node.peering.lan import Lan


@dataclass(frozen=True, slots=True)
class Linked:
    """What a node is linked by. Peers are dialled and let in once `peering` is started."""

    peering: Peering
    fetching: Fetching
    inviting: Inviting
    watching: Watching


async def link(stack: AsyncExitStack, node: Node, home: Path) -> Linked:
    """Return what links a node; what it opens is closed with the stack."""
    limits, parts = node.config.limits, node.parts
    blobs = Blobs(home, quota_bytes=limits.blob_bytes, reserve_bytes=limits.disk_reserve_mb << 20)
    stack.push_async_callback(blobs.close)
    fetching = Fetching(blobs, parts.clock)
    network = await stack.enter_async_context(
        AiohttpNetwork.open(
            limits=limits, waits=node.config.waits, trusted_proxies=node.config.trusted_proxies
        )
    )
    lan = await stack.enter_async_context(
        listening(
            is_on=node.config.discovery.lan,
            host=node.config.peer_host,
            port=node.config.peer_port,
            random=parts.random,
        )
    )
    shelf = Shelf(home)
    welcoming = Welcoming(parts, shelf, node.hosts.by_federation)
    posts = {LOOK_BACK_PATH: _look_back(node, network).answer, JOIN_PATH: welcoming.post}
    seeking = _seeking(node, home, lan)
    peering = make_peering(node, network, fetching, posts, seeking.run)
    peering.near_names = lan.names
    return Linked(
        peering=peering,
        fetching=fetching,
        inviting=make_inviting(node, home, shelf),
        watching=Watching(peering.peers, parts.clock, time.monotonic),
    )


def make_inviting(node: Node, home: Path, shelf: Shelf) -> Inviting:
    """Return what makes and lists the invitations of a node, which `shelf` keeps."""
    return Inviting(
        home,
        config=node.config,
        keyring=node.parts.keyring,
        ingest=node.parts.ingest,
        shelf=shelf,
        clock=node.parts.clock,
        random=node.parts.random,
    )


def _seeking(node: Node, home: Path, lan: Lan) -> Seeking:
    """Return what seeks more links: by saved peers, then the directory, then this network."""
    saved = Saved(home)
    return Seeking(
        told=(saved.told, partial(directory_hints, node.hosts.by_federation), lan.hints),
        saved=saved,
        ingest=node.parts.ingest,
        own=node.parts.keyring.cid,
        config=node.config,
        clock=node.parts.clock,
        random=node.parts.random,
    )


def _look_back(node: Node, network: AiohttpNetwork) -> LookBack:
    parts = node.parts
    return LookBack(
        network=network,
        store=parts.store,
        ingest=parts.ingest,
        keyring=parts.keyring,
        clock=parts.clock,
        random=parts.random,
        config=node.config,
    )
