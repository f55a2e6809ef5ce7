"""Entries on their way to real receivers: taken, refused, stalled, gone, and after a restart."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.local_port import DEMAND, FIRST, MILL
from tests.node.receiver import Hurried, Receiver, receiving
from tests.node.taking import make_keyring

from sheaf_node.api.webhooks import event_bytes
from sheaf_node.clock import ManualClock
from sheaf_node.erasing import Erasing
from sheaf_node.events import Arrivals
from sheaf_node.hosting import choose_federation
from sheaf_node.ingest import Draft, Ingest
from sheaf_node.store import Store
from sheaf_node.webhooks import Delivery, Desk, Ledger, Posting, Sending, Wanted, Webhook
from sheaf_node.webhooks.desk import MOST
from sheaf_node.webhooks.model import Stage, State
from sheaf_node.webhooks.sending import MOST_PENDING
from sheaf_node.webhooks.signature import signature
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.author import START_MS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sheaf_node.store import StoredEntry


@dataclass
class Home:
    """An open store with its webhooks."""

    ingest: Ingest
    store: Store
    desk: Desk
    erasing: Erasing
    clock: Hurried

    async def add(self, receiver: Receiver, *kinds: str, **wanted: Any) -> Webhook:
        """Add a webhook for kinds; for all where none is named."""
        named = list(kinds) or ["*"]
        wish = Wanted(url=receiver.url, kinds=named, allow_loopback=True, **wanted)
        return await self.desk.add(wish)

    async def publish(self, count: int = 1, kind: str = "demand.submit") -> list[StoredEntry]:
        drafts = [Draft(kind=kind, refs=[], body=encode(DEMAND)) for _ in range(count)]
        return list(await self.ingest.publish(FIRST.fid, drafts))

    async def until_tried(self, webhook: Webhook) -> Delivery:
        """Return the first delivery of which a try is noted."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for each in await self.desk.deliveries(webhook.id):
                if each.tries:
                    return each
            await asyncio.sleep(0.02)
        raise AssertionError("not tried in time")

    async def until_ended(self, webhook: Webhook) -> None:
        """Return once a webhook is not sent to any more."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if (await self.desk.find(webhook.id)).state is not State.ACTIVE:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("not ended in time")

    async def until(self, webhook: Webhook, stage: Stage, count: int = 1) -> list[Delivery]:
        """Return the deliveries at a stage, once there are so many."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            kept = await self.desk.deliveries(webhook.id)
            found = [each for each in kept if each.stage is stage]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"not {stage} in time: {kept[:3]}")


@asynccontextmanager
async def opened(folder: Path, *, patience_s: float = 5.0) -> AsyncIterator[Home]:
    async with AsyncExitStack() as stack:
        store = Store.open(folder / "sheaf.db", random=os.urandom)
        stack.push_async_callback(store.close)
        arrivals, keyring = Arrivals(), make_keyring(MILL)
        ingest = Ingest(
            store=store,
            arrivals=arrivals,
            clock=ManualClock(START_MS),
            random=os.urandom,
            keyring=keyring,
        )
        await ingest.receive_key_ops(MILL.cid, MILL.key_ops)
        await ingest.receive_certificate(FIRST)
        ledger, clock = Ledger(folder), Hurried()
        stack.callback(ledger.close)
        desk = Desk(
            ledger,
            store,
            partial(choose_federation, ingest.federations),
            clock=clock,
            random=os.urandom,
        )
        sending = Sending(
            ledger,
            Posting(patience_s=patience_s),
            store=store,
            arrivals=arrivals,
            changes=desk.changes,
            clock=clock,
            random=os.urandom,
            told=partial(event_bytes, kinds=None),
        )
        task = asyncio.create_task(sending.run())
        try:
            yield Home(ingest, store, desk, Erasing(store, ingest, keyring.cid), clock)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with opened(tmp_path) as each:
        yield each


async def test_an_entry_is_delivered_with_a_signature_that_holds(home: Home) -> None:
    async with receiving() as receiver:
        webhook = await home.add(receiver, "demand.submit")
        await home.publish(1, "x.other")
        [entry] = await home.publish()

        [delivery] = await home.until(webhook, Stage.DELIVERED)

        [(headers, body)] = receiver.seen
    event = json.loads(body)
    assert (event["type"], event["data"]["id"]) == ("demand.submit", entry.id.hex())
    assert event["data"]["record"]["ref"] == DEMAND.ref
    assert event["timestamp"].endswith("Z")
    seconds = headers["webhook-timestamp"]
    assert headers["webhook-id"] == delivery.id
    assert headers["webhook-signature"] == signature(webhook.secret, delivery.id, seconds, body)
    assert webhook.secret not in str(headers) + body.decode()
    assert (delivery.tries, delivery.result) == (1, "HTTP 200 OK")


async def test_what_arrived_before_is_not_sent(home: Home) -> None:
    await home.publish(3)

    async with receiving() as receiver:
        webhook = await home.add(receiver)
        [entry] = await home.publish()
        [delivery] = await home.until(webhook, Stage.DELIVERED)

    assert delivery.entry == entry.id


async def test_entries_of_another_federation_are_left_out(home: Home) -> None:
    with pytest.raises(Refusal, match=r"api\.query"):
        async with receiving() as receiver:
            await home.add(receiver, federation="00" * 32)


async def test_a_receiver_that_fails_is_tried_again_under_the_same_id(home: Home) -> None:
    async with receiving(statuses=[500, 503, 200]) as receiver:
        webhook = await home.add(receiver)
        await home.publish()

        [delivery] = await home.until(webhook, Stage.DELIVERED)

    assert delivery.tries == 3
    assert len(set(receiver.ids)) == 1


async def test_a_delivery_is_given_up_and_replayed(home: Home) -> None:
    async with receiving(statuses=[500]) as receiver:
        webhook = await home.add(receiver)
        await home.publish()
        [dead] = await home.until(webhook, Stage.DEAD)
        receiver.statuses = [200]

        assert await home.desk.replay(webhook.id[:6], None) == 1
        [done] = await home.until(webhook, Stage.DELIVERED)

    assert (dead.id, dead.result) == (done.id, "HTTP 500 Internal Server Error")
    assert len(receiver.seen) == 11


async def test_one_delivery_is_replayed_by_its_name_and_no_other_name_is_taken(home: Home) -> None:
    async with receiving() as receiver:
        webhook = await home.add(receiver)
        await home.publish(2)
        done = await home.until(webhook, Stage.DELIVERED, 2)

        assert await home.desk.replay(webhook.id, [done[0].id]) == 1
        await receiver.until(3)
        with pytest.raises(Refusal, match=r"webhook\.unknown"):
            await home.desk.replay(webhook.id, ["msg_none"])

    assert receiver.ids.count(done[0].id) == 2


async def test_a_receiver_that_is_gone_is_sent_no_more_until_a_replay(home: Home) -> None:
    async with receiving(statuses=[410]) as receiver:
        webhook = await home.add(receiver)
        await home.publish()
        await receiver.until(1)
        await home.until_ended(webhook)
        await home.publish(2)
        await asyncio.sleep(0.2)
        assert len(receiver.seen) == 1
        receiver.statuses = [200]

        await home.desk.replay(webhook.id, None)
        await home.until(webhook, Stage.DELIVERED, 3)


async def test_a_redirect_is_not_followed(home: Home) -> None:
    async with receiving() as inside, receiving(statuses=[307], location=inside.url) as receiver:
        webhook = await home.add(receiver)
        await home.publish()

        tried = await home.until_tried(webhook)

    assert inside.seen == []
    assert tried.result == "HTTP 307: a redirect, which is not followed"


async def test_a_name_of_this_computer_is_resolved_and_not_called(home: Home) -> None:
    async with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost")
        webhook = await home.desk.add(Wanted(url=url, kinds=["*"]))
        await home.publish()

        tried = await home.until_tried(webhook)

    assert receiver.seen == []
    assert "outside this computer" in tried.result


async def test_a_stalled_receiver_holds_up_no_other(tmp_path: Path) -> None:
    async with receiving() as slow, receiving() as quick, opened(tmp_path, patience_s=0.3) as home:
        slow.gate.clear()
        stalled, served = await home.add(slow), await home.add(quick)

        await home.publish(5)
        await home.until(served, Stage.DELIVERED, 5)

        kept = await home.desk.deliveries(stalled.id)
        assert [each for each in kept if each.stage is Stage.DELIVERED] == []
        tried = await home.until_tried(stalled)
        assert tried.result == "no answer in time"


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with a header that does not end."""
    try:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def test_a_receiver_that_floods_is_cut_off(home: Home) -> None:
    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        webhook = await home.add(Receiver(url=f"http://127.0.0.1:{port}/"))
        await home.publish()

        tried = await home.until_tried(webhook)

    assert tried.result == "an answer that is no HTTP"


async def test_a_receiver_that_is_not_there_is_told_in_words(home: Home) -> None:
    async with receiving() as receiver:
        pass
    webhook = await home.add(receiver)
    await home.publish()

    tried = await home.until_tried(webhook)

    assert tried.result == "no connection"


async def test_after_a_restart_it_goes_on_where_it_was(tmp_path: Path) -> None:
    async with receiving() as receiver:
        async with opened(tmp_path) as home:
            webhook = await home.add(receiver)
            await home.publish(2)
            await home.until(webhook, Stage.DELIVERED, 2)
            receiver.statuses = [500]
            await home.publish()
            await receiver.until(3)
        receiver.statuses = [200]

        async with opened(tmp_path) as home:
            await home.publish(2)
            done = await home.until(webhook, Stage.DELIVERED, 5)

    assert len({each.id for each in done}) == 5
    assert set(receiver.ids) == {each.id for each in done}


async def test_what_was_erased_meanwhile_is_not_sent(home: Home) -> None:
    async with receiving(statuses=[410]) as receiver:
        webhook = await home.add(receiver, "demand.submit")
        [entry] = await home.publish()
        await home.until_ended(webhook)
        await home.erasing.erase(entry.id.hex(), None)
        receiver.statuses = [200]

        await home.desk.replay(webhook.id, None)
        await home.until(webhook, Stage.DELIVERED)

    sent = json.loads(receiver.seen[-1][1])["data"]
    assert (sent["record"], sent["absence"]) == (None, "erased")


async def test_what_waits_is_bounded_and_nothing_is_lost(home: Home) -> None:
    async with receiving(statuses=[410]) as receiver:
        webhook = await home.add(receiver)
        for _ in range(5):
            await home.publish(250)
        await receiver.until(1)
        await home.until_ended(webhook)
        kept = await home.desk.deliveries(webhook.id)
        assert len(kept) <= MOST_PENDING
        receiver.statuses = [200]

        await home.desk.replay(webhook.id, None)
        await receiver.until(1_251)

    assert len(set(receiver.ids)) == 1_250


async def test_a_webhook_that_is_removed_is_sent_no_more(home: Home) -> None:
    async with receiving() as receiver:
        webhook = await home.add(receiver)
        await home.publish()
        await home.until(webhook, Stage.DELIVERED)

        await home.desk.remove(webhook.id)
        await home.publish()
        await asyncio.sleep(0.3)

    assert len(receiver.seen) == 1
    with pytest.raises(Refusal, match=r"webhook\.unknown"):
        await home.desk.deliveries(webhook.id)


async def test_a_home_has_so_many_webhooks_at_most(home: Home) -> None:
    for number in range(MOST):
        await home.add(Receiver(url=f"http://127.0.0.1:9/{number}"))

    with pytest.raises(Refusal, match=r"webhook\.full"):
        await home.add(Receiver(url="http://127.0.0.1:9/more"))


@pytest.mark.parametrize("kind", ["order.place", "demand.submitt", "x.acme", ""])
async def test_a_kind_that_is_never_sent_is_refused(home: Home, kind: str) -> None:
    with pytest.raises(Refusal, match=r"webhook\.kind"):
        await home.add(Receiver(url="http://127.0.0.1:9/"), kind)
