"""What the routes of webhooks, and of kinds of extensions, take and answer."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sheaf_node.api.models import Entry


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook is sent of an entry, in the form that Standard Webhooks recommends."""

    type: str
    """The entry's kind."""
    timestamp: str
    """When its author says it wrote, as RFC 3339 has it."""
    data: Entry
    """The entry as the log shows it."""


class KeptWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook as its co-op sees it, without its secret."""

    id: str
    url: str
    kinds: list[str]
    fid: str | None
    """The federation whose entries are sent; null for all."""
    allow_loopback: bool
    state: str
    """`active`, `failed`, `gone`, or `held` where it came back with a restore."""
    created_ms: int
    cursor: int
    """The arrival number up to which entries were looked at."""
    failing_since_ms: int | None
    """When the first try failed since the last that did not."""


class RotatedWebhook(KeptWebhook, frozen=True, kw_only=True):
    """A webhook after its secret was changed. The new one stands nowhere else."""

    secret: str
    old_secrets_until_ms: list[int]
    """Until when deliveries are signed by those before as well."""


class NewWebhook(KeptWebhook, frozen=True, kw_only=True):
    """A new webhook. Its secret stands nowhere else."""

    secret: str


class Webhooks(msgspec.Struct, frozen=True, kw_only=True):
    """All that are kept, oldest first."""

    webhooks: list[KeptWebhook]


class KeptDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One entry on its way to a webhook."""

    id: str
    """The `webhook-id` that the receiver sees, the same at each try."""
    entry: str
    arrival: int
    kind: str
    stage: str
    """`pending`, `delivered` or `dead`."""
    tries: int
    next_ms: int
    """When it is tried; of one that is not pending, when it was tried last."""
    result: str
    """What the last try came to."""


class Deliveries(msgspec.Struct, frozen=True, kw_only=True):
    """Deliveries of one webhook, those of the newest entries first."""

    deliveries: list[KeptDelivery]


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries are to be tried again."""

    deliveries: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=80)]],
        Meta(max_length=1_000),
    ] = []
    """All that were given up, where none is named."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries will be tried again."""

    replayed: int


class KeptKind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of an extension that is installed here."""

    kind: str
    title: str
    description: str
    json_schema: Any


class InstalledKinds(msgspec.Struct, frozen=True, kw_only=True):
    """All that are installed."""

    kinds: list[KeptKind]
