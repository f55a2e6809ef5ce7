"""How far a proposal has come: from an offer to its parties to vehicles that are booked."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from sheaf_protocol.digest import Digest, digest

if TYPE_CHECKING:
    from sheaf_protocol.digest import EntryId

ACCEPT_MS: Final = 30 * 60_000
"""A carrier holds vehicles for a proposal until half an hour after its first acceptance."""

GIVEN_BACK_MS: Final = 2 * ACCEPT_MS
"""After an hour a party is free for other proposals: no carrier holds for this one any more, and
what was held has run out. Half of it is spare, for clocks that differ."""

HOLD_MS: Final = 15 * 60_000
"""A quarter of an hour: the matcher confirms at once when every leg is held."""


class Status(enum.Enum):
    """Where a proposal stands, as one node sees it."""

    UNCHECKED = "unchecked"
    REFUSED = "refused"
    """This node or a party found a fault."""
    OFFERED = "offered"
    """Right as far as is known; some party has not accepted yet."""
    ACCEPTED = "accepted"
    """By all parties; vehicles are being held."""
    FAILED = "failed"
    """A vehicle was refused, released or not confirmed in time."""
    EXPIRED = "expired"
    """Accepted by some and not booked within the time for it."""
    BOOKED = "booked"

    @property
    def is_live(self) -> bool:
        """Whether it may still be booked."""
        return self in {Status.UNCHECKED, Status.OFFERED, Status.ACCEPTED}


def group_of(proposal_id: EntryId) -> Digest:
    """Return the group of a proposal's holds."""
    return digest("hold-group", proposal_id)


def hold_ids(proposal_id: EntryId, trips: int) -> list[Digest]:
    """Return the ids of the holds of each trip: derived, so that asking again is the same hold."""
    return [digest("hold", proposal_id, number.to_bytes(4, "big")) for number in range(trips)]
