"""The life of an order (spec 11, section 5), as four tables that are walked side by side.

The main track has a row for each record about the order and its goods, so what it does not list
has no effect on the other tracks either. A change, a cancellation and a delivery have a machine
each, of which an order may have several: "accepted, with a change asked for, while a cancellation
was refused" is three states and not one.

A buyer's word alone is never final where the supplier may have said something else meanwhile: what
it agrees to or takes back waits in AGREED or CANCELLING for the supplier, as a hold that its asker
confirms waits for its owner.
"""

from __future__ import annotations

import enum
from typing import Final

from sheaf_protocol.lifecycle.table import Machine, Party


class Order(enum.Enum):
    """Where an order stands."""

    PLACED = "placed"
    RECEIVED = "received"
    CHANGE_PROPOSED = "change_proposed"
    AGREED = "agreed"
    """The buyer took what was proposed; whether in time is the supplier's to say."""
    CANCELLING = "cancelling"
    """The buyer took it back; the supplier may have accepted it before it read that."""
    ACCEPTED = "accepted"
    IN_FULFILMENT = "in_fulfilment"
    FULFILLED = "fulfilled"
    REJECTED = "rejected"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"


class Amendment(enum.Enum):
    """Where a change of an order stands that its buyer asked for."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class Cancellation(enum.Enum):
    """Where a cancellation stands that the buyer of an order asked for."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class Delivery(enum.Enum):
    """Where the goods of one despatch stand."""

    DESPATCHED = "despatched"
    RECEIVED = "received"
    DEEMED = "deemed"


_BUYER: Final = frozenset({Party.BUYER})
_SUPPLIER: Final = frozenset({Party.SUPPLIER})
_NOBODY: Final = frozenset({Party.NOBODY})

ORDER: Final = Machine(
    name="order",
    moves={
        None: {"order.place": Order.PLACED},
        Order.PLACED: {
            "order.response AB": Order.RECEIVED,
            "order.response AP": Order.ACCEPTED,
            "order.response CA": Order.CHANGE_PROPOSED,
            "order.response RE": Order.REJECTED,
            "order.cancel": Order.CANCELLING,
        },
        Order.RECEIVED: {
            "order.response AP": Order.ACCEPTED,
            "order.response CA": Order.CHANGE_PROPOSED,
            "order.response RE": Order.REJECTED,
            "order.cancel": Order.CANCELLING,
        },
        Order.CHANGE_PROPOSED: {
            "order.agree AP": Order.AGREED,
            "order.agree RE": Order.REJECTED,
            "order.lapse": Order.LAPSED,
            "order.cancel": Order.CANCELLING,
        },
        Order.AGREED: {
            "order.response AP": Order.ACCEPTED,
            "order.lapse": Order.LAPSED,
        },
        # Nothing but the supplier's word that it read this; it cannot refuse it.
        Order.CANCELLING: {"order.cancel_response AP": Order.CANCELLED},
        Order.ACCEPTED: {
            "order.change": Order.ACCEPTED,
            "order.change_response AP": Order.ACCEPTED,
            "order.change_response RE": Order.ACCEPTED,
            "order.cancel": Order.ACCEPTED,
            "order.cancel_response AP": Order.CANCELLED,
            "order.cancel_response RE": Order.ACCEPTED,
            "despatch.advice": Order.IN_FULFILMENT,
        },
        Order.IN_FULFILMENT: {
            "order.change": Order.IN_FULFILMENT,
            "order.change_response AP": Order.IN_FULFILMENT,
            "order.change_response RE": Order.IN_FULFILMENT,
            # What went off already stays so; nothing more will come.
            "order.cancel": Order.IN_FULFILMENT,
            "order.cancel_response AP": Order.IN_FULFILMENT,
            "order.cancel_response RE": Order.IN_FULFILMENT,
            "despatch.advice": Order.IN_FULFILMENT,
            "receipt.advice": Order.IN_FULFILMENT,
            "receipt.deem": Order.IN_FULFILMENT,
            "sum.complete": Order.FULFILLED,
        },
    },
    senders={
        "order.place": _BUYER,
        "order.response AB": _SUPPLIER,
        "order.response AP": _SUPPLIER,
        "order.response CA": _SUPPLIER,
        "order.response RE": _SUPPLIER,
        "order.agree AP": _BUYER,
        "order.agree RE": _BUYER,
        "order.lapse": _SUPPLIER,
        "order.change": _BUYER,
        "order.change_response AP": _SUPPLIER,
        "order.change_response RE": _SUPPLIER,
        "order.cancel": _BUYER,
        "order.cancel_response AP": _SUPPLIER,
        "order.cancel_response RE": _SUPPLIER,
        "despatch.advice": _SUPPLIER,
        "receipt.advice": _BUYER,
        "receipt.deem": _SUPPLIER,
        "sum.complete": _NOBODY,
    },
)

AMENDMENT: Final = Machine(
    name="amendment",
    moves={
        None: {"order.change": Amendment.REQUESTED},
        Amendment.REQUESTED: {
            # A newer one takes its place.
            "order.change": Amendment.WITHDRAWN,
            "order.change_response AP": Amendment.CONFIRMED,
            "order.change_response RE": Amendment.DECLINED,
        },
    },
    senders={
        "order.change": _BUYER,
        "order.change_response AP": _SUPPLIER,
        "order.change_response RE": _SUPPLIER,
    },
)

CANCELLATION: Final = Machine(
    name="cancellation",
    moves={
        None: {"order.cancel": Cancellation.REQUESTED},
        Cancellation.REQUESTED: {
            "order.cancel_response AP": Cancellation.CONFIRMED,
            "order.cancel_response RE": Cancellation.REFUSED,
        },
    },
    senders={
        "order.cancel": _BUYER,
        "order.cancel_response AP": _SUPPLIER,
        "order.cancel_response RE": _SUPPLIER,
    },
)

DELIVERY: Final = Machine(
    name="delivery",
    moves={
        None: {"despatch.advice": Delivery.DESPATCHED},
        Delivery.DESPATCHED: {
            "receipt.advice": Delivery.RECEIVED,
            "receipt.deem": Delivery.DEEMED,
        },
    },
    senders={
        "despatch.advice": _SUPPLIER,
        "receipt.advice": _BUYER,
        "receipt.deem": _SUPPLIER,
    },
)
