"""Who may move what: state machines as tables (spec chapter 11)."""

from sheaf_protocol.lifecycle.hold import HOLD, Hold
from sheaf_protocol.lifecycle.pool import POOL, Pool
from sheaf_protocol.lifecycle.shipment import SHIPMENT, Shipment
from sheaf_protocol.lifecycle.table import Machine, Party, advance, is_final, to_markdown

__all__ = [
    "HOLD",
    "POOL",
    "SHIPMENT",
    "Hold",
    "Machine",
    "Party",
    "Pool",
    "Shipment",
    "advance",
    "is_final",
    "to_markdown",
]
