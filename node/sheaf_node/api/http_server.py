"""aiohttp's server, with our problems for what never reaches a route.

What is no HTTP, or expects what no server does, aiohttp answers by itself, as plain text.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from sheaf_node.api.problem import REQUEST_ID, problem
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.turns import Turns


_HOW: Final[Mapping[str, Any]] = {
    "access_log": None,
    # A kilobyte of gzip may stand for a megabyte, and nobody here sends any.
    "auto_decompress": False,
    "keepalive_timeout": 75,
    # How long what is left of a refused body is read on, so that the refusal is: 2 s is 2 GiB here.
    "lingering_time": 2.0,
}


_LOG: Final = logging.getLogger("sheaf.api")


class _Handler(web.RequestHandler):
    """One connection."""

    __slots__ = ("_turns",)

    def __init__(self, server: web.Server, turns: Turns, **how: Any) -> None:
        super().__init__(server, **how)
        self._turns = turns

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request. It takes some passes of the loop until one is at work."""
        self._turns.expect()
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the problem for a request that cannot be read.

        What aiohttp says of it quotes the line at fault, which may be the one with the token: so
        neither the answer nor the output has it. Raises ConnectionError once an answer has begun.
        """
        if status < web.HTTPInternalServerError.status_code:
            _LOG.info("a request was no HTTP: %s", type(exc).__name__)
        else:
            _LOG.error("a request failed outside of all routes", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("expected to answer, got a fault while an answer was sent")
        return _closing(status)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response; for what aiohttp raised outside of all routes, a problem."""
        if isinstance(resp, web.HTTPException):
            resp = _closing(resp.status)
        return await super().finish_response(request, resp, start_time)


def _closing(status: int) -> web.Response:
    REQUEST_ID.set("unread")
    if status < web.HTTPInternalServerError.status_code:
        refusal = Refusal("api.http", "expected a request as HTTP/1.1 has it")
        response = problem(refusal, status=status)
    else:
        response = problem(Refusal("api.internal", "the node's output says what went wrong"))
    response.force_close()
    return response


class _Server(web.Server):
    """Makes a handler for each connection."""

    def __init__(self, made: web.Server, turns: Turns) -> None:
        super().__init__(made.request_handler, request_factory=made.request_factory)
        self._turns = turns

    def __call__(self) -> web.RequestHandler:
        """Return the handler of a new connection."""
        return _Handler(self, self._turns, loop=asyncio.get_running_loop(), **_HOW)


class Runner(web.AppRunner):
    """Runs an application on the local port."""

    __slots__ = ("_turns",)

    def __init__(self, app: web.Application, turns: Turns, **how: Any) -> None:
        super().__init__(app, **how)
        self._turns = turns

    async def _make_server(self) -> web.Server:
        """Return the server of the application; the hook that aiohttp's runners are made of."""
        return _Server(await super()._make_server(), self._turns)
