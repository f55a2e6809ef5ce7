"""The life of a hold (spec 11, section 3): truck space, stock, cold store, machine hours alike.

The owner's log decides. A release that reaches the owner after its `hold.confirmed` changes
nothing, and a deadline has passed when the owner says so in its own log.
"""

from __future__ import annotations

import enum
from typing import Final

from sheaf_protocol.lifecycle.table import Machine, Party


class Hold(enum.Enum):
    """Where a hold stands. HELD and CONFIRMED lock capacity; no other state does."""

    REQUESTED = "requested"
    HELD = "held"
    CONFIRMED = "confirmed"
    CONSUMED = "consumed"
    REFUSED = "refused"
    RELEASED = "released"
    REVOKED = "revoked"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


_ASKER: Final = frozenset({Party.ASKER})
_OWNER: Final = frozenset({Party.OWNER})

HOLD: Final = Machine(
    name="hold",
    moves={
        None: {"hold.request": Hold.REQUESTED},
        Hold.REQUESTED: {
            "hold.grant": Hold.HELD,
            "hold.refuse": Hold.REFUSED,
            # No grant, so no record of the owner's can name one: the asker's own limit.
            "timer.reply_by": Hold.EXPIRED,
        },
        Hold.HELD: {
            # The asker's word alone confirms nothing: the owner may have seen its deadline pass.
            "hold.confirm": Hold.HELD,
            "hold.confirmed": Hold.CONFIRMED,
            "hold.release": Hold.RELEASED,
            "hold.revoke": Hold.REVOKED,
            "hold.expired": Hold.EXPIRED,
        },
        Hold.CONFIRMED: {
            "hold.consume": Hold.CONSUMED,
            "hold.cancel": Hold.CANCELLED,
        },
    },
    senders={
        "hold.request": _ASKER,
        "hold.grant": _OWNER,
        "hold.refuse": _OWNER,
        "timer.reply_by": frozenset({Party.TIMER}),
        "hold.expired": _OWNER,
        "hold.confirm": _ASKER,
        "hold.confirmed": _OWNER,
        "hold.release": _ASKER,
        "hold.revoke": _OWNER,
        "hold.consume": _OWNER,
        "hold.cancel": _ASKER,
    },
)
