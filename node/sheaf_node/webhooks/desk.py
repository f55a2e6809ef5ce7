"""What a co-op's people do with its webhooks: add, look, remove, replay."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, structs

from sheaf_node.events import Counter
from sheaf_node.peering.reach import Reach
from sheaf_node.short_ids import fitting, only
from sheaf_node.webhooks.address import MAX_URL, require_url
from sheaf_node.webhooks.model import EVERY_KIND, State, Webhook
from sheaf_node.webhooks.signature import new_secret
from sheaf_protocol.envelope import SEALED
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import KINDS, PRIVATE
from sheaf_protocol.records.extension import is_extension

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.store import Store
    from sheaf_node.webhooks.ledger import Ledger
    from sheaf_node.webhooks.model import Backlog, Delivery
    from sheaf_protocol.digest import FederationId

MOST: Final = 16
"""Webhooks of one home: each has a task, and a connection at a time."""
MOST_KINDS: Final = 64
MOST_LISTED: Final = 1_000
KEEP_MS: Final = 24 * 3_600_000
MOST_KEEP_MS: Final = 30 * 24 * 3_600_000
"""A secret that still holds long after another took its place was not changed at all."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a new webhook is to be."""

    url: Annotated[str, Meta(min_length=1, max_length=MAX_URL)]
    kinds: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=24)]],
        Meta(min_length=1, max_length=MOST_KINDS),
    ]
    """Kinds of entries; `*` for all."""
    federation: Annotated[str, Meta(pattern=r"\A[0-9a-f]{0,64}\Z")] = ""
    """The first digits of a federation's id; all federations where it is empty."""
    allow_loopback: bool = False
    """Whether the receiver may be on this computer."""


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a webhook's secret is to be changed."""

    keep_ms: Annotated[int, Meta(ge=0, le=MOST_KEEP_MS)] = KEEP_MS
    """How long deliveries are signed by the secrets before as well; 0 where one is known to others.
    """


class Desk:
    """The webhooks of one home."""

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        federation: Callable[[str], FederationId],
        *,
        clock: Clock,
        random: Randomness,
    ) -> None:
        """`federation` returns the one whose id begins so, or raises Refusal."""
        self._ledger, self._store, self._federation = ledger, store, federation
        self._clock, self._random = clock, random
        self.changes = Counter()
        """Grows whenever a webhook comes, goes or is to try again."""

    async def listed(self) -> list[Webhook]:
        """Return all, oldest first."""
        return await asyncio.to_thread(self._ledger.webhooks)

    async def backlogs(self) -> dict[str, Backlog]:
        """Return what each webhook has not got rid of, by id."""
        return await asyncio.to_thread(self._ledger.backlogs)

    async def add(self, wanted: Wanted) -> Webhook:
        """Keep a new webhook, which is sent what arrives from now on. Its secret is in it.

        Raises Refusal `webhook.url`, `webhook.kind`, `webhook.full`, `webhook.file`, `peer.inside`.
        """
        require_url(wanted.url, reach_of(wanted.allow_loopback))
        _require_kinds(wanted.kinds)
        fid = self._federation(wanted.federation) if wanted.federation else None
        if len(await self.listed()) >= MOST:
            detail = f"expected at most {MOST} webhooks; `sheaf webhook remove` one"
            raise Refusal("webhook.full", detail)
        webhook = Webhook(
            id=self._random(8).hex(),
            url=wanted.url,
            secret=new_secret(self._random),
            kinds=sorted(set(wanted.kinds)),
            fid=fid,
            allow_loopback=wanted.allow_loopback,
            created_ms=self._clock.now_ms(),
            cursor=self._store.arrival,
        )
        await asyncio.to_thread(self._ledger.keep, webhook)
        self.changes.increase()
        return webhook

    async def remove(self, prefix: str) -> Webhook:
        """Forget a webhook; what is under way to it is broken off."""
        webhook = await self.find(prefix)
        await asyncio.to_thread(self._ledger.remove, webhook.id)
        self.changes.increase()
        return webhook

    async def rotate(self, prefix: str, rotation: Rotation) -> Webhook:
        """Return a webhook with a new secret in it, once that is on disk.

        Raises Refusal `webhook.unknown`, `webhook.file`.
        """
        webhook, secret, now_ms = (
            await self.find(prefix),
            new_secret(self._random),
            self._clock.now_ms(),
        )
        until_ms = now_ms + rotation.keep_ms
        rotated = await asyncio.to_thread(
            self._ledger.rotate, webhook.id, secret, now_ms=now_ms, until_ms=until_ms
        )
        if rotated is None:
            raise Refusal("webhook.unknown", "expected a webhook that was not removed meanwhile")
        self.changes.increase()
        return rotated

    async def deliveries(self, prefix: str) -> list[Delivery]:
        """Return the deliveries of a webhook, those of the newest entries first."""
        webhook = await self.find(prefix)
        return await asyncio.to_thread(self._ledger.deliveries, webhook.id, MOST_LISTED)

    async def replay(self, prefix: str, ids: Sequence[str] | None) -> int:
        """Try deliveries again, those named or all that were given up, and go on with a webhook
        that had been ended for its failures. Returns how many deliveries that is.

        Raises Refusal `webhook.unknown`, where a name is of none of its deliveries as well.
        """
        webhook = await self.find(prefix)
        known = {each.id for each in await self.deliveries(webhook.id)}
        for id_ in ids or ():
            if id_ not in known:
                detail = (
                    f"expected a delivery that `sheaf webhook deliveries` shows, got {id_[:80]!r}"
                )
                raise Refusal("webhook.unknown", detail)
        if webhook.state is not State.ACTIVE:
            again = structs.replace(webhook, state=State.ACTIVE, failing_since_ms=None)
            await asyncio.to_thread(self._ledger.keep, again)
        now_ms = self._clock.now_ms()
        count = await asyncio.to_thread(self._ledger.replay, webhook.id, ids, now_ms)
        self.changes.increase()
        return count

    async def find(self, prefix: str) -> Webhook:
        """Return the webhook whose id begins so. Raises Refusal `webhook.unknown`."""
        found = fitting(await self.listed(), lambda each: each.id, prefix)
        return only(found, "webhook.unknown", "the start of one webhook's id", prefix)


def reach_of(allow_loopback: bool) -> Reach:
    """Return how far inside a webhook may lead: its address was typed by the operator."""
    return Reach.LOOPBACK if allow_loopback else Reach.PRIVATE


def _require_kinds(kinds: Sequence[str]) -> None:
    for kind in kinds:
        if kind in PRIVATE:
            detail = f"expected {SEALED}, under which {kind} travels; what is inside is not sent"
            raise Refusal("webhook.kind", detail)
        if kind not in KINDS and kind not in {SEALED, EVERY_KIND} and not is_extension(kind):
            detail = f"expected a kind of chapter 14 of the spec, or *, got {kind!r}"
            raise Refusal("webhook.kind", detail)
