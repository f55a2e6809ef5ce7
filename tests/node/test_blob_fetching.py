"""What a node fetches of blobs, and when it gives up."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from tests.node.blobbed import DATA, FID, HASHES, ID, OTHER, PIECES, fetched, names, opened

from sheaf_node.blobs import Blobs, Fetching, Progress
from sheaf_node.blobs.fetching import EMPTY_LAPSE_MS, LAPSE_MS, MAX_FAILURES
from sheaf_node.clock import ManualClock
from sheaf_protocol.blob import BlobId, blob_id, piece_hashes, piece_path
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import BLOB_PIECE
from sheaf_protocol.link.blob_sync import MAX_WANTED
from sheaf_protocol.link.messages import BlobPiece

if TYPE_CHECKING:
    from pathlib import Path

LINK = "a link"


class Bench:
    """A node's fetching, with one link in the federation that is told by hand."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs, self.clock, self.woken = blobs, ManualClock(1_000_000), 0
        self.fetching = Fetching(blobs, self.clock)
        self.fetching.join(LINK, lambda: {FID}, self._wake)

    def _wake(self) -> None:
        self.woken += 1

    def ask(self) -> list[tuple[int, int]]:
        asked = self.fetching.sync.ask(LINK, {FID}, self.clock.now_ms())
        return [(stretch.first, stretch.last) for stretch in asked]

    async def bring(self, *indices: int) -> None:
        for index in indices:
            path = piece_path(HASHES, index)
            piece = BlobPiece(bytes(16), ID, len(DATA), index, path, PIECES[index])
            await self.fetching.take(LINK, FID, piece)

    def end(self, code: str = "ok") -> None:
        self.fetching.sync.end(LINK, FID, ID, code, self.clock.now_ms())


async def test_blob_is_fetched_when_it_is_asked_for_and_not_before(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        bench = Bench(blobs)
        assert bench.ask() == []

        progress = await bench.fetching.get(ID, FID, size=len(DATA))
        asked = bench.ask()
        await bench.bring(0, 1, 2)

        assert (progress, asked) == (Progress(size=len(DATA), pieces=0, of=3), [(0, 2)])
        assert bench.woken == 1
        assert await bench.fetching.get(ID, FID) == DATA


async def test_progress_tells_how_far_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        bench = Bench(blobs)
        assert await bench.fetching.get(ID, FID) == Progress(size=None, pieces=0, of=None)

        bench.ask()
        await bench.bring(0)

        assert await bench.fetching.get(ID, FID) == Progress(size=len(DATA), pieces=1, of=3)


async def test_own_blob_ends_its_fetching(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        bench = Bench(blobs)
        await bench.fetching.get(ID, FID, size=len(DATA))
        bench.ask()

        await bench.fetching.add(DATA, FID)
        await bench.bring(0)

        assert not bench.fetching.sync.wants(ID)
        assert await bench.fetching.get(ID, FID) == DATA


async def test_nobody_says_no_where_nobody_is_linked(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        bench = Bench(blobs)
        bench.fetching.leave(LINK)

        assert isinstance(await bench.fetching.get(ID, FID), Progress)


async def test_link_of_another_federation_has_no_say(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        bench = Bench(blobs)
        bench.fetching.join("another link", lambda: {OTHER}, lambda: None)
        await bench.fetching.get(ID, FID)
        bench.ask()
        bench.end("blob.unknown")

        with pytest.raises(Refusal, match=r"blob\.unknown"):
            await bench.fetching.get(ID, FID)


async def test_blob_of_another_size_than_stated_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        bench = Bench(blobs)
        await bench.fetching.add(DATA, FID)

        with pytest.raises(Refusal, match=r"blob\.size"):
            await bench.fetching.get(ID, FID, size=1)


async def test_reason_why_a_blob_was_given_up_is_told_once(tmp_path: Path) -> None:
    async with opened(tmp_path, quota_bytes=BLOB_PIECE) as blobs:
        bench = Bench(blobs)
        await bench.fetching.get(ID, FID)
        bench.ask()
        await bench.bring(0)

        with pytest.raises(Refusal, match=r"blob\.quota"):
            await bench.fetching.get(ID, FID)
        assert isinstance(await bench.fetching.get(ID, FID), Progress)


async def test_blob_whose_last_piece_came_with_the_end_of_a_link_is_finished(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as blobs:
        await fetched(blobs, 0, 1, 2)
        bench = Bench(blobs)

        assert await bench.fetching.get(ID, FID) == DATA


@pytest.mark.parametrize(
    ("pieces", "lapse_ms"), [((), EMPTY_LAPSE_MS), ((0,), LAPSE_MS)], ids=["empty", "begun"]
)
async def test_draft_that_nobody_asks_for_is_removed(
    tmp_path: Path, pieces: tuple[int, ...], lapse_ms: int
) -> None:
    async with opened(tmp_path) as blobs:
        bench = Bench(blobs)
        await bench.fetching.get(ID, FID)
        bench.ask()
        await bench.bring(*pieces)

        bench.clock.advance(lapse_ms - 1)
        await bench.fetching.forget_lapsed()
        assert set(blobs.drafts) == {ID}
        bench.clock.advance(1)
        await bench.fetching.forget_lapsed()

        assert (blobs.drafts, names(tmp_path)) == ({}, set())
        assert not bench.fetching.sync.wants(ID)


async def test_more_blobs_than_are_fetched_at_a_time_are_refused_until_some_lapse(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as blobs:
        bench = Bench(blobs)
        for number in range(MAX_WANTED):
            await bench.fetching.get(BlobId(number.to_bytes(32)), FID)

        with pytest.raises(Refusal, match=r"blob\.busy"):
            await bench.fetching.get(ID, FID)
        bench.clock.advance(EMPTY_LAPSE_MS)

        assert isinstance(await bench.fetching.get(ID, FID), Progress)
        assert set(blobs.drafts) == {ID}


async def test_reasons_are_kept_in_bounds(tmp_path: Path) -> None:
    async with opened(tmp_path, quota_bytes=0) as blobs:
        bench = Bench(blobs)
        ids = []
        for number in range(MAX_FAILURES + 1):
            data = number.to_bytes(4)
            id_, hashes = blob_id([data]), piece_hashes([data])
            await bench.fetching.get(id_, FID)
            bench.fetching.sync.ask(LINK, {FID}, 0)
            piece = BlobPiece(bytes(16), id_, 4, 0, piece_path(hashes, 0), data)
            await bench.fetching.take(LINK, FID, piece)
            bench.fetching.sync.end(LINK, FID, id_, "ok", 0)
            ids.append(id_)

        assert isinstance(await bench.fetching.get(ids[0], FID), Progress)
        with pytest.raises(Refusal, match=r"blob\.quota"):
            await bench.fetching.get(ids[1], FID)


async def test_disk_that_refuses_all_is_told_of_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as blobs:
        bench = Bench(blobs)
        await bench.fetching.get(ID, FID)
        bench.ask()
        with sqlite3.connect(tmp_path / "blobs.db") as hostile:
            hostile.execute("DROP TABLE uses")
            hostile.execute("DROP TABLE blobs")

        await bench.bring(0)

        assert "blob.write" in caplog.text
        assert not bench.fetching.sync.wants(ID)
