"""The rows of seats."""

from __future__ import annotations

from typing import Any, Final

from sheaf_node.api import seats
from sheaf_node.api.models import FederationQuery
from sheaf_node.api.route import AnyJson, JsonBody, NoBody, NoQuery, Route, Scope
from sheaf_node.api.seat_model import NewSeatLink, SeatAtHome, SeatList
from sheaf_node.seats import LinkWish, ListWish, NewSeat

_ONE: Final = frozenset({"seat.file", "seat.off", "seat.unknown"})
_PUBLISHING: Final = _ONE | {
    "api.json",
    "node.no_federation",
    "policy.role",
    "seat.moved",
    "service.stopped",
    "service.unknown",
}

SEAT_ROUTES: Final[tuple[Route[Any, Any], ...]] = (
    Route(
        method="GET",
        path="/api/v1/seats",
        name="getSeats",
        summary="The seats of this co-op by name, with their links",
        scope=Scope.READ,
        query=NoQuery,
        body=NoBody(),
        replies={200: SeatList},
        answer=seats.get_seats,
        codes=frozenset({"seat.off"}),
    ),
    Route(
        method="POST",
        path="/api/v1/seats",
        name="addSeat",
        summary="Takes on a seat by its name and the id that its keys make",
        scope=Scope.WRITE,
        query=NoQuery,
        body=JsonBody(NewSeat),
        replies={200: SeatAtHome},
        answer=seats.post_seat,
        codes=frozenset({"api.json", "seat.exists", "seat.file", "seat.full", "seat.off"}),
    ),
    Route(
        method="POST",
        path="/api/v1/seats/{seat}/remove",
        name="removeSeat",
        summary="Ends a seat, by its name or the first digits of its id, and its links",
        scope=Scope.WRITE,
        query=NoQuery,
        body=NoBody(),
        replies={200: SeatAtHome},
        answer=seats.post_removal,
        codes=_ONE,
    ),
    Route(
        method="POST",
        path="/api/v1/seats/{seat}/lists",
        name="publishForSeat",
        summary="Publishes a list for a seat by its word; asked again, what is there is left",
        scope=Scope.WRITE,
        query=FederationQuery,
        body=JsonBody(ListWish),
        replies={200: AnyJson("How many lines were published.")},
        answer=seats.post_list,
        codes=_PUBLISHING,
        is_ruled=True,
    ),
    Route(
        method="POST",
        path="/api/v1/seats/{seat}/links",
        name="createSeatLink",
        summary="Makes a link that a seat answers once, answers 201 with its address",
        scope=Scope.WRITE,
        query=FederationQuery,
        body=JsonBody(LinkWish),
        replies={201: NewSeatLink},
        answer=seats.post_link,
        codes=_PUBLISHING | {"seat.answer", "seat.full"},
        is_ruled=True,
    ),
)
