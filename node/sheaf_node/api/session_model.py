"""What the routes of sessions take and answer."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class WantedLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a session is to open that a link begins."""

    is_read_only: bool = False
    """Whether it is to look alone, and change nothing."""


class SignInLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link by which one browser signs in, once."""

    link: str
    expires_ms: int


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page of a link posts."""

    code: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z", max_length=64)]
    """What stands behind the link's `#`."""


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """As whom a node takes whoever asks, and what is open to them."""

    sort: str
    """`home`, `token` or `session`."""
    name: str
    """Of a token its name, of a session the beginning of its id."""
    scopes: list[str]
    service: str | None
    """The service that a token is of."""
    expires_ms: int | None
    """When it is over at the latest."""


class EndedSessions(msgspec.Struct, frozen=True, kw_only=True):
    """How many sessions were ended."""

    ended: int
