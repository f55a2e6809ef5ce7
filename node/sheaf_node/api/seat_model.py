"""What the routes of seats answer."""

from __future__ import annotations

import msgspec


class SeatLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link as the sponsor sees it, without its address."""

    id: str
    asks: str
    """`approve`, `quote` or `list`."""
    state: str
    """`open`, `answered`, `declined` or `expired`."""
    expires_ms: int
    answered_ms: int | None
    published: int
    """Lines or offers that the answer led to, or lines of a list that was sent."""


class SeatAtHome(msgspec.Struct, frozen=True, kw_only=True):
    """A seat of this co-op."""

    cid: str
    name: str
    added_ms: int
    state: str
    """`here`, or `moved` where a federation of ours lists it as one that speaks for itself."""
    links: list[SeatLink]


class SeatList(msgspec.Struct, frozen=True, kw_only=True):
    """All seats, by name."""

    seats: list[SeatAtHome]


class NewSeatLink(msgspec.Struct, frozen=True, kw_only=True):
    """A new link. Its address stands nowhere else."""

    id: str
    address: str
    asks: str
    lines: int
    expires_ms: int
