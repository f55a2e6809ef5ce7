"""What a link tells its owner (spec chapter 07). Closed union: match on it and be complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.link.handshake import Peer
    from sheaf_protocol.link.messages import Message


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerAuthenticated:
    """The handshake is done: the other end holds a writer key that its co-op delegated.

    It says who the peer is and not that it is welcome. The owner decides, and closes if not.
    """

    peer: Peer


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageReceived:
    """A message came that the peer may send in this phase and within its credit."""

    message: Message
    fid: FederationId | None
    """The federation of a data message; None for the others, and where we withdrew it meanwhile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkClosed:
    """The link has ended; what is still to be sent may be sent, nothing comes any more."""

    code: str
    detail: str
    is_by_peer: bool


Event: TypeAlias = PeerAuthenticated | MessageReceived | LinkClosed
