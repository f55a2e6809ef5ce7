"""A damaged copy of another's payload comes back over a link."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

from tests.federation.conftest import PATIENCE_S

from sheaf_node.clock import SystemClock
from sheaf_node.ingest import Draft
from sheaf_node.scrubbing import Scrubbing
from sheaf_protocol.codec import encode

if TYPE_CHECKING:
    from tests.federation.conftest import World

BODY = encode({"text": "wanted: two pallets of feed"})


async def test_a_damaged_payload_comes_back_from_a_peer(world: World) -> None:
    author = await world.start(0)
    [entry] = await author.ingest.publish(world.certificate.fid, [Draft(kind="x.note", body=BODY)])
    keeper = await world.start(1, dials=[author])
    await world.until_converged(author, keeper, entries=1)
    path = world.folder / keeper.coop.name / "sheaf.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE entries SET payload = zeroblob(length(payload))")
    connection.close()
    scrubbing = Scrubbing(
        store=keeper.store, arrivals=keeper.arrivals, clock=SystemClock(), own=keeper.coop.cid
    )

    async with asyncio.timeout(PATIENCE_S):
        await scrubbing.scrub()

    def is_back() -> bool:
        held = keeper.store.entry(entry.id)
        return held is not None and held.envelope.payload == entry.envelope.payload

    assert [each.id for each in keeper.store.damages.values()] == [entry.id]
    await world.until(is_back)
