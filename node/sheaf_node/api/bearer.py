"""Whose request it is: of the home's own token, a named one, a browser's session, or nobody's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiohttp import web

from sheaf_node.api.route import EVERYTHING, Scope

Still: TypeAlias = Callable[[], bool]
"""Returns whether a request would be let in now as well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bearer:
    """Who asks, and what is open to them. Equal for all requests of one."""

    sort: str
    """`home`, `token`, `session`; empty for nobody in particular."""
    name: str = ""
    """Of a token, as `sheaf token list` shows it; of a session, so many digits of its id."""
    scopes: frozenset[Scope]
    service: str | None = None
    """The service that a token was made for, where it is one's."""
    expires_ms: int | None = None
    """When its time is up at the latest, by the node's clock."""


HOME: Final = Bearer(sort="home", scopes=EVERYTHING)
NOBODY: Final = Bearer(sort="", scopes=frozenset({Scope.OPEN}))


@dataclass(frozen=True, slots=True)
class _Admitted:
    bearer: Bearer
    still: Still


_ADMITTED: Final = web.RequestKey("sheaf.admitted", _Admitted)


def note_bearer(request: web.Request, bearer: Bearer, still: Still) -> None:
    """Write onto a request whose it is, and how that is asked again while its answer goes on."""
    request[_ADMITTED] = _Admitted(bearer, still)


def bearer_of(request: web.Request) -> Bearer:
    """Return whose request it is, once it was let in."""
    return request[_ADMITTED].bearer


def still_admitted(request: web.Request) -> bool:
    """Return whether whoever asked would be let in now: a token may be revoked, a session end.

    For answers that go on, which look here before they send more.
    """
    return request[_ADMITTED].still()
