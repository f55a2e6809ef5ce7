"""The handler for a federation's charter file: what a co-op that is to join is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from sheaf_node.charter_file import make_charter_file

if TYPE_CHECKING:
    from sheaf_node.api.models import FederationQuery
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked
    from sheaf_protocol.digest import FederationId


async def get_charter(parts: ApiParts, asked: Asked[FederationQuery, None]) -> web.Response:
    """Answer with a file of the whole chain and the key logs that it is checked by."""
    return charter_answer(parts, parts.federation(asked.query.federation))


def charter_answer(parts: ApiParts, fid: FederationId) -> web.Response:
    """Return the answer with the charter file of a federation."""
    data = make_charter_file(parts.store.chains[fid], parts.store.key_ops)
    name = f"{fid.hex()[:8]}.charter"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=data, content_type="application/octet-stream", headers=headers)
