"""Which records a service sees that count no more, and on which others still rely."""

from collections.abc import Sequence

from tests.node.taking import DEMAND, Bench, make_keyring

from sheaf_node.plugins import SeenRecord
from sheaf_node.plugins.reading import Reader
from sheaf_protocol.digest import EntryId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.records import Verdict
from sheaf_protocol.testing.author import LogAuthor

FOLLOWS = frozenset({"demand.submit", "verdict"})


def reader_of(bench: Bench) -> Reader:
    federation = bench.ingest.federations[bench.fid]
    return Reader(bench.store, make_keyring(bench.mill), federation)


def read(reader: Reader, *, sees_contested: bool = True) -> list[SeenRecord]:
    """Return the records of all that arrived since, read one by one."""
    seen: list[SeenRecord] = []
    while batch := reader.next_batch(1, FOLLOWS, sees_contested=sees_contested):
        seen += batch.records
    return seen


def contested(records: Sequence[SeenRecord]) -> list[EntryId]:
    return [seen.id for seen in records if seen.is_contested]


def naming(author: LogAuthor, *entries: Envelope) -> Envelope:
    """Return an entry of another co-op that names these."""
    verdict = Verdict(code="ok", level="full", subject=entries[0].id)
    return author.publish(verdict, refs=[entry.id for entry in entries])


async def void_from(bench: Bench, head: LogAuthor) -> None:
    """Close Hill's writer at what it had written by then."""
    await bench.ingest.receive_key_ops(bench.hill.cid, [bench.hill.close({bench.fid: head.head})])


async def test_a_void_record_that_another_coop_names_is_shown_as_contested(bench: Bench) -> None:
    author = bench.author()
    before, demand, unnamed = author.twin(), author.publish(DEMAND), author.publish(DEMAND)
    await bench.receive(demand, unnamed, naming(bench.author(bench.dale), demand))
    await void_from(bench, before)

    seen = read(reader_of(bench))

    assert contested(seen) == [demand.id]
    assert unnamed.id not in {record.id for record in seen}


async def test_a_record_is_contested_once_the_entry_that_names_it_is_read(bench: Bench) -> None:
    author, reader = bench.author(), reader_of(bench)
    before, demand = author.twin(), author.publish(DEMAND)
    await bench.receive(demand)
    await void_from(bench, before)
    at_first = read(reader)

    dale = bench.author(bench.dale)
    await bench.receive(naming(dale, demand), naming(dale, demand))

    assert at_first == []
    assert contested(read(reader)) == [demand.id]  # and not twice


async def test_a_service_that_does_not_ask_sees_what_counts_alone(bench: Bench) -> None:
    author = bench.author()
    before, demand = author.twin(), author.publish(DEMAND)
    await bench.receive(demand, naming(bench.author(bench.dale), demand))
    await void_from(bench, before)

    seen = read(reader_of(bench), sees_contested=False)

    assert [record.kind for record in seen] == ["verdict"]


async def test_what_counts_is_not_contested_by_being_named(bench: Bench) -> None:
    demand = bench.author().publish(DEMAND)
    await bench.receive(demand, naming(bench.author(bench.dale), demand))

    assert contested(read(reader_of(bench))) == []


async def test_a_coop_does_not_contest_for_itself(bench: Bench) -> None:
    author = bench.author()
    before, demand = author.twin(), author.publish(DEMAND)
    await bench.receive(demand, naming(author, demand))
    await void_from(bench, before)

    assert read(reader_of(bench)) == []


async def test_an_entry_that_does_not_count_itself_contests_nothing(bench: Bench) -> None:
    author, dale = bench.author(), bench.author(bench.dale)
    before, demand = author.twin(), author.publish(DEMAND)
    other, named = dale.twin(), naming(dale, demand)
    await bench.receive(demand, named)
    await void_from(bench, before)
    await bench.receive(other.append("x.note", b"\x80"))

    assert bench.store.fork_proofs
    assert read(reader_of(bench)) == []


async def test_a_record_with_a_fault_of_its_author_is_never_contested(bench: Bench) -> None:
    author = bench.author()
    before, spoilt = author.twin(), author.append("demand.submit", b"\x80")
    await bench.receive(spoilt, naming(bench.author(bench.dale), spoilt))
    await void_from(bench, before)

    [entry, _] = bench.store.entries_after(0)
    assert (entry.fault, entry.void) == ("schema.invalid", "key.closed")
    assert contested(read(reader_of(bench))) == []
