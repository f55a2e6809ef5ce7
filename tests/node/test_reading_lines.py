"""What services read of writers that succeed one another."""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.node.taking import DEMAND, Bench, make_keyring

from sheaf_node.ingest import Draft
from sheaf_node.ingest.road import Ingest
from sheaf_node.plugins.reading import Reader
from sheaf_protocol.charter import federation_of
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import ZERO, CoopId, Digest, WriterId
from sheaf_protocol.identity import SigningKey, signing_key
from sheaf_protocol.limits import RETENTION_MS, WRITER_LIFETIME_MS
from sheaf_protocol.log import Head
from sheaf_protocol.records import Demand, WriterLost, WriterSucceed
from sheaf_protocol.testing.author import START_MS, LogAuthor, TestCoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_protocol.envelope import Envelope

FOLLOWS = frozenset({"demand.submit"})
SECOND, THIRD = signing_key(b"2" * 32), signing_key(b"3" * 32)


@dataclass
class House:
    """Hill's writers, as the node of Mill hears of them."""

    bench: Bench

    def __post_init__(self) -> None:
        self.first = self.bench.author()

    @property
    def coop(self) -> TestCoop:
        return self.bench.hill

    def reader(self, now_ms: int = START_MS) -> Reader:
        keyring, federation = make_keyring(self.bench.mill), federation_of(self.bench.certificate)
        return Reader(self.bench.store, keyring, federation, now_ms=lambda: now_ms)

    def author(self, key: SigningKey, coop: TestCoop | None = None) -> LogAuthor:
        return LogAuthor(coop or self.coop, self.bench.fid, writer=key)

    async def delegate(self, *keys: SigningKey, coop: TestCoop | None = None) -> None:
        for key in keys:
            (coop or self.coop).delegate(key, START_MS + WRITER_LIFETIME_MS)
        await self.tell(coop)

    async def close(self, author: LogAuthor, head: Head | None = None) -> None:
        self.coop.close({self.bench.fid: head or author.head}, author.key)
        await self.tell()

    async def tell(self, coop: TestCoop | None = None) -> None:
        coop = coop or self.coop
        await self.bench.ingest.receive_key_ops(coop.cid, coop.key_ops)

    async def renew(self) -> tuple[LogAuthor, Envelope]:
        """Return the second writer, after the close of the first, and what it says of that."""
        await self.delegate(SECOND)
        await self.close(self.first)
        second = self.author(SECOND)
        return second, second.publish(succeed(self.first))


def succeed(before: LogAuthor, head: Head | None = None) -> WriterSucceed:
    at = head or before.head
    return WriterSucceed(head=Digest(at.id), seq=at.seq, wid=WriterId(before.key.public))


def demand(author: LogAuthor, ref: str) -> Envelope:
    fields = {name: getattr(DEMAND, name) for name in DEMAND.__struct_fields__}
    return author.publish(Demand(**{**fields, "ref": ref}))


def read(reader: Reader) -> list[tuple[str, WriterId, int]]:
    """Read all there is; return the reference, line and place of what came."""
    found = []
    while batch := reader.next_batch(512, FOLLOWS):
        found += [
            (seen.record.ref, seen.line, seen.place)
            for seen in batch.records
            if isinstance(seen.record, Demand)
        ]
    return found


def settled(house: House, reader: Reader) -> list[tuple[str, WriterId, int]]:
    """Return what a host folds in the end: it begins anew where lines are other than was shown."""
    found = read(reader)
    for _ in range(5):
        if not reader.is_outdated:
            return found
        known = reader.lineages.known()
        reader = house.reader()
        reader.lineages.take_up(known)
        found = read(reader)
    raise AssertionError("expected a reader that comes to rest")


def heights(reader: Reader) -> list[tuple[CoopId, int]]:
    return [(cid, head.seq) for cid, _, head in reader.heads()]


def calls(act: Callable[[], object]) -> int:
    """Return how many calls of Python functions something makes: its cost, on any machine."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
    return count


@pytest.fixture
def house(bench: Bench) -> House:
    return House(bench)


async def test_records_of_a_successor_follow_on_those_of_its_predecessor(house: House) -> None:
    entries = [demand(house.first, "a"), demand(house.first, "b")]
    second, said = await house.renew()
    await house.bench.receive(*entries, said, demand(second, "c"))

    found = read(house.reader())

    root = house.coop.wid
    assert found == [("a", root, 1), ("b", root, 2), ("c", root, 4)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_lines_are_read_alike_whatever_came_first(
    house: House, order: tuple[int, ...]
) -> None:
    first = [demand(house.first, "a"), demand(house.first, "b")]
    second, said = await house.renew()
    entries = [*first, said, demand(second, "c")]
    reader, found = house.reader(), []

    for number in order:
        await house.bench.receive(entries[number])
        found += read(reader)
    for entry in entries:
        await house.bench.receive(entry)
        found += read(reader)

    if reader.is_outdated:
        found = settled(house, reader)

    root = house.coop.wid
    assert found == [("a", root, 1), ("b", root, 2), ("c", root, 4)]


async def test_a_successor_waits_until_the_key_log_closes_the_one_before(house: House) -> None:
    first = demand(house.first, "a")
    await house.delegate(SECOND)
    second = house.author(SECOND)
    await house.bench.receive(first, second.publish(succeed(house.first)), demand(second, "b"))
    reader = house.reader()
    before = read(reader)

    await house.close(house.first)

    assert [ref for ref, _, _ in before] == ["a"]
    assert [ref for ref, _, _ in settled(house, reader)][-1] == "b"
    assert settled(house, house.reader())[-1] == ("b", house.coop.wid, 3)


async def test_a_flood_of_successions_of_an_open_writer_costs_as_much_for_each(
    house: House,
) -> None:
    first = demand(house.first, "a")
    await house.delegate(SECOND)
    second = house.author(SECOND)
    said = [second.publish(succeed(house.first)) for _ in range(2_000)]
    await house.bench.receive(first, *said)
    _, *flood = house.bench.store.entries_after(0, 2_001)
    lineages = house.reader().lineages

    early = calls(lambda: [lineages.waits(entry) for entry in flood[:1_000]])
    late = calls(lambda: [lineages.waits(entry) for entry in flood[1_000:]])

    assert len(lineages.known()) == 2_000
    assert late <= early * 1.1


async def test_a_writer_that_named_another_cut_is_a_line_of_its_own(house: House) -> None:
    entries = [demand(house.first, "a"), demand(house.first, "b")]
    short = Head(seq=1, id=entries[0].id, time_ms=0)
    await house.delegate(SECOND)
    await house.close(house.first)
    second = house.author(SECOND)
    said = second.publish(succeed(house.first, short))
    await house.bench.receive(*entries, said, demand(second, "c"))

    assert read(house.reader())[-1] == ("c", WriterId(SECOND.public), 2)


async def test_a_writer_of_another_co_op_succeeds_nobody(house: House) -> None:
    first = demand(house.first, "a")
    await house.delegate(SECOND)
    await house.close(house.first)
    stranger = house.bench.author(house.bench.dale)
    await house.bench.receive(first, stranger.publish(succeed(house.first)))
    dale = house.bench.dale.wid

    reader = house.reader()

    assert read(reader) == [("a", house.coop.wid, 1)]
    assert reader.line_of(house.bench.dale.cid, dale) == dale


async def test_a_writer_that_spoke_for_itself_before_is_a_line_of_its_own(house: House) -> None:
    first = demand(house.first, "a")
    await house.delegate(SECOND)
    await house.close(house.first)
    second = house.author(SECOND)
    own = demand(second, "b")
    said = second.publish(succeed(house.first))
    await house.bench.receive(first, own, said, demand(second, "c"))

    wid = WriterId(SECOND.public)
    assert read(house.reader()) == [("a", house.coop.wid, 1), ("b", wid, 1), ("c", wid, 3)]


async def test_what_restores_a_writer_may_stand_before_a_succession(house: House) -> None:
    first = demand(house.first, "a")
    await house.delegate(SECOND)
    second = house.author(SECOND)
    lost = WriterLost(head=Digest(ZERO), seq=0, wid=house.coop.wid)
    opening = second.publish(lost)
    await house.close(house.first)
    said = second.publish(succeed(house.first))
    await house.bench.receive(opening)
    reader = house.reader()
    early = read(reader)
    await house.bench.receive(said, demand(second, "b"), first)

    assert early == []
    assert settled(house, reader) == [("a", house.coop.wid, 1), ("b", house.coop.wid, 4)]


async def test_heads_leave_out_a_writer_that_has_not_taken_over(house: House) -> None:
    first = demand(house.first, "a")
    await house.delegate(SECOND)
    second = house.author(SECOND)
    opening = second.publish(WriterLost(head=Digest(ZERO), seq=0, wid=house.coop.wid))
    await house.close(house.first)
    said = second.publish(succeed(house.first))
    await house.bench.receive(opening, said)
    reader = house.reader()
    read(reader)
    before = heights(reader)

    await house.bench.receive(first)
    read(reader)

    assert before == []
    assert sorted(heights(reader)) == [(house.coop.cid, 1), (house.coop.cid, 2)]
    assert reader.place_of(house.coop.cid, WriterId(SECOND.public), 1) == (house.coop.wid, 0)


async def test_of_two_successors_the_one_delegated_first_goes_on(house: House) -> None:
    first = demand(house.first, "a")
    await house.delegate(SECOND, THIRD)
    await house.close(house.first)
    second, third = house.author(SECOND), house.author(THIRD)
    said = [second.publish(succeed(house.first)), third.publish(succeed(house.first))]
    await house.bench.receive(first, said[1], demand(third, "c"))
    reader = house.reader()
    alone = read(reader)
    await house.bench.receive(said[0], demand(second, "b"))

    found = settled(house, reader)

    root = house.coop.wid
    assert alone == [("a", root, 1), ("c", root, 3)]
    assert sorted(found) == [("a", root, 1), ("b", root, 3), ("c", WriterId(THIRD.public), 2)]


async def test_a_log_that_forked_hands_over_what_stands_before_its_fork(house: House) -> None:
    entry = demand(house.first, "a")
    head, twin = house.first.head, house.first.twin()
    one, other = demand(house.first, "b"), demand(twin, "x")
    await house.bench.receive(entry, one)
    await house.bench.receive(other)
    await house.delegate(SECOND)
    await house.close(house.first, head)
    second = house.author(SECOND)
    await house.bench.receive(second.publish(succeed(house.first, head)), demand(second, "c"))

    assert read(house.reader()) == [("a", house.coop.wid, 1), ("c", house.coop.wid, 3)]


async def test_a_fork_below_the_cut_ends_the_log_that_a_successor_waits_for(house: House) -> None:
    entry, twin = demand(house.first, "a"), house.first.twin()
    one, other = demand(house.first, "b"), demand(twin, "x")
    await house.bench.receive(entry, one)
    await house.bench.receive(other)
    second, said = await house.renew()
    await house.bench.receive(said, demand(second, "c"))

    assert [ref for ref, _, _ in read(house.reader())] == ["a", "c"]


async def test_a_successor_does_not_wait_for_a_log_that_is_retired(house: House) -> None:
    demand(house.first, "a")
    second, said = await house.renew()
    await house.bench.receive(said, demand(second, "b"))
    late_ms = START_MS + WRITER_LIFETIME_MS + RETENTION_MS + 1

    assert read(house.reader()) == []
    assert [ref for ref, _, _ in read(house.reader(late_ms))] == ["b"]


async def test_a_log_that_has_nothing_is_not_waited_for(house: House) -> None:
    await house.delegate(SECOND)
    await house.close(house.first)
    second = house.author(SECOND)
    await house.bench.receive(second.publish(succeed(house.first)), demand(second, "b"))

    assert read(house.reader()) == [("b", house.coop.wid, 2)]


async def own_ingest(bench: Bench, key: SigningKey) -> Ingest:
    """Return our node's ingest under another writer."""
    bench.mill.writer = key
    return Ingest(
        store=bench.store,
        arrivals=bench.arrivals,
        clock=bench.clock,
        random=bytes,
        keyring=make_keyring(bench.mill),
    )


async def test_our_new_writer_says_whom_it_succeeds_before_all_else(house: House) -> None:
    bench = house.bench
    former = bench.mill.wid
    draft = Draft(kind="demand.submit", refs=[], body=encode(DEMAND))
    await bench.ingest.publish(bench.fid, [draft])
    held = next(held for held in bench.store.logs.values() if held.wid == former)
    bench.mill.delegate(SECOND, START_MS + WRITER_LIFETIME_MS)
    bench.mill.close({bench.fid: held.head})
    await house.tell(bench.mill)
    ingest = await own_ingest(bench, SECOND)

    [entry] = await ingest.publish(bench.fid, [draft])
    await ingest.hand_over(bench.fid)

    reader = house.reader()
    found = read(reader)
    assert entry.header.seq == 2
    assert [(line, place) for _, line, place in found] == [(former, 1), (former, 3)]
    assert reader.line_of(bench.mill.cid, WriterId(SECOND.public)) == former


async def test_a_writer_that_succeeds_nobody_says_nothing_first(house: House) -> None:
    bench = house.bench
    draft = Draft(kind="demand.submit", refs=[], body=encode(DEMAND))

    await bench.ingest.hand_over(bench.fid)
    [entry] = await bench.ingest.publish(bench.fid, [draft])

    assert entry.header.seq == 1
