"""Who gets in at the local port: whose Host, Origin, and token or session are right for the route.

A program shows a token. A browser shows the cookie of its session, and shows it whoever made it
ask: so with a cookie a request comes from a page of this very node, or from the address bar and
then only to look. Browsers say so in `Origin` and `Sec-Fetch-Site`, which no page can set.
"""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.api.bearer import HOME, NOBODY, Bearer, note_bearer
from sheaf_node.api.route import EVERYTHING, Scope
from sheaf_protocol.digest import digest
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from sheaf_node.api.route import Route
    from sheaf_node.api.session import Sessions
    from sheaf_node.api.tokens import Tokens

COOKIE: Final = "sheaf_session_{port}"
"""With the port, since cookies know none, and a computer may have several nodes."""
_SAFE: Final = frozenset({"GET", "HEAD"})
_OURS: Final = frozenset({"same-origin", "none"})


class Guard:
    """Lets a request in before anything of its body is read.

    Host is compared exactly, which stops DNS rebinding: a hostile page can point its own name at
    loopback, but not make the browser send ours.
    """

    def __init__(
        self,
        grants: Mapping[str, frozenset[Scope]],
        port: int,
        *,
        tokens: Tokens | None,
        sessions: Sessions,
    ) -> None:
        """`grants` are tokens that the node was started with, `tokens` those of its home."""
        self._grants = {token.encode(): _granted(token, grants[token]) for token in grants}
        self._hosts = hosts_of(port)
        self._cookie = COOKIE.format(port=port)
        self._tokens, self._sessions = tokens, sessions

    def admit(self, request: web.Request, route: Route[Any, Any] | None) -> Bearer:
        """Return whose request it is, and write it onto the request.

        Where there is no route, any bearer is let know that. Raises Refusal `api.host`,
        `api.origin`, `api.unauthorized`, `api.scope`.
        """
        require_own_page(request, self._hosts)
        if route is not None and route.scope is Scope.OPEN:
            bearer = NOBODY
        else:
            bearer = self._bearer(request, is_used=True)
        if route is not None and route.scope not in bearer.scopes:
            detail = f"expected a token for scope {route.scope.value}, got one for others"
            raise Refusal("api.scope", detail)
        note_bearer(request, bearer, partial(self._still, request, bearer))
        return bearer

    def _still(self, request: web.Request, bearer: Bearer) -> bool:
        if bearer is NOBODY:
            return True
        try:
            return self._bearer(request, is_used=False) == bearer
        except Refusal:
            return False

    def _bearer(self, request: web.Request, *, is_used: bool) -> Bearer:
        if "Authorization" in request.headers:
            found = self._of_token(request.headers["Authorization"])
        else:
            found = self._of_cookie(request, is_used=is_used)
        if found is None:
            raise Refusal("api.unauthorized", "expected a token of this node's home that holds")
        return found

    def _of_token(self, header: str) -> Bearer | None:
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer":
            return None
        # Headers are not always text: what is no UTF-8 comes as surrogates.
        given = text.encode(errors="replace")
        # All are compared, and each in the same time, so that time tells nothing.
        found = [self._grants[known] for known in self._grants if hmac.compare_digest(given, known)]
        if found:
            return found[0]
        kept = None if self._tokens is None else self._tokens.find(text)
        if kept is None:
            return None
        return Bearer(
            sort="token",
            name=kept.name,
            scopes=frozenset(kept.scopes),
            service=kept.service,
            expires_ms=kept.expires_ms,
        )

    def _of_cookie(self, request: web.Request, *, is_used: bool) -> Bearer | None:
        secret = request.cookies.get(self._cookie)
        if secret is None:
            return None
        if request.method not in _SAFE and not is_of_own_page(request):
            raise Refusal("api.origin", "expected a page of this node to ask with its session")
        if request.headers.get("Sec-Fetch-Site", "none") not in _OURS:
            raise Refusal("api.origin", "expected no other site's page to ask with a session")
        return self._sessions.find(secret, is_used=is_used)


def hosts_of(port: int) -> frozenset[str]:
    """Return what the local port goes by."""
    return frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})


def require_own_page(request: web.Request, hosts: frozenset[str]) -> None:
    """Refuse a request under another name (`api.host`), and another site's page (`api.origin`)."""
    if request.host not in hosts:
        detail = f"expected one of {sorted(hosts)}, got {request.host!r}"
        raise Refusal("api.host", detail)
    if "Origin" in request.headers and not is_of_own_page(request):
        origin = request.headers["Origin"]
        raise Refusal("api.origin", f"expected no other site's page, got {origin!r}")


def is_of_own_page(request: web.Request) -> bool:
    """Return whether a browser says that a page of this very host asks."""
    return request.headers.getall("Origin", []) == [f"http://{request.host}"]


def _granted(token: str, scopes: frozenset[Scope]) -> Bearer:
    if scopes == EVERYTHING:
        return HOME
    return Bearer(sort="token", name=digest("api-token", token.encode()).hex()[:8], scopes=scopes)
