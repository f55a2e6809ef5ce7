"""An authenticated session between two nodes, as a pure state machine (spec chapter 07)."""

from sheaf_protocol.link.control_sync import ControlState, ControlSync
from sheaf_protocol.link.data_sync import Claims, DataSync
from sheaf_protocol.link.events import Event, LinkClosed, MessageReceived, PeerAuthenticated
from sheaf_protocol.link.handshake import Fresh, Identity, Peer, require_live_writer
from sheaf_protocol.link.link import Dial, Link, Listen
from sheaf_protocol.link.state import Phase

__all__ = [
    "Claims",
    "ControlState",
    "ControlSync",
    "DataSync",
    "Dial",
    "Event",
    "Fresh",
    "Identity",
    "Link",
    "LinkClosed",
    "Listen",
    "MessageReceived",
    "Peer",
    "PeerAuthenticated",
    "Phase",
    "require_live_writer",
]
