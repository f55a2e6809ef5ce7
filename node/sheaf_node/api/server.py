"""The local port of a node: opens it, and puts the table of routes behind it."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from sheaf_node.api.bearer import NOBODY, bearer_of
from sheaf_node.api.guard import Guard, hosts_of
from sheaf_node.api.http_server import Runner
from sheaf_node.api.idempotency import Idempotency
from sheaf_node.api.lateness import Lateness, Pulse
from sheaf_node.api.load import Allowance, AtWork
from sheaf_node.api.lookout import Lookout
from sheaf_node.api.openapi import document_bytes
from sheaf_node.api.parts import ApiParts
from sheaf_node.api.route import EVERYTHING
from sheaf_node.api.serving import admitting, handlers, outermost, reading, secure
from sheaf_node.api.session import Sessions
from sheaf_node.api.stream import Streams
from sheaf_node.api.table import ROUTES
from sheaf_node.config import Limits
from sheaf_node.erasing import Erasing
from sheaf_node.peering.aiohttp_listener import Gate
from sheaf_node.turns import Turns
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.api.probes import ProbeRoutes
    from sheaf_node.api.route import Route, Scope
    from sheaf_node.api.serving import Handler
    from sheaf_node.api.tokens import Tokens
    from sheaf_node.blobs import Fetching
    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.drafts import Drafts
    from sheaf_node.events import Arrivals
    from sheaf_node.ingest import Ingest
    from sheaf_node.joining import Inviting
    from sheaf_node.keyring import Keyring
    from sheaf_node.kinds import Kinds
    from sheaf_node.peering import Peering
    from sheaf_node.plugins import ServiceHost
    from sheaf_node.recovery import Standing
    from sheaf_node.remote import Remotes
    from sheaf_node.seats import Seating
    from sheaf_node.store import Store
    from sheaf_node.webhooks import Desk
    from sheaf_protocol.digest import FederationId

MAX_BODY: Final = 16 * 1024 * 1024
"""16 MiB: twice the largest file that an import takes, so that the import's own limit speaks."""
MAX_CONNECTIONS: Final = 128
"""More than requests of both sorts and streams at work, so that whoever asks too much gets an
answer; far less than the files a process may."""
HEAD_MS: Final = 10_000
"""How long a connection may be open before it shows the token."""
BODY_S: Final = 60
"""For a body to come. On one machine 16 MiB take a fraction of a second."""


def elapsed_ms() -> int:
    """Return milliseconds by a clock that does not jump."""
    return time.monotonic_ns() // 1_000_000


class LocalApi:
    """The local port of one node."""

    def __init__(
        self,
        *,
        token: str,
        port: int,
        store: Store,
        ingest: Ingest,
        keyring: Keyring,
        hosts: Mapping[FederationId, Mapping[str, ServiceHost]],
        peering: Peering | None,
        blobs: Fetching,
        arrivals: Arrivals,
        clock: Clock,
        random: Randomness,
        standing: Standing | None = None,
        probes: ProbeRoutes | None = None,
        inviting: Inviting | None = None,
        seating: Seating | None = None,
        remotes: Remotes | None = None,
        kinds: Kinds | None = None,
        webhooks: Desk | None = None,
        drafts: Drafts | None = None,
        limits: Limits | None = None,
        tokens: Tokens | None = None,
        turns: Turns | None = None,
        has_room: Callable[[], bool] = lambda: True,
        lateness: Lateness | None = None,
        grants: Mapping[str, frozenset[Scope]] | None = None,
        routes: Sequence[Route[Any, Any]] = ROUTES,
        body_s: float = BODY_S,
        head_ms: int = HEAD_MS,
    ) -> None:
        """`token` opens everything, `tokens` what each was made for; `grants` says what tokens of
        nobody's home open; `has_room` says whether the store takes one more
        change, and `lateness` how late the event loop is, which else is measured here.
        """
        self.port = port
        """The port; where 0 was given, the one that the system chose at `start`."""
        self._grants, self._routes = {**(grants or {}), token: EVERYTHING}, routes
        self._tokens, self._turns = tokens, turns or Turns()
        self._has_room = has_room
        self._lateness = Lateness() if lateness is None else lateness
        self._pulse = Pulse(self._lateness) if lateness is None else None
        self._remotes = remotes
        self._sessions = Sessions(now_ms=clock.now_ms, random=random)
        self._probes, self._random, self._body_s = probes, random, body_s
        self._head_ms = head_ms
        self._limits = Limits() if limits is None else limits
        self._idempotency = Idempotency(store, now_ms=clock.now_ms, random=random)
        self._streams = Streams(store=store, arrivals=arrivals, clock=clock, kinds=kinds)
        self._parts = ApiParts(
            store=store,
            ingest=ingest,
            keyring=keyring,
            erasing=Erasing(store, ingest, keyring.cid),
            hosts=hosts,
            peering=peering,
            blobs=blobs,
            standing=standing,
            streams=self._streams,
            sessions=self._sessions,
            inviting=inviting,
            seating=seating,
            remotes=remotes,
            kinds=kinds,
            webhooks=webhooks,
            drafts=drafts,
            beside=Lookout(remotes=remotes, webhooks=webhooks, seating=seating),
            document=document_bytes(routes),
        )
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._gate: Gate | None = None

    async def start(self) -> None:
        """Listen on loopback. Raises Refusal `api.port_in_use`, `api.port_refused`."""
        listener = _listen(self.port)
        self.port = listener.getsockname()[1]
        self._runner = Runner(self.app(), self._turns, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        self._gate = Gate(self._runner, most=MAX_CONNECTIONS, head_ms=self._head_ms)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._gate.accept, sock=listener)
        if self._pulse is not None:
            self._pulse.start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._pulse is not None:
            self._pulse.stop()
        if self._server is not None:
            self._server.close()
        self._streams.end()
        if self._remotes is not None:
            self._remotes.end()
        if self._runner is not None:
            await self._runner.cleanup()

    def app(self) -> web.Application:
        """Return the aiohttp application: the routes, and what is done alike for all of them."""
        limits = self._limits
        allowance = Allowance(limits.api_per_second, elapsed_ms())
        middlewares = [
            outermost(self._random),
            admitting(
                Guard(self._grants, self.port, tokens=self._tokens, sessions=self._sessions),
                allowance,
                AtWork(limits.api_requests),
                self._turns,
                elapsed_ms,
                lateness=self._lateness,
                has_room=self._has_room,
            ),
            self._spare,
            reading(self._body_s, allowance, elapsed_ms),
            self._idempotency.once,
        ]
        if self._probes is not None:
            middlewares.insert(0, self._probes.middleware(hosts_of(self.port)))
        app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY)
        app.on_response_prepare.append(secure)
        app.add_routes(handlers(self._routes, self._parts))
        app.add_routes([] if self._probes is None else self._probes.routes())
        return app

    @web.middleware
    async def _spare(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let whoever showed a token or a session take their time."""
        if self._gate is None or bearer_of(request) is NOBODY:
            return await handler(request)
        with self._gate.inside(request):
            return await handler(request)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            detail = f"expected port {port} to be free; set local_port in sheaf.toml to another"
            raise Refusal("api.port_in_use", detail) from exc
        detail = f"expected to listen on port {port}, got: {exc.strerror}; see local_port"
        raise Refusal("api.port_refused", f"{detail} in sheaf.toml") from exc
