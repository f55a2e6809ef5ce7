"""Routes by which a co-op erases entries of its own and restores them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.erasing import Erasing
    from sheaf_node.store import StoredEntry

_REASON = re.compile(r"[a-z0-9_]{1,32}(\.[a-z0-9_]{1,32})?")


class ErasureRoutes:
    """Erase and restore, for the local API."""

    def __init__(self, erasing: Erasing) -> None:
        self._erasing = erasing

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/api/v1/entries/{entry}/erase", self.post_erase),
            web.post("/api/v1/entries/{entry}/restore", self.post_restore),
        ]

    async def post_erase(self, request: web.Request) -> web.Response:
        """Erase an entry; answer with when its payload is deleted here."""
        reason = request.query.get("reason")
        if reason is not None and not _REASON.fullmatch(reason):
            detail = f"expected reason as a code such as personal_data, got {reason[:40]!r}"
            raise Refusal("api.query", detail)
        erased = await self._erasing.erase(request.match_info["entry"], reason)
        told = _entry_json(erased.entry)
        return web.json_response({**told, "deleted_at_ms": erased.deleted_at_ms})

    async def post_restore(self, request: web.Request) -> web.Response:
        """Take back what erases an entry."""
        entry = await self._erasing.restore(request.match_info["entry"])
        is_here = bool(entry.envelope.payload)
        return web.json_response({**_entry_json(entry), "is_here": is_here})


def _entry_json(entry: StoredEntry) -> dict[str, Any]:
    return {"id": entry.id.hex(), "kind": entry.kind, "seq": entry.header.seq}
