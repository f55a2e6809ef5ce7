"""The files of blobs. A name is the hex of an id, made here, and never a text of others.

    blobs/<hex>         a whole blob: verified, synced and then renamed to this name
    blobs/<hex>.new     one being added
    blobs/<hex>.draft   one being fetched, with holes

So whatever a crash leaves, a file under a bare name is whole.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from sheaf_node.durable import sync
from sheaf_protocol.blob import id_over, piece_hashes, split
from sheaf_protocol.limits import BLOB_PIECE, MAX_BLOB

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sheaf_protocol.blob import BlobId
    from sheaf_protocol.digest import Digest

BLOBS: Final = "blobs"


class BlobFolder:
    """The folder `blobs/` of a home. Raises OSError as the system does."""

    def __init__(self, home: Path) -> None:
        self._path = home / BLOBS
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def tidy(self, whole: Iterable[BlobId], drafts: Iterable[BlobId]) -> None:
        """Remove all files but these: what a crash left, and what is not wanted any more."""
        kept = {id_.hex() for id_ in whole} | {f"{id_.hex()}.draft" for id_ in drafts}
        for path in self._path.iterdir():
            if path.name not in kept and path.is_file():
                path.unlink()

    def size_of(self, id_: BlobId) -> int | None:
        """Return the bytes of a whole blob, or None where there is none."""
        try:
            return self._whole(id_).stat().st_size
        except FileNotFoundError:
            return None

    def add(self, id_: BlobId, data: bytes) -> None:
        """Write a whole blob; it is durable on return."""
        new = self._path / f"{id_.hex()}.new"
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._rename(new, id_)

    def write_piece(self, id_: BlobId, index: int, data: bytes) -> None:
        """Write one piece of a draft at its place."""
        descriptor = os.open(self._draft(id_), os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.seek(index * BLOB_PIECE)
            file.write(data)

    def finish(self, id_: BlobId) -> list[Digest] | None:
        """Make a draft whole and return its pieces' hashes, or None where it is not the blob.

        The pieces were verified when they came. Between then and now was a disk, and perhaps a
        crash that kept the note of a piece and lost the piece.
        """
        draft = self._draft(id_)
        hashes = self._verified(draft, id_)
        if hashes is not None:
            sync(draft)
            self._rename(draft, id_)
        return hashes

    def read(self, id_: BlobId) -> bytes | None:
        """Return a whole blob, or None where it is gone or is not what it was."""
        try:
            data = self._whole(id_).read_bytes()
        except FileNotFoundError:
            return None
        return data if _hashes_of(data, id_) is not None else None

    def read_piece(self, id_: BlobId, index: int) -> bytes:
        """Return the bytes at a piece's place in a whole blob, empty where they cannot be read."""
        try:
            with self._whole(id_).open("rb") as file:
                file.seek(index * BLOB_PIECE)
                return file.read(BLOB_PIECE)
        except OSError:
            return b""

    def remove(self, id_: BlobId) -> None:
        """Remove a blob, whole or not."""
        self._whole(id_).unlink(missing_ok=True)
        self.remove_draft(id_)

    def remove_draft(self, id_: BlobId) -> None:
        """Remove what was fetched of a blob."""
        self._draft(id_).unlink(missing_ok=True)

    def free(self) -> int:
        """Return the bytes that are left on the disk."""
        return shutil.disk_usage(self._path).free

    def _verified(self, path: Path, id_: BlobId) -> list[Digest] | None:
        try:
            with path.open("rb") as file:
                return _hashes_of(file.read(MAX_BLOB + 1), id_)
        except FileNotFoundError:
            return None

    def _rename(self, path: Path, id_: BlobId) -> None:
        path.rename(self._whole(id_))
        sync(self._path)

    def _whole(self, id_: BlobId) -> Path:
        return self._path / id_.hex()

    def _draft(self, id_: BlobId) -> Path:
        return self._path / f"{id_.hex()}.draft"


def _hashes_of(data: bytes, id_: BlobId) -> list[Digest] | None:
    """Return the hashes of the pieces of these bytes, if they are the blob."""
    if not 0 < len(data) <= MAX_BLOB:
        return None
    hashes = piece_hashes(split(data))
    return hashes if id_over(hashes, len(data)) == id_ else None
