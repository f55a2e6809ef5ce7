import asyncio
from pathlib import Path

import pytest
from tests.node.storing import (
    BODY,
    FID,
    OTHER_FID,
    authored,
    effects,
    histories,
    keys,
    new,
    open_store,
)

from sheaf_node.store import Change, Store
from sheaf_protocol.digest import Digest, EntryId, FederationId
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.fork import fork_leaf
from sheaf_protocol.frontier import LogState
from sheaf_protocol.identity import begin_history, merge, signing_key
from sheaf_protocol.limits import WRITER_LIFETIME_MS
from sheaf_protocol.log import Head
from sheaf_protocol.testing.author import START_MS, LogAuthor, TestCoop, make_coop
from sheaf_protocol.testing.chain import prove_fork


async def test_a_fork_takes_the_effect_of_all_from_there_on(tmp_path: Path) -> None:
    author, before = authored(2)
    twin, ours = author.twin(), [author.append("x.note", BODY) for _ in range(2)]
    proof = prove_fork(ours[0], twin.append("x.note", b"\x90"))
    store = open_store(tmp_path)
    await store.commit(Change(entries=[new(e) for e in (*before, *ours)]))

    await store.commit(Change(fork_proofs=[proof]))

    assert effects(store) == [None, None, "log.forked", "log.forked"]
    assert store.voids == 1
    assert store.frontier(FID)[author.log] == LogState(
        seq=3, head=fork_leaf(author.log, 3, before[-1].id), is_forked=True
    )
    await store.close()


async def test_a_lower_fork_proof_takes_the_place_of_a_higher_one(tmp_path: Path) -> None:
    author = LogAuthor(make_coop("Hill Farm"), FID)
    twin = author.twin()
    ours = [author.append("x.note", BODY) for _ in range(3)]
    theirs = [twin.append("x.note", b"\x90") for _ in range(3)]
    high, low = prove_fork(ours[2], theirs[2]), prove_fork(ours[0], theirs[0])
    store = open_store(tmp_path)
    await store.commit(Change(entries=[new(e) for e in ours]))

    await store.commit(Change(fork_proofs=[high]))
    await store.commit(Change(fork_proofs=[low]))
    with pytest.raises(LocalProtocolError):
        await store.commit(Change(fork_proofs=[high]))

    assert {entry.no_effect for entry in store.entries_after(0)} == {"log.forked"}
    assert store.logs[author.log].forked_at == 1
    assert store.fork_proofs == {low.id: low}
    await store.close()


async def test_a_forked_log_looks_incomplete_until_all_below_the_fork_is_held(
    tmp_path: Path,
) -> None:
    author, (first, second) = authored(2)
    twin = author.twin()
    proof = prove_fork(author.append("x.note", BODY), twin.append("x.note", b"\x90"))
    store = open_store(tmp_path)

    await store.commit(Change(fork_proofs=[proof]))
    at_none = store.frontier(FID)
    await store.commit(Change(entries=[new(first)]))
    at_one = store.frontier(FID)
    await store.commit(Change(entries=[new(second)]))

    assert at_none == {}
    assert at_one[author.log].seq == 1
    assert store.frontier(FID)[author.log].is_forked
    await store.close()


async def test_a_cut_takes_the_effect_of_all_beyond_it(tmp_path: Path) -> None:
    coop = make_coop("Hill Farm")
    author, before = authored(2, coop)
    cut = author.head
    beyond = [author.append("x.note", BODY) for _ in range(2)]
    store = open_store(tmp_path)
    await store.commit(keys(coop))
    await store.commit(Change(entries=[new(e) for e in (*before, *beyond)]))

    coop.close({FID: cut})
    await store.commit(keys(coop))

    assert effects(store) == [None, None, "key.closed", "key.closed"]
    assert store.voids == 1
    assert store.frontier(FID) == {author.log: LogState(seq=2, head=Digest(cut.id))}
    await store.close()


async def test_each_log_of_a_writer_is_cut_at_the_number_of_its_federation(
    tmp_path: Path,
) -> None:
    coop = make_coop("Hill Farm")
    here, there, unlisted = (
        LogAuthor(coop, fid) for fid in (FID, OTHER_FID, FederationId(b"u" * 32))
    )
    envelopes = [a.append("x.note", BODY) for a in (here, there, unlisted) for _ in range(3)]
    first = Head(seq=1, id=envelopes[0].id, time_ms=START_MS)
    store = open_store(tmp_path)
    await store.commit(keys(coop))
    await store.commit(Change(entries=[new(e) for e in envelopes]))

    coop.close({FID: first, OTHER_FID: there.head})
    await store.commit(keys(coop))

    assert effects(store) == [None, *["key.closed"] * 2, *[None] * 3, *["key.closed"] * 3]
    assert store.voids == 2
    assert store.frontier(FID) == {here.log: LogState(seq=1, head=Digest(first.id))}
    assert store.frontier(OTHER_FID) == {there.log: LogState(seq=3, head=Digest(there.head.id))}
    assert store.frontier(unlisted.fid) == {}
    await store.close()


@pytest.mark.parametrize("count", [2, 3])
async def test_a_log_of_another_past_than_its_cut_ends_before_it(
    tmp_path: Path, count: int
) -> None:
    coop = make_coop("Hill Farm")
    author = LogAuthor(coop, FID)
    thief = author.twin()
    for _ in range(2):
        author.append("x.note", BODY)
    stolen = [thief.append("x.note", b"\x90") for _ in range(count)]
    store = open_store(tmp_path)
    await store.commit(keys(coop))
    await store.commit(Change(entries=[new(e) for e in stolen]))

    coop.close({FID: author.head})
    await store.commit(keys(coop))

    assert effects(store) == [None, *["key.closed"] * (count - 1)]
    assert store.voids == 1
    assert store.frontier(FID) == {thief.log: LogState(seq=1, head=Digest(stolen[0].id))}
    await store.close()


@pytest.mark.parametrize("is_cut_first", [True, False])
async def test_a_fork_below_a_cut_outweighs_it_in_either_order(
    tmp_path: Path, is_cut_first: bool
) -> None:
    coop = make_coop("Hill Farm")
    author = LogAuthor(coop, FID)
    twin = author.twin()
    ours = [author.append("x.note", BODY) for _ in range(3)]
    proof = prove_fork(ours[0], twin.append("x.note", b"\x90"))
    store = open_store(tmp_path)
    await store.commit(keys(coop))
    await store.commit(Change(entries=[new(e) for e in ours]))
    coop.close({FID: author.head})
    changes = [keys(coop), Change(fork_proofs=[proof])]

    for change in changes if is_cut_first else reversed(changes):
        await store.commit(change)

    assert {entry.no_effect for entry in store.entries_after(0)} == {"log.forked"}
    assert store.frontier(FID)[author.log].is_forked
    await store.close()


async def test_entries_stored_with_the_change_that_voids_them_say_so(tmp_path: Path) -> None:
    author, (first,) = authored(1)
    twin, second = author.twin(), author.append("x.note", BODY)
    proof = prove_fork(second, twin.append("x.note", b"\x90"))
    store = open_store(tmp_path)

    stored = await store.commit(Change(entries=[new(first), new(second)], fork_proofs=[proof]))

    assert [entry.no_effect for entry in stored] == [None, "log.forked"]
    assert store.entries_after(0) == stored
    await store.close()


async def test_entries_beyond_a_cut_are_stored_without_effect(tmp_path: Path) -> None:
    coop = make_coop("Hill Farm")
    author, within = authored(1, coop)
    coop.close({FID: author.head})
    store = open_store(tmp_path)

    stored = await store.commit(
        Change(
            key_histories=histories(coop),
            entries=[new(e) for e in (*within, author.append("x.note", BODY))],
        )
    )

    assert [entry.no_effect for entry in stored] == [None, "key.closed"]
    await store.close()


async def test_a_closed_log_looks_incomplete_until_its_cut_is_held(tmp_path: Path) -> None:
    coop = make_coop("Hill Farm")
    author, (first, _) = authored(2, coop)
    coop.close({FID: author.head})
    store = open_store(tmp_path)

    await store.commit(Change(key_histories=histories(coop), entries=[new(first)]))

    assert store.frontier(FID) == {author.log: LogState(seq=1, head=Digest(first.id))}
    await store.close()


# --- key logs that divide


async def overridden(
    folder: Path, entries: int, cut: int, *, adopted: bool = True
) -> tuple[Store, TestCoop, TestCoop, list[EntryId]]:
    """Return a store with one log under a manager's close at a cut, and beside it the co-op as its
    rotation key overrides that: with the writer open up to the head, or not in the log at all.
    """
    coop = make_coop("Hill Farm")
    rival = coop.twin(2 if adopted else 1)
    author, envelopes = authored(entries, coop)
    places = [Head(seq=n, id=e.id, time_ms=START_MS) for n, e in enumerate(envelopes, 1)]
    coop.close({FID: places[cut - 1]})
    rival.revoke({coop.writer: {FID: author.head}} if adopted else None)
    store = open_store(folder)
    await store.commit(keys(coop))
    await store.commit(Change(entries=[new(e) for e in envelopes]))
    return store, coop, rival, [envelope.id for envelope in envelopes]


async def test_an_override_gives_back_what_a_close_took(tmp_path: Path) -> None:
    store, _, rival, ids = await overridden(tmp_path, 3, cut=1)
    before = effects(store)

    await store.commit(keys(rival))

    assert before == [None, "key.closed", "key.closed"]
    assert effects(store) == [None, None, None]
    assert store.voids == 1
    assert [state.seq for state in store.frontier(FID).values()] == [len(ids)]
    await store.close()


async def test_a_writer_that_the_key_log_in_force_does_not_know_counts_for_nothing(
    tmp_path: Path,
) -> None:
    store, _, rival, _ = await overridden(tmp_path, 3, cut=2, adopted=False)

    await store.commit(keys(rival))

    assert effects(store) == ["key.closed"] * 3
    assert store.voids == 1
    assert store.frontier(FID) == {}
    await store.close()


async def test_a_reopened_store_stands_on_the_branch_that_won(tmp_path: Path) -> None:
    store, coop, rival, _ = await overridden(tmp_path, 3, cut=1)
    await store.commit(keys(rival))
    frontier = store.frontier(FID)
    await store.close()

    again = open_store(tmp_path)

    assert again.key_histories == histories(rival)
    assert list(again.key_ops(coop.cid)) == rival.key_ops
    assert (effects(again), again.frontier(FID)) == ([None] * 3, frontier)
    await again.close()


async def test_a_shorter_branch_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    """Several changes of one key log may share a transaction."""
    store, coop, rival, _ = await overridden(tmp_path, 1, cut=1)
    longer = coop.twin()
    for number in range(3):
        longer.delegate(signing_key(bytes([number]) * 32), START_MS)

    await asyncio.gather(*(store.commit(keys(each)) for each in (longer, rival)))
    await store.close()
    again = open_store(tmp_path)

    assert again.key_histories == histories(rival)
    await again.close()


async def test_a_frozen_key_log_is_kept_with_both_branches(tmp_path: Path) -> None:
    coop = make_coop("Hill Farm")
    author, envelopes = authored(2, coop)
    rival = coop.twin()
    coop.close({FID: Head(seq=1, id=envelopes[0].id, time_ms=START_MS)})
    rival.close({FID: author.head})
    frozen = merge(begin_history(coop.key_ops), rival.key_ops)
    store = open_store(tmp_path)
    await store.commit(keys(coop))
    await store.commit(Change(entries=[new(e) for e in envelopes]))

    await store.commit(Change(key_histories={coop.cid: frozen}))
    shown = effects(store)
    await store.close()
    again = open_store(tmp_path)

    assert again.key_histories == {coop.cid: frozen}
    assert again.key_logs[coop.cid].is_frozen
    assert shown == effects(again) == [None, None]  # neither close counts
    await again.close()


async def test_entries_keep_their_fault_through_a_cut_and_back(tmp_path: Path) -> None:
    coop = make_coop("Hill Farm")
    _, envelopes = authored(1, coop)
    rival = coop.twin()
    coop.close({})
    rival.revoke({coop.writer: {FID: Head(seq=1, id=envelopes[0].id, time_ms=START_MS)}})
    store = open_store(tmp_path)
    await store.commit(keys(coop))
    await store.commit(Change(entries=[new(envelopes[0], fault="policy.role")]))
    closed = effects(store)

    await store.commit(keys(rival))

    assert (closed, effects(store)) == (["key.closed"], ["policy.role"])
    await store.close()


async def test_entries_later_than_a_delegation_count_while_an_override_adopts_them(
    tmp_path: Path,
) -> None:
    """The rotation key lets in a log beyond its writer's expiry; a rotate then knows better."""
    coop = make_coop("Hill Farm")
    author = LogAuthor(coop, FID, now_ms=START_MS + WRITER_LIFETIME_MS - 1)
    within = [author.append("x.note", BODY) for _ in range(3)]
    author.now_ms += 2
    beyond = [author.append("x.note", BODY) for _ in range(2)]
    rival = coop.twin()
    coop.revoke({coop.writer: {FID: author.head}})
    rival.rotate()
    store = open_store(tmp_path)
    await store.commit(keys(coop))
    await store.commit(Change(entries=[new(e) for e in (*within, *beyond)]))
    adopted = effects(store)

    await store.commit(keys(rival))

    assert adopted == [None] * 5
    assert effects(store) == [None] * 3 + ["key.expired"] * 2
    assert store.voids == 1
    assert store.frontier(FID) == {author.log: LogState(seq=3, head=Digest(within[-1].id))}
    await store.close()


async def test_a_change_of_keys_that_moves_no_line_voids_nothing(tmp_path: Path) -> None:
    store, coop, _, _ = await overridden(tmp_path, 2, cut=2)
    coop.delegate(signing_key(bytes(32)), START_MS)

    await store.commit(keys(coop))

    assert (effects(store), store.voids) == ([None, None], 0)
    await store.close()
