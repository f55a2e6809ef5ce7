"""Nodes of another version among the others: one that says what these do not know yet, and one
whose store was made by a version before.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from sqlite_utils import Database
from tests.simulation.holdings import capacity_of

from sheaf_node.ingest import Draft
from sheaf_node.store import DATABASE
from sheaf_node.store.migrations import MIGRATIONS, SCHEMAS
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.simulation.world import World


def make_older(home: Path, dice: random.Random) -> None:
    """Give a home the empty store of a version before, with any of the schemas that there were."""
    database = Database(home / DATABASE)
    database.conn.execute("PRAGMA journal_mode = WAL")
    MIGRATIONS.apply(database, stop_before=dice.choice(SCHEMAS[1:]))
    database.close()


async def speak_newer(world: World, name: str) -> None:
    """Publish kinds that nobody knows, and known ones with a field more."""
    for number in range(5):
        await asyncio.sleep(12)
        node = world.sites[name].node
        if node is None:
            continue
        [fid, *_] = node.parts.store.chains
        wid = node.parts.keyring.wid
        known: dict[str, Any] = msgspec.to_builtins(
            capacity_of(wid, f"later{number}", 4), builtin_types=(bytes,)
        )
        drafts = [
            Draft(kind="later.word", body=encode({"number": number})),
            Draft(kind="capacity.publish", body=encode({**known, "later": number})),
        ]
        publishing = node.parts.ingest.publish(fid, drafts)
        life = world.sites[name].life
        if life is not None:
            world.loop.spawn(life, _quietly(publishing))
            world.seen["spoke of what comes later"] += 1


async def _quietly(publishing: Any) -> None:
    try:
        await publishing
    except Refusal:
        return
