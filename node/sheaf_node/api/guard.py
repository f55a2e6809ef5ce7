"""Who gets in at the local port, and the one error body that everybody gets (RFC 9457)."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from aiohttp import web

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUS: Final[Mapping[str, int]] = {
    "api.unauthorized": 401,
    "api.host": 421,
    "api.origin": 403,
    "api.not_found": 404,
    "api.method": 405,
    "api.too_large": 413,
    "api.internal": 500,
    "blob.unknown": 404,
    "service.unknown": 404,
    "service.no_command": 404,
    "service.no_view": 404,
    "service.stopped": 503,
    "store.failed": 503,
    "store.closed": 503,
    "blob.busy": 503,
    "blob.write": 503,
}
"""HTTP status by code; every other refusal is 422: understood, and refused by a rule."""
_LOG = logging.getLogger("sheaf.api")


def problem(refusal: Refusal) -> web.Response:
    """Return the problem body of a refusal."""
    status = STATUS.get(refusal.code, 422)
    body = {
        "type": f"urn:sheaf:error:{refusal.code}",
        "title": refusal.code,
        "status": status,
        "detail": refusal.detail,
        "code": refusal.code,
    }
    return web.Response(
        status=status, text=json.dumps(body), content_type="application/problem+json"
    )


def guard(token: str, hosts: frozenset[str]) -> Middleware:
    """Return the middleware that checks Host, Origin and token before anything is read.

    Host is compared exactly, which stops DNS rebinding: a hostile page can point its own name at
    loopback, but not make the browser send ours.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _require_entry(request, token, hosts)
            return await handler(request)
        except Refusal as refusal:
            return problem(refusal)
        except web.HTTPRequestEntityTooLarge:
            return problem(Refusal("api.too_large", "expected at most 16 MiB of body"))
        except web.HTTPNotFound:
            return problem(Refusal("api.not_found", f"nothing is at {request.path}"))
        except web.HTTPMethodNotAllowed as exc:
            allowed = ", ".join(sorted(exc.allowed_methods))
            return problem(Refusal("api.method", f"expected {allowed}, got {request.method}"))
        except Exception as exc:
            if isinstance(exc, ConnectionError) and request.transport is None:
                # Whoever asked went away in the middle of it, and nobody reads the answer.
                _LOG.info("%s %s: the client went away", request.method, request.path)
            else:
                # A fault of ours: its details go to the node's output and not to whoever asked.
                _LOG.exception("%s %s failed", request.method, request.path)
            return problem(Refusal("api.internal", "the node's output says what went wrong"))

    return check


def _require_entry(request: web.Request, token: str, hosts: frozenset[str]) -> None:
    if request.host not in hosts:
        raise Refusal("api.host", f"expected one of {sorted(hosts)}, got {request.host!r}")
    origin = request.headers.get("Origin")
    if origin is not None and origin.removeprefix("http://") not in hosts:
        raise Refusal("api.origin", f"expected no other site's page, got {origin!r}")
    given = request.headers.get("Authorization", "")
    # Headers are not always text: what is no UTF-8 comes as surrogates.
    if not hmac.compare_digest(given.encode(errors="replace"), f"Bearer {token}".encode()):
        raise Refusal("api.unauthorized", "expected the token of this node's home")
