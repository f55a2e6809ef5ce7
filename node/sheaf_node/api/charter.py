"""The route for a federation's charter file: what a co-op that is to join is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from sheaf_node.charter_file import make_charter_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_node.store import Store
    from sheaf_protocol.digest import FederationId


class CharterRoutes:
    """`/api/v1/charter`; `federation` tells the one that a request means, or refuses."""

    def __init__(self, store: Store, federation: Callable[[web.Request], FederationId]) -> None:
        self._store, self._federation = store, federation

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/api/v1/charter", self.get_charter)]

    async def get_charter(self, request: web.Request) -> web.Response:
        """Answer with a file of the whole chain and the key logs that it is checked by."""
        fid = self._federation(request)
        data = make_charter_file(self._store.chains[fid], self._store.key_ops)
        name = f"{fid.hex()[:8]}.charter"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=data, content_type="application/octet-stream", headers=headers)
