"""A file that the first version of the store made is brought to the newest, and says the same."""

from pathlib import Path

import pytest
from tests.node.aged import OldStore
from tests.node.storing import BODY, effects, histories, new, open_store

from sheaf_node.store import Change
from sheaf_protocol.charter import Chain
from sheaf_protocol.digest import Digest
from sheaf_protocol.fork import fork_leaf
from sheaf_protocol.frontier import LogState
from sheaf_protocol.testing.author import LogAuthor
from sheaf_protocol.testing.chain import prove_fork


@pytest.fixture
def old(tmp_path: Path) -> OldStore:
    return OldStore(tmp_path / "sheaf.db")


async def test_a_store_of_the_first_schema_opens_with_the_same_state(
    old: OldStore, tmp_path: Path
) -> None:
    store = open_store(tmp_path, own=old.coops[0].wid)

    assert store.store_id.hex() == "00112233445566778899aabbccddeeff"
    assert [entry.envelope for entry in store.entries_after(0)] == old.entries
    assert effects(store) == [None, "policy.role", None, "log.forked", None, "key.closed"]
    assert store.key_histories == histories(*old.coops)
    assert store.chains == {old.certificate.fid: Chain.of([old.certificate])}
    assert list(store.fork_proofs.values()) == [prove_fork(old.entries[3], old.second)]
    await store.close()


async def test_a_migrated_store_shows_the_frontier_that_it_showed(
    old: OldStore, tmp_path: Path
) -> None:
    whole, forked, closed = old.authors

    store = open_store(tmp_path)

    assert store.frontier(old.certificate.fid) == {
        whole.log: LogState(seq=2, head=Digest(whole.head.id)),
        forked.log: LogState(
            seq=2, head=fork_leaf(forked.log, 2, old.entries[2].id), is_forked=True
        ),
        closed.log: LogState(seq=1, head=Digest(old.cut.id)),
    }
    await store.close()


async def test_a_migrated_store_goes_on(old: OldStore, tmp_path: Path) -> None:
    store = open_store(tmp_path)

    await store.commit(Change(entries=[new(old.authors[0].append("x.note", BODY))]))
    await store.close()
    again = open_store(tmp_path)

    assert again.arrival == len(old.entries) + 1
    assert again.logs[old.authors[0].log].head == old.authors[0].head
    await again.close()


async def test_whom_old_entries_named_is_known_after_the_migration(
    old: OldStore, tmp_path: Path
) -> None:
    """The closed writer's first entry, which counts, names the other's first."""
    store = open_store(tmp_path)
    twin = LogAuthor(old.coops[0], old.certificate.fid)
    proof = prove_fork(twin.twin().append("x.note", b"\x90"), old.entries[0])

    await store.commit(Change(fork_proofs=[proof]))

    first, second, *_ = store.entries_after(0)
    assert [store.is_contested(entry) for entry in (first, second)] == [True, False]
    await store.close()
