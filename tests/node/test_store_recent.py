"""What is read right after it was stored is what is on the disk, however much it is."""

from pathlib import Path

import pytest

from sheaf_node.store import Change, Store
from sheaf_protocol.codec import encode
from sheaf_protocol.testing.author import LogAuthor, make_coop

from .storing import FID, keys, new, open_store

LARGE = encode({"bytes": bytes(60_000)})
COUNT, BATCH = 90, 6


async def filled(folder: Path) -> Store:
    """Return a store of more bytes than are kept in memory."""
    store, coop = open_store(folder), make_coop("Hill Farm")
    await store.commit(keys(coop))
    author = LogAuthor(coop, FID)
    for _ in range(COUNT // BATCH):
        entries = [new(author.append("x.note", LARGE)) for _ in range(BATCH)]
        await store.commit(Change(entries=entries))
    return store


@pytest.mark.parametrize("after", [0, 1, COUNT // 2, COUNT - 3, COUNT])
async def test_entries_are_the_same_from_memory_and_from_the_disk(
    tmp_path: Path, after: int
) -> None:
    store = await filled(tmp_path)
    from_memory = store.entries_after(after, COUNT)
    await store.close()

    again = open_store(tmp_path)
    from_disk = again.entries_after(after, COUNT)
    await again.close()

    assert [entry.arrival for entry in from_memory] == list(range(after + 1, COUNT + 1))
    assert from_memory == from_disk


async def test_no_more_comes_than_was_asked_for(tmp_path: Path) -> None:
    store = await filled(tmp_path)

    found = store.entries_after(COUNT - 4, 2)
    await store.close()

    assert [entry.arrival for entry in found] == [COUNT - 3, COUNT - 2]
