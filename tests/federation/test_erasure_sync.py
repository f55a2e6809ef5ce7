"""Erased, expired and withheld payloads between whole nodes, over a network in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sheaf_node.clock import ManualClock
from sheaf_node.housekeeping import Housekeeping
from sheaf_node.ingest import Draft
from sheaf_node.peering.memory import MemoryNetwork
from sheaf_node.store.model import ERASED
from sheaf_protocol.codec import encode
from sheaf_protocol.limits import ERASE_AFTER_MS, EXPIRE_GRACE_MS
from sheaf_protocol.records import Erase, Restore, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.federation.conftest import RunningNode, World

    from sheaf_node.store import StoredEntry
    from sheaf_protocol.records import Record

STEP_MS = 10
HOSTS = ("hill", "dale", "moor")


class Days:
    """Nodes that share a network and a clock by which days pass at once."""

    def __init__(self, world: World) -> None:
        self.world, self.network = world, MemoryNetwork()
        self.clock = ManualClock(world.now_ms)

    async def start(self, index: int, dials: Sequence[RunningNode] = ()) -> RunningNode:
        host = HOSTS[index]
        network = self.network.host(host)
        return await self.world.start(
            index, dials=dials, clock=self.clock, host=host, network=network
        )

    async def until(self, is_true: Callable[[], bool]) -> None:
        def is_true_now() -> bool:
            self.clock.advance(STEP_MS)
            return is_true()

        await self.world.until(is_true_now)

    async def until_agreed(self, *nodes: RunningNode, entries: int) -> None:
        await self.until(lambda: all(node.store.arrival == entries for node in nodes))
        await self.until(lambda: len({node.root for node in nodes}) == 1)

    async def pass_and_tidy(self, after_ms: int, *nodes: RunningNode) -> None:
        self.clock.advance(after_ms)
        for node in nodes:
            await Housekeeping(
                store=node.store,
                arrivals=node.arrivals,
                clock=self.clock,
                keeps=lambda _: False,
            ).tidy()


@pytest.fixture
def days(world: World) -> Days:
    return Days(world)


async def say(node: RunningNode, text: str, expires_ms: int = 0) -> StoredEntry:
    draft = Draft(kind="x.note", body=encode({"text": text}), expires_ms=expires_ms)
    [entry] = await node.ingest.publish(node.certificate.fid, [draft])
    return entry


async def publish(node: RunningNode, record: Record) -> StoredEntry:
    draft = Draft(kind=kind_of(record), body=encode(record))
    [entry] = await node.ingest.publish(node.certificate.fid, [draft])
    return entry


def shown(node: RunningNode) -> list[tuple[str | None, bool]]:
    """Return of each entry, by author and number, why it is not shown and whether it is here."""
    entries = sorted(node.store.entries_after(0), key=lambda e: (e.header.cid, e.header.seq))
    return [(entry.absence, bool(entry.envelope.payload)) for entry in entries]


async def test_erase_reaches_the_node_that_missed_it(days: Days) -> None:
    author = await days.start(0)
    late = await days.start(2, dials=[author])
    secret = await say(author, "secret")
    await days.until_agreed(author, late, entries=1)
    await late.stop()
    await publish(author, Erase(entry=secret.id))
    other = await days.start(1, dials=[author])
    await days.until_agreed(author, other, entries=2)
    await author.stop()

    late = await days.start(2, dials=[other])

    await days.until_agreed(late, other, entries=2)
    await days.pass_and_tidy(ERASE_AFTER_MS, late, other)
    assert shown(late) == shown(other) == [(ERASED, False), (None, True)]


async def test_joiner_after_the_deletion_gets_all_headers_and_agrees(days: Days) -> None:
    author = await days.start(0)
    entries = [await say(author, f"note {n}") for n in range(3)]
    await publish(author, Erase(entry=entries[1].id))
    await say(author, "later")
    await days.pass_and_tidy(ERASE_AFTER_MS, author)

    joiner = await days.start(2, dials=[author])

    await days.until_agreed(author, joiner, entries=5)
    await days.until(lambda: joiner.is_in_sync_with(author))
    assert shown(joiner) == shown(author)
    assert shown(joiner)[1] == (ERASED, False)
    headers = [[e.envelope.header for e in n.store.entries_after(0)] for n in (author, joiner)]
    assert headers[0] == headers[1]


async def test_node_that_kept_a_payload_cannot_bring_it_back(days: Days) -> None:
    """It never heard of the erase; the others have deleted, and go on linked to it."""
    author = await days.start(0)
    keeper = await days.start(1, dials=[author])
    secret = await say(author, "secret")
    await days.until_agreed(author, keeper, entries=1)
    await keeper.stop()
    await publish(author, Erase(entry=secret.id))
    await days.pass_and_tidy(ERASE_AFTER_MS, author)

    keeper = await days.start(1, dials=[author])

    await days.until_agreed(author, keeper, entries=2)
    await days.until(lambda: keeper.is_in_sync_with(author))
    assert shown(author) == [(ERASED, False), (None, True)]
    assert shown(keeper) == [(ERASED, True), (None, True)]


async def test_restore_brings_the_payload_to_whoever_missed_it(days: Days) -> None:
    """The late node hears of entry and erase first, so that it never took the payload."""
    author = await days.start(0)
    secret = await say(author, "secret")
    erase = await publish(author, Erase(entry=secret.id))
    late = await days.start(2, dials=[author])
    await days.until_agreed(author, late, entries=2)
    before = shown(late)

    await publish(author, Restore(erase=erase.id))

    await days.until_agreed(author, late, entries=3)
    await days.pass_and_tidy(0, late)
    await late.stop()
    late = await days.start(2, dials=[author])
    await days.until(lambda: shown(late) == [(None, True)] * 3)
    assert before == [(ERASED, False), (None, True)]


async def test_expired_payloads_are_neither_sent_nor_missed(days: Days) -> None:
    author = await days.start(0)
    await say(author, "short", expires_ms=days.clock.now_ms() + 1_000)
    await say(author, "long")
    await days.pass_and_tidy(1_000 + EXPIRE_GRACE_MS, author)

    joiner = await days.start(2, dials=[author])

    await days.until_agreed(author, joiner, entries=2)
    assert shown(joiner) == shown(author) == [("expired", False), (None, True)]
    assert joiner.store.absences.lacking(0, 9, None) == []
