"""Handlers by which a sponsor's people look after its seats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sheaf_node.api.route import Reply
from sheaf_node.api.seat_model import NewSeatLink, SeatAtHome, SeatList
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from sheaf_node.api.models import FederationQuery
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked, NoQuery
    from sheaf_node.plugins import Json
    from sheaf_node.seats import LinkWish, ListWish, NewSeat, Seating
    from sheaf_node.seats.seating import MadeLink


async def get_seats(parts: ApiParts, asked: Asked[NoQuery, None]) -> SeatList:
    """Return the seats by name, with their links."""
    return msgspec.convert({"seats": _seating(parts).listed()}, SeatList)


async def post_seat(parts: ApiParts, asked: Asked[NoQuery, NewSeat]) -> SeatAtHome:
    """Take on a seat."""
    return msgspec.convert(_seating(parts).add(asked.body), SeatAtHome)


async def post_removal(parts: ApiParts, asked: Asked[NoQuery, None]) -> SeatAtHome:
    """End a seat and its links; return it as it was."""
    return msgspec.convert(await _seating(parts).remove(asked.path["seat"]), SeatAtHome)


async def post_list(parts: ApiParts, asked: Asked[FederationQuery, ListWish]) -> Json:
    """Publish a list for a seat by its word; return what the service answers."""
    seating = _seating(parts)
    return await seating.publish(asked.path["seat"], asked.body, asked.query.federation)


async def post_link(parts: ApiParts, asked: Asked[FederationQuery, LinkWish]) -> Reply:
    """Make a link; the answer is the only place that its address stands in."""
    seating = _seating(parts)
    return link_reply(
        await seating.make_link(asked.path["seat"], asked.body, asked.query.federation)
    )


def link_reply(made: MadeLink) -> Reply:
    """Return what is told of a link, once and for no cache to keep."""
    told = NewSeatLink(
        id=made.kept.id,
        address=made.address,
        asks=made.kept.asks,
        lines=made.lines,
        expires_ms=made.kept.expires_ms,
    )
    return Reply(value=told, status=201, headers={"Cache-Control": "no-store"})


def _seating(parts: ApiParts) -> Seating:
    if parts.seating is None:
        raise Refusal("seat.off", "expected a node that was started with its seats")
    return parts.seating
