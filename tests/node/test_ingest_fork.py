import pytest
from tests.node.taking import BODY, OTHER_BODY, Bench, chain

from sheaf_protocol.digest import FederationId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity import signing_key
from sheaf_protocol.testing.author import START_MS, LogAuthor, unsigned
from sheaf_protocol.testing.chain import branch_over, prove_fork, tail_over


async def test_two_signed_entries_for_one_place_become_a_proof(bench: Bench) -> None:
    author = bench.author()
    before = chain(author, 2)
    twin = author.twin()
    ours, theirs = chain(author, 2), [twin.append("x.note", OTHER_BODY) for _ in range(2)]
    await bench.receive(*before, *ours)

    told = await bench.told(*theirs)

    assert told == [("fork", "log.forked"), ("rejected", "log.forked")]
    effects = [entry.no_effect for entry in bench.store.entries_after(0)]
    assert effects == [None, None, "log.forked", "log.forked"]
    assert list(bench.store.fork_proofs) == [prove_fork(ours[0], theirs[0]).id]
    assert bench.store.entry(theirs[0].id) is None
    assert await bench.told(author.append("x.note", BODY)) == [("rejected", "log.forked")]


async def test_a_fork_inside_one_batch_is_found(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()

    ours, theirs = author.append("x.note", BODY), twin.append("x.note", OTHER_BODY)
    results = await bench.receive(ours, theirs, author.append("x.note", BODY))

    assert [result.outcome.value for result in results] == ["new", "fork", "rejected"]
    assert results[0].entry is not None
    assert results[0].entry.no_effect == "log.forked"


async def test_a_forged_second_entry_is_no_fork(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()
    await bench.receive(author.append("x.note", BODY))
    second = twin.append("x.note", OTHER_BODY)

    told = await bench.told(Envelope(second.header, bytes(64), second.payload))

    assert told == [("rejected", "env.signature")]
    assert not bench.store.fork_proofs


async def test_a_received_fork_proof_freezes_the_writer_and_not_the_coop(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()
    ours, theirs = author.append("x.note", BODY), twin.append("x.note", OTHER_BODY)
    successor = signing_key(b"\x01" * 32)
    op = bench.hill.delegate(successor, START_MS + 1)
    await bench.ingest.receive_key_ops(bench.hill.cid, [op])

    is_new = await bench.ingest.receive_fork_proof(prove_fork(ours, theirs))

    assert is_new
    assert await bench.told(ours) == [("rejected", "log.forked")]
    other = LogAuthor(bench.hill, bench.fid, writer=successor)
    assert await bench.told(other.append("x.note", BODY)) == [("new", None)]


async def test_a_lower_fork_proof_counts_and_a_higher_one_does_not(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()
    ours, theirs = chain(author, 3), [twin.append("x.note", OTHER_BODY) for _ in range(3)]
    proofs = [prove_fork(a, b) for a, b in zip(ours, theirs, strict=True)]

    told = [await bench.ingest.receive_fork_proof(proofs[i]) for i in (1, 2, 0, 0)]

    assert told == [True, False, True, False]
    assert list(bench.store.fork_proofs) == [proofs[0].id]


async def test_a_fork_proof_of_an_unknown_writer_is_not_kept(bench: Bench) -> None:
    author = LogAuthor(bench.hill, bench.fid, writer=signing_key(bytes(32)))
    twin = author.twin()
    proof = prove_fork(author.append("x.note", BODY), twin.append("x.note", OTHER_BODY))

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive_fork_proof(proof)

    assert refusal.value.code == "key.unknown"
    assert not bench.store.fork_proofs


async def test_a_fork_proof_of_another_federation_is_not_kept(bench: Bench) -> None:
    author = LogAuthor(bench.hill, FederationId(bytes(32)))
    twin = author.twin()
    proof = prove_fork(author.append("x.note", BODY), twin.append("x.note", OTHER_BODY))

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive_fork_proof(proof)

    assert refusal.value.code == "charter.unknown_federation"


async def test_two_branches_signed_at_their_ends_alone_become_a_proof(bench: Bench) -> None:
    author = bench.author()
    below = chain(author, 2)
    twin = author.twin()
    ours, theirs = chain(author, 3), chain(twin, 2, OTHER_BODY)
    await bench.receive(*map(unsigned, (*below, *ours[:2])), ours[2])

    told = await bench.told(unsigned(theirs[0]), theirs[1])

    [proof] = bench.store.fork_proofs.values()
    sides = {len(proof.first.headers), len(proof.second.headers)}
    assert told == [("fork", "log.forked"), ("rejected", "log.forked")]
    assert proof.id == prove_fork(ours[0], theirs[0]).id
    assert sides == {3, 2}
    assert [e.no_effect for e in bench.store.entries_after(0)] == [None] * 2 + ["log.forked"] * 3


async def test_the_side_that_was_kept_with_a_tail_shows_its_tail(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()
    ours = chain(author, 3)
    await bench.ingest.receive([unsigned(ours[0])], [tail_over(ours[1:])])

    await bench.told(*chain(twin, 1, OTHER_BODY))

    [proof] = bench.store.fork_proofs.values()
    assert branch_over(ours) in (proof.first, proof.second)


async def test_the_shortest_branch_is_shown_of_a_signed_entry(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()
    await bench.told(*chain(author, 1))
    theirs = chain(twin, 3, OTHER_BODY)

    await bench.told(*theirs)

    [proof] = bench.store.fork_proofs.values()
    assert branch_over(theirs[:1]) in (proof.first, proof.second)


async def test_an_unproven_second_entry_is_no_fork(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()
    await bench.told(*chain(author, 1))
    theirs = chain(twin, 2, OTHER_BODY)

    told = await bench.told(unsigned(theirs[0]))

    assert told == [("rejected", "env.signature")]
    assert not bench.store.fork_proofs


async def test_a_fork_between_two_runs_of_one_batch_is_found(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()
    ours, theirs = chain(author, 2), chain(twin, 2, OTHER_BODY)

    told = await bench.told(unsigned(ours[0]), ours[1], unsigned(theirs[0]), theirs[1])

    assert [outcome for outcome, _ in told] == ["new", "new", "fork", "rejected"]
    assert {e.no_effect for e in bench.store.entries_after(0)} == {"log.forked"}
    assert list(bench.store.fork_proofs) == [prove_fork(ours[0], theirs[0]).id]


async def test_what_a_batch_brought_twice_is_known(bench: Bench) -> None:
    entries = chain(bench.author(), 2)

    told = await bench.told(*entries, *entries)

    assert told == [("new", None)] * 2 + [("known", None)] * 2
