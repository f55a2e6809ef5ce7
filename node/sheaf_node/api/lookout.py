"""Looks at what works beside a node's logs, for the status and the metrics alike."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sheaf_node.observing.beside import Beside, SeenService, SeenWebhook
from sheaf_node.webhooks.model import Backlog
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.remote import Remotes
    from sheaf_node.seats import Seating
    from sheaf_node.webhooks import Desk


LOOK_S: Final = 0.5
"""How long a file is waited for: whoever asks how a node is does so because its disk is slow."""


@dataclass(kw_only=True, slots=True)
class Lookout:
    """What there is to look at; None where the node has none of it."""

    remotes: Remotes | None
    webhooks: Desk | None
    seating: Seating | None
    _looking: asyncio.Future[Sequence[SeenWebhook]] | None = field(default=None, init=False)
    """The one look at webhooks that is under way, however many ask: each takes a thread."""
    _seen: Sequence[SeenWebhook] = field(default=(), init=False)

    async def look(self) -> Beside:
        """Return what is seen now. What cannot be read is left out, and `sheaf doctor` names it; of
        what cannot be read in time it is what was seen last.
        """
        seats, open_links = (0, 0) if self.seating is None else self.seating.counts()
        return Beside(
            services=_services(self.remotes),
            webhooks=await self._webhooks(),
            seats=seats,
            open_links=open_links,
        )

    async def _webhooks(self) -> Sequence[SeenWebhook]:
        if self._looking is None:
            self._looking = asyncio.ensure_future(_webhooks(self.webhooks))
        looking = self._looking
        await asyncio.wait({looking}, timeout=LOOK_S)
        if looking.done():
            self._seen = looking.result()
            self._looking = None if self._looking is looking else self._looking
        return self._seen


def _services(remotes: Remotes | None) -> Sequence[SeenService]:
    if remotes is None:
        return []
    try:
        hosts = remotes.all()
    except Refusal:
        return []
    return [
        SeenService(
            name=host.name,
            fid=host.federation.fid.hex(),
            is_connected=host.is_connected,
            seen_ms=host.seen_ms,
            behind=host.behind,
            refused=host.refused,
            refusals=host.refusals,
        )
        for host in hosts
    ]


async def _webhooks(desk: Desk | None) -> Sequence[SeenWebhook]:
    if desk is None:
        return []
    try:
        listed, backlogs = await desk.listed(), await desk.backlogs()
    except Refusal:
        return []
    found = []
    for webhook in listed:
        backlog = backlogs.get(webhook.id, Backlog())
        found.append(
            SeenWebhook(
                id=webhook.id,
                host=urlsplit(webhook.url).netloc.rpartition("@")[2],
                state=webhook.state.value,
                waiting=backlog.waiting,
                dead=backlog.dead,
                oldest_ms=backlog.oldest_ms,
            )
        )
    return found
