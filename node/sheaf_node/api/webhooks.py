"""Handlers by which a co-op's people make, list, remove and replay webhooks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from sheaf_node.api.extension import Fitting
from sheaf_node.api.json_view import entry_json
from sheaf_node.api.route import Reply
from sheaf_node.api.serving import json_bytes
from sheaf_node.api.webhook_model import (
    Deliveries,
    Event,
    InstalledKinds,
    KeptDelivery,
    KeptKind,
    KeptWebhook,
    NewWebhook,
    Replayed,
    RotatedWebhook,
    Webhooks,
)
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked, NoQuery
    from sheaf_node.api.webhook_model import Replay
    from sheaf_node.kinds import Kinds
    from sheaf_node.store import StoredEntry
    from sheaf_node.webhooks import Delivery, Desk, Rotation, Wanted, Webhook

_LAST_MS: Final = 253_402_300_799_000
"""The end of the year 9999, beyond which no calendar of ours writes a time."""


async def get_webhooks(parts: ApiParts, asked: Asked[NoQuery, None]) -> Webhooks:
    """Return all webhooks, oldest first, without their secrets."""
    return Webhooks(webhooks=[_kept(each) for each in await _desk(parts).listed()])


async def post_webhook(parts: ApiParts, asked: Asked[NoQuery, Wanted]) -> Reply:
    """Make a webhook; the answer is the only place that its secret stands in."""
    made = await _desk(parts).add(asked.body)
    told = NewWebhook(**msgspec.structs.asdict(_kept(made)), secret=made.secret)
    return Reply(value=told, status=201, headers={"Cache-Control": "no-store"})


async def delete_webhook(parts: ApiParts, asked: Asked[NoQuery, None]) -> KeptWebhook:
    """Forget the webhook whose id begins so; return it as it was."""
    return _kept(await _desk(parts).remove(asked.path["webhook"]))


async def post_rotate(parts: ApiParts, asked: Asked[NoQuery, Rotation]) -> Reply:
    """Change the secret of a webhook; the answer is the only place that the new one stands in."""
    made = await _desk(parts).rotate(asked.path["webhook"], asked.body)
    told = RotatedWebhook(
        **msgspec.structs.asdict(_kept(made)),
        secret=made.secret,
        old_secrets_until_ms=[each.until_ms for each in made.old_secrets],
    )
    return Reply(value=told, headers={"Cache-Control": "no-store"})


async def get_deliveries(parts: ApiParts, asked: Asked[NoQuery, None]) -> Deliveries:
    """Return what is, was and will be sent to a webhook, as far back as is kept."""
    found = await _desk(parts).deliveries(asked.path["webhook"])
    return Deliveries(deliveries=[_delivery(each) for each in found])


async def post_replay(parts: ApiParts, asked: Asked[NoQuery, Replay]) -> Replayed:
    """Have deliveries tried again, and a webhook that was ended go on."""
    named = asked.body.deliveries or None
    return Replayed(replayed=await _desk(parts).replay(asked.path["webhook"], named))


async def get_kinds(parts: ApiParts, asked: Asked[NoQuery, None]) -> InstalledKinds:
    """Return the kinds of extensions that are installed here, with their schemas."""
    installed = {} if parts.kinds is None else parts.kinds.installed()
    return InstalledKinds(
        kinds=[
            KeptKind(
                kind=each.kind,
                title=each.title,
                description=each.description,
                json_schema=each.schema,
            )
            for each in installed.values()
        ]
    )


def event_bytes(entry: StoredEntry, kinds: Kinds | None) -> bytes:
    """Return what a webhook is sent of an entry: its kind, its time, and what the log shows."""
    time_ms = min(entry.header.time_ms, _LAST_MS)
    time = datetime.fromtimestamp(time_ms // 1_000, UTC).replace(
        microsecond=time_ms % 1_000 * 1_000
    )
    timestamp = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = Event(type=entry.kind, timestamp=timestamp, data=entry_json(entry, Fitting(kinds)))
    return json_bytes(event)


def _desk(parts: ApiParts) -> Desk:
    if parts.webhooks is None:
        raise Refusal("webhook.off", "expected a node that runs for a home, which sends")
    return parts.webhooks


def _kept(webhook: Webhook) -> KeptWebhook:
    return KeptWebhook(
        id=webhook.id,
        url=webhook.url,
        kinds=webhook.kinds,
        fid=None if webhook.fid is None else webhook.fid.hex(),
        allow_loopback=webhook.allow_loopback,
        state=webhook.state.value,
        created_ms=webhook.created_ms,
        cursor=webhook.cursor,
        failing_since_ms=webhook.failing_since_ms,
    )


def _delivery(delivery: Delivery) -> KeptDelivery:
    return KeptDelivery(
        id=delivery.id,
        entry=delivery.entry.hex(),
        arrival=delivery.arrival,
        kind=delivery.kind,
        stage=delivery.stage.value,
        tries=delivery.tries,
        next_ms=delivery.next_ms,
        result=delivery.result,
    )
