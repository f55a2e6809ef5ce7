"""How a node takes part in treaties: it takes across what it is asked to, and watches who does."""

from sheaf_node.bridging.hosting import NAME, bridging_host
from sheaf_node.bridging.service import Bridging

__all__ = ["NAME", "Bridging", "bridging_host"]
