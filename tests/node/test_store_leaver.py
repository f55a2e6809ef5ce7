"""Where the log of a leaver ends in the store, beside the cuts and forks that it has."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.node.epochs import Growing
from tests.node.storing import BODY, effects, keys, new, open_store

from sheaf_node.store import Change
from sheaf_protocol.digest import Digest
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.fork import fork_leaf
from sheaf_protocol.frontier import LogState
from sheaf_protocol.log import EMPTY, Head
from sheaf_protocol.testing.author import LogAuthor
from sheaf_protocol.testing.chain import prove_fork
from sheaf_protocol.testing.epoch import about


class Leaving:
    """A store that holds four entries of Cove, and at which of them it was cut and left."""

    def __init__(self, folder: Path) -> None:
        self.growing = Growing()
        self.author = self.growing.author(self.growing.cove)
        self.places = [self.author.twin()]
        self.entries = []
        for _ in range(4):
            self.entries.append(self.author.append("x.note", BODY))
            self.places.append(self.author.twin())
        self.store = open_store(folder)

    async def hold(self) -> None:
        await self.store.commit(keys(*self.growing.coops))
        await self.commit_chain()
        await self.store.commit(Change(entries=[new(entry) for entry in self.entries]))

    async def commit_chain(self) -> None:
        await self.store.commit(Change(chains={self.growing.fid: self.growing.chain}))

    async def leave(self, at: LogAuthor) -> None:
        self.growing.next(about("expel", self.growing.cove), at)
        await self.commit_chain()

    async def close_at(self, head: Head) -> None:
        self.growing.cove.close({self.growing.fid: head})
        await self.store.commit(keys(self.growing.cove))

    @property
    def shown(self) -> LogState | None:
        return self.store.frontier(self.growing.fid).get(self.author.log)

    def at(self, seq: int) -> LogState:
        return LogState(seq=seq, head=Digest(self.entries[seq - 1].id))


@pytest.fixture
async def leaving(tmp_path: Path) -> AsyncIterator[Leaving]:
    made = Leaving(tmp_path)
    await made.hold()
    yield made
    await made.store.close()


@pytest.mark.parametrize(
    ("cut", "left", "reasons"),
    [
        (1, 3, [None, "key.closed", "key.closed", "key.closed"]),
        (3, 1, [None, "charter.left", "charter.left", "key.closed"]),
        (2, 2, [None, None, "key.closed", "key.closed"]),
    ],
)
@pytest.mark.parametrize("is_cut_first", [True, False])
async def test_a_log_ends_at_the_lower_of_its_cut_and_the_line_of_its_coop(
    leaving: Leaving, cut: int, left: int, reasons: list[str | None], is_cut_first: bool
) -> None:
    if is_cut_first:
        await leaving.close_at(leaving.places[cut].head)
    await leaving.leave(leaving.places[left])
    if not is_cut_first:
        await leaving.close_at(leaving.places[cut].head)

    assert effects(leaving.store) == reasons
    assert leaving.shown == leaving.at(min(cut, left))


async def test_a_cut_and_a_line_at_two_entries_of_one_number_end_the_log_before_it(
    leaving: Leaving,
) -> None:
    other = leaving.places[1].twin()
    other.append("x.note", b"\x90")

    await leaving.close_at(leaving.places[2].head)
    await leaving.leave(other)

    assert effects(leaving.store) == [None, "charter.left", "key.closed", "key.closed"]
    assert leaving.shown == leaving.at(1)


async def test_a_log_that_ended_before_it_forked_is_not_shown_as_forked(leaving: Leaving) -> None:
    proof = prove_fork(leaving.entries[3], leaving.places[3].twin().append("x.note", b"\x90"))

    await leaving.leave(leaving.places[2])
    await leaving.store.commit(Change(fork_proofs=[proof]))

    assert effects(leaving.store) == [None, None, "charter.left", "log.forked"]
    assert leaving.shown == leaving.at(2)


async def test_a_log_that_forked_below_the_line_is_shown_as_forked(leaving: Leaving) -> None:
    proof = prove_fork(leaving.entries[1], leaving.places[1].twin().append("x.note", b"\x90"))

    await leaving.leave(leaving.places[3])
    await leaving.store.commit(Change(fork_proofs=[proof]))

    leaf = fork_leaf(leaving.author.log, 2, leaving.entries[0].id)
    assert leaving.shown == LogState(seq=2, head=leaf, is_forked=True)


async def test_a_log_that_no_line_names_is_not_in_the_frontier(leaving: Leaving) -> None:
    await leaving.leave(leaving.places[0])

    assert leaving.places[0].head == EMPTY
    assert effects(leaving.store) == ["charter.left"] * 4
    assert leaving.shown is None


async def test_a_line_beyond_what_is_held_leaves_the_log_as_it_is(leaving: Leaving) -> None:
    leaving.author.append("x.note", BODY)

    await leaving.leave(leaving.author)

    assert effects(leaving.store) == [None] * 4
    assert leaving.store.voids == 0
    assert leaving.shown == leaving.at(4)


async def test_a_line_holds_after_a_restart(leaving: Leaving, tmp_path: Path) -> None:
    await leaving.leave(leaving.places[2])
    before = leaving.shown
    await leaving.store.close()

    leaving.store = open_store(tmp_path)

    assert leaving.shown == before
    assert leaving.store.chains == {leaving.growing.fid: leaving.growing.chain}
    assert leaving.store.anchors_of(leaving.growing.cove.cid) == {
        *leaving.growing.chain.anchors[leaving.growing.cove.cid]
    }


async def test_a_chain_without_a_certificate_that_is_held_is_refused(leaving: Leaving) -> None:
    shorter = leaving.growing.chain
    await leaving.leave(leaving.places[2])

    with pytest.raises(LocalProtocolError) as refusal:
        await leaving.store.commit(Change(chains={leaving.growing.fid: shorter}))

    assert refusal.value.code == "store.conflict"
