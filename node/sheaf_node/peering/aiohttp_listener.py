"""The peer port on a real machine: the link's WebSocket, the well-known document, nothing else."""

from __future__ import annotations

import asyncio
import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from sheaf_node.peering.aiohttp_socket import CLOSE_S, AiohttpSocket
from sheaf_node.peering.network import LINK_PATH, WELL_KNOWN, not_an_address, port_in_use
from sheaf_protocol.limits import MAX_FRAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_node.config import Limits, Waits
    from sheaf_node.peering.network import Front


class AiohttpListener:
    """An open peer port; `head_ms` is how long a connection may take to become a link."""

    def __init__(self, front: Front, limits: Limits, waits: Waits, head_ms: int) -> None:
        self._front, self._limits, self._waits, self._head_ms = front, limits, waits, head_ms
        app = web.Application(client_max_size=1024)
        app.add_routes([web.get(LINK_PATH, self._link), web.get(WELL_KNOWN, self._well_known)])
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=75,
            shutdown_timeout=waits.stop_ms / 1000,
        )
        self._server: asyncio.Server | None = None
        self._gate: Gate | None = None
        self.port = 0

    async def open(self, host: str, port: int) -> None:
        """Listen. Raises Refusal `peer.port_in_use`, `peer.address`; nothing is held then."""
        await self._runner.setup()
        self._gate = Gate(self._runner, most=2 * self._limits.links, head_ms=self._head_ms)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._gate.accept, host, port, backlog=128)
        except OSError as exc:
            await self._runner.cleanup()
            if exc.errno == errno.EADDRINUSE:
                raise port_in_use(host, port) from exc
            raise not_an_address(host, port, str(exc.strerror)) from exc
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening, and end what is still connected."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    async def _link(self, request: web.Request) -> web.StreamResponse:
        knock = _Knock(request, idle_ms=self._waits.idle_ms)
        if self._gate is not None:
            with self._gate.inside(request):
                await self._front.answer(knock)
        return knock.response

    async def _well_known(self, request: web.Request) -> web.Response:
        """Answer with what a dialler may want to know before it dials."""
        return web.Response(text=self._front.document, content_type="application/json")


class Gate:
    """Connections to a port before they are of use: few, and not for long.

    aiohttp has no time limit for a request's head: one byte a minute would hold a connection for
    ever. And whoever opens connections without end would have all our file descriptors.
    """

    def __init__(self, runner: web.AppRunner, *, most: int, head_ms: int) -> None:
        self._runner, self._most, self._head_ms = runner, most, head_ms
        self._inside: set[web.RequestHandler] = set()
        self._known: set[web.RequestHandler] = set()

    def accept(self) -> asyncio.BaseProtocol:
        """Return aiohttp's handler of a new connection; where there are too many, end another."""
        server = self._runner.server
        if server is None or not self._make_room(server):
            return _Turned()
        handler = server()
        loop = asyncio.get_running_loop()
        loop.call_later(self._head_ms / 1000, self._drop_idle, handler)
        return handler

    @contextmanager
    def inside(self, request: web.Request) -> Iterator[None]:
        """Spare a connection while its request is being answered."""
        self._inside.add(request.protocol)
        self._known.add(request.protocol)
        try:
            yield
        finally:
            self._inside.discard(request.protocol)

    def _make_room(self, server: web.Server) -> bool:
        """Return whether one more is taken. The oldest that waits goes: an honest one is quick."""
        held = [h for h in server.connections if h.transport and not h.transport.is_closing()]
        self._known.intersection_update(held)
        if len(held) < self._most:
            return True
        oldest = next((handler for handler in held if handler not in self._inside), None)
        if oldest is None or oldest.transport is None:
            return False
        oldest.transport.abort()
        return True

    def _drop_idle(self, handler: web.RequestHandler) -> None:
        if handler.transport is not None and handler not in self._known:
            handler.transport.abort()


class _Knock:
    """A request for the link's WebSocket."""

    def __init__(self, request: web.Request, *, idle_ms: int) -> None:
        self._request, self._idle_ms = request, idle_ms
        self.response: web.StreamResponse = web.Response(
            status=503, text="link.busy", headers={"Retry-After": "30"}
        )
        self.address = request.remote or ""
        peer = request.transport.get_extra_info("peername") if request.transport else None
        self.name = f"{peer[0]}:{peer[1]}" if peer else ""

    async def accept(self) -> AiohttpSocket:
        """Upgrade to a WebSocket."""
        socket = web.WebSocketResponse(
            compress=False,
            # The link refuses what is larger than MAX_FRAME; aiohttp bounds the buffer.
            max_msg_size=MAX_FRAME + 1024,
            heartbeat=self._idle_ms / 1000,
            autoping=False,  # AiohttpSocket counts them
            timeout=CLOSE_S,
        )
        self.response = socket
        await socket.prepare(self._request)
        return AiohttpSocket(socket)

    async def refuse(self) -> None:
        """Let the request be answered with 503."""


class _Turned(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it at once."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()
