"""Handlers for what the node is, and for what its API is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from sheaf_node.api.json_view import status_json

if TYPE_CHECKING:
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked, NoQuery
    from sheaf_node.api.status_model import Status


async def get_status(parts: ApiParts, asked: Asked[NoQuery, None]) -> Status:
    """Return what the node is, holds and is linked to."""
    return status_json(
        parts.store,
        parts.ingest,
        parts.keyring,
        peers=[] if parts.peering is None else parts.peering.peers(),
        dials=[] if parts.peering is None else parts.peering.dials(),
        hosts=parts.hosts,
        standing=parts.standing,
        down=frozenset() if parts.remotes is None else parts.remotes.down,
        beside=await parts.beside.look(),
    )


async def get_document(parts: ApiParts, asked: Asked[NoQuery, None]) -> web.Response:
    """Answer with the OpenAPI document of this node's own routes."""
    return web.Response(body=parts.document, content_type="application/json")
