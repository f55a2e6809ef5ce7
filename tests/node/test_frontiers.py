"""A frontier that is moved on by what arrived is the one that is worked out anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.node.storing import FID, OTHER_FID, authored, keys, new, open_store

from sheaf_node.events import Arrivals
from sheaf_node.peering.frontiers import Frontiers
from sheaf_node.store import Change
from sheaf_protocol.frontier import Frontier
from sheaf_protocol.testing.author import LogAuthor, make_coop

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_frontier_moves_with_what_arrives_and_with_closes(tmp_path: Path) -> None:
    store, arrivals = open_store(tmp_path), Arrivals()
    frontiers = Frontiers(store, arrivals)
    coops = [make_coop(f"co-op {number}") for number in range(40)]
    authors = [LogAuthor(coop, FID) for coop in coops]
    stranger = LogAuthor(make_coop("Far"), OTHER_FID)
    await store.commit(keys(*coops))

    for turn in range(5):
        batch = [author.append("x.note", b"\x80") for author in authors[turn :: turn + 1]]
        batch.append(stranger.append("x.note", b"\x80"))
        await store.commit(Change(entries=[new(envelope) for envelope in batch]))

        assert frontiers.of(FID).logs == store.frontier(FID)
        assert frontiers.of(FID).root == Frontier.of(store.frontier(FID)).root

    coops[0].close({FID: authored(1, coops[0])[0].head})
    await store.commit(keys(coops[0]))
    arrivals.announce_control()
    assert frontiers.of(FID).root == Frontier.of(store.frontier(FID)).root
    assert frontiers.of(FID).logs[authors[0].log].seq == 1
    await store.close()
