"""What a backup says of itself: whose it is, where its logs end, and each file with its hash."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from sheaf_node.backup.contents import CARRIED_NAME
from sheaf_node.keyring.export import LastEntry
from sheaf_protocol.codec import decode
from sheaf_protocol.errors import ProtocolError, Refusal

MAX_MANIFEST: Final = 33_554_432
"""32 MiB: 200,000 files at 150 bytes; held in memory whole."""
_Id = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
_Text = Annotated[str, Meta(max_length=120)]


class FileOf(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a home."""

    name: Annotated[str, Meta(pattern=CARRIED_NAME)]
    """Of a file that a backup may hold: a restore writes nothing else, whoever made the backup."""
    sha256: _Id
    size: _Count


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    cid: _Id
    created_ms: _Count
    files: Annotated[list[FileOf], Meta(max_length=200_000)]
    """In the order of their bytes."""
    heads: Annotated[list[LastEntry], Meta(max_length=65_536)]
    """The last entry of each log of the co-op, of former writers too."""
    schema: _Text
    """The newest step of the database's schema."""
    software: _Text
    """The version that made it."""
    v: Literal[1]
    wid: _Id
    """The writer that the home had."""

    @property
    def names(self) -> set[str]:
        """The names of all files."""
        return {file.name for file in self.files}


def read_manifest(data: bytes) -> Manifest:
    """Return what the bytes of a manifest say. Raises Refusal `backup.damaged`."""
    try:
        manifest = decode(data, Manifest, limit=MAX_MANIFEST)
    except ProtocolError as exc:
        detail = f"expected a list of a home's files: {exc.detail}"
        raise Refusal("backup.damaged", detail) from exc
    if len(manifest.names) != len(manifest.files):
        raise Refusal("backup.damaged", "expected each file once in the list of files")
    return manifest
