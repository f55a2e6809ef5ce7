"""Routes of the local API. Each is a few lines over what the node already knows."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

from aiohttp import web

from sheaf_node.api.blobs import BlobRoutes
from sheaf_node.api.charter import CharterRoutes
from sheaf_node.api.erasure import ErasureRoutes
from sheaf_node.api.guard import Handler, guard
from sheaf_node.api.json_view import entry_json, record_from_json, status_json
from sheaf_node.erasing import Erasing
from sheaf_node.hosting import choose_federation, require_host
from sheaf_node.ingest import Draft
from sheaf_node.peering.aiohttp_listener import Gate
from sheaf_node.plugins import Call
from sheaf_node.recovery import report
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.blobs import Fetching
    from sheaf_node.ingest import Ingest
    from sheaf_node.keyring import Keyring
    from sheaf_node.peering import Peering
    from sheaf_node.plugins import ServiceHost
    from sheaf_node.recovery import Standing
    from sheaf_node.store import Store
    from sheaf_protocol.digest import FederationId

FEDERATION = "federation"
"""The query parameter that names a federation by the beginning of its id."""
MAX_BODY = 16 * 1024 * 1024
"""16 MiB: twice the largest file that an import takes, so that the import's own limit speaks."""
MAX_PAGE = 1_000
MAX_CONNECTIONS = 64
"""Far more than the programs of one co-op open, far less than the files a process may."""
HEAD_MS = 10_000
"""How long a connection may be open before it shows the token."""


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
        standing: Standing | None = None,
    ) -> None:
        self._token = token
        self.port = port
        """The port; where 0 was given, the one that the system chose at `start`."""
        self._store = store
        self._ingest = ingest
        self._keyring = keyring
        self._erasing = Erasing(store, ingest, keyring.cid)
        self._hosts = hosts
        self._peering = peering
        self._standing = standing
        self._blobs = BlobRoutes(blobs, self._federation)
        self._charters = CharterRoutes(store, self._federation)
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._gate: Gate | None = None

    async def start(self) -> None:
        """Listen on loopback. Raises Refusal `api.port_in_use`, `api.port_refused`."""
        listener = _listen(self.port)
        self.port = listener.getsockname()[1]
        self._runner = web.AppRunner(
            self.app(),
            access_log=None,
            # A kilobyte of gzip may stand for a megabyte, and nobody here sends any.
            auto_decompress=False,
            keepalive_timeout=75,
            shutdown_timeout=1.0,
        )
        await self._runner.setup()
        self._gate = Gate(self._runner, most=MAX_CONNECTIONS, head_ms=HEAD_MS)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._gate.accept, sock=listener)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def app(self) -> web.Application:
        """Return the aiohttp application: routes and their guard."""
        hosts = frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})
        middlewares = [guard(self._token, hosts), self._spare]
        app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY)
        app.add_routes(
            [
                web.get("/api/v1/status", self.get_status),
                web.get("/api/v1/log", self.get_log),
                web.post("/api/v1/records/{kind}", self.post_record),
                web.get("/api/v1/services/{service}/{view}", self.get_view),
                web.post("/api/v1/services/{service}/{command}", self.post_command),
                *self._blobs.routes(),
                *self._charters.routes(),
                *ErasureRoutes(self._erasing).routes(),
            ]
        )
        return app

    @web.middleware
    async def _spare(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let whoever showed the token take its time."""
        if self._gate is None:
            return await handler(request)
        with self._gate.inside(request):
            return await handler(request)

    async def get_status(self, request: web.Request) -> web.Response:
        """Answer with what the node is, holds and is linked to."""
        peers = [] if self._peering is None else self._peering.peers()
        dials = [] if self._peering is None else self._peering.dials()
        body = status_json(
            self._store,
            self._ingest,
            self._keyring,
            peers=peers,
            dials=dials,
            hosts=self._hosts,
        )
        return web.json_response({**body, "recovery": report(self._standing)})

    async def get_log(self, request: web.Request) -> web.Response:
        """Answer with a page of entries in the order of arrival; `next` continues it.

        Those of other federations than the one named are left out of the page.
        """
        after = _number(request, "after", 0, range(2**53))
        limit = _number(request, "limit", 100, range(1, MAX_PAGE + 1))
        fid = self._federation(request) if FEDERATION in request.query else None
        entries = self._store.entries_after(after, limit)
        items = [entry_json(entry) for entry in entries if fid in {None, entry.header.fid}]
        body = {"items": items, "next": entries[-1].arrival if entries else None}
        return web.json_response(body)

    async def post_record(self, request: web.Request) -> web.Response:
        """Publish one record given as JSON under this node's writer; answer with its id."""
        kind = request.match_info["kind"]
        record, refs = record_from_json(kind, await request.read())
        draft = Draft(kind=kind, refs=refs, body=encode(record))
        [entry] = await self._ingest.publish(self._federation(request), [draft])
        return web.json_response(entry_json(entry), status=201)

    async def get_view(self, request: web.Request) -> web.Response:
        """Answer with a service's view."""
        host = self._service(request)
        call = Call(options=_options(request))
        return web.json_response(await host.view(request.match_info["view"], call))

    async def post_command(self, request: web.Request) -> web.Response:
        """Carry out a service's command; answer once its entries are durable."""
        host = self._service(request)
        call = Call(body=await request.read(), options=_options(request))
        return web.json_response(await host.command(request.match_info["command"], call))

    def _federation(self, request: web.Request) -> FederationId:
        """Return the federation that a request names, or the first where it names none."""
        return choose_federation(self._ingest.federations, request.query.get(FEDERATION))

    def _service(self, request: web.Request) -> ServiceHost:
        fid = self._federation(request)
        return require_host(self._hosts, fid, request.match_info["service"])


def _options(request: web.Request) -> dict[str, str]:
    """Return what a request asks of a service; which federation's is settled by then."""
    return {name: value for name, value in request.query.items() if name != FEDERATION}


def _number(request: web.Request, name: str, default: int, allowed: range) -> int:
    text = request.query.get(name, str(default))
    # Sixteen digits are enough for 2^53; Python refuses to read thousands of them.
    if not (text.isascii() and text.isdecimal() and len(text) <= 16) or int(text) not in allowed:
        detail = f"expected {name} from {allowed[0]} to {allowed[-1]}, got {text[:40]!r}"
        raise Refusal("api.query", detail)
    return int(text)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            detail = f"expected port {port} to be free; set local_port in sheaf.toml to another"
            raise Refusal("api.port_in_use", detail) from exc
        detail = f"expected to listen on port {port}, got: {exc.strerror}; see local_port"
        raise Refusal("api.port_refused", f"{detail} in sheaf.toml") from exc
