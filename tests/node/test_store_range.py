from pathlib import Path

import pytest
from tests.node.storing import authored, new, open_store

from sheaf_node.store import Change, ProvenRun, Store
from sheaf_protocol.envelope import Envelope, open_header
from sheaf_protocol.limits import MAX_HEADER
from sheaf_protocol.proof import prove_tail
from sheaf_protocol.testing.author import LogAuthor, unsigned
from sheaf_protocol.testing.chain import tail_over

PLENTY = 10**6


async def ranged(
    folder: Path, signed: set[int], tailed: int = 0
) -> tuple[Store, LogAuthor, list[Envelope]]:
    """Return a store of eight entries: some signed, and one stored with the tail to the last."""
    author, envelopes = authored(8)
    store = open_store(folder)
    entries = []
    for seq, envelope in enumerate(envelopes, 1):
        tail = tail_over(envelopes[seq:]) if seq == tailed else None
        entries.append(new(envelope if seq in signed else unsigned(envelope), tail=tail))
    await store.commit(Change(entries=entries))
    return store, author, envelopes


def places(run: ProvenRun) -> list[int]:
    return [entry.header.seq for entry in run.entries]


def is_proven(run: ProvenRun) -> bool:
    """Return whether the last entry of a run is: by a signature, or by headers that verify."""
    last = run.entries[-1]
    if run.tail is not None:
        prove_tail(last.id, open_header(last.envelope), run.tail)
    return bool(last.envelope.signature) != (run.tail is not None)


@pytest.mark.parametrize(
    ("signed", "headers"),
    [
        (set(range(1, 9)), 0),  # its own
        ({8}, 3),  # that of the end of the log
        ({3, 6, 8}, 1),  # the nearest one
        ({5, 8}, 0),  # in the middle of others
    ],
)
async def test_a_range_is_what_was_asked_for_and_what_proves_its_end(
    tmp_path: Path, signed: set[int], headers: int
) -> None:
    store, author, _ = await ranged(tmp_path, signed)

    run = store.log_entries(author.log, 3, 5, PLENTY)

    assert places(run) == [3, 4, 5]
    assert (0 if run.tail is None else len(run.tail.headers)) == headers
    assert is_proven(run)
    await store.close()


@pytest.mark.parametrize("signed", [set(range(1, 9)), {8}, {3, 8}])
@pytest.mark.parametrize("bytes_", range(200, 2_200, 100))
async def test_a_range_stops_where_its_bytes_run_out_and_is_proven_there(
    tmp_path: Path, signed: set[int], bytes_: int
) -> None:
    store, author, _ = await ranged(tmp_path, signed)

    run = store.log_entries(author.log, 1, 8, bytes_)

    assert places(run) == list(range(1, len(run.entries) + 1))
    assert run.size <= bytes_ or len(run.entries) == 1
    assert is_proven(run)
    await store.close()


async def test_a_range_has_as_many_entries_as_were_asked_for(tmp_path: Path) -> None:
    store, author, _ = await ranged(tmp_path, {8})

    run = store.log_entries(author.log, 2, 8, PLENTY, 3)

    assert places(run) == [2, 3, 4]
    assert is_proven(run)
    await store.close()


async def test_a_range_ends_at_an_entry_that_was_stored_with_its_tail(tmp_path: Path) -> None:
    """The signature beyond it may be too far off for the entries that the tail proves."""
    store, author, envelopes = await ranged(tmp_path, {8}, tailed=4)

    first, rest = (store.log_entries(author.log, at, 8, PLENTY) for at in (2, 5))

    assert places(first) == [2, 3, 4]
    assert first.tail == tail_over(envelopes[4:])
    assert (places(rest), rest.tail) == ([5, 6, 7, 8], None)
    await store.close()


async def test_an_end_stored_with_a_tail_passes_it_on_over_its_own_header(tmp_path: Path) -> None:
    author, envelopes = authored(4)
    store = open_store(tmp_path)
    kept = [new(unsigned(envelopes[0])), new(unsigned(envelopes[1]), tail=tail_over(envelopes[2:]))]
    await store.commit(Change(entries=kept))

    run = store.log_entries(author.log, 1, 1, PLENTY)

    assert run.tail == tail_over(envelopes[1:])
    assert all(len(header) <= MAX_HEADER for header in run.tail.headers)
    await store.close()


async def test_a_range_that_is_not_held_is_empty(tmp_path: Path) -> None:
    store, author, _ = await ranged(tmp_path, {8})

    assert store.log_entries(author.log, 9, 12, PLENTY) == ProvenRun()
    assert store.log_entries(author.log, 5, 4, PLENTY) == ProvenRun()
    await store.close()
