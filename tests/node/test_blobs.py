"""What a node holds of blobs: files, index, quota, and what is left after a crash."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest
from tests.node.blobbed import DATA, FID, ID, OTHER, PIECES, fetched, names, opened

from sheaf_node.blobs import Blobs
from sheaf_protocol.blob import BlobId, require_piece
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import MAX_BLOB

if TYPE_CHECKING:
    from pathlib import Path

REFUSE_UPDATES = "CREATE TRIGGER no BEFORE UPDATE ON blobs BEGIN SELECT RAISE(FAIL, 'no'); END"


# --- adding and reading


async def test_added_blob_is_there_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        ref = await blobs.add(DATA, FID, 5)

    async with opened(tmp_path) as blobs:
        assert (ref.id, ref.size) == (ID, len(DATA))
        assert await blobs.read(ID) == DATA
        assert (blobs.size_of(ID), blobs.used) == (len(DATA), len(DATA))


async def test_blob_is_for_the_federations_that_it_was_added_in(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await blobs.add(DATA, FID, 5)
        assert blobs.is_registered(ID, FID)
        assert not blobs.is_registered(ID, OTHER)

        await blobs.add(DATA, OTHER, 6)

    async with opened(tmp_path) as blobs:
        assert blobs.is_registered(ID, FID)
        assert blobs.is_registered(ID, OTHER)
        assert blobs.used == len(DATA)


async def test_every_piece_comes_with_its_proof(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await blobs.add(DATA, FID, 5)

        for index in range(len(PIECES)):
            found = blobs.piece(ID, index)
            assert found is not None
            size, path, data = found
            require_piece(ID, size, index, data, path)

        assert blobs.piece(ID, len(PIECES)) is None
        assert blobs.piece(BlobId(bytes(32)), 0) is None


@pytest.mark.parametrize("data", [b"", bytes(MAX_BLOB + 1)], ids=["nothing", "too much"])
async def test_blob_of_a_wrong_size_is_refused(tmp_path: Path, data: bytes) -> None:
    async with opened(tmp_path) as blobs:
        with pytest.raises(Refusal, match=r"blob\.size"):
            await blobs.add(data, FID, 0)

        assert names(tmp_path) == set()


async def test_files_are_named_by_id_and_for_their_owner_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await blobs.add(DATA, FID, 0)

        assert names(tmp_path) == {ID.hex()}
        paths = [tmp_path / "blobs", tmp_path / "blobs" / ID.hex(), tmp_path / "blobs.db"]
        assert [path.stat().st_mode & 0o077 for path in paths] == [0, 0, 0]


async def test_altered_file_is_neither_read_nor_passed_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await blobs.add(DATA, FID, 0)
        (tmp_path / "blobs" / ID.hex()).write_bytes(DATA[:-1] + b"x")

        assert blobs.piece(ID, len(PIECES) - 1) is None
        assert await blobs.read(ID) is None
        assert blobs.size_of(ID) is None
        assert names(tmp_path) == set()


async def test_removed_file_is_not_held(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await blobs.add(DATA, FID, 0)
        (tmp_path / "blobs" / ID.hex()).unlink()
        assert blobs.piece(ID, 0) is None
        assert await blobs.read(ID) is None
        await blobs.add(DATA, FID, 0)
        (tmp_path / "blobs" / ID.hex()).unlink()

    async with opened(tmp_path) as blobs:
        assert blobs.size_of(ID) is None
        assert blobs.used == 0


# --- drafts


async def test_draft_becomes_whole_once_all_its_pieces_are_here(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await fetched(blobs, 2, 0, 1)
        assert blobs.size_of(ID) is None
        assert await blobs.read(ID) is None

        await blobs.finish(ID)

        assert await blobs.read(ID) == DATA
        assert blobs.is_registered(ID, FID)
        assert names(tmp_path) == {ID.hex()}


async def test_draft_goes_on_where_it_was_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await fetched(blobs, 0, 2)

    async with opened(tmp_path) as blobs:
        [(id_, row)] = blobs.drafts.items()
        assert (id_, row.size, row.pieces) == (ID, len(DATA), {0, 2})
        await blobs.write_piece(ID, len(DATA), 1, PIECES[1])
        await blobs.finish(ID)
        assert await blobs.read(ID) == DATA


async def test_draft_whose_bytes_a_crash_lost_is_given_up(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await fetched(blobs, 0, 1, 2)
        (tmp_path / "blobs" / f"{ID.hex()}.draft").write_bytes(bytes(len(DATA)))

        with pytest.raises(Refusal, match=r"blob\.write"):
            await blobs.finish(ID)

        assert (blobs.drafts, names(tmp_path)) == ({}, set())


async def test_draft_whose_file_is_gone_is_given_up(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await blobs.want(ID, FID, len(DATA), 0)

        with pytest.raises(Refusal, match=r"blob\.write"):
            await blobs.finish(ID)


async def test_added_blob_takes_the_place_of_its_draft(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await fetched(blobs, 0)
        await blobs.want(ID, OTHER, None, 0)

        await blobs.add(DATA, FID, 1)
        await blobs.write_piece(ID, len(DATA), 1, PIECES[1])
        await blobs.finish(ID)

        assert names(tmp_path) == {ID.hex()}
        assert blobs.drafts == {}
        assert blobs.is_registered(ID, OTHER)


async def test_forgotten_draft_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await fetched(blobs, 0)

        await blobs.forget(ID)
        await blobs.write_piece(ID, len(DATA), 1, PIECES[1])

        assert (blobs.drafts, blobs.used, names(tmp_path)) == ({}, 0, set())


# --- quota


async def test_blob_beyond_the_quota_is_refused_until_it_is_raised(tmp_path: Path) -> None:
    async with opened(tmp_path, quota_bytes=len(DATA)) as blobs:
        await blobs.add(DATA, FID, 0)
        with pytest.raises(Refusal, match=r"blob\.quota"):
            await blobs.add(b"x", FID, 0)

    async with opened(tmp_path, quota_bytes=len(DATA) + 1) as blobs:
        await blobs.add(b"x", FID, 0)


async def test_draft_counts_with_the_room_that_it_will_need(tmp_path: Path) -> None:
    async with opened(tmp_path, quota_bytes=len(DATA)) as blobs:
        await blobs.want(ID, FID, len(DATA), 0)

        with pytest.raises(Refusal, match=r"blob\.quota"):
            await blobs.want(BlobId(bytes(32)), FID, 1, 0)
        await blobs.add(DATA, FID, 0)


async def test_draft_whose_first_piece_shows_that_it_is_too_large_is_refused(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, quota_bytes=len(DATA) - 1) as blobs:
        await blobs.want(ID, FID, None, 0)

        with pytest.raises(Refusal, match=r"blob\.quota"):
            await blobs.write_piece(ID, len(DATA), 0, PIECES[0])


async def test_reserve_of_the_disk_is_left_free(tmp_path: Path) -> None:
    room = len(DATA) + 10
    async with opened(tmp_path, reserve_bytes=11, free=lambda: room) as blobs:
        with pytest.raises(Refusal, match=r"quota\.disk"):
            await blobs.add(DATA, FID, 0)
        await blobs.add(DATA[:-1], FID, 0)


# --- the disk


async def test_disk_that_refuses_a_write_leaves_nothing_half_made(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        shutil.rmtree(tmp_path / "blobs")

        with pytest.raises(Refusal, match=r"blob\.write"):
            await blobs.add(DATA, FID, 0)

        assert blobs.size_of(ID) is None


async def test_index_that_refuses_a_write_leaves_what_was_there(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await fetched(blobs, 0, 1, 2)
        with sqlite3.connect(tmp_path / "blobs.db") as hostile:
            hostile.execute(
                "CREATE TRIGGER no BEFORE UPDATE ON blobs BEGIN SELECT RAISE(FAIL, 'no'); END"
            )

        with pytest.raises(Refusal, match=r"blob\.write"):
            await blobs.finish(ID)

        assert blobs.size_of(ID) is None
        assert set(blobs.drafts) == {ID}


def test_index_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "blobs.db") as later:
        later.execute("PRAGMA user_version = 2")

    with pytest.raises(Refusal, match=r"store\.schema_newer"):
        Blobs(tmp_path)


def test_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "blobs.db").write_bytes(b"no database at all" * 100)

    with pytest.raises(Refusal, match=r"store\.unreadable"):
        Blobs(tmp_path)


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_bytes(b"")

    with pytest.raises(Refusal, match=r"store\.unreadable"):
        Blobs(tmp_path)


async def test_what_a_crash_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as blobs:
        await fetched(blobs, 0)
    for name in (f"{ID.hex()}.new", "00" * 32, "stray"):
        (tmp_path / "blobs" / name).write_bytes(DATA)

    async with opened(tmp_path):
        assert names(tmp_path) == {f"{ID.hex()}.draft"}
