"""Links by addresses that others told: who is dialled, who is told who we are, and who is not."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from sheaf_node.clock import SystemClock
from sheaf_node.config import Config, CoopRule, Discovery, PeerAddress
from sheaf_node.peering.hints import Hint, Source
from sheaf_node.peering.memory import MemoryNetwork
from sheaf_node.peering.saved import SAVED_FILE, Saved
from sheaf_node.peering.seeking import Seeking
from sheaf_protocol.testing.author import make_coop

from .conftest import RunningNode, World, make_keyring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

HILL, DALE, MOOR, FELL = range(4)
LINKED = Discovery(links=2)


class Land:
    """Nodes in one network in memory, of which Hill's seeks links by what the test tells it."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.network = MemoryNetwork()
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self, index: int, **options: object) -> RunningNode:
        name = self.world.coops[index].name.lower()
        return await self.world.start(
            index,
            host=name,
            port=8440,
            network=self.network.host(name),
            **options,  # type: ignore[arg-type]
        )

    def seek(
        self, node: RunningNode, *hints: Hint, discovery: Discovery = LINKED, **more: object
    ) -> Seeking:
        """Let a node seek from now on, and look every 20 ms."""

        async def told() -> Sequence[Hint]:
            return hints

        seeking = Seeking(
            told=(told,),
            saved=Saved(self.folder),
            ingest=node.ingest,
            own=node.coop.cid,
            config=Config(name="Hill", discovery=discovery, **more),  # type: ignore[arg-type]
            clock=SystemClock(),
            random=os.urandom,
            every_ms=20,
        )
        self.tasks.append(asyncio.create_task(seeking.run(node.peering)))
        return seeking


@pytest.fixture
async def land(world: World, tmp_path: Path) -> AsyncIterator[Land]:
    made = Land(world, tmp_path)
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.wait(made.tasks)


def told(node: RunningNode, cid: bytes | None = None, source: Source = Source.DIRECTORY) -> Hint:
    """Return a hint of where a node is, for its own co-op or for another."""
    return Hint(
        url=f"ws://{node.host}:8440",
        source=source,
        cid=cid or node.coop.cid,  # type: ignore[arg-type]
    )


def linked(node: RunningNode) -> set[bytes]:
    return {peer.cid for peer in node.peering.peers()}


async def looks(count: int = 10) -> None:
    await asyncio.sleep(0.02 * count)


async def test_a_member_is_found_by_the_address_it_told_and_entries_arrive(land: Land) -> None:
    hill, dale = await land.start(HILL), await land.start(DALE)
    await dale.publish()

    land.seek(hill, told(dale))

    await land.world.until(lambda: linked(hill) == {dale.coop.cid})
    await land.world.until_converged(hill, dale, entries=1)


async def test_no_more_are_sought_than_the_operator_wants(land: Land) -> None:
    hill = await land.start(HILL)
    others = [await land.start(index) for index in (DALE, MOOR, FELL)]

    land.seek(hill, *map(told, others), discovery=Discovery(links=1))
    await land.world.until(lambda: bool(linked(hill)))
    await looks(20)

    assert len(linked(hill)) == 1


async def test_nobody_is_sought_where_enough_are_linked(land: Land) -> None:
    dale, moor = await land.start(DALE), await land.start(MOOR)
    hill = await land.start(HILL, dials=[f"ws://{dale.host}:8440"])
    await land.world.until(lambda: bool(linked(hill)))

    seeking = land.seek(hill, told(moor), discovery=Discovery(links=1))
    await land.world.until(lambda: seeking.hints.known == [told(moor)])
    await looks(20)

    assert linked(hill) == {dale.coop.cid}


async def test_nothing_is_sought_where_the_operator_wants_none(land: Land) -> None:
    hill, dale = await land.start(HILL), await land.start(DALE)

    land.seek(hill, told(dale), discovery=Discovery(links=0))
    await looks(20)

    assert linked(hill) == set()


async def test_another_co_op_at_an_address_is_not_told_who_we_are(land: Land) -> None:
    hill, moor = await land.start(HILL), await land.start(MOOR)
    met: list[bytes] = []
    moor.peering._shared.circle.knows = lambda cid: bool(met.append(cid)) or True  # type: ignore[method-assign, func-returns-value]

    seeking = land.seek(hill, told(moor, land.world.coops[DALE].cid))
    await land.world.until(lambda: bool(seeking.hints._tried))

    assert (linked(hill), met) == (set(), [])
    assert seeking.hints._tried[told(moor).url].failures == 1


async def test_a_stranger_of_this_network_is_not_told_who_we_are(land: Land) -> None:
    hill, moor = await land.start(HILL), await land.start(MOOR)
    stranger = make_coop("Stranger", now_ms=land.world.now_ms)
    met: list[bytes] = []
    moor.peering._keyring = make_keyring(stranger)
    moor.peering._shared.circle.knows = lambda cid: bool(met.append(cid)) or True  # type: ignore[method-assign, func-returns-value]

    seeking = land.seek(hill, Hint(url=f"ws://{moor.host}:8440", source=Source.LAN, cid=None))
    await land.world.until(lambda: bool(seeking.hints._tried))

    assert (linked(hill), met) == (set(), [])


async def test_a_fellow_member_of_this_network_is_linked(land: Land) -> None:
    hill, moor = await land.start(HILL), await land.start(MOOR)

    land.seek(hill, Hint(url=f"ws://{moor.host}:8440", source=Source.LAN, cid=None))

    await land.world.until(lambda: linked(hill) == {moor.coop.cid})


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_handshake_is_taken_for_the_number_that_was_told_and_for_no_other(
    land: Land, is_told: bool
) -> None:
    hill, dale = await land.start(HILL), await land.start(DALE)
    peering = dale.peering
    peering._config = structs.replace(peering._config, public_names=["dale.example"])
    peering.near_names = ["dale:8440"] if is_told else []

    seeking = land.seek(hill, Hint(url="ws://dale:8440", source=Source.LAN, cid=None))
    await land.world.until(lambda: bool(seeking.hints._tried) or bool(linked(hill)))

    assert linked(hill) == ({dale.coop.cid} if is_told else set())


async def test_a_co_op_that_is_no_member_is_not_dialled(land: Land) -> None:
    hill, dale = await land.start(HILL), await land.start(DALE)
    stranger = make_coop("Stranger", now_ms=land.world.now_ms)

    seeking = land.seek(hill, told(dale, stranger.cid))
    await land.world.until(lambda: bool(seeking.hints.known))
    await looks(20)

    assert not seeking.hints._tried


async def test_a_co_op_whose_links_are_paused_is_not_dialled(land: Land) -> None:
    hill, dale = await land.start(HILL), await land.start(DALE)
    rules = {dale.coop.cid.hex(): CoopRule(paused=True)}

    seeking = land.seek(hill, told(dale), coops=rules)
    await land.world.until(lambda: bool(seeking.hints.known))
    await looks(20)

    assert (linked(hill), dict(seeking.hints._tried)) == (set(), {})


async def test_a_pinned_address_is_not_dialled_as_a_hint_too(land: Land) -> None:
    hill, dale = await land.start(HILL), await land.start(DALE)
    pinned = [PeerAddress(url=f"http://{dale.host}:8440")]
    hint = Hint(url=f"ws://{dale.host}:8440/sheaf/1/link", source=Source.SAVED, cid=dale.coop.cid)

    seeking = land.seek(hill, hint, peers=pinned)
    await land.world.until(lambda: bool(seeking.hints.known))
    await looks(20)

    assert (linked(hill), dict(seeking.hints._tried)) == (set(), {})


async def test_where_a_member_was_found_is_kept_for_the_next_start(land: Land) -> None:
    hill, dale = await land.start(HILL), await land.start(DALE)
    land.seek(hill, told(dale))

    await land.world.until((land.folder / SAVED_FILE).exists)

    [saved] = Saved(land.folder).hints()
    assert (saved.cid, saved.url) == (dale.coop.cid, f"ws://{dale.host}:8440/sheaf/1/link")


async def test_a_text_that_is_no_address_harms_nobody(land: Land) -> None:
    hill, dale = await land.start(HILL), await land.start(DALE)
    broken = [
        Hint(url=text, source=Source.DIRECTORY, cid=dale.coop.cid)
        for text in ("wss://[", "wss://a:99999", "wss://u@a", "wss://")
    ]

    land.seek(hill, *broken, Hint(url="ws://gone:1", source=Source.LAN, cid=None), told(dale))

    await land.world.until(lambda: linked(hill) == {dale.coop.cid})


async def test_a_source_that_breaks_takes_no_link_with_it(
    land: Land, caplog: pytest.LogCaptureFixture
) -> None:
    dale = await land.start(DALE)
    hill = await land.start(HILL, dials=[f"ws://{dale.host}:8440"])

    async def broken() -> Sequence[Hint]:
        raise ValueError("a fault of ours")

    land.seek(hill)._told = (broken,)
    await land.world.until(lambda: "could not be looked at" in caplog.text)

    await land.world.until(lambda: linked(hill) == {dale.coop.cid})
    assert not land.tasks[0].done()
