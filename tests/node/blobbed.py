"""A blob of three pieces, and a home to hold it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sheaf_node.blobs import Blobs
from sheaf_protocol.blob import blob_id, piece_hashes, split
from sheaf_protocol.digest import FederationId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FID, OTHER = FederationId(bytes(32)), FederationId(b"o" * 32)
DATA = bytes(range(251)) * 600
PIECES = split(DATA)
HASHES = piece_hashes(PIECES)
ID = blob_id(PIECES)


@asynccontextmanager
async def opened(home: Path, **options: Any) -> AsyncIterator[Blobs]:
    blobs = Blobs(home, **options)
    yield blobs
    await blobs.close()


async def fetched(blobs: Blobs, *indices: int) -> None:
    """Want the blob and write these pieces of it."""
    await blobs.want(ID, FID, None, 0)
    for index in indices:
        await blobs.write_piece(ID, len(DATA), index, PIECES[index])


def names(home: Path) -> set[str]:
    return {path.name for path in (home / "blobs").iterdir()}
