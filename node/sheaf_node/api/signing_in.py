"""Handlers by which a browser signs in and out, and anybody sees as whom the node takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from sheaf_node.api.bearer import Bearer, bearer_of
from sheaf_node.api.guard import COOKIE, is_of_own_page
from sheaf_node.api.route import Reply
from sheaf_node.api.session import ACTING, LASTS_MS, READING
from sheaf_node.api.session_model import EndedSessions, SignInLink, Who
from sheaf_node.api.sign_in_page import PAGE, PAGE_HEADERS
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked, NoQuery
    from sheaf_node.api.session_model import SignIn, WantedLink

PATH: Final = "/session"
"""Where the page is."""


async def get_page(parts: ApiParts, asked: Asked[NoQuery, None]) -> web.Response:
    """Answer with the page that a link leads to; it holds nothing of the node."""
    return web.Response(body=PAGE, content_type="text/html", charset="utf-8", headers=PAGE_HEADERS)


async def post_link(parts: ApiParts, asked: Asked[NoQuery, WantedLink]) -> Reply:
    """Make a link by which one browser signs in; the answer is the only place it stands in."""
    code, expires_ms = parts.sessions.make_code(READING if asked.body.is_read_only else ACTING)
    link = f"http://{asked.http.host}{PATH}#{code}"
    return Reply(value=SignInLink(link=link, expires_ms=expires_ms), status=201)


async def post_session(parts: ApiParts, asked: Asked[NoQuery, SignIn]) -> Reply:
    """Begin a session by the code of a link, and set its cookie.

    Only a page of this node is answered, or another site could sign a browser in as it likes.
    """
    if not is_of_own_page(asked.http):
        raise Refusal("api.origin", "expected the page of this node that a link leads to")
    secret, bearer = parts.sessions.begin(asked.body.code)
    headers = {"Set-Cookie": _cookie(asked.http, secret, LASTS_MS // 1000)}
    return Reply(value=_who(bearer), status=201, headers=headers)


async def get_session(parts: ApiParts, asked: Asked[NoQuery, None]) -> Who:
    """Return as whom the node takes whoever asks."""
    return _who(bearer_of(asked.http))


async def delete_session(parts: ApiParts, asked: Asked[NoQuery, None]) -> Reply:
    """End the session that asks, and take its cookie away."""
    if bearer_of(asked.http).sort != "session":
        raise Refusal("session.none", "expected a browser's session, got a token")
    parts.sessions.end(asked.http.cookies[_name(asked.http)])
    headers = {"Set-Cookie": _cookie(asked.http, "", 0)}
    return Reply(value=EndedSessions(ended=1), headers=headers)


async def delete_sessions(parts: ApiParts, asked: Asked[NoQuery, None]) -> EndedSessions:
    """End all sessions, and all links that nobody has opened."""
    return EndedSessions(ended=parts.sessions.end_all())


def _who(bearer: Bearer) -> Who:
    return Who(
        sort=bearer.sort,
        name=bearer.name,
        scopes=sorted(scope.value for scope in bearer.scopes),
        service=bearer.service,
        expires_ms=bearer.expires_ms,
    )


def _name(request: web.Request) -> str:
    return COOKIE.format(port=request.host.rpartition(":")[2])


def _cookie(request: web.Request, value: str, lasts_s: int) -> str:
    # Not `Secure`: some browsers take none such from a loopback address without TLS.
    flags = f"Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Strict"
    return f"{_name(request)}={value}; {flags}"
