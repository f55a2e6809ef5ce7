"""The life of a pool (spec 11, section 2). Its owning writer moves it; suppliers answer an award.

With standing offers, which is all that mode `open` has in this version, tender and evaluation
leave no record of their own: the award follows on the close, so SEALED leads to AWARDED directly.
"""

from __future__ import annotations

import enum
from typing import Final

from sheaf_protocol.lifecycle.table import Machine, Party


class Pool(enum.Enum):
    """Where a pool stands."""

    OPEN = "open"
    TOPUP = "topup"
    """Closed but for lines that fill the last pack or tier."""
    SEALED = "sealed"
    TENDERING = "tendering"
    EVALUATED = "evaluated"
    AWARDED = "awarded"
    CONFIRMING = "confirming"
    ORDERED = "ordered"
    DELIVERING = "delivering"
    SETTLING = "settling"
    CLOSED = "closed"
    LAPSED = "lapsed"
    ROLLED_OVER = "rolled_over"
    CANCELLED = "cancelled"


_COORDINATOR: Final = frozenset({Party.COORDINATOR})
_SUPPLIER: Final = frozenset({Party.SUPPLIER})

POOL: Final = Machine(
    name="pool",
    moves={
        None: {"pool.open": Pool.OPEN},
        Pool.OPEN: {
            "timer.demand_close": Pool.TOPUP,
            "pool.close": Pool.SEALED,
            "pool.lapse": Pool.LAPSED,
            "pool.roll_over": Pool.ROLLED_OVER,
            "pool.cancel": Pool.CANCELLED,
        },
        Pool.TOPUP: {
            "pool.close": Pool.SEALED,
            "pool.lapse": Pool.LAPSED,
            "pool.roll_over": Pool.ROLLED_OVER,
            "pool.cancel": Pool.CANCELLED,
        },
        Pool.SEALED: {
            "pool.aggregate": Pool.TENDERING,
            "pool.award": Pool.AWARDED,
            "pool.lapse": Pool.LAPSED,
            "pool.roll_over": Pool.ROLLED_OVER,
            "pool.cancel": Pool.CANCELLED,
        },
        Pool.TENDERING: {
            "pool.evaluate": Pool.EVALUATED,
            "pool.lapse": Pool.LAPSED,
            "pool.cancel": Pool.CANCELLED,
        },
        Pool.EVALUATED: {
            "pool.award": Pool.AWARDED,
            "pool.lapse": Pool.LAPSED,
            "pool.cancel": Pool.CANCELLED,
        },
        Pool.AWARDED: {
            "allocation.notice": Pool.CONFIRMING,
            "pool.cancel": Pool.CANCELLED,
        },
        Pool.CONFIRMING: {
            "award.accept": Pool.ORDERED,
            # The reserve list is tried next; a pool without one lapses from EVALUATED.
            "award.decline": Pool.EVALUATED,
            "timer.confirm_by": Pool.EVALUATED,
            "pool.cancel": Pool.CANCELLED,
        },
        Pool.ORDERED: {"despatch.advice": Pool.DELIVERING},
        Pool.DELIVERING: {"receipt.advice": Pool.SETTLING},
        Pool.SETTLING: {"pool.settle": Pool.CLOSED},
    },
    senders={
        "pool.open": _COORDINATOR,
        "timer.demand_close": frozenset({Party.TIMER}),
        "pool.close": _COORDINATOR,
        "pool.lapse": _COORDINATOR,
        "pool.roll_over": _COORDINATOR,
        "pool.cancel": _COORDINATOR,
        "pool.aggregate": _COORDINATOR,
        "pool.evaluate": _COORDINATOR,
        "pool.award": _COORDINATOR,
        "allocation.notice": _COORDINATOR,
        "award.accept": _SUPPLIER,
        "award.decline": _SUPPLIER,
        "timer.confirm_by": frozenset({Party.TIMER}),
        "despatch.advice": _SUPPLIER,
        "receipt.advice": frozenset({Party.BUYER}),
        "pool.settle": _COORDINATOR,
    },
)
