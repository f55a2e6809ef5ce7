"""Routes of the local API. Each is a few lines over what the node already knows."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from aiohttp import web

from sheaf_node.api.guard import guard
from sheaf_node.api.json_view import entry_json, record_from_json, status_json
from sheaf_node.ingest import Draft
from sheaf_node.plugins import Call
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.ingest import Ingest
    from sheaf_node.keyring import Keyring
    from sheaf_node.peering import Peering
    from sheaf_node.plugins import ServiceHost
    from sheaf_node.store import Store
    from sheaf_protocol.digest import FederationId

MAX_BODY = 16 * 1024 * 1024
"""16 MiB: twice the largest file that an import takes, so that the import's own limit speaks."""
MAX_PAGE = 1_000


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
        services: Mapping[str, ServiceHost],
        peering: Peering | None,
    ) -> None:
        self._token = token
        self._port = port
        self._store = store
        self._ingest = ingest
        self._keyring = keyring
        self._services = services
        self._peering = peering
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on loopback. Raises Refusal `api.port_in_use`."""
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
        except OSError as exc:
            await runner.cleanup()
            if exc.errno != errno.EADDRINUSE:
                raise
            detail = f"expected port {self._port} to be free; set local_port in sheaf.toml"
            raise Refusal("api.port_in_use", detail) from exc
        self._runner = runner

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def app(self) -> web.Application:
        """Return the aiohttp application: routes and their guard."""
        hosts = frozenset({f"127.0.0.1:{self._port}", f"localhost:{self._port}"})
        app = web.Application(middlewares=[guard(self._token, hosts)], client_max_size=MAX_BODY)
        app.add_routes(
            [
                web.get("/api/v1/status", self.get_status),
                web.get("/api/v1/log", self.get_log),
                web.post("/api/v1/records/{kind}", self.post_record),
                web.get("/api/v1/services/{service}/{view}", self.get_view),
                web.post("/api/v1/services/{service}/{command}", self.post_command),
            ]
        )
        return app

    async def get_status(self, request: web.Request) -> web.Response:
        """Answer with what the node is, holds and is linked to."""
        peers = [] if self._peering is None else self._peering.peers()
        return web.json_response(
            status_json(self._store, self._ingest, self._keyring, peers, self._services)
        )

    async def get_log(self, request: web.Request) -> web.Response:
        """Answer with a page of entries in the order of arrival; `next` continues it."""
        after = _number(request, "after", 0, 2**53 - 1)
        limit = _number(request, "limit", 100, MAX_PAGE)
        entries = self._store.entries_after(after, limit)
        items = [entry_json(entry) for entry in entries]
        body = {"items": items, "next": entries[-1].arrival if entries else None}
        return web.json_response(body)

    async def post_record(self, request: web.Request) -> web.Response:
        """Publish one record given as JSON under this node's writer; answer with its id."""
        kind = request.match_info["kind"]
        record, refs = record_from_json(kind, await request.read())
        draft = Draft(kind=kind, refs=refs, body=encode(record))
        [entry] = await self._ingest.publish(self._federation(), [draft])
        return web.json_response(entry_json(entry), status=201)

    async def get_view(self, request: web.Request) -> web.Response:
        """Answer with a service's view."""
        host = self._service(request)
        call = Call(options=dict(request.query))
        return web.json_response(await host.view(request.match_info["view"], call))

    async def post_command(self, request: web.Request) -> web.Response:
        """Carry out a service's command; answer once its entries are durable."""
        host = self._service(request)
        call = Call(body=await request.read(), options=dict(request.query))
        return web.json_response(await host.command(request.match_info["command"], call))

    def _federation(self) -> FederationId:
        for fid in self._ingest.federations:
            return fid
        raise Refusal(
            "node.no_federation", "expected the node to be in a federation; it is in none"
        )

    def _service(self, request: web.Request) -> ServiceHost:
        name = request.match_info["service"]
        host = self._services.get(name)
        if host is None:
            known = ", ".join(sorted(self._services)) or "none; the node is in no federation"
            raise Refusal("service.unknown", f"expected a running service ({known}), got {name!r}")
        return host


def _number(request: web.Request, name: str, default: int, ceiling: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal() or not 0 <= int(text) <= ceiling:
        raise Refusal("api.query", f"expected {name} from 0 to {ceiling}, got {text!r}")
    return int(text)
