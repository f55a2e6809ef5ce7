"""What services read of logs in which payloads are missing."""

from tests.node.taking import DEMAND, Bench, make_keyring

from sheaf_node.plugins.reading import Reader
from sheaf_protocol.charter import federation_of
from sheaf_protocol.codec import encode
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.identity import signing_key
from sheaf_protocol.records import Demand, Erase
from sheaf_protocol.subscription import Filter
from sheaf_protocol.testing.author import START_MS, LogAuthor

FOLLOWS = frozenset({"demand.submit"})


def reader(bench: Bench, subscription: Filter | None = None) -> Reader:
    mill = bench.mill
    keyring = make_keyring(mill)
    return Reader(bench.store, keyring, federation_of(bench.certificate), subscription)


def demand(author: LogAuthor, ref: str) -> Envelope:
    fields = {name: getattr(DEMAND, name) for name in DEMAND.__struct_fields__}
    return author.publish(Demand(**{**fields, "ref": ref}))


def bare(envelope: Envelope) -> Envelope:
    return Envelope(envelope.header, envelope.signature, b"")


def refs(reading: Reader, limit: int = 512) -> list[str]:
    """Read all there is, and return the references of what came."""
    found = []
    while batch := reading.next_batch(limit, FOLLOWS):
        found += [seen.record.ref for seen in batch.records if isinstance(seen.record, Demand)]
    return found


def heights(reading: Reader) -> dict[bytes, int]:
    return {cid: head.seq for cid, _, head in reading.heads()}


async def test_log_is_read_up_to_a_payload_that_is_withheld(bench: Bench) -> None:
    hill, dale = bench.author(), bench.author(bench.mill)
    entries = [demand(hill, f"h{n}") for n in range(3)]
    await bench.receive(entries[0], bare(entries[1]), entries[2], demand(dale, "d"))
    reading = reader(bench)

    assert refs(reading) == ["h0", "d"]
    assert heights(reading) == {bench.hill.cid: 1, bench.mill.cid: 1}


async def test_payload_that_comes_is_read_in_its_place(bench: Bench) -> None:
    hill = bench.author()
    entries = [demand(hill, f"h{n}") for n in range(5)]
    await bench.receive(entries[0], bare(entries[1]), entries[2], bare(entries[3]), entries[4])
    reading = reader(bench)
    before = refs(reading)

    await bench.receive(entries[1])
    between = refs(reading)
    await bench.receive(entries[3])

    assert (before, between, refs(reading)) == (["h0"], ["h1", "h2"], ["h3", "h4"])
    assert heights(reading) == {bench.hill.cid: 5}


async def test_what_had_to_wait_is_read_in_parts(bench: Bench) -> None:
    hill = bench.author()
    entries = [demand(hill, f"h{n}") for n in range(6)]
    await bench.receive(bare(entries[0]), *entries[1:])
    reading = reader(bench)
    refs(reading)
    await bench.receive(entries[0])

    assert refs(reading, 2) == ["h0", "h1", "h2", "h3", "h4", "h5"]


async def test_what_comes_meanwhile_waits_for_its_turn(bench: Bench) -> None:
    hill = bench.author()
    entries = [demand(hill, f"h{n}") for n in range(4)]
    await bench.receive(bare(entries[0]), *entries[1:3])
    reading = reader(bench)
    refs(reading)
    await bench.receive(entries[0])
    first = reading.next_batch(1, FOLLOWS)
    await bench.receive(entries[3])

    rest = refs(reading, 1)

    assert [seen.record.ref for seen in first.records if isinstance(seen.record, Demand)] == ["h0"]
    assert rest == ["h1", "h2", "h3"]


async def test_entry_found_erased_holds_up_nothing_any_more(bench: Bench) -> None:
    """The joiner's case: the erase stands further on in the log than the entry without payload."""
    hill = bench.author()
    entries = [demand(hill, f"h{n}") for n in range(3)]
    await bench.receive(bare(entries[0]), *entries[1:])
    reading = reader(bench)
    before = refs(reading)

    await bench.receive(hill.publish(Erase(entry=entries[0].id)))

    assert (before, refs(reading)) == ([], ["h1", "h2"])


async def test_entry_that_became_void_holds_up_nothing(bench: Bench) -> None:
    hill = bench.author()
    first, second = demand(hill, "h0"), demand(hill, "h1")
    await bench.receive(first, bare(second))
    reading = reader(bench)
    before = refs(reading)
    last = LogAuthor(bench.hill, bench.fid)
    last.append("demand.submit", encode(DEMAND))

    bench.hill.close({bench.fid: last.head})
    await bench.ingest.receive_key_ops(bench.hill.cid, bench.hill.key_ops)

    assert (before, refs(reading)) == (["h0"], [])


async def test_payload_that_is_not_subscribed_to_holds_up_nothing(bench: Bench) -> None:
    hill = bench.author()
    note = hill.append("x.note", b"\x80")
    await bench.receive(bare(note), demand(hill, "h1"))

    assert refs(reader(bench, Filter(kinds=["demand.submit"]))) == ["h1"]


async def test_erased_entry_is_read_until_it_is_deleted(bench: Bench) -> None:
    hill = bench.author()
    entry = demand(hill, "h0")
    await bench.receive(entry, hill.publish(Erase(entry=entry.id)), demand(hill, "h1"))

    assert refs(reader(bench)) == ["h0", "h1"]


async def test_logs_wait_each_for_their_own(bench: Bench) -> None:
    key = signing_key(b"second".ljust(32))
    op = bench.hill.delegate(key, START_MS + 10**9)
    await bench.ingest.receive_key_ops(bench.hill.cid, [op])
    one, two = bench.author(), LogAuthor(bench.hill, bench.fid, writer=key)
    ones, twos = [demand(one, f"a{n}") for n in range(2)], [demand(two, f"b{n}") for n in range(2)]
    await bench.receive(bare(ones[0]), ones[1], bare(twos[0]), twos[1])
    reading = reader(bench)
    refs(reading)

    await bench.receive(twos[0])

    assert refs(reading) == ["b0", "b1"]
