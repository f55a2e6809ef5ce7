import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.node.storing import (
    BODY,
    FID,
    authored,
    histories,
    new,
    open_store,
    traced,
)

from sheaf_node.store import Change, Store, writer
from sheaf_node.store.planned import Planned
from sheaf_node.store.state import Usage
from sheaf_node.store.writer import AT_ONCE
from sheaf_node.turns import Turns
from sheaf_protocol.charter import Chain
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.identity import begin_history
from sheaf_protocol.testing.author import (
    LogAuthor,
    make_coop,
    make_federation,
    unsigned,
)
from sheaf_protocol.testing.chain import prove_fork


async def used(store: Store) -> Usage:
    """Return what the one author here takes up."""

    def look(planned: Planned) -> tuple[Change, Usage]:
        [usage] = planned.state.usage.values()
        return Change(), usage

    found, _ = await store.transact(look)
    return found


async def test_entries_come_back_as_they_were_stored(tmp_path: Path) -> None:
    author, (first, second, third) = authored(3)
    withheld = Envelope(third.header, third.signature, b"")
    store = open_store(tmp_path)

    stored = await store.commit(
        Change(
            entries=[
                new(unsigned(first)),
                new(second, fault="policy.role"),
                new(withheld),
            ]
        )
    )

    assert [entry.arrival for entry in stored] == [1, 2, 3]
    assert store.entries_after(0) == stored
    assert store.entries_after(1, 1) == stored[1:2]
    assert [store.entry(e.id) for e in stored] == stored
    assert stored[0].envelope.signature == b""
    assert stored[1].no_effect == "policy.role"
    assert stored[2].envelope.payload == b""
    assert store.logs[author.log].head == author.head
    await store.close()


async def test_an_unknown_id_has_no_entry(tmp_path: Path) -> None:
    author, (first,) = authored(1)
    store = open_store(tmp_path)

    assert store.entry(first.id) is None
    assert store.log_entries(author.log, 1, 9, 10**6).entries == ()
    await store.close()


async def test_nothing_can_be_read_before_it_is_durable(tmp_path: Path) -> None:
    author, (first,) = authored(1)
    store = open_store(tmp_path)

    committing = asyncio.ensure_future(store.commit(Change(entries=[new(first)])))
    await asyncio.sleep(0)
    heads_before = dict(store.logs)
    await committing

    assert heads_before == {}
    assert store.logs[author.log].head.seq == 1
    await store.close()


async def test_a_reopened_store_knows_all_that_it_knew(tmp_path: Path) -> None:
    hill, dale = make_coop("Hill Farm"), make_coop("Dale Supplies")
    certificate = make_federation([(hill, ["member"]), (dale, ["supplier"])])
    author = LogAuthor(hill, certificate.fid)
    twin, one = author.twin(), author.append("x.note", BODY)
    proof = prove_fork(one, twin.append("x.note", b"\x90"))
    store = open_store(tmp_path)
    await store.commit(
        Change(
            key_histories=histories(hill, dale),
            chains={certificate.fid: Chain.of([certificate])},
            entries=[new(one)],
        )
    )
    await store.commit(Change(fork_proofs=[proof]))
    before = (store.store_id, store.arrival, dict(store.logs), store.frontier(certificate.fid))
    await store.close()

    again = open_store(tmp_path, own=hill.wid)

    assert before == (
        again.store_id,
        again.arrival,
        dict(again.logs),
        again.frontier(certificate.fid),
    )
    assert again.key_logs == {hill.cid: hill.keys, dale.cid: dale.keys}
    assert list(again.key_ops(hill.cid, 1)) == hill.key_ops[1:]
    assert again.chains == {certificate.fid: Chain.of([certificate])}
    assert again.fork_proofs == {proof.id: proof}
    await again.close()


async def test_changes_brought_at_once_share_a_transaction(tmp_path: Path) -> None:
    commits: list[str] = []
    _, envelopes = authored(40)
    store = open_store(tmp_path, connect=traced(commits))
    commits.clear()

    await asyncio.gather(*(store.commit(Change(entries=[new(e)])) for e in envelopes))

    assert store.arrival == 40
    assert commits.count("COMMIT") <= 3  # the first may go alone; the rest waited for it
    await store.close()


@pytest.mark.parametrize("count", [1, 2, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
async def test_what_a_log_grew_by_in_one_transaction_is_known_again(
    tmp_path: Path, count: int
) -> None:
    _, envelopes = authored(count)
    store = open_store(tmp_path)
    await asyncio.gather(*(store.commit(Change(entries=[new(e)])) for e in envelopes))
    before = await used(store)
    await store.close()

    again = open_store(tmp_path)

    assert await used(again) == before
    assert before.entries == count
    assert [entry.envelope for entry in again.entries_after(0, count)] == envelopes
    await again.close()


async def test_what_peers_bring_shares_the_commit_of_our_own_while_people_are_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "COLLECT_S", 0.5)  # longer than a busy machine halts
    commits: list[str] = []
    _, [*brought, own] = authored(9)
    turns = Turns()
    store = open_store(tmp_path, connect=traced(commits), turns=turns)
    commits.clear()

    with turns.own():
        pass
    bringing = [
        asyncio.ensure_future(
            store.transact(lambda _, e=e: (Change(entries=[new(e)]), None), is_foreign=True)
        )
        for e in brought
    ]
    await asyncio.gather(*bringing)
    await store.commit(Change(entries=[new(own)]))

    assert store.arrival == 9
    assert commits.count("COMMIT") <= 3  # those of peers in one, unless this machine halted
    await store.close()


async def test_more_changes_than_the_queue_holds_are_all_stored(tmp_path: Path) -> None:
    _, envelopes = authored(200)
    store = open_store(tmp_path)

    stored = await asyncio.gather(*(store.commit(Change(entries=[new(e)])) for e in envelopes))

    assert [entries[0].arrival for entries in stored] == list(range(1, 201))
    await store.close()


async def test_a_change_that_does_not_fit_sinks_no_other(tmp_path: Path) -> None:
    _, (first, second, third) = authored(3)
    store = open_store(tmp_path)

    results = await asyncio.gather(
        store.commit(Change(entries=[new(first)])),
        store.commit(Change(entries=[new(third)])),
        store.commit(Change(entries=[new(second)])),
        return_exceptions=True,
    )

    assert [entry.id for entry in store.entries_after(0)] == [first.id, second.id]
    assert isinstance(results[1], LocalProtocolError)
    assert results[1].code == "store.conflict"
    await store.close()


async def test_a_change_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    _, (first, _, third) = authored(3)
    store = open_store(tmp_path)

    with pytest.raises(LocalProtocolError):
        await store.commit(Change(entries=[new(first), new(third)]))

    assert store.entries_after(0) == []
    assert not store.logs
    await store.close()


@pytest.mark.parametrize(
    "make_change",
    [
        lambda first: Change(entries=[new(unsigned(first))]),  # nothing proves it
        lambda first: Change(entries=[new(first), new(first)]),  # twice at one place
        lambda _: Change(
            key_histories={make_coop("A").cid: begin_history(make_coop("B").key_ops)}
        ),  # another's
        lambda _: Change(
            chains={FID: Chain.of([make_federation([(make_coop("A"), ["member"])])])}
        ),  # another federation's
    ],
)
async def test_a_change_against_the_state_is_refused(
    tmp_path: Path, make_change: Callable[[Envelope], Change]
) -> None:
    _, (first,) = authored(1)
    store = open_store(tmp_path)
    change = make_change(first)

    with pytest.raises(LocalProtocolError) as refusal:
        await store.commit(change)

    assert refusal.value.code == "store.conflict"
    assert store.arrival == 0
    await store.close()


async def test_a_change_is_stored_although_its_caller_went_away(tmp_path: Path) -> None:
    _, (first,) = authored(1)
    store = open_store(tmp_path)
    committing = asyncio.ensure_future(store.commit(Change(entries=[new(first)])))
    await asyncio.sleep(0)

    committing.cancel()
    await store.close()
    again = open_store(tmp_path)

    assert again.arrival == 1
    await again.close()


async def test_closing_commits_what_is_queued(tmp_path: Path) -> None:
    _, envelopes = authored(20)
    store = open_store(tmp_path)
    waiting = [asyncio.ensure_future(store.commit(Change(entries=[new(e)]))) for e in envelopes]
    await asyncio.sleep(0)

    await store.close()
    await asyncio.gather(*waiting)

    with pytest.raises(Refusal) as refusal:
        store.entries_after(0)
    assert refusal.value.code == "store.closed"


async def test_no_decision_is_made_while_as_many_changes_wait_as_are_allowed(
    tmp_path: Path,
) -> None:
    _, (first, second) = authored(2)
    store = open_store(tmp_path, queued=1)
    arrivals = []

    async def commit(envelope: Envelope) -> None:
        def decide(_: object) -> tuple[Change, None]:
            arrivals.append(store.arrival)
            return Change(entries=[new(envelope)]), None

        await store.transact(decide)

    await asyncio.gather(commit(first), commit(second))

    assert arrivals == [0, 1]  # the second waited until the first was durable
    await store.close()


async def test_a_closed_store_refuses_changes_and_closes_once(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.close()
    await store.close()

    with pytest.raises(Refusal) as refusal:
        await store.commit(Change())

    assert refusal.value.code == "store.closed"
