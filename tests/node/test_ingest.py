import asyncio
from collections.abc import Callable

import pytest
from tests.node.taking import (
    BODY,
    DEMAND,
    OTHER_BODY,
    Bench,
    stored_ids,
)

from sheaf_node.ingest import Outcome
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import FederationId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import MAX_CLOCK_AHEAD_MS, WRITER_LIFETIME_MS
from sheaf_protocol.testing.author import (
    START_MS,
    LogAuthor,
    make_coop,
)


async def test_a_members_record_is_stored_and_announced(bench: Bench) -> None:
    demand = bench.author().publish(DEMAND)

    [result] = await bench.receive(demand)

    assert result.outcome is Outcome.NEW
    assert result.entry == bench.store.entry(demand.id)
    assert bench.arrivals.latest == bench.store.arrival == 1


async def test_what_is_stored_already_is_known_without_a_look_at_its_signature(
    bench: Bench,
) -> None:
    first = bench.author().append("x.note", BODY)
    await bench.receive(first)

    assert await bench.told(Envelope(first.header, bytes(64), b"")) == [("known", None)]


async def test_batches_brought_at_once_are_stored_once(bench: Bench) -> None:
    author = bench.author()
    envelopes = [author.append("x.note", BODY) for _ in range(5)]

    batches = await asyncio.gather(*(bench.receive(*envelopes) for _ in range(4)))

    outcomes = [{result.outcome for result in batch} for batch in batches]
    assert outcomes == [{Outcome.NEW}, {Outcome.KNOWN}, {Outcome.KNOWN}, {Outcome.KNOWN}]
    assert stored_ids(bench) == [envelope.id for envelope in envelopes]


async def test_a_batch_may_build_on_one_that_is_not_durable_yet(bench: Bench) -> None:
    author = bench.author()
    envelopes = [author.append("x.note", BODY) for _ in range(6)]

    batches = await asyncio.gather(bench.receive(*envelopes[:3]), bench.receive(*envelopes[3:]))

    assert {result.outcome for batch in batches for result in batch} == {Outcome.NEW}


async def test_an_announcement_survives_its_sender(bench: Bench) -> None:
    receiving = asyncio.ensure_future(bench.receive(bench.author().append("x.note", BODY)))
    await asyncio.sleep(0)

    receiving.cancel()

    assert await asyncio.wait_for(bench.arrivals.wait_beyond(0), 5) == 1


async def test_a_gap_is_held_and_fills_up_later(bench: Bench) -> None:
    author = bench.author()
    first, second = author.append("x.note", BODY), author.append("x.note", BODY)

    early = await bench.told(second)
    later = await bench.told(first, second)

    assert early == [("held", "log.gap")]
    assert later == [("new", None), ("new", None)]


async def test_an_entry_of_an_unknown_federation_is_held(bench: Bench) -> None:
    author = LogAuthor(bench.hill, FederationId(bytes(32)))

    told = await bench.told(author.append("x.note", BODY))

    assert told == [("held", "charter.unknown_federation")]


async def test_an_entry_of_an_unknown_coop_is_held_until_its_key_log_comes(bench: Bench) -> None:
    stranger = make_coop("Stranger")
    entry = bench.author(stranger).append("x.note", BODY)

    before = await bench.told(entry)
    await bench.ingest.receive_key_ops(stranger.cid, stranger.key_ops)

    assert before == [("held", "key.unknown")]
    assert await bench.told(entry) == [("held", "charter.not_member")]


async def test_an_entry_of_a_writer_that_nobody_delegated_is_held(bench: Bench) -> None:
    author = LogAuthor(bench.hill, bench.fid, writer=signing_key(bytes(32)))

    assert await bench.told(author.append("x.note", BODY)) == [("held", "key.unknown")]


async def test_an_entry_from_the_future_is_held_until_our_clock_is_there(bench: Bench) -> None:
    author = bench.author()
    time_ms = START_MS + MAX_CLOCK_AHEAD_MS + 1
    entry = author.append("x.note", BODY, time_ms=time_ms)

    before = await bench.told(entry)
    bench.clock.advance(1)

    assert before == [("held", "clock.ahead")]
    assert await bench.told(entry) == [("new", None)]


async def test_an_entry_after_its_writer_expired_is_rejected(bench: Bench) -> None:
    time_ms = START_MS + WRITER_LIFETIME_MS + 1
    entry = bench.author().append("x.note", BODY, time_ms=time_ms)

    assert await bench.told(entry) == [("rejected", "key.expired")]


async def test_time_may_not_run_backwards_inside_a_log(bench: Bench) -> None:
    author = bench.author()
    first = author.append("x.note", BODY)
    second = author.append("x.note", BODY, time_ms=START_MS - 1)

    assert await bench.told(first, second) == [("new", None), ("rejected", "log.bad_time")]


async def test_an_entry_on_another_predecessor_is_rejected(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()
    first = author.append("x.note", BODY)
    twin.append("x.note", OTHER_BODY)

    told = await bench.told(first, twin.append("x.note", BODY))

    assert told == [("new", None), ("rejected", "log.bad_prev")]


def flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda e: Envelope(e.header, flipped(e.signature), e.payload), "env.signature"),
        (lambda e: Envelope(e.header, b"", e.payload), "env.signature"),  # nothing proves it
        (lambda e: Envelope(e.header, e.signature, flipped(e.payload)), "env.payload_hash"),
        (lambda e: Envelope(e.header, e.signature, e.payload + b"x"), "env.payload_hash"),
        (lambda e: Envelope(e.header + b"x", e.signature, e.payload), "enc.trailing"),
        (lambda e: Envelope(b"garbage", e.signature, e.payload), "enc.trailing"),
        (lambda e: Envelope(b"\x80", e.signature, e.payload), "env.header"),
    ],
)
async def test_spoilt_bytes_are_rejected_and_not_stored(
    bench: Bench, spoil: Callable[[Envelope], Envelope], code: str
) -> None:
    entry = bench.author().publish(DEMAND)

    told = await bench.told(spoil(entry))

    assert told == [("rejected", code)]
    assert bench.store.arrival == 0
    assert await bench.told(entry) == [("new", None)]


async def test_a_body_that_is_not_canonical_is_rejected(bench: Bench) -> None:
    author = bench.author()

    unknown_kind = await bench.told(author.twin().append("x.note", b"\xcd\x00\x01"))
    known_kind = await bench.told(author.append("demand.submit", encode(DEMAND) + b"\x00"))

    assert unknown_kind == [("rejected", "enc.not_shortest")]
    assert known_kind == [("rejected", "enc.trailing")]
    assert bench.store.arrival == 0


async def test_one_bad_entry_does_not_sink_the_others_of_its_batch(bench: Bench) -> None:
    hill, dale = bench.author(), bench.author(bench.dale)
    good, bad = hill.append("x.note", BODY), dale.append("x.note", BODY)

    told = await bench.told(Envelope(bad.header, bytes(64), bad.payload), good)

    assert told == [("rejected", "env.signature"), ("new", None)]


async def test_rejected_bytes_are_remembered_per_sender(bench: Bench) -> None:
    entry = bench.author().append("x.note", BODY)
    forged = Envelope(entry.header, bytes(64), entry.payload)

    first = await bench.ingest.receive([forged], sender=b"evil")
    again = await bench.ingest.receive([forged], sender=b"evil")
    other = await bench.ingest.receive([forged], sender=b"other")

    assert {results[0].code for results in (first, again, other)} == {"env.signature"}
    assert "before" in again[0].detail
    assert "before" not in other[0].detail


async def test_only_the_newest_rejections_of_the_newest_senders_are_remembered(
    bench: Bench,
) -> None:
    entry = bench.author().append("x.note", BODY)
    forged = [Envelope(entry.header, bytes([n]) * 64, entry.payload) for n in range(3)]

    await bench.ingest.receive(forged, sender=b"evil")
    results = await bench.ingest.receive(forged, sender=b"evil")
    for number in range(300):
        await bench.ingest.receive(forged[:1], sender=b"%d" % number)
    forgotten = await bench.ingest.receive(forged[2:], sender=b"evil")

    assert ["before" in result.detail for result in results] == [False, True, True]
    assert "before" not in forgotten[0].detail
