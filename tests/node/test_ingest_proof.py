"""What proves an entry on its way in, and what is kept of that (LOG-6, LOG-17)."""

from pathlib import Path

import pytest
from tests.node.taking import BODY, Bench, chain, make_ingest

from sheaf_node.events import Arrivals
from sheaf_node.ingest import Outcome
from sheaf_node.store import Store
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import MAX_CLOCK_AHEAD_MS, MAX_UNSIGNED
from sheaf_protocol.proof import Checks, Tail
from sheaf_protocol.testing.author import START_MS, unsigned
from sheaf_protocol.testing.chain import tail_over

NEW, FORGED = ("new", None), ("rejected", "env.signature")


def forged(envelope: Envelope) -> Envelope:
    return Envelope(envelope.header, bytes(64), envelope.payload)


async def test_a_later_signature_proves_those_before_it(bench: Bench) -> None:
    first, second = chain(bench.author(), 2)

    told = await bench.told(unsigned(first), second)

    assert told == [NEW, NEW]
    assert bench.proofs() == ["", "signed"]


async def test_a_signature_that_was_not_checked_is_not_kept(bench: Bench) -> None:
    entries = chain(bench.author(), MAX_UNSIGNED + 2)

    await bench.receive(*entries)

    signed = [number for number, proof in enumerate(bench.proofs(), 1) if proof]
    assert signed == [MAX_UNSIGNED, MAX_UNSIGNED + 2]


async def test_a_wrong_signature_that_was_not_needed_is_not_passed_on(bench: Bench) -> None:
    author = bench.author()
    first, second = chain(author, 2)

    told = await bench.told(forged(first), second)

    run = bench.store.log_entries(author.log, 1, 2, 10**6)
    assert told == [NEW, NEW]
    assert [entry.envelope.signature for entry in run.entries] == [b"", second.signature]


async def test_a_node_that_checks_each_takes_no_wrong_signature(bench: Bench) -> None:
    ingest = make_ingest(bench.store, bench.mill, bench.clock, bench.arrivals, Checks.EACH)
    first, second = chain(bench.author(), 2)

    results = await ingest.receive([forged(first), second])

    assert [result.code for result in results] == ["env.signature", "log.gap"]


async def test_a_node_that_checks_each_asks_for_no_more_than_a_chain(bench: Bench) -> None:
    ingest = make_ingest(bench.store, bench.mill, bench.clock, bench.arrivals, Checks.EACH)
    first, second, third, last = chain(bench.author(), 4)

    await ingest.receive([first, unsigned(second), unsigned(third)], [tail_over([last])])

    assert bench.proofs() == ["signed", "", "tail 1"]


async def test_a_tail_proves_the_end_of_a_run(bench: Bench) -> None:
    first, second, *after = chain(bench.author(), 5)

    told = await bench.told(unsigned(first), unsigned(second), tails=[tail_over(after)])

    assert told == [NEW, NEW]
    assert bench.proofs() == ["", "tail 3"]


async def test_each_run_of_a_batch_has_its_own_tail(bench: Bench) -> None:
    hill, dale = chain(bench.author(), 2), chain(bench.author(bench.dale), 2)

    told = await bench.told(
        unsigned(hill[0]), unsigned(dale[0]), tails=[tail_over(hill[1:]), tail_over(dale[1:])]
    )

    assert told == [NEW, NEW]


@pytest.mark.parametrize("reach", [MAX_UNSIGNED - 1, MAX_UNSIGNED])
async def test_a_signature_proves_what_lies_at_most_63_places_before_it(
    bench: Bench, reach: int
) -> None:
    entries = chain(bench.author(), reach + 1)

    told = await bench.told(*map(unsigned, entries[:-1]), entries[-1])

    expected = [NEW] if reach < MAX_UNSIGNED else [FORGED]
    assert told[:1] == expected


async def test_nothing_is_taken_that_only_a_wrong_signature_follows(bench: Bench) -> None:
    first, second, third = chain(bench.author(), 3)

    told = await bench.told(unsigned(first), second, forged(third))

    assert told == [FORGED, ("held", "log.gap"), ("held", "log.gap")]
    assert await bench.told(unsigned(first), second, third) == [NEW, NEW, NEW]


async def test_a_tail_with_a_wrong_signature_proves_nothing_and_is_forgotten(bench: Bench) -> None:
    first, second = chain(bench.author(), 2)

    told = await bench.told(unsigned(first), tails=[Tail([second.header], bytes(64))])

    assert told == [FORGED]
    assert await bench.told(unsigned(first), tails=[tail_over([second])]) == [NEW]


async def test_headers_that_follow_another_entry_are_no_tail(bench: Bench) -> None:
    author = bench.author()
    first, second = chain(author, 2)
    other = chain(bench.author(), 2, b"\x90")

    told = await bench.told(unsigned(first), tails=[tail_over(other[1:])])

    assert told == [("rejected", "log.bad_prev")]
    assert await bench.told(first, second) == [NEW, NEW]


async def test_a_tail_without_a_run_to_prove_refuses_the_batch(bench: Bench) -> None:
    first, second = chain(bench.author(), 2)

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive([first], [tail_over([second])])

    assert refusal.value.code == "log.tail"
    assert bench.store.arrival == 0


async def test_a_cut_does_not_prove_the_entry_that_it_names(bench: Bench) -> None:
    """Else a thief's signed branch below the cut and the owner's unsigned one would both stay."""
    author = bench.author()
    [entry] = chain(author, 1)
    await bench.ingest.receive_key_ops(bench.hill.cid, [bench.hill.close({bench.fid: author.head})])

    assert await bench.told(unsigned(entry)) == [FORGED]


async def test_a_run_that_breaks_off_is_kept_with_the_tail_of_what_came_after(
    bench: Bench,
) -> None:
    author = bench.author()
    below = chain(author, 2)
    ahead = author.append("x.note", BODY, time_ms=START_MS + MAX_CLOCK_AHEAD_MS + 1)
    last = author.append("x.note", BODY, time_ms=START_MS + MAX_CLOCK_AHEAD_MS + 1)

    told = await bench.told(*map(unsigned, (*below, ahead)), last)

    assert told == [NEW, NEW, ("held", "clock.ahead"), ("held", "log.gap")]
    assert bench.proofs() == ["", "tail 2"]
    run = bench.store.log_entries(author.log, 1, 1, 10**6)
    assert run.tail == tail_over([below[1], ahead, last])


async def test_a_run_whose_beginning_is_known_is_proven_as_a_whole(bench: Bench) -> None:
    entries = chain(bench.author(), 4)
    await bench.receive(*entries[:2])

    told = await bench.told(*map(unsigned, entries[:3]), entries[3])

    assert told == [("known", None), ("known", None), NEW, NEW]
    assert bench.proofs() == ["", "signed", "", "signed"]


async def test_a_spoilt_payload_breaks_a_run_and_not_its_chain(bench: Bench) -> None:
    first, second, third = chain(bench.author(), 3)

    told = await bench.told(
        unsigned(first), Envelope(second.header, b"", second.payload + b"x"), third
    )

    assert told == [NEW, ("rejected", "env.payload_hash"), ("held", "log.gap")]
    assert bench.proofs() == ["tail 2"]


async def test_an_unreadable_entry_ends_a_run(bench: Bench) -> None:
    first, second = chain(bench.author(), 2)

    told = await bench.told(first, Envelope(b"garbage", b"", b""), second)

    assert told == [NEW, ("rejected", "enc.trailing"), NEW]


@pytest.mark.parametrize("checks", Checks)
async def test_a_live_entry_carries_its_own_signature(bench: Bench, checks: Checks) -> None:
    ingest = make_ingest(bench.store, bench.mill, bench.clock, bench.arrivals, checks)
    first, second = chain(bench.author(), 2)

    unproven = await ingest.receive([unsigned(first), second], is_live=True)
    wrong = await ingest.receive([forged(first)], is_live=True)
    right = await ingest.receive([first], is_live=True)

    assert [result.code for result in unproven] == ["env.signature", "log.gap"]
    assert [result.code for result in wrong] == ["env.signature"]
    assert [result.outcome for result in right] == [Outcome.NEW]
    assert bench.proofs() == ["signed"]


async def test_live_entries_come_without_tails(bench: Bench) -> None:
    first, second = chain(bench.author(), 2)

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive([first], [tail_over([second])], is_live=True)

    assert refusal.value.code == "log.tail"


async def test_a_log_taken_in_parts_is_served_so_that_each_part_is_proven(
    bench: Bench, tmp_path: Path
) -> None:
    """One part ends with a tail whose signed entry came unsigned later: what it signed is
    no proof of entry 1 any more, and 93 is too far away.
    """
    author = bench.author()
    entries = chain(author, 93)
    await bench.ingest.receive([*map(unsigned, entries[:29])], [tail_over(entries[29:64])])
    await bench.receive(*map(unsigned, entries[29:92]), entries[92])
    store = Store.open(tmp_path / "peer" / "sheaf.db", random=bytes)
    peer = make_ingest(store, bench.hill, bench.clock, Arrivals())
    for coop in (bench.mill, bench.hill, bench.dale):
        await peer.receive_key_ops(coop.cid, coop.key_ops)
    await peer.receive_certificate(bench.certificate)

    outcomes: list[Outcome] = []
    for first in (1, 30):
        run = bench.store.log_entries(author.log, first, len(entries), 10**6)
        tails = [] if run.tail is None else [run.tail]
        results = await peer.receive([e.envelope for e in run.entries], tails)
        outcomes += [result.outcome for result in results]

    assert outcomes == [Outcome.NEW] * len(entries)
    await store.close()
