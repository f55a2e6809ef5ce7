"""What all links of a node use together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_node.blobs import Fetching
    from sheaf_node.clock import Clock
    from sheaf_node.ingest import Ingest
    from sheaf_node.peering.circle import Circle
    from sheaf_node.peering.frontiers import Frontiers
    from sheaf_node.peering.policy import Buckets
    from sheaf_node.peering.session import Session
    from sheaf_node.peering.share import Shares
    from sheaf_node.peering.traffic import Traffic
    from sheaf_node.store import Store
    from sheaf_protocol.digest import WriterId
    from sheaf_protocol.link import Claims


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """What all sessions of a node use."""

    own: WriterId
    store: Store
    ingest: Ingest
    clock: Clock
    circle: Circle
    frontiers: Frontiers
    claims: Claims
    blobs: Fetching
    buckets: Buckets
    shares: Shares
    traffic: Traffic
    admit: Callable[[Session], None]
    """Take up a welcome peer, or close one of two links to it."""
    note_compared: Callable[[Session], None]
    """Take note that control items were compared, and perhaps logs, too."""
    stir: Callable[[], None]
    """Say that something is to be announced or waited for."""
