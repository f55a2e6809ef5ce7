"""What waits for the disk: so many changes, of which peers never have all places."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.node.storing import authored, new, open_store

from sheaf_node.store import Change
from sheaf_node.store.writer import Job, Writer
from sheaf_protocol.testing.author import make_coop

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path
    from typing import Any

    from sheaf_node.store import Store
    from sheaf_node.store.writer import Finished

QUEUED = 8
FOREIGN = 6


class Stalled(Writer):
    """A disk that takes nothing until it is let."""

    def __init__(self, connection: sqlite3.Connection, finished: Finished) -> None:
        super().__init__(connection, finished)
        self.held: list[Job] = []

    def put(self, job: Job) -> None:
        self.held.append(job)

    def go_on(self) -> None:
        held, self.held = self.held, []
        for job in held:
            super().put(job)


def stalled(folder: Path) -> tuple[Store, Stalled]:
    made: list[Stalled] = []

    def make(connection: sqlite3.Connection, finished: Finished) -> Stalled:
        made.append(Stalled(connection, finished))
        return made[0]

    return open_store(folder, queued=QUEUED, writer=make), made[0]


async def begin(store: Store, name: str, *, is_foreign: bool) -> Any:
    _, [envelope] = authored(1, make_coop(name))
    change = Change(entries=[new(envelope)])
    return await store.begin(lambda _: (change, None), is_foreign=is_foreign)


async def is_waiting(task: asyncio.Task[Any]) -> bool:
    await asyncio.sleep(0.05)
    return not task.done()


async def test_what_this_node_does_waits_for_no_place_behind_what_peers_brought(
    tmp_path: Path,
) -> None:
    store, writer = stalled(tmp_path)
    begun = [await begin(store, f"peer {n}", is_foreign=True) for n in range(FOREIGN)]

    one_more = asyncio.ensure_future(begin(store, "one more", is_foreign=True))
    own = [await begin(store, f"own {n}", is_foreign=False) for n in range(QUEUED - FOREIGN)]

    assert await is_waiting(one_more)
    writer.go_on()
    await asyncio.gather(*(done for *_, done in (*begun, *own)))
    *_, last = await one_more
    writer.go_on()
    await last
    assert store.arrival == QUEUED + 1
    await store.close()


async def test_own_changes_beyond_all_places_wait_for_the_disk(tmp_path: Path) -> None:
    store, writer = stalled(tmp_path)
    begun = [await begin(store, f"own {n}", is_foreign=False) for n in range(QUEUED)]

    one_more = asyncio.ensure_future(begin(store, "one more", is_foreign=False))

    assert await is_waiting(one_more)
    writer.go_on()
    await asyncio.gather(*(done for *_, done in begun))
    *_, last = await one_more
    writer.go_on()
    await last
    await store.close()


async def test_a_peer_that_leaves_while_it_waits_takes_no_place_along(tmp_path: Path) -> None:
    store, writer = stalled(tmp_path)
    begun = [await begin(store, f"own {n}", is_foreign=False) for n in range(QUEUED)]
    gone = asyncio.ensure_future(begin(store, "gone", is_foreign=True))
    assert await is_waiting(gone)

    gone.cancel()
    await asyncio.wait([gone])
    writer.go_on()
    await asyncio.gather(*(done for *_, done in begun))
    later = [await begin(store, f"peer {n}", is_foreign=True) for n in range(FOREIGN)]

    writer.go_on()
    await asyncio.gather(*(done for *_, done in later))
    await store.close()
