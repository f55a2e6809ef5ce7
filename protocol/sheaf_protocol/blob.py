"""Content too large for a payload: named by its hash, fetched in pieces (spec 06, section 8).

The id commits to the size and, through a Merkle root, to each piece. So a piece is checked the
moment it comes, from whichever peer, and a liar costs one piece and not sixteen megabytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NewType

import msgspec
from msgspec import Meta

from sheaf_protocol.digest import Digest, digest, short
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.limits import BLOB_PIECE, MAX_BLOB
from sheaf_protocol.merkle import leaf_hash, path_among, root_above, root_over

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BlobId = NewType("BlobId", bytes)
"""Digest of a blob's size and of the Merkle root over its pieces."""


class BlobRef(msgspec.Struct, frozen=True, kw_only=True):
    """A blob as a record names it."""

    id: Annotated[BlobId, Meta(min_length=32, max_length=32)]
    size: Annotated[int, Meta(ge=1, le=MAX_BLOB)]


def split(data: bytes) -> list[bytes]:
    """Return the pieces of a blob: all of `BLOB_PIECE` bytes but the last, which has the rest.

    Raises LocalProtocolError `blob.size` for an empty one, or one of more than `MAX_BLOB` bytes.
    """
    if not 0 < len(data) <= MAX_BLOB:
        raise LocalProtocolError("blob.size", f"expected 1 to {MAX_BLOB} bytes, got {len(data)}")
    return [data[at : at + BLOB_PIECE] for at in range(0, len(data), BLOB_PIECE)]


def piece_count(size: int) -> int:
    """Return the number of pieces of a blob of this size."""
    return -(-size // BLOB_PIECE)


def blob_id(pieces: Sequence[bytes]) -> BlobId:
    """Return the id of the blob with these pieces, in order."""
    return id_over(piece_hashes(pieces), sum(map(len, pieces)))


def piece_hashes(pieces: Iterable[bytes]) -> list[Digest]:
    """Return what a holder keeps of the pieces, so as to prove one without reading all."""
    return [leaf_hash(piece) for piece in pieces]


def id_over(hashes: Sequence[Digest], size: int) -> BlobId:
    """Return the id of the blob of this size whose pieces have these hashes, in order."""
    return _id(size, root_over(hashes))


def piece_path(hashes: Sequence[Digest], index: int) -> list[Digest]:
    """Return what proves the piece at `index` to whoever knows the blob's id alone."""
    return path_among(hashes, index)


def require_piece(id_: bytes, size: int, index: int, data: bytes, path: Sequence[bytes]) -> None:
    """Return if the bytes are the piece at `index` of the blob, else raise `blob.piece` (SYN-43).

    A size other than the blob's own is found by the same check, since the id commits to it.
    """
    count = piece_count(size)
    expected = BLOB_PIECE if index < count - 1 else size - (count - 1) * BLOB_PIECE
    above = root_above(data, index, count, path) if len(data) == expected else None
    if above is None or _id(size, above) != id_:
        detail = f"expected piece {index} of blob {short(id_)}, got {len(data)} other bytes"
        raise RemoteProtocolError("blob.piece", detail)


def _id(size: int, root_: Digest) -> BlobId:
    return BlobId(digest("blob", size.to_bytes(8, "big"), root_))
