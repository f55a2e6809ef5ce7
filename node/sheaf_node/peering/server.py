"""The peer port: the link's WebSocket and the well-known document, and nothing else."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import TYPE_CHECKING, Final

from aiohttp import web

from sheaf_node.peering.policy import Doors
from sheaf_node.peering.runner import CLOSE_S
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import HANDSHAKE_MS, MAX_FRAME

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sheaf_node.config import Config
    from sheaf_node.keyring import Keyring

LINK_PATH: Final = "/sheaf/1/link"
WELL_KNOWN: Final = "/.well-known/sheaf"
_LOG = logging.getLogger("sheaf.peering")


class PeerServer:
    """Listens for peers.

    `run` is called with each accepted socket and its remote address; `head_ms` is how long a
    connection may take to become a link.
    """

    def __init__(
        self,
        config: Config,
        keyring: Keyring,
        run: Callable[[web.WebSocketResponse, str], Awaitable[None]],
        *,
        head_ms: int = HANDSHAKE_MS,
    ) -> None:
        self._config, self._keyring, self._run = config, keyring, run
        self._head_ms = head_ms
        self._doors = Doors(config.limits.links, config.limits.links_per_address)
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._linked: set[object] = set()
        self.port = config.peer_port

    async def start(self) -> None:
        """Listen. Raises Refusal `peer.port_in_use`, `peer.address`."""
        app = web.Application(client_max_size=1024)
        app.add_routes([web.get(LINK_PATH, self._link), web.get(WELL_KNOWN, self._well_known)])
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=75,
            shutdown_timeout=self._config.waits.stop_ms / 1000,
        )
        await self._runner.setup()
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._accept, self._config.peer_host, self._config.peer_port, backlog=128
            )
        except OSError as exc:
            await self._runner.cleanup()
            raise _refusal(exc, self._config) from exc
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening; links end before this is called."""
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def _accept(self) -> asyncio.BaseProtocol:
        """Return aiohttp's handler of a new connection, which must become a link soon."""
        server = None if self._runner is None else self._runner.server
        if server is None or len(server.connections) >= 2 * self._config.limits.links:
            return _Turned()
        handler = server()
        # aiohttp has no time limit for the first request's head: one byte a minute would hold a
        # connection for ever.
        loop = asyncio.get_running_loop()
        loop.call_later(self._head_ms / 1000, self._drop_idle, handler)
        return handler

    def _drop_idle(self, handler: web.RequestHandler) -> None:
        if handler.transport is not None and handler not in self._linked:
            handler.transport.abort()

    async def _link(self, request: web.Request) -> web.StreamResponse:
        address = request.remote or ""
        if not self._doors.enter(address):
            return web.Response(status=503, text="link.busy", headers={"Retry-After": "30"})
        self._linked.add(request.protocol)
        try:
            socket = web.WebSocketResponse(
                compress=False,
                # The link refuses what is larger than MAX_FRAME; aiohttp bounds the buffer.
                max_msg_size=MAX_FRAME + 1024,
                heartbeat=self._config.waits.idle_ms / 1000,
                timeout=CLOSE_S,
            )
            await socket.prepare(request)
            await self._run(socket, _remote(request))
            return socket
        finally:
            self._linked.discard(request.protocol)
            self._doors.leave(address)

    async def _well_known(self, request: web.Request) -> web.Response:
        """Answer with what a dialler may want to know before it dials."""
        return web.json_response(
            {
                "versions": [1],
                "cid": self._keyring.cid.hex(),
                "wid": self._keyring.wid.hex(),
                "name": self._config.name,
            }
        )


class _Turned(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it at once."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def _remote(request: web.Request) -> str:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return f"{peer[0]}:{peer[1]}" if peer else ""


def _refusal(exc: OSError, config: Config) -> Refusal:
    where = f"{config.peer_host}:{config.peer_port}"
    if exc.errno == errno.EADDRINUSE:
        detail = f"expected port {where} to be free; set peer_port in sheaf.toml to another"
        return Refusal("peer.port_in_use", detail)
    detail = f"expected an address to listen on, got {where}: {exc.strerror}; see peer_host"
    return Refusal("peer.address", detail)
