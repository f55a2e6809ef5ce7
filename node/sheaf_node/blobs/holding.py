"""What a node holds of blobs: files and their index, kept in step, within a quota.

All writing is done by one thread in the order in which it was asked for, so a blob is finished
after the last of its pieces was written. A failed write loses the blob that it was for and nothing
else: it can be fetched again.
"""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from sheaf_node.blobs.folder import BlobFolder
from sheaf_node.blobs.index import BlobIndex, Row
from sheaf_protocol.blob import BlobRef, id_over, piece_hashes, piece_path, split
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.merkle import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sheaf_protocol.blob import BlobId
    from sheaf_protocol.digest import Digest, FederationId

T = TypeVar("T")

QUOTA_BYTES: Final = 1 << 30
"""1 GiB, where the settings do not say otherwise."""


class Blobs:
    """The blobs of one home, for the thread of one event loop."""

    def __init__(
        self,
        home: Path,
        *,
        quota_bytes: int = QUOTA_BYTES,
        reserve_bytes: int = 0,
        free: Callable[[], int] | None = None,
    ) -> None:
        """Open what is there; what a crash left half-made is removed.

        `free` tells the bytes left on the disk, of which `reserve_bytes` are never used. Raises
        Refusal `store.unreadable`, `store.schema_newer`.
        """
        self._quota, self._reserve = quota_bytes, reserve_bytes
        self._index = BlobIndex(home)
        try:
            self._folder = BlobFolder(home)
            self._rows = self._index.rows()
            self._tidy()
        except (OSError, sqlite3.Error) as exc:
            self._index.close()
            raise Refusal("store.unreadable", f"expected blobs in {home}, got: {exc}") from exc
        self._free = free or self._folder.free
        self._thread = ThreadPoolExecutor(1, "sheaf-blobs")
        self._adding = asyncio.Lock()

    async def close(self) -> None:
        """Finish what was begun to be written, and close the index."""
        await asyncio.to_thread(self._thread.shutdown)
        self._index.close()

    @property
    def used(self) -> int:
        """Bytes of all blobs, drafts with the room that they will need."""
        return sum(row.size or 0 for row in self._rows.values())

    @property
    def drafts(self) -> dict[BlobId, Row]:
        """The blobs that are wanted and not whole yet."""
        return {id_: row for id_, row in self._rows.items() if row.hashes is None}

    def size_of(self, id_: BlobId) -> int | None:
        """Return the size of a whole blob, or None."""
        row = self._rows.get(id_)
        return None if row is None or row.hashes is None else row.size

    def is_registered(self, id_: BlobId, fid: FederationId) -> bool:
        """Return whether a whole blob may be given to the members of a federation."""
        row = self._rows.get(id_)
        return row is not None and row.hashes is not None and fid in row.uses

    async def add(self, data: bytes, fid: FederationId, now_ms: int) -> BlobRef:
        """Store a blob of ours and register it in a federation; it is durable on return.

        Raises Refusal `blob.size`, `blob.quota`, `quota.disk`, `blob.write`; nothing is then
        stored.
        """
        async with self._adding:  # so that two do not take the same room
            hashes = await asyncio.to_thread(_hashes_of, data)
            id_ = id_over(hashes, len(data))
            before = self._rows.get(id_)
            if before is None or before.hashes is None:
                self.require_room(len(data), besides=id_)
                await self._write(id_, partial(self._folder.add, id_, data))
            uses = ({} if before is None else before.uses) | {fid: now_ms}
            await self._keep(id_, Row(size=len(data), hashes=hashes, uses=uses))
            return BlobRef(id=id_, size=len(data))

    async def read(self, id_: BlobId) -> bytes | None:
        """Return a whole blob, or None where none is held or its file was lost or altered."""
        if self.size_of(id_) is None:
            return None
        data = await self._write(id_, partial(self._folder.read, id_))
        if data is None:
            await self.forget(id_)
        return data

    def piece(self, id_: BlobId, index: int) -> tuple[int, list[Digest], bytes] | None:
        """Return size, path and bytes of a piece of a whole blob, or None where there is none.

        A file that was altered is not passed on: the receiver would blame us.
        """
        row = self._rows.get(id_)
        if row is None or row.hashes is None or row.size is None or index >= len(row.hashes):
            return None
        data = self._folder.read_piece(id_, index)
        if leaf_hash(data) != row.hashes[index]:
            return None
        return row.size, piece_path(row.hashes, index), data

    async def want(self, id_: BlobId, fid: FederationId, size: int | None, now_ms: int) -> Row:
        """Note that a blob is wanted in a federation; return what is known of it.

        Raises Refusal `blob.quota`, `quota.disk`, `blob.write`.
        """
        row = self._rows.get(id_)
        if row is None:
            self.require_room(size or 0)
            row = self._rows[id_] = Row(size=size)
        row.uses[fid] = now_ms
        await self._write(id_, partial(self._index.put, id_, _copy(row)))
        return row

    async def write_piece(self, id_: BlobId, size: int, index: int, data: bytes) -> None:
        """Store one piece of a draft, which is right. Raises Refusal as `want` does."""
        row = self._rows.get(id_)
        if row is None or row.hashes is not None:
            return
        if row.size is None:
            self.require_room(size)
            row.size = size
        row.pieces.add(index)
        await self._write(id_, partial(self._put_piece, id_, _copy(row), index, data))

    async def finish(self, id_: BlobId) -> None:
        """Make a draft whole, all pieces of which were written. Raises Refusal `blob.write`."""
        row = self._rows.get(id_)
        if row is None or row.hashes is not None:
            return
        hashes = await self._write(id_, partial(self._folder.finish, id_))
        if hashes is None:
            await self.forget(id_)
            detail = f"expected to read back blob {short(id_)} as it was written"
            raise Refusal("blob.write", detail)
        await self._keep(id_, Row(size=row.size, hashes=hashes, uses=row.uses))

    async def forget(self, id_: BlobId) -> None:
        """Remove a blob, whole or not. Raises Refusal `blob.write`."""
        self._rows.pop(id_, None)
        await self._write(id_, partial(self._remove, id_))

    def require_room(self, size: int, *, besides: BlobId | None = None) -> None:
        """Return if there is room for a blob, not counting a draft that it takes the place of.

        Raises Refusal `blob.quota`, `quota.disk`.
        """
        draft = None if besides is None else self._rows.get(besides)
        used = self.used - (0 if draft is None else draft.size or 0)
        if used + size > self._quota:
            detail = f"expected at most {self._quota} bytes of blobs (limits.blob_bytes)"
            raise Refusal("blob.quota", f"{detail}, got {used} and {size} more")
        try:
            free = self._free()
        except OSError as exc:
            raise Refusal("blob.write", f"expected a folder for blobs: {exc}") from exc
        if free - size < self._reserve:
            detail = f"expected {self._reserve} bytes to stay free on the disk"
            raise Refusal("quota.disk", detail)

    async def _keep(self, id_: BlobId, row: Row) -> None:
        # At once, so that no piece that still comes is written beside the whole file.
        before, self._rows[id_] = self._rows.get(id_), row
        try:
            await self._write(id_, partial(self._put_whole, id_, _copy(row)))
        except Refusal:
            self._rows.pop(id_)
            if before is not None:
                self._rows[id_] = before
            raise

    def _put_whole(self, id_: BlobId, row: Row) -> None:
        self._index.put(id_, row)
        self._folder.remove_draft(id_)

    def _put_piece(self, id_: BlobId, row: Row, index: int, data: bytes) -> None:
        self._folder.write_piece(id_, index, data)
        self._index.note_pieces(id_, row.size or 0, row.pieces)

    def _remove(self, id_: BlobId) -> None:
        self._index.remove(id_)
        self._folder.remove(id_)

    def _tidy(self) -> None:
        """Bring files and index in step: of what either lacks, the other is removed."""
        for id_, row in list(self._rows.items()):
            if row.hashes is not None and self._folder.size_of(id_) != row.size:
                del self._rows[id_]
                self._index.remove(id_)
        whole = [id_ for id_, row in self._rows.items() if row.hashes is not None]
        self._folder.tidy(whole, self.drafts)

    async def _write(self, id_: BlobId, job: Callable[[], T]) -> T:
        """Have the thread do something. Raises Refusal `blob.write` where the disk refuses."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, job)
        except (OSError, sqlite3.Error) as exc:
            raise Refusal("blob.write", f"expected to store blob {short(id_)}: {exc}") from exc


def _hashes_of(data: bytes) -> list[Digest]:
    return piece_hashes(split(data))


def _copy(row: Row) -> Row:
    """Return a row for the thread, which the loop does not change any more."""
    return Row(size=row.size, hashes=row.hashes, pieces=set(row.pieces), uses=dict(row.uses))
