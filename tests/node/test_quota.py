"""What a node does where it has no more room for a co-op, or on its disk."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.node.taking import Bench, counted, make_keyring, note

from sheaf_node.clock import ManualClock
from sheaf_node.config import Limits
from sheaf_node.events import Arrivals
from sheaf_node.housekeeping import Housekeeping
from sheaf_node.ingest import Draft, Ingest
from sheaf_node.store import Store
from sheaf_node.store.schema import Connect
from sheaf_protocol.charter import Certificate
from sheaf_protocol.codec import encode
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.identity import signing_key
from sheaf_protocol.records import Erase
from sheaf_protocol.testing.author import (
    START_MS,
    LogAuthor,
    TestCoop,
    make_coop,
    make_federation,
)

MIB = 1 << 20


@dataclass
class Node:
    """A node of the co-op Mill, in a federation with two others."""

    folder: Path
    mill: TestCoop
    hill: TestCoop
    dale: TestCoop
    certificate: Certificate
    free: int = 10 * MIB
    published: int = 0

    async def open(self, connect: Connect = sqlite3.connect, **limits: int) -> Ingest:
        self.store = Store.open(self.folder / "sheaf.db", random=bytes, connect=connect)
        keyring = make_keyring(self.mill)
        ingest = Ingest(
            store=self.store,
            arrivals=Arrivals(),
            clock=ManualClock(START_MS),
            random=counted(),
            keyring=keyring,
            limits=Limits(**{"disk_reserve_mb": 5, **limits}),
            free_bytes=lambda: self.free,
        )
        for coop in (self.mill, self.hill, self.dale):
            await ingest.receive_key_ops(coop.cid, coop.key_ops)
        await ingest.receive_certificate(self.certificate)
        return ingest

    def author(self, coop: TestCoop) -> LogAuthor:
        return LogAuthor(coop, self.certificate.fid)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    mill, hill, dale = (make_coop(name) for name in ("Mill", "Hill Farm", "Dale Supplies"))
    certificate = make_federation([(coop, ["member"]) for coop in (mill, hill, dale)])
    return Node(tmp_path, mill, hill, dale, certificate)


async def told(ingest: Ingest, *envelopes: Envelope) -> list[tuple[str, str | None]]:
    results = await ingest.receive(envelopes)
    return [(result.outcome.value, result.code) for result in results]


def some(author: LogAuthor, count: int, size: int = 1) -> list[Envelope]:
    return [author.append("x.note", encode({"text": bytes(size)})) for _ in range(count)]


async def test_author_beyond_its_entries_is_held_and_others_are_not(node: Node) -> None:
    ingest = await node.open(author_entries=2)
    hill, dale = node.author(node.hill), node.author(node.dale)

    hills = await told(ingest, *some(hill, 3))
    dales = await told(ingest, *some(dale, 2))

    assert hills == [("new", None), ("new", None), ("held", "quota.author")]
    assert dales == [("new", None)] * 2
    assert ingest.rejected == 0


async def test_author_beyond_its_bytes_is_held(node: Node) -> None:
    ingest = await node.open(author_bytes=5_000)
    hill = node.author(node.hill)

    first = await told(ingest, *some(hill, 1, 5_000))
    second = await told(ingest, *some(hill, 1))

    assert first + second == [("new", None), ("held", "quota.author")]


async def test_quota_counts_all_writers_of_a_co_op_together(node: Node) -> None:
    key = signing_key(b"second".ljust(32))
    node.hill.delegate(key, START_MS + 10**9)
    ingest = await node.open(author_entries=2)
    second = LogAuthor(node.hill, node.certificate.fid, writer=key)

    outcomes = await told(ingest, *some(node.author(node.hill), 1), *some(second, 2))

    assert outcomes == [("new", None), ("new", None), ("held", "quota.author")]


async def test_our_own_co_op_has_no_quota_here(node: Node) -> None:
    ingest = await node.open(author_entries=1)

    await ingest.publish(node.certificate.fid, [note(), note(), note()])

    assert node.store.arrival == 3


async def test_raising_the_limit_goes_on_where_it_ended(node: Node) -> None:
    hill = node.author(node.hill)
    entries = some(hill, 4)
    ingest = await node.open(author_entries=2)
    await told(ingest, *entries)
    await node.store.close()

    ingest = await node.open(author_entries=3)

    assert await told(ingest, *entries[2:]) == [("new", None), ("held", "quota.author")]


async def test_erasing_makes_room_again(node: Node) -> None:
    ingest = await node.open(author_bytes=6_000)
    hill = node.author(node.hill)
    [large] = some(hill, 1, 5_000)
    await told(ingest, large, hill.publish(Erase(entry=large.id)), *some(hill, 1))
    before = node.store.usage[hill.fid, hill.cid]

    clock = ManualClock(START_MS + 10**9)
    await Housekeeping(
        store=node.store, arrivals=Arrivals(), clock=clock, keeps=lambda _: False
    ).tidy()

    after = node.store.usage[hill.fid, hill.cid]
    assert (after.entries, before.bytes - after.bytes) == (3, len(large.payload))


async def test_logs_of_a_full_author_are_left_with_peers(node: Node) -> None:
    ingest = await node.open(author_entries=1)
    hill = node.author(node.hill)
    await told(ingest, *some(hill, 1))

    left = ingest.quota.logs_left_out(
        hill.fid, node.store.usage, node.store.key_logs, node.store.logs
    )

    assert left == {hill.log}


async def test_nothing_is_taken_or_published_on_a_full_disk(node: Node) -> None:
    ingest = await node.open()
    node.free = 5 * MIB

    held = await told(ingest, *some(node.author(node.hill), 1))
    with pytest.raises(LocalProtocolError, match=r"limits\.disk_reserve_mb") as caught:
        await ingest.publish(node.certificate.fid, [note()])
    node.free += 1
    await ingest.publish(node.certificate.fid, [note()])

    assert (held, caught.value.code) == ([("held", "quota.disk")], "quota.disk")
    assert node.store.arrival == 1


async def test_disk_that_fills_up_loses_nothing_that_was_acknowledged(node: Node) -> None:
    """The reserve was eaten by others: the store stops, and what it had said yes to is there."""
    pages = 0

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = sqlite3.connect(*args, **options)
        if pages:
            connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    ingest = await node.open(connect)
    await ingest.publish(node.certificate.fid, [note()])
    await node.store.close()
    pages = (node.folder / "sheaf.db").stat().st_size // 4_096 + 8
    ingest = await node.open(connect)
    large = note(encode({"text": bytes(9_000)}))
    with pytest.raises(Refusal) as caught:
        await publish_until_refused(ingest, node, large)
    acknowledged = node.published
    await node.store.close()

    pages = 0
    await node.open(connect)

    assert caught.value.code == "store.failed"
    assert acknowledged > 0
    assert len(node.store.entries_after(0)) == 1 + acknowledged
    await node.store.close()


async def publish_until_refused(ingest: Ingest, node: Node, draft: Draft) -> None:
    while True:
        await ingest.publish(node.certificate.fid, [draft])
        node.published += 1


async def test_bench_is_without_a_disk_to_count(bench: Bench) -> None:
    assert bench.ingest.quota.has_disk
    assert bench.ingest.quota.free_bytes is None


async def test_log_beyond_an_authors_logs_is_held_and_not_asked_for(node: Node) -> None:
    keys = [signing_key(bytes([number]) * 32) for number in range(3)]
    for key in keys:
        node.hill.delegate(key, START_MS + 10**9)
    ingest = await node.open(author_logs=2)
    logs = [LogAuthor(node.hill, node.certificate.fid, writer=key) for key in keys]

    first = [await told(ingest, *some(each, 1)) for each in logs]
    more = await told(ingest, *some(logs[0], 1))
    left = ingest.quota.logs_left_out(
        logs[0].fid, node.store.usage, node.store.key_logs, node.store.logs
    )

    assert first == [[("new", None)], [("new", None)], [("held", "quota.author")]]
    assert more == [("new", None)]
    assert logs[2].log in left
    assert left.isdisjoint(node.store.logs)


async def test_retired_logs_are_not_counted(node: Node) -> None:
    key = signing_key(b"second".ljust(32))
    node.hill.delegate(key, START_MS + 10**9)
    ingest = await node.open(author_logs=1)
    old, new = node.author(node.hill), LogAuthor(node.hill, node.certificate.fid, writer=key)
    await told(ingest, *some(old, 1))
    node.store.retire(frozenset({old.log}))

    assert await told(ingest, *some(new, 1)) == [("new", None)]
