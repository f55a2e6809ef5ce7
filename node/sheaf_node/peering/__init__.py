"""Links to other nodes: the peer port, dialling, and what is told and asked on a link."""

from sheaf_node.peering.peering import Peering
from sheaf_node.peering.status import DialStatus, PeerStatus

__all__ = ["DialStatus", "PeerStatus", "Peering"]
