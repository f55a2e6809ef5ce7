"""Payloads that come after their entries, and what readers make of those that do not."""

import asyncio

import pytest
from tests.node.taking import BODY, DEMAND, Bench, make_keyring

from sheaf_node.clock import ManualClock
from sheaf_node.config import Limits
from sheaf_node.ingest import Ingest
from sheaf_node.plugins.reading import Reader
from sheaf_protocol.digest import FederationId, LogId, digest
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.link.messages import PayloadItem
from sheaf_protocol.subscription import Filter
from sheaf_protocol.testing.author import START_MS

FOLLOWS = frozenset({"demand.submit"})
OTHER = Filter(kinds=["verdict"])
LOCAL = Filter(regions=["SOUTH"])


def bare(envelope: Envelope) -> Envelope:
    """Return an entry whose payload was left out."""
    return Envelope(envelope.header, envelope.signature, b"")


def brought(envelope: Envelope, log: LogId, seq: int = 1) -> PayloadItem:
    """Return the payload of an entry as it is brought later."""
    return PayloadItem(log, seq, envelope.payload)


def reader_of(bench: Bench) -> Reader:
    federation = bench.ingest.federations[bench.fid]
    return Reader(bench.store, make_keyring(bench.mill), federation, bench.ingest.subscription)


def seqs(reader: Reader) -> list[int]:
    """Return the places of the records that are read now."""
    found: list[int] = []
    while batch := reader.next_batch(10, FOLLOWS):
        found += [seen.seq for seen in batch.records]
    return found


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(Filter(), []), (OTHER, [2]), (LOCAL, [2])],
    ids=["a log waits", "a kind not wanted", "the sender says so"],
)
async def test_a_log_waits_for_a_payload_unless_our_filter_may_leave_it_out(
    bench: Bench, wanted: Filter, expected: list[int]
) -> None:
    bench.ingest.subscription = wanted
    author = bench.author()
    await bench.receive(bare(author.publish(DEMAND)), author.publish(DEMAND))

    assert seqs(reader_of(bench)) == expected


async def test_a_log_goes_on_where_it_waited_once_the_payload_is_here(bench: Bench) -> None:
    author, reader = bench.author(), reader_of(bench)
    first = author.publish(DEMAND)
    await bench.receive(bare(first), author.publish(DEMAND))
    waiting = seqs(reader)

    await bench.ingest.receive_payloads(bench.fid, [brought(first, author.log)])

    assert (waiting, seqs(reader)) == ([], [1, 2])
    assert bench.store.voids == 0
    assert bench.arrivals.payloads == 1


async def test_a_payload_that_was_passed_over_has_services_fold_again(bench: Bench) -> None:
    bench.ingest.subscription = LOCAL
    author = bench.author()
    first = author.publish(DEMAND)
    await bench.receive(bare(first), author.publish(DEMAND))

    await bench.ingest.receive_payloads(bench.fid, [brought(first, author.log)])

    assert bench.store.voids == 1
    assert seqs(reader_of(bench)) == [1, 2]


async def test_a_payload_that_breaks_a_rule_of_its_kind_is_kept_without_effect(
    bench: Bench,
) -> None:
    author = bench.author()
    spoilt = author.append("demand.submit", BODY)
    await bench.receive(bare(spoilt))

    await bench.ingest.receive_payloads(bench.fid, [brought(spoilt, author.log)])

    [entry] = bench.store.entries_after(0)
    assert (entry.fault, entry.envelope.payload) == ("schema.invalid", spoilt.payload)


async def test_a_payload_of_another_entry_is_refused_and_nothing_is_stored(bench: Bench) -> None:
    author = bench.author()
    first, second = author.publish(DEMAND), author.append("x.note", BODY)
    await bench.receive(bare(first), bare(second))
    items = [brought(first, author.log, 1), brought(first, author.log, 2)]

    with pytest.raises(RemoteProtocolError) as refused:
        await bench.ingest.receive_payloads(bench.fid, items)

    assert refused.value.code == "env.payload_hash"
    assert [entry.envelope.payload for entry in bench.store.entries_after(0)] == [b"", b""]


async def test_a_payload_that_is_not_canonical_is_the_fault_of_who_brings_it(bench: Bench) -> None:
    author = bench.author()
    spoilt = author.append("x.note", b"\xd9\x01a")
    await bench.receive(bare(spoilt))

    with pytest.raises(RemoteProtocolError) as refused:
        await bench.ingest.receive_payloads(bench.fid, [brought(spoilt, author.log)])

    assert refused.value.code == "enc.not_shortest"


async def test_payloads_that_nothing_lacks_are_passed_over(bench: Bench) -> None:
    author = bench.author()
    first, second = author.publish(DEMAND), author.publish(DEMAND)
    await bench.receive(first, bare(second))
    elsewhere = FederationId(digest("test", b"elsewhere"))

    await bench.ingest.receive_payloads(bench.fid, [brought(first, author.log)])
    await bench.ingest.receive_payloads(bench.fid, [brought(first, author.log, 7)])
    await bench.ingest.receive_payloads(elsewhere, [brought(second, author.log, 2)])

    assert bench.arrivals.payloads == 0


async def test_a_payload_for_which_there_is_no_room_is_dropped_and_nobody_blamed(
    bench: Bench,
) -> None:
    author = bench.author()
    first = author.publish(DEMAND)
    await bench.receive(bare(first))
    full = Ingest(
        store=bench.store,
        arrivals=bench.arrivals,
        clock=ManualClock(START_MS),
        random=bytes,
        keyring=make_keyring(bench.mill),
        limits=Limits(author_entries=1),
    )

    await full.receive_payloads(bench.fid, [brought(first, author.log)])

    [entry] = bench.store.entries_after(0)
    assert entry.no_effect == "env.withheld"


async def test_payload_that_two_links_bring_at_once_is_counted_once(bench: Bench) -> None:
    author = bench.author()
    entry = author.append("x.note", BODY)
    await bench.receive(bare(entry))
    item = brought(entry, author.log)

    await asyncio.gather(*(bench.ingest.receive_payloads(bench.fid, [item]) for _ in range(3)))

    [used] = bench.store.usage.values()
    assert used.bytes == entry.size
