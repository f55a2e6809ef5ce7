"""What a route of the local API is: one row, from which everything else follows.

`table.ROUTES` holds the rows. Of a row are made the handler that aiohttp calls (`serving`), its
part of the OpenAPI document (`openapi`), and who may call it (`guard`). A new route is one row
there and one coroutine that gets what was asked, read and checked, and returns what is answered.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from sheaf_node.api.reading import read_body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp import web

    from sheaf_node.api.parts import ApiParts

Q = TypeVar("Q", bound=msgspec.Struct)
B = TypeVar("B")
B_co = TypeVar("B_co", covariant=True)
S = TypeVar("S", bound=msgspec.Struct)


class Scope(enum.Enum):
    """What a token lets its bearer do."""

    OPEN = "open"
    """Asked for by nobody in particular: the route needs no token."""
    READ = "read"
    WRITE = "write"
    DRAFT = "draft"
    """Preparing what somebody else is to publish."""
    METRICS = "metrics"
    SERVICE = "service"
    """What a service of another process does: its feed, its turns, its storage."""
    HOME = "home"
    """What nobody is given: the token in the home's folder alone opens it."""


EVERYTHING: Final = frozenset(Scope)
"""What the token of the home lets its bearer do."""


class Body(Protocol[B_co]):
    """What a request's body is; it raises Refusal for one that is something else."""

    def read(self, data: bytes) -> B_co:
        """Return the body as its handler gets it."""
        ...


@dataclass(frozen=True, slots=True)
class NoBody:
    """No body; one that is sent is not read."""

    def read(self, data: bytes) -> None:
        """Return nothing."""


@dataclass(frozen=True, slots=True)
class BytesBody:
    """Any bytes, which whoever takes them reads: a service, or nobody but their reader."""

    about: str
    media: tuple[str, ...] = ("application/octet-stream",)
    is_required: bool = False

    def read(self, data: bytes) -> bytes:
        """Return the bytes."""
        return data


@dataclass(frozen=True, slots=True)
class JsonBody(Generic[S]):
    """A struct as JSON. What does not fit is refused with the place of each fault."""

    type: type[S]

    def read(self, data: bytes) -> S:
        """Return the struct. Raises BodyRefusal `api.json`."""
        return read_body(self.type, data)


@dataclass(frozen=True, slots=True)
class AnyJson:
    """A JSON value whose shape is that of a service's view or command."""

    about: str


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes as an answer."""

    about: str
    media: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Nothing:
    """An answer without a body."""

    about: str


Shape: TypeAlias = "type[msgspec.Struct] | AnyJson | Bytes | Nothing"
"""What an answer consists of."""


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of a route that has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked(Generic[Q, B]):
    """A request, read and checked."""

    http: web.Request
    query: Q
    body: B
    path: Mapping[str, str]
    """The parts of the path that the row names in braces."""
    options: Mapping[str, str]
    """What else the query says, where the row `takes_options`."""
    data: bytes
    """The body as it came."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer with another status than the row's first, or with headers."""

    value: object
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def any_path(path: Mapping[str, str]) -> None:
    """Take a path as it is: its handler knows what it finds there."""


Answer: TypeAlias = "Callable[[ApiParts, Asked[Q, B]], Awaitable[object]]"
"""Returns a struct, plain JSON values, a `Reply` or aiohttp's own response. Raises Refusal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route(Generic[Q, B]):
    """One row of the table."""

    method: str
    path: str
    name: str
    """The operation's id in the OpenAPI document; never changed."""
    summary: str
    scope: Scope
    query: type[Q]
    body: Body[B]
    replies: Mapping[int, Shape]
    """By status, the usual one first."""
    answer: Answer[Q, B]
    check_path: Callable[[Mapping[str, str]], None] = any_path
    """Raises Refusal for a path under which nothing is, before the body is looked at."""
    codes: frozenset[str] = frozenset()
    """What it is refused with, beside what `problem.COMMON` lists for all."""
    is_ruled: bool = False
    """Whether any rule of the protocol or of a service may refuse it as well, as 422."""
    takes_options: bool = False
    """Whether parameters beyond those of `query` are passed on to a service."""
    is_idempotent_by_key: bool = False
    """Whether it publishes, so that an `Idempotency-Key` tells a repeated request."""
    needs_key: bool = False
    """Whether that key must be there: asked twice, it would publish twice."""
    has_tag: bool = False
    """Whether its answer bears an `ETag`, and is left out for who has that one already."""
    needs_match: bool = False
    """Whether it changes what bears one, and so `If-Match` has to name that."""
    is_stream: bool = False
    """Whether its answer goes on; it then counts against its own limit and not as a request."""
