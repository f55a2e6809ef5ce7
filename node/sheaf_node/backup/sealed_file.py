"""A backup as one file: written from a folder, verified without a secret, unpacked with one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sheaf_node.backup.folder import new_file, reading, writing
from sheaf_node.backup.header import TRAILER, Header, read_opening, write_opening
from sheaf_node.backup.manifest import MAX_MANIFEST, read_manifest
from sheaf_node.backup.recipient import open_key, seal_key
from sheaf_node.backup.stream import OVER, PIECE, Sealer, open_stream, sealed_size
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from sheaf_node.backup.header import Opening
    from sheaf_node.backup.manifest import FileOf, Manifest
    from sheaf_protocol.identity import KeyOp

_LENGTH: Final = 4


def write_backup(
    file: Path,
    manifest: Manifest,
    folder: Path,
    key_ops: Sequence[KeyOp],
    *,
    small: Mapping[str, bytes] | None = None,
) -> None:
    """Write the files of a manifest to a new file, encrypted to the sheets of the key log; it is
    durable on return.

    They are taken from a folder, or from memory where `small` has them. Raises Refusal
    `backup.sheets`, `backup.read`, `backup.write`.
    """
    listed = encode(manifest)
    if len(listed) > MAX_MANIFEST:
        detail = f"expected a list of files of at most {MAX_MANIFEST} bytes, got {len(listed)}"
        raise Refusal("backup.read", detail)
    sealer = Sealer()
    plain = _LENGTH + len(listed) + sum(each.size for each in manifest.files)
    header = Header(
        boxes=seal_key(sealer.key, fold_key_log(key_ops)),
        created_ms=manifest.created_ms,
        key_log=list(key_ops),
        size=sealed_size(plain),
        software=manifest.software,
        stream=sealer.head,
    )
    opening = write_opening(header)
    parts = _plain_parts(listed, manifest, folder, small or {})
    with writing(file), new_file(file) as out:
        digest = hashlib.sha256(opening)
        out.write(opening)
        for piece in sealer.seal(parts, digest.digest()):
            digest.update(piece)
            out.write(piece)
        out.write(digest.digest())
        out.flush()
        os.fsync(out.fileno())


def verify_file(file: Path) -> Opening:
    """Return how a backup begins, all bytes of which are as they were written: no secret is needed.

    Raises Refusal `backup.form`, `backup.version`, `backup.truncated`, `backup.damaged`,
    `backup.read`.
    """
    with reading(file), file.open("rb") as opened:
        opening = read_opening(opened, _size(opened))
        digest = hashlib.sha256(opening.data)
        for piece in _pieces(opened, opening):
            digest.update(piece)
        _require_trailer(opened, digest.digest())
    return opening


def open_file(file: Path) -> Opening:
    """Return how a backup begins; the rest is not looked at. Raises Refusal as `verify_file`."""
    with reading(file), file.open("rb") as opened:
        return read_opening(opened, _size(opened))


def unpack(
    file: Path, seeds: Sequence[bytes], into: Path, *, wanted: Callable[[str], bool] | None = None
) -> Manifest:
    """Write the files of a backup into a folder and return its manifest; all hashes are checked.

    `seeds` are the rotation keys' of as many sheets as are needed; of the files only those that are
    `wanted` are written. Raises Refusal as `verify_file` does, `backup.coop`, `backup.write`; the
    folder may then hold a part.
    """
    with reading(file), file.open("rb") as opened:
        opening = read_opening(opened, _size(opened))
        digest = hashlib.sha256(opening.data)
        plain = open_stream(
            _noted(_pieces(opened, opening), digest),
            key=open_key(opening.header.boxes, opening.log, seeds),
            head=opening.header.stream,
            bound=opening.bound,
        )
        source = _Source(plain)
        manifest = read_manifest(source.take(_length(source)))
        if manifest.cid != opening.cid:
            raise Refusal("backup.coop", "the files within are another co-op's than the header's")
        for each in manifest.files:
            keep = wanted is None or wanted(each.name)
            _unpack_one(source, each, into / each.name if keep else None)
        source.require_end()
        _require_trailer(opened, digest.digest())
    return manifest


class _Source:
    """Plain bytes to be taken in other lengths than they come in."""

    def __init__(self, plain: Iterator[bytes]) -> None:
        self._plain = plain
        self._held = b""

    def parts(self, size: int) -> Iterator[bytes]:
        """Yield so many bytes in all."""
        while size > 0:
            if not self._held:
                self._held = next(self._plain, b"")
                if not self._held:
                    raise Refusal("backup.damaged", "expected more bytes than the body has")
            part, self._held = self._held[:size], self._held[size:]
            size -= len(part)
            yield part

    def take(self, size: int) -> bytes:
        """Return so many bytes."""
        return b"".join(self.parts(size))

    def require_end(self) -> None:
        """Refuse bytes that no file has."""
        if self._held or any(self._plain):
            raise Refusal("backup.damaged", "expected no bytes after the last file")


def _unpack_one(source: _Source, each: FileOf, path: Path | None) -> None:
    digest = hashlib.sha256()
    if path is None:
        for part in source.parts(each.size):
            digest.update(part)
    else:
        with writing(path), new_file(path) as out:
            for part in source.parts(each.size):
                digest.update(part)
                out.write(part)
    if digest.digest() != each.sha256:
        raise Refusal("backup.damaged", f"expected {each.name} as it was when it was backed up")


def _plain_parts(
    listed: bytes, manifest: Manifest, folder: Path, small: Mapping[str, bytes]
) -> Iterator[bytes]:
    yield len(listed).to_bytes(_LENGTH, "big")
    yield listed
    for each in manifest.files:
        if each.name in small:
            yield small[each.name]
            continue
        with reading(folder / each.name), (folder / each.name).open("rb") as file:
            while part := file.read(PIECE):
                yield part


def _length(source: _Source) -> int:
    length = int.from_bytes(source.take(_LENGTH), "big")
    if length > MAX_MANIFEST:
        raise Refusal("backup.damaged", f"expected a list of at most {MAX_MANIFEST} bytes")
    return length


def _pieces(file: BinaryIO, opening: Opening) -> Iterator[bytes]:
    left = opening.header.size
    while left > 0:
        with reading(Path(file.name)):  # here, for the bytes are taken where others are written
            piece = file.read(min(left, PIECE + OVER))
        if not piece:
            raise Refusal("backup.truncated", "the file ended while it was read")
        left -= len(piece)
        yield piece


def _noted(pieces: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def _require_trailer(file: BinaryIO, digest: bytes) -> None:
    if file.read(TRAILER) != digest:
        raise Refusal("backup.damaged", "the file is not as it was written: its hash is another")


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
