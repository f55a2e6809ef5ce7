"""Who may move what: state machines as tables (spec chapter 11)."""

from typing import Any, Final

from sheaf_protocol.lifecycle.hold import HOLD, Hold
from sheaf_protocol.lifecycle.invoice import INVOICE, RETURN, Invoice, Return
from sheaf_protocol.lifecycle.order import (
    AMENDMENT,
    CANCELLATION,
    DELIVERY,
    ORDER,
    Amendment,
    Cancellation,
    Delivery,
    Order,
)
from sheaf_protocol.lifecycle.pool import POOL, Pool
from sheaf_protocol.lifecycle.shipment import SHIPMENT, Shipment
from sheaf_protocol.lifecycle.table import Machine, Party, advance, is_final, kind_of, to_markdown

MACHINES: Final[tuple[Machine[Any], ...]] = (
    *(POOL, HOLD, SHIPMENT),
    *(ORDER, AMENDMENT, CANCELLATION, DELIVERY),
    *(INVOICE, RETURN),
)
"""All of chapter 11, in its order."""

__all__ = [
    "AMENDMENT",
    "CANCELLATION",
    "DELIVERY",
    "HOLD",
    "INVOICE",
    "MACHINES",
    "ORDER",
    "POOL",
    "RETURN",
    "SHIPMENT",
    "Amendment",
    "Cancellation",
    "Delivery",
    "Hold",
    "Invoice",
    "Machine",
    "Order",
    "Party",
    "Pool",
    "Return",
    "Shipment",
    "advance",
    "is_final",
    "kind_of",
    "to_markdown",
]
