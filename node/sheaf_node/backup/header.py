"""The beginning of a backup file, which anybody may read: what is needed to open the rest.

    8 bytes   SHEAFBAK
    2 bytes   version of the format, 1 or 2
    4 bytes   length of the header
    header    CMP-1 map
    body      the files, encrypted in pieces (`stream`); the header tells how long
    32 bytes  SHA-256 of all bytes before: damage is found without any secret

Numbers have their highest byte first. The hash of everything up to the body goes into each piece,
so that no header fits another body. A body of format 2 may hold more sorts of files of a home than
one of format 1 (`contents`), which a version that knows format 1 alone could not put in place.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import msgspec
from msgspec import Meta

from sheaf_node.backup.recipient import MAX_CHOICES
from sheaf_node.backup.stream import STREAM_HEAD
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.identity import KeyLog, KeyOp, fold_key_log
from sheaf_protocol.limits import MAX_KEY_LOG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.digest import CoopId

MAGIC: Final = b"SHEAFBAK"
VERSION: Final = 2
_KNOWN: Final = frozenset({1, VERSION})
TRAILER: Final = hashlib.sha256().digest_size
MAX_HEADER: Final = 16_777_216
"""16 MiB: the longest key log with all its signatures is 5 MiB."""
_FIXED: Final = len(MAGIC) + 2 + 4


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in clear before the encrypted body."""

    boxes: Annotated[
        list[Annotated[bytes, Meta(max_length=1_024)]],
        Meta(min_length=1, max_length=MAX_CHOICES),
    ]
    """The body's key, sealed for each choice of recovery sheets."""
    created_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    key_log: Annotated[list[KeyOp], Meta(min_length=1, max_length=MAX_KEY_LOG)]
    """The co-op's, which says which sheets open the body. Nodes tell it to anybody."""
    size: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    """Bytes of the body."""
    software: Annotated[str, Meta(max_length=120)]
    stream: Annotated[bytes, Meta(min_length=STREAM_HEAD, max_length=STREAM_HEAD)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """The part of a backup file before its body, checked."""

    data: bytes
    """All its bytes."""
    header: Header
    log: KeyLog

    @property
    def cid(self) -> CoopId:
        """Whose backup it is."""
        return self.log.cid

    @property
    def bound(self) -> bytes:
        """What each piece of the body is bound to."""
        return hashlib.sha256(self.data).digest()

    @property
    def whole(self) -> int:
        """Bytes of the whole file."""
        return len(self.data) + self.header.size + TRAILER


def write_opening(header: Header) -> bytes:
    """Return the bytes before the body."""
    data = encode(header)
    return MAGIC + VERSION.to_bytes(2, "big") + len(data).to_bytes(4, "big") + data


def read_opening(file: BinaryIO, size: int) -> Opening:
    """Return what stands before the body; `size` is how many bytes the file has.

    Raises Refusal: `backup.form` for another file, `backup.version`, `backup.truncated`,
    `backup.damaged`; OSError as the system does.
    """
    fixed = file.read(_FIXED)
    if not fixed or fixed[: len(MAGIC)] != MAGIC[: len(fixed)]:
        detail = "expected a file that `sheaf backup create` wrote, got another"
        raise Refusal("backup.form", detail)
    _require_all(fixed, _FIXED)
    version = int.from_bytes(fixed[8:10], "big")
    if version not in _KNOWN:
        detail = f"expected a backup of format {VERSION} or older, got {version}"
        raise Refusal("backup.version", f"{detail}: take the version of sheaf that made it")
    length = int.from_bytes(fixed[10:], "big")
    if length > MAX_HEADER:
        raise Refusal("backup.damaged", f"expected a header of at most {MAX_HEADER} bytes")
    data = file.read(length)
    _require_all(data, length)
    header, log = _read_header(data)
    opening = Opening(data=fixed + data, header=header, log=log)
    _require_size(opening, size)
    return opening


def _read_header(data: bytes) -> tuple[Header, KeyLog]:
    try:
        header = decode(data, Header, limit=MAX_HEADER)
        log = fold_key_log(header.key_log)
    except ProtocolError as exc:
        raise Refusal("backup.damaged", f"expected a sound header: {exc.detail}") from exc
    if len(header.boxes) != comb(len(log.rotation), log.threshold):
        raise Refusal("backup.damaged", "expected a box for each choice of recovery sheets")
    return header, log


def _require_all(data: Sequence[int], size: int) -> None:
    if len(data) < size:
        raise Refusal("backup.truncated", "the file ends before its header does")


def _require_size(opening: Opening, size: int) -> None:
    if size < opening.whole:
        raise Refusal("backup.truncated", f"expected {opening.whole} bytes, got {size}: cut short")
    if size > opening.whole:
        raise Refusal("backup.damaged", f"expected {opening.whole} bytes, got {size}")
