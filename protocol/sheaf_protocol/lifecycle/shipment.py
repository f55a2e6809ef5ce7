"""The life of a shipment (spec 11, section 4), from a request to goods accepted.

Where several records are needed (every party's acceptance, every leg's grant) the last of them
makes the move; the caller counts.
"""

from __future__ import annotations

import enum
from typing import Final

from sheaf_protocol.lifecycle.table import Machine, Party


class Shipment(enum.Enum):
    """Where a shipment stands."""

    REQUESTED = "requested"
    MATCHED = "matched"
    HELD = "held"
    BOOKED = "booked"
    PICKED_UP = "picked_up"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    ACCEPTED = "accepted"


_BUYER: Final = frozenset({Party.BUYER})
_CARRIER: Final = frozenset({Party.CARRIER})
_MATCHER: Final = frozenset({Party.MATCHER})

SHIPMENT: Final = Machine(
    name="shipment",
    moves={
        None: {"transport.request": Shipment.REQUESTED},
        Shipment.REQUESTED: {
            # A proposal binds nobody; several may stand side by side.
            "match.propose": Shipment.REQUESTED,
            "match.accept": Shipment.MATCHED,
        },
        Shipment.MATCHED: {
            "hold.grant": Shipment.HELD,
            "hold.refuse": Shipment.REQUESTED,
        },
        Shipment.HELD: {
            "shipment.book": Shipment.BOOKED,
            "hold.release": Shipment.REQUESTED,
            "hold.revoke": Shipment.REQUESTED,
            "hold.expired": Shipment.REQUESTED,
        },
        Shipment.BOOKED: {"tracking.pickup": Shipment.PICKED_UP},
        Shipment.PICKED_UP: {"tracking.depart": Shipment.IN_TRANSIT},
        Shipment.IN_TRANSIT: {
            "shipment.handover": Shipment.IN_TRANSIT,
            "tracking.deliver": Shipment.DELIVERED,
        },
        Shipment.DELIVERED: {
            "shipment.pod": Shipment.ACCEPTED,
            "timer.inspection": Shipment.ACCEPTED,
        },
    },
    senders={
        "transport.request": _BUYER,
        "match.propose": _MATCHER,
        "match.accept": _BUYER,
        "hold.grant": _CARRIER,
        "hold.refuse": _CARRIER,
        "shipment.book": _MATCHER,
        "hold.release": _MATCHER,
        "hold.revoke": _CARRIER,
        "hold.expired": _CARRIER,
        "tracking.pickup": _CARRIER,
        "tracking.depart": _CARRIER,
        "shipment.handover": _CARRIER,
        "tracking.deliver": _CARRIER,
        "shipment.pod": _BUYER,
        "timer.inspection": frozenset({Party.TIMER}),
    },
)
