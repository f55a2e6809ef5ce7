"""Sends entries to webhooks: one task for each, so that none waits for another.

A task reads on in the store from its webhook's cursor and makes a delivery of each entry that is
wanted; cursor and deliveries are noted at once. It tries one delivery at a time. While many wait it
reads no further: what has not been read stays where it is, in the store.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from msgspec import structs

from sheaf_node.webhooks.desk import reach_of
from sheaf_node.webhooks.model import Delivery, Stage, State
from sheaf_node.webhooks.schedule import after_try
from sheaf_node.webhooks.signature import signed_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.events import Arrivals, Counter
    from sheaf_node.store import Store, StoredEntry
    from sheaf_node.webhooks.ledger import Ledger
    from sheaf_node.webhooks.model import Webhook
    from sheaf_node.webhooks.posting import Posting

MOST_PENDING: Final = 1_000
"""Deliveries of one webhook that wait for their next try."""
PAGE: Final = 256
PASSED_OVER: Final = 4_096
"""Entries that nobody wants are read again after a crash, up to so many."""
GATHER_MS: Final = 100
"""News is collected so long: a catch-up brings thousands of entries one after another."""
PAUSE_MS: Final = 1_000
"""Between a try that failed and the next one at the same address."""
AFTER_FAULT_MS: Final = 60_000
AGENT: Final = "Sheaf-Webhooks/1"
_LOG = logging.getLogger("sheaf.webhooks")


class Sending:
    """Sends what one store takes in."""

    def __init__(
        self,
        ledger: Ledger,
        posting: Posting,
        *,
        store: Store,
        arrivals: Arrivals,
        changes: Counter,
        clock: Clock,
        random: Randomness,
        told: Callable[[StoredEntry], bytes],
    ) -> None:
        """`changes` grows when webhooks come, go or are to try again; `told` returns what is sent
        of an entry.
        """
        self._ledger, self._posting, self._store = ledger, posting, store
        self._arrivals, self._changes, self._clock = arrivals, changes, clock
        self._random, self._told = random, told
        self._read: dict[str, int] = {}
        """How far each webhook's task has read; its cursor follows."""

    async def run(self) -> None:
        """Send until cancelled. A fault here is told of and ends nothing else."""
        while True:
            try:
                await self._run()
            except Exception:
                _LOG.exception("webhooks rest for a while")
            await self._clock.sleep_ms(AFTER_FAULT_MS)

    async def _run(self) -> None:
        store = self._store
        await asyncio.to_thread(self._ledger.begin, store.store_id, store.arrival)
        working: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                seen = self._changes.value
                kept = await asyncio.to_thread(self._ledger.webhooks)
                active = {each.id for each in kept if each.state is State.ACTIVE}
                for id_ in [id_ for id_, task in working.items() if task.done()]:
                    del working[id_]
                for id_ in working.keys() - active:
                    working.pop(id_).cancel()
                for id_ in active - working.keys():
                    working[id_] = tasks.create_task(self._serve(id_))
                await self._changes.wait_beyond(seen)

    async def _serve(self, id_: str) -> None:
        """Send to one webhook for as long as it is active."""
        while True:
            try:
                if not await self._turn(id_):
                    return
            except Exception:
                _LOG.exception("webhook %s rests for a while", id_)
                await self._clock.sleep_ms(AFTER_FAULT_MS)

    async def _turn(self, id_: str) -> bool:
        """Do what is due for a webhook, or wait until something is; return whether it is active."""
        seen = self._changes.value
        webhook = await asyncio.to_thread(self._ledger.webhook, id_)
        if webhook is None or webhook.state is not State.ACTIVE:
            self._read.pop(id_, None)
            return False
        webhook, has_room = await self._take_up(webhook)
        delivery = await asyncio.to_thread(self._ledger.next, id_)
        left_ms = None if delivery is None else delivery.next_ms - self._clock.now_ms()
        if delivery is not None and left_ms is not None and left_ms <= 0:
            await self._try(webhook, delivery)
        else:
            await self._rest(webhook, left_ms, seen, has_room=has_room)
        return True

    async def _take_up(self, webhook: Webhook) -> tuple[Webhook, bool]:
        """Make deliveries of the entries that arrived and are wanted.

        Returns the webhook as it is then, and whether there is room for more deliveries.
        """
        cursor = max(webhook.cursor, self._read.get(webhook.id, 0))
        while await asyncio.to_thread(self._ledger.pending, webhook.id) + PAGE <= MOST_PENDING:
            entries = self._store.entries_after(cursor, PAGE)
            if not entries:
                return webhook, True
            self._read[webhook.id] = cursor = entries[-1].arrival
            wanted = [
                self._delivery(webhook, each)
                for each in entries
                if webhook.wants(each.kind, each.header.fid)
            ]
            if wanted or cursor - webhook.cursor >= PASSED_OVER:
                webhook = structs.replace(webhook, cursor=cursor)
                await asyncio.to_thread(self._ledger.note, webhook, wanted)
        return webhook, False

    def _delivery(self, webhook: Webhook, entry: StoredEntry) -> Delivery:
        return Delivery(
            id=f"msg_{webhook.id}_{entry.id.hex()[:32]}",
            webhook=webhook.id,
            entry=entry.id,
            arrival=entry.arrival,
            kind=entry.kind,
            next_ms=self._clock.now_ms(),
            made_ms=self._clock.now_ms(),
        )

    async def _try(self, webhook: Webhook, delivery: Delivery) -> None:
        body, now_ms = self._body(delivery), self._clock.now_ms()
        if isinstance(body, str):
            dead = structs.replace(delivery, stage=Stage.DEAD, result=body)
            await asyncio.to_thread(self._ledger.note, webhook, [dead])
            return
        if any(each.until_ms <= now_ms for each in webhook.old_secrets):
            await asyncio.to_thread(self._ledger.forget_old_secrets, webhook.id, now_ms)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": AGENT,
            **signed_headers(webhook.secrets_at(now_ms), delivery.id, now_ms, body),
        }
        reach = reach_of(webhook.allow_loopback)
        outcome = await self._posting.post(webhook.url, body, headers, reach)
        webhook, delivery = after_try(
            webhook,
            delivery,
            outcome,
            now_ms=self._clock.now_ms(),
            chance=self._random(1)[0],
        )
        await asyncio.to_thread(self._ledger.note, webhook, [delivery])
        if webhook.state is not State.ACTIVE:
            _LOG.warning("webhook %s is %s: %s", webhook.id, webhook.state.value, outcome.words)
        elif not outcome.is_taken:
            await self._clock.sleep_ms(PAUSE_MS)

    def _body(self, delivery: Delivery) -> bytes | str:
        """Return what is sent, or why nothing can be: then those behind it are not held up."""
        entry = self._store.entry(delivery.entry)
        if entry is None:
            return "the entry is not held any more"
        try:
            return self._told(entry)
        except Exception:
            _LOG.exception("entry %s cannot be told of", entry.id.hex()[:8])
            return "the entry cannot be told of"

    async def _rest(
        self, webhook: Webhook, left_ms: int | None, seen: int, *, has_room: bool
    ) -> None:
        """Wait for the next try, an arrival for which there is room, or a change."""
        read = max(webhook.cursor, self._read.get(webhook.id, 0))
        waits = [asyncio.ensure_future(self._changes.wait_beyond(seen))]
        if left_ms is not None:
            waits.append(asyncio.ensure_future(self._wait(left_ms)))
        if has_room:
            waits.append(asyncio.ensure_future(self._arrivals.wait_beyond(read)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        await self._clock.sleep_ms(GATHER_MS)

    async def _wait(self, ms: int) -> int:
        await self._clock.sleep_ms(ms)
        return ms
