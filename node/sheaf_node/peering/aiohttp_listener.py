"""The peer port on a real machine: the link's WebSocket, the well-known document, nothing else."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from sheaf_node.address import LINK_PATH
from sheaf_node.peering.aiohttp_socket import CLOSE_S, AiohttpSocket
from sheaf_node.peering.forwarded import FORWARDED, counted_address
from sheaf_node.peering.network import (
    MAX_POST,
    WELL_KNOWN,
    not_an_address,
    port_in_use,
)
from sheaf_node.peering.policy import Doors
from sheaf_protocol.limits import MAX_FRAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_node.config import Limits, Waits
    from sheaf_node.peering.forwarded import Networks
    from sheaf_node.peering.network import Front, Post

LEFT_S: Final = 1.0
"""For what is still connected once the links had their time to end (`waits.stop_ms`)."""
LOOKS: Final = 10
"""Looks in the time that a connection may wait, for those whose time is over or that are gone."""
MOST_POSTS: Final = 8
"""Posted requests at a time: 4 MiB of bodies at most."""
MOST_POSTS_PER_ADDRESS: Final = 4
"""Of these from one network address: who posts slowly leaves places to others."""


class AiohttpListener:
    """An open peer port; `head_ms` is how long a connection may take to become a link, and
    `trusted` are the proxies before it."""

    def __init__(
        self, front: Front, limits: Limits, waits: Waits, head_ms: int, trusted: Networks = ()
    ) -> None:
        self._front, self._limits, self._waits, self._head_ms = front, limits, waits, head_ms
        self._trusted = trusted
        app = web.Application(client_max_size=1024)
        app.add_routes([web.get(LINK_PATH, self._link), web.get(WELL_KNOWN, self._well_known)])
        app.add_routes([web.post(at, partial(self._post, do)) for at, do in front.posts.items()])
        self._posts = Doors(MOST_POSTS, MOST_POSTS_PER_ADDRESS)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=75,
            shutdown_timeout=LEFT_S,
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
        knock = _Knock(request, self._address(request), idle_ms=self._waits.idle_ms)
        if self._gate is not None:
            with self._gate.inside(request):
                await self._front.answer(knock)
        return knock.response

    async def _well_known(self, request: web.Request) -> web.Response:
        """Answer with what a dialler may want to know before it dials."""
        return web.Response(text=self._front.document, content_type="application/json")

    async def _post(self, post: Post, request: web.Request) -> web.Response:
        """Answer a posted request, and end its connection: a stranger is to hold none open."""
        address = self._address(request)
        if self._gate is None or not self._posts.enter(address):
            return web.Response(status=503, headers={"Retry-After": "5"})
        try:
            with self._gate.inside(request):
                response = await self._posted(post, request, address)
        finally:
            self._posts.leave(address)
        response.force_close()
        return response

    def _address(self, request: web.Request) -> str:
        """Return the address that limits count a request by."""
        told = request.headers.getall(FORWARDED, [])
        return counted_address(request.remote or "", told, self._trusted)

    async def _posted(self, post: Post, request: web.Request, address: str) -> web.Response:
        try:
            async with asyncio.timeout(self._head_ms / 1000):
                body = await _read(request)
        except TimeoutError:
            return web.Response(status=408)
        if body is None:
            return web.Response(status=413)
        posted = await post(body, address)
        return web.Response(
            status=posted.status, body=posted.body, content_type="application/octet-stream"
        )


async def _read(request: web.Request) -> bytes | None:
    """Return the body of a request, or None where it is larger than any may be."""
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > MAX_POST:
            return None
    return bytes(body)


class Gate:
    """Connections to a port before they are of use: few, and not for long.

    aiohttp has no time limit for a request's head: one byte a minute would hold a connection for
    ever. And whoever opens connections without end would have all our file descriptors.
    """

    def __init__(self, runner: web.AppRunner, *, most: int, head_ms: int) -> None:
        self._runner, self._most, self._head_s = runner, most, head_ms / 1_000
        self._inside: set[web.RequestHandler] = set()
        self._known: set[web.RequestHandler] = set()
        self._since_s: dict[web.RequestHandler, float] = {}
        """Since when those wait that have not been of use so far."""
        self._next_look: asyncio.TimerHandle | None = None

    def accept(self) -> asyncio.BaseProtocol:
        """Return aiohttp's handler of a new connection; where there are too many, end another."""
        server = self._runner.server
        if server is None or not self._make_room(server):
            return _Turned()
        handler = server()
        self._since_s[handler] = asyncio.get_running_loop().time()
        self._look_later()
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
        """Return whether one more is taken: else one that waits goes, of whoever has most such."""
        held = [h for h in server.connections if h.transport and not h.transport.is_closing()]
        self._known.intersection_update(held)
        if len(held) < self._most:
            return True
        waiting = [handler for handler in held if handler not in self._inside]
        if not waiting:
            return False
        _abort(waiting[first_to_go([_address(handler) for handler in waiting])])
        return True

    def _look_later(self) -> None:
        # One timer and not one for each: who connects and leaves at once would fill the memory
        # with what waits for its time.
        if self._next_look is None and self._since_s:
            loop = asyncio.get_running_loop()
            self._next_look = loop.call_later(self._head_s / LOOKS, self._look)

    def _look(self) -> None:
        """Drop those that have waited too long, and forget those that are of use or gone."""
        self._next_look = None
        now_s = asyncio.get_running_loop().time()
        for handler, since_s in list(self._since_s.items()):
            is_gone = handler.transport is None and now_s - since_s > self._head_s / LOOKS
            is_late = now_s - since_s >= self._head_s
            if is_gone or is_late or handler in self._known:
                del self._since_s[handler]
            if is_late and handler not in self._known:
                _abort(handler)
        self._look_later()


def first_to_go(addresses: Sequence[str]) -> int:
    """Return which of the connections that wait, oldest first, makes room for another.

    The oldest of the address that has most: an honest one is quick, and who opens connections
    without end shall not end those of others by it.
    """
    counts = Counter(addresses)
    most = max(counts.values())
    return next(at for at, address in enumerate(addresses) if counts[address] == most)


def _address(handler: web.RequestHandler) -> str:
    name = handler.transport.get_extra_info("peername") if handler.transport else None
    return str(name[0]) if name else ""


def _abort(handler: web.RequestHandler) -> None:
    if handler.transport is not None:
        handler.transport.abort()


class _Knock:
    """A request for the link's WebSocket."""

    def __init__(self, request: web.Request, address: str, *, idle_ms: int) -> None:
        self._request, self._idle_ms = request, idle_ms
        self.response: web.StreamResponse = web.Response(
            status=503, text="link.busy", headers={"Retry-After": "30"}
        )
        self.address = address
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
