"""Makes aiohttp's application of the table of routes: what is done alike for every request.

From outside to inside: name the request, and turn whatever goes wrong into a problem; let it in;
count it; read its body, in limited time; then its row: read the query and the body, have it
answered, write the answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from aiohttp import web

from sheaf_node.api.bearer import bearer_of
from sheaf_node.api.problem import REQUEST_ID, problem
from sheaf_node.api.reading import read_query
from sheaf_node.api.route import Asked, NoBody, Reply, Scope
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp.typedefs import Middleware

    from sheaf_node.api.guard import Guard
    from sheaf_node.api.lateness import Lateness
    from sheaf_node.api.load import Allowance, AtWork
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Route
    from sheaf_node.clock import Randomness
    from sheaf_node.turns import Turns

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON: Final = "application/json"
MOST_OPEN: Final = 4_096
"""Bytes of a body from whoever has neither token nor session; a sign-in has a hundred."""
_FOR_BROWSERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_LOG: Final = logging.getLogger("sheaf.api")


def json_bytes(value: object) -> bytes:
    """Return a struct, or plain JSON values, as the body of an answer."""
    if isinstance(value, msgspec.Struct):
        return msgspec.json.encode(value)
    return json.dumps(value).encode()  # what services return is whatever `json.dumps` takes


def handlers(routes: Sequence[Route[Any, Any]], parts: ApiParts) -> list[web.RouteDef]:
    """Return the routes for aiohttp. A GET that ends has a HEAD."""
    return [_handler(route, parts) for route in routes]


def route_of(request: web.Request) -> Route[Any, Any] | None:
    """Return the row that a request is answered by; None where there is none."""
    return getattr(request.match_info.handler, "route", None)


def _handler(route: Route[Any, Any], parts: ApiParts) -> web.RouteDef:
    async def answer(request: web.Request) -> web.StreamResponse:
        return written(route, await route.answer(parts, await _asked(route, request)))

    answer.route = route  # type: ignore[attr-defined]  # where `route_of` finds it
    if route.method == "GET":
        return web.get(route.path, answer, allow_head=not route.is_stream)
    return web.route(route.method, route.path, answer)


async def _asked(route: Route[Any, Any], request: web.Request) -> Asked[Any, Any]:
    route.check_path(request.match_info)
    query, options = read_query(
        route.query, request.query.items(), takes_options=route.takes_options
    )
    data = b"" if isinstance(route.body, NoBody) else await request.read()
    return Asked(
        http=request,
        query=query,
        body=route.body.read(data),
        path=request.match_info,
        options=options,
        data=data,
    )


def written(route: Route[Any, Any], answer: object) -> web.StreamResponse:
    """Return what a handler answered as a response."""
    if isinstance(answer, web.StreamResponse):
        return answer
    reply = answer if isinstance(answer, Reply) else Reply(value=answer)
    if reply.status == web.HTTPNotModified.status_code:
        return web.Response(status=reply.status, headers=reply.headers)
    usual = next(iter(route.replies))
    return web.Response(
        status=usual if reply.status is None else reply.status,
        body=json_bytes(reply.value),
        content_type=JSON,
        charset="utf-8",
        headers=reply.headers,
    )


async def secure(request: web.Request, response: web.StreamResponse) -> None:
    """Tell browsers what they must not do with an answer: keep it, guess at it, frame it."""
    for name, value in _FOR_BROWSERS.items():
        response.headers.setdefault(name, value)


def outermost(random: Randomness) -> Middleware:
    """Return the middleware that names each request and answers every fault with a problem."""

    @web.middleware
    async def name(request: web.Request, handler: Handler) -> web.StreamResponse:
        REQUEST_ID.set(random(8).hex())
        try:
            return await handler(request)
        except Exception as exc:
            return _problem_of(request, exc)

    return name


def _problem_of(request: web.Request, exc: Exception) -> web.Response:
    match exc:
        case Refusal():
            return problem(exc)
        case web.HTTPRequestEntityTooLarge():
            return problem(Refusal("api.too_large", "expected at most 16 MiB of body"))
        case web.HTTPNotFound():
            return problem(Refusal("api.not_found", f"nothing is at {request.path}"))
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(exc.allowed_methods))
            refusal = Refusal("api.method", f"expected {allowed}, got {request.method}")
            return problem(refusal, headers={"Allow": allowed})
        case _:
            return _internal(request, exc)


def _internal(request: web.Request, exc: Exception) -> web.Response:
    if isinstance(exc, ConnectionError) and request.transport is None:
        # Whoever asked went away in the middle of it, and nobody reads the answer.
        _LOG.info("%s %s: the client went away", request.method, request.path)
    else:
        # A fault of ours: its details go to the node's output and not to whoever asked.
        named = (request.method, request.path, REQUEST_ID.get())
        _LOG.error("%s %s failed (request %s)", *named, exc_info=exc)
    return problem(Refusal("api.internal", "the node's output says what went wrong"))


def admitting(
    guard: Guard,
    allowance: Allowance,
    at_work: AtWork,
    turns: Turns,
    now_ms: Callable[[], int],
    *,
    lateness: Lateness,
    has_room: Callable[[], bool],
) -> Middleware:
    """Return the middleware that lets requests in, counts them and has peers wait for them.

    Who has neither token nor session takes nothing of what the others may ask. `has_room` says
    whether the store takes one more change.
    """

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = route_of(request)
        bearer = guard.admit(request, route)
        allowance.take(bearer, now_ms())
        if route is not None:
            is_write = is_command(route)
            lateness.require(is_write=is_write)
            if is_write and not has_room():
                detail = "expected room for a change, got as many as may wait for the disk"
                raise Refusal("api.busy", f"{detail} (limits.queued_commits); ask again later")
        if route is None or route.is_stream:
            return await handler(request)
        with at_work.one(route.scope), turns.own():
            return await handler(request)

    return admit


def is_command(route: Route[Any, Any]) -> bool:
    """Return whether a route asks for something to be changed.

    What services of other processes answer is none: they were asked, and somebody waits for it.
    """
    return route.method != "GET" and route.scope in {Scope.WRITE, Scope.HOME}


def _require_small(request: web.Request) -> None:
    """Refuse a body that would take our memory for nobody in particular (`api.too_large`)."""
    length = request.content_length
    if request.body_exists and (length is None or length > MOST_OPEN):
        detail = f"expected at most {MOST_OPEN} bytes of body, with its length"
        raise Refusal("api.too_large", detail)


def reading(body_s: float, allowance: Allowance, now_ms: Callable[[], int]) -> Middleware:
    """Return the middleware that reads bodies; aiohttp keeps what is read for whoever asks next.

    It is a request at work meanwhile, and a body of one byte a minute would be one for years. Of a
    service, which nobody here wrote, large bodies count as many requests.
    """

    @web.middleware
    async def read(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = route_of(request)
        if route is not None and not isinstance(route.body, NoBody):
            if route.scope is Scope.OPEN:
                _require_small(request)
            try:
                async with asyncio.timeout(body_s):
                    data = await request.read()
            except TimeoutError as exc:
                detail = f"expected the whole body within {body_s:.0f} s"
                raise Refusal("api.slow", detail) from exc
            if bearer_of(request).service is not None:
                allowance.weigh(bearer_of(request), len(data), now_ms())
        return await handler(request)

    return read
