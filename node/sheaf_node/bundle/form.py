"""The frames of a bundle: a length, then one CMP-1 value; the first and last are its own."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import tag
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.limits import MAX_FRAME, MAX_INT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

NAME: Final = "sheaf-bundle"
LENGTH: Final = 4
"""Bytes of a frame's length, the highest first."""
_MOST_FEDERATIONS: Final = 256
_Id = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Count = Annotated[int, Meta(ge=0, le=MAX_INT)]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first frame: what this is, and of which federations."""

    federations: Annotated[list[_Id], Meta(max_length=_MOST_FEDERATIONS)]
    made_ms: _Count
    name: Literal["sheaf-bundle"]
    software: Annotated[str, Meta(max_length=120)]
    version: Literal[1]


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The last frame: how much came before it, and the hash of all those bytes."""

    entries: _Count
    frames: _Count
    hash: _Id


class FrameWriter:
    """Writes frames, and hashes what it wrote. Raises OSError."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._state = file, hashlib.sha256(tag("bundle"))
        self.frames = 0

    def put(self, data: bytes) -> None:
        """Write one frame."""
        framed = len(data).to_bytes(LENGTH, "big") + data
        self._file.write(framed)
        self._state.update(framed)
        self.frames += 1

    def end(self, entries: int) -> None:
        """Write the last frame."""
        end = End(entries=entries, frames=self.frames, hash=self._state.digest())
        self.put(encode(end))


def read_frames(file: BinaryIO) -> Iterator[bytes]:
    """Yield the first frame and all messages, after which the last frame held.

    Raises Refusal `bundle.form`, `bundle.truncated`, `bundle.damaged`. What was yielded before
    that is only as good as the refusal that follows it.
    """
    state = hashlib.sha256(tag("bundle"))
    count, held = 0, _next(file, is_first=True)
    while (following := _next(file, is_first=False)) is not None:
        if held is None:
            break
        state.update(len(held).to_bytes(LENGTH, "big") + held)
        count += 1
        yield held
        held = following
    end = _end_of(held)
    if end.frames != count or end.hash != state.digest():
        raise Refusal("bundle.damaged", "expected the file as it was written; its hash is another")


def read_head(data: bytes) -> Head:
    """Return what the first frame says. Raises Refusal `bundle.form`."""
    try:
        return decode(data, Head, limit=MAX_FRAME)
    except ProtocolError as exc:
        detail = "expected a file that `sheaf events export` wrote, of version 1"
        raise Refusal("bundle.form", f"{detail}: {exc.detail}") from exc


def _end_of(data: bytes | None) -> End:
    try:
        return decode(data or b"", End, limit=MAX_FRAME)
    except ProtocolError as exc:
        raise _truncated() from exc


def _next(file: BinaryIO, *, is_first: bool) -> bytes | None:
    """Return the next frame, None at the end of the file."""
    raw = file.read(LENGTH)
    if not raw and not is_first:
        return None
    size = int.from_bytes(raw, "big")
    if is_first and not (len(raw) == LENGTH and 0 < size <= MAX_FRAME):
        raise Refusal("bundle.form", "expected a file that `sheaf events export` wrote")
    if len(raw) < LENGTH:
        raise _truncated()
    if size > MAX_FRAME:
        raise Refusal("bundle.damaged", f"expected frames up to {MAX_FRAME} bytes, got {size}")
    data = file.read(size)
    if len(data) < size:
        raise _truncated()
    return data


def _truncated() -> Refusal:
    return Refusal("bundle.truncated", "expected the whole file, got one that ends too early")
