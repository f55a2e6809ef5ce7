"""How a node takes part in the decisions of its federations; always on (spec 15)."""

from sheaf_node.governance.hosting import NAME, governance_host
from sheaf_node.governance.powers import Powers
from sheaf_node.governance.service import Governance
from sheaf_node.governance.sighting import Sightings

__all__ = ["NAME", "Governance", "Powers", "Sightings", "governance_host"]
