"""What a store remembers of peers: hints for the next comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.node.storing import FID, authored, new, open_store

from sheaf_node.store import Change
from sheaf_protocol.digest import FederationId, WriterId
from sheaf_protocol.link import Cursor

if TYPE_CHECKING:
    from pathlib import Path

PEER, OTHER = WriterId(b"p" * 32), WriterId(b"o" * 32)
FIRST = Cursor(store_id=b"a store of theirs", theirs=7, ours=3)
LATER = Cursor(store_id=b"another store", theirs=1, ours=4)


async def test_cursor_outlives_the_process(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.commit(Change(cursors={(PEER, FID): FIRST}))
    await store.close()

    again = open_store(tmp_path)

    assert again.cursor(PEER, FID) == FIRST
    assert again.cursor(OTHER, FID) is None
    assert again.cursor(PEER, FederationId(b"x" * 32)) is None
    await again.close()


async def test_later_cursor_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.commit(Change(cursors={(PEER, FID): FIRST}))

    await store.commit(Change(cursors={(PEER, FID): LATER}))

    assert store.cursor(PEER, FID) == LATER
    await store.close()
    again = open_store(tmp_path)
    assert again.cursor(PEER, FID) == LATER
    await again.close()


async def test_logs_that_changed_after_an_arrival_are_known_after_a_restart(tmp_path: Path) -> None:
    author, envelopes = authored(5)
    store = open_store(tmp_path)
    await store.commit(Change(entries=[new(e) for e in envelopes]))
    before = [store.changed_after(arrival) for arrival in (0, 4, 5)]
    await store.close()

    again = open_store(tmp_path)

    assert before == [{author.log}, {author.log}, set()]
    assert [again.changed_after(arrival) for arrival in (0, 4, 5)] == before
    await again.close()
