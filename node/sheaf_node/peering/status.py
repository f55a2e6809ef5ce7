"""How a node's links stand, as people are told: each link that is up, and each peer to dial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_protocol.link import Phase

if TYPE_CHECKING:
    from sheaf_node.peering.session import Session
    from sheaf_protocol.digest import CoopId, WriterId


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerStatus:
    """One link as its node sees it."""

    cid: CoopId
    wid: WriterId
    url: str
    since_ms: int
    is_dialled: bool
    in_sync: bool
    """Whether the roots were equal when last told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DialStatus:
    """One configured peer."""

    url: str
    is_linked: bool
    """Whether a link to it is up, from either side."""
    reason: str | None
    """Why the last dial ended; None while linked, and before the first has ended."""
    is_compared: bool = False
    """Whether control items were compared with it since the node started."""


def peer_status(session: Session) -> PeerStatus | None:
    """Return how a link stands; None where it is not open, or the peer is not proven."""
    peer = session.peer
    if peer is None or session.link.phase is not Phase.OPEN:
        return None
    return PeerStatus(
        cid=peer.cid,
        wid=peer.wid,
        url=session.url,
        since_ms=session.since_ms,
        is_dialled=session.is_dialled,
        in_sync=session.in_sync,
    )
