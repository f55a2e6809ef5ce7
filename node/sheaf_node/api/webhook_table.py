"""Rows of the table of routes: webhooks, and kinds of extensions."""

from __future__ import annotations

from typing import Any, Final

from sheaf_node.api import webhooks
from sheaf_node.api.route import JsonBody, NoBody, NoQuery, Route, Scope
from sheaf_node.api.webhook_model import (
    Deliveries,
    InstalledKinds,
    KeptWebhook,
    NewWebhook,
    Replay,
    Replayed,
    RotatedWebhook,
    Webhooks,
)
from sheaf_node.webhooks import Rotation, Wanted

_KEPT: Final = frozenset({"webhook.file", "webhook.off"})
_NAMED: Final = _KEPT | {"webhook.unknown"}

WEBHOOK_ROUTES: Final[tuple[Route[Any, Any], ...]] = (
    # A webhook takes what members keep among themselves to wherever its address says, inside of
    # networks as well. So none of this is opened by a token that was given to somebody.
    Route(
        method="GET",
        path="/api/v1/webhooks",
        name="getWebhooks",
        summary="The webhooks of this node, oldest first, without their secrets",
        scope=Scope.HOME,
        query=NoQuery,
        body=NoBody(),
        replies={200: Webhooks},
        answer=webhooks.get_webhooks,
        codes=_KEPT,
    ),
    Route(
        method="POST",
        path="/api/v1/webhooks",
        name="createWebhook",
        summary="Makes a webhook, answers 201 with its secret",
        scope=Scope.HOME,
        query=NoQuery,
        body=JsonBody(Wanted),
        replies={201: NewWebhook},
        answer=webhooks.post_webhook,
        codes=_KEPT
        | {
            "api.json",
            "node.no_federation",
            "peer.inside",
            "webhook.full",
            "webhook.kind",
            "webhook.url",
        },
    ),
    Route(
        method="DELETE",
        path="/api/v1/webhooks/{webhook}",
        name="removeWebhook",
        summary="Forgets a webhook, by the first digits of its id",
        scope=Scope.HOME,
        query=NoQuery,
        body=NoBody(),
        replies={200: KeptWebhook},
        answer=webhooks.delete_webhook,
        codes=_NAMED,
    ),
    Route(
        method="POST",
        path="/api/v1/webhooks/{webhook}/rotate",
        name="rotateSecret",
        summary="Changes the secret of a webhook; those before hold for a while",
        scope=Scope.HOME,
        query=NoQuery,
        body=JsonBody(Rotation),
        replies={200: RotatedWebhook},
        answer=webhooks.post_rotate,
        codes=_NAMED | {"api.json"},
    ),
    Route(
        method="GET",
        path="/api/v1/webhooks/{webhook}/deliveries",
        name="getDeliveries",
        summary="What is, was and will be sent to a webhook",
        scope=Scope.HOME,
        query=NoQuery,
        body=NoBody(),
        replies={200: Deliveries},
        answer=webhooks.get_deliveries,
        codes=_NAMED,
    ),
    Route(
        method="POST",
        path="/api/v1/webhooks/{webhook}/replay",
        name="replayDeliveries",
        summary="Tries deliveries again, those named or all that were given up",
        scope=Scope.HOME,
        query=NoQuery,
        body=JsonBody(Replay),
        replies={200: Replayed},
        answer=webhooks.post_replay,
        codes=_NAMED | {"api.json"},
    ),
    Route(
        method="GET",
        path="/api/v1/kinds",
        name="getKinds",
        summary="The kinds of extensions that are installed here, with their schemas",
        scope=Scope.READ,
        query=NoQuery,
        body=NoBody(),
        replies={200: InstalledKinds},
        answer=webhooks.get_kinds,
    ),
)
