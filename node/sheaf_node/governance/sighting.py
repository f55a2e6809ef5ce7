"""When this node first saw a change of keys, kept beside the store across restarts.

A rotate or recover is anchored only after members had time to object (`anchor_ms`), and no
operation bears a time. What is lost here is waited for again, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_node.charter_file import write_file
from sheaf_protocol.digest import Digest
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

FILE: Final = "keys.seen"
_MOST: Final = 4_096
"""Changes of keys that wait to be anchored; a federation of a thousand has a few."""


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    head: Annotated[bytes, Meta(min_length=32, max_length=32)]
    time_ms: Annotated[int, Meta(ge=0)]


class Sightings:
    """The times at which operations were first seen. Without a path it forgets with the process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._seen = _read(path)

    def first_ms(self, head: Digest, now_ms: int) -> int:
        """Return when an operation was first seen: now, where it is new."""
        known = self._seen.get(head)
        if known is not None:
            return known
        self._seen[head] = now_ms
        self._write()
        return now_ms

    def keep(self, heads: Collection[Digest]) -> None:
        """Forget all but these: what was anchored is waited for no more."""
        left = {head: at for head, at in self._seen.items() if head in heads}
        if left != self._seen:
            self._seen = left
            self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        items = list(self._seen.items())[-_MOST:]
        seen = [_Seen(head=head, time_ms=at) for head, at in items]
        try:
            write_file(self._path, msgspec.msgpack.encode(seen))
        except Refusal:
            return  # a full disk: the store says so, and this is waited for again


def _read(path: Path | None) -> dict[Digest, int]:
    if path is None:
        return {}
    try:
        seen = msgspec.msgpack.decode(path.read_bytes(), type=list[_Seen])
    except (OSError, msgspec.DecodeError):
        return {}
    return {Digest(each.head): each.time_ms for each in seen}
