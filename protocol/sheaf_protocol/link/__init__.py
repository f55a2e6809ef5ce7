"""An authenticated session between two nodes, as a pure state machine (spec chapter 07)."""

from sheaf_protocol.link.blob_sync import BlobAnswers, BlobSync, Receipt, Stretch
from sheaf_protocol.link.comparison import Answer, Comparison, Cursor, Step
from sheaf_protocol.link.control_sync import ControlState, ControlSync, HeldKeyLog
from sheaf_protocol.link.data_sync import Claims, DataSync
from sheaf_protocol.link.events import Event, LinkClosed, MessageReceived, PeerAuthenticated
from sheaf_protocol.link.handshake import Fresh, Identity, Peer, require_live_writer
from sheaf_protocol.link.link import Dial, Link, Listen
from sheaf_protocol.link.state import Phase

__all__ = [
    "Answer",
    "BlobAnswers",
    "BlobSync",
    "Claims",
    "Comparison",
    "ControlState",
    "ControlSync",
    "Cursor",
    "DataSync",
    "Dial",
    "Event",
    "Fresh",
    "HeldKeyLog",
    "Identity",
    "Link",
    "LinkClosed",
    "Listen",
    "MessageReceived",
    "Peer",
    "PeerAuthenticated",
    "Phase",
    "Receipt",
    "Step",
    "Stretch",
    "require_live_writer",
]
