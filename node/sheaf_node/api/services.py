"""Handlers for what services show and do. Their answers are their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.api.idempotency import receipt_for
from sheaf_node.plugins import Call

if TYPE_CHECKING:
    from sheaf_node.api.models import FederationQuery
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked
    from sheaf_node.plugins import Json
    from sheaf_node.store.receipt import NewReceipt


async def get_view(parts: ApiParts, asked: Asked[FederationQuery, None]) -> Json:
    """Return a service's view."""
    host = parts.service(asked.query.federation, asked.path["service"])
    return await host.view(asked.path["name"], Call(options=asked.options))


async def post_command(parts: ApiParts, asked: Asked[FederationQuery, bytes]) -> Json:
    """Carry out a service's command; return its answer once its entries are durable."""
    host = parts.service(asked.query.federation, asked.path["service"])
    call = Call(body=asked.body, options=asked.options)

    def receipt_of(reply: Json) -> NewReceipt | None:
        return receipt_for(asked.http, lambda _: reply)

    return await host.command(asked.path["name"], call, receipt_of)
