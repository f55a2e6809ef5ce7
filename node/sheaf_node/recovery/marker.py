"""What a home notes of its own recovery, beside its keys and its store.

Two small files in `recovery/`, each put in place whole and synced. `marker` says that the home is
recovering, and how far it has come; it is made by whoever puts a home back and removed when a new
writer has taken over everywhere. `in_use` says that another node signs with the keys of this one.
Neither is a secret, and neither goes into a backup: they are true of this folder alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from msgspec.structs import replace

from sheaf_node.durable import replace_file, sync
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FOLDER: Final = "recovery"
MARKER: Final = "marker"
IN_USE: Final = "in_use"
T = TypeVar("T")


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """How far a home has come. Ids are in hex: the file is for people, too."""

    since_ms: int
    """When the home was put back."""
    is_fresh: bool = True
    """Whether it was not opened since: the writer of its keys is lost, too."""
    lost: list[str] = []
    """The writers that the home had and does not sign with any more."""
    came_ms: dict[str, int] = {}
    """By federation, the time of the newest entry of our co-op that the home came with."""
    without: list[str] = []
    """Peers by url and co-ops by id that the operator does without."""


class InUse(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that shows that another node signs with our keys, or the end of our key log."""

    fid: str
    id: str
    seq: int
    is_word: bool = False
    """Whether it is no entry of our own writer, but the word of another that ours is lost."""
    is_close: bool = False
    """Whether it is the key log, by operation and size, which says that our writer was closed."""


def mark(home: Path, *, now_ms: int) -> None:
    """Note that a home has to recover before it signs anything; safe to repeat.

    Raises Refusal `recovery.file`.
    """
    before = read_marker(home)
    marker = Marker(since_ms=now_ms) if before is None else replace(before, since_ms=now_ms)
    write_marker(home, replace(marker, is_fresh=True, came_ms={}))
    _remove(home / FOLDER / IN_USE)


def is_marked(home: Path) -> bool:
    """Return whether a home is recovering."""
    return (home / FOLDER / MARKER).exists()


def name_absent(home: Path, names: Iterable[str]) -> Marker:
    """Note peers and co-ops that the operator does without, and return what is noted then.

    Raises Refusal `recovery.none` where the home is not recovering, `recovery.file`.
    """
    marker = read_marker(home)
    if marker is None:
        raise Refusal("recovery.none", f"expected a home that is recovering, got {home}")
    without = [*marker.without, *(name for name in names if name not in marker.without)]
    marker = replace(marker, without=without)
    write_marker(home, marker)
    return marker


def read_marker(home: Path) -> Marker | None:
    """Return the marker of a home that is recovering. Raises Refusal `recovery.file`."""
    return _read(home / FOLDER / MARKER, Marker)


def write_marker(home: Path, marker: Marker) -> None:
    """Put a marker in place. Raises Refusal `recovery.file`."""
    _write(home / FOLDER / MARKER, marker)


def remove_marker(home: Path) -> None:
    """Note that a home has recovered. Raises Refusal `recovery.file`."""
    _remove(home / FOLDER / MARKER)


def read_in_use(home: Path) -> InUse | None:
    """Return what shows that another node signs with our keys. Raises Refusal `recovery.file`."""
    return _read(home / FOLDER / IN_USE, InUse)


def write_in_use(home: Path, shown: InUse) -> None:
    """Note what shows that another node signs with our keys. Raises Refusal `recovery.file`."""
    _write(home / FOLDER / IN_USE, shown)


def _read(path: Path, type_: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as exc:
        # Whatever it said, it said that this home may not sign.
        raise Refusal("recovery.file", f"expected a readable file at {path}, got: {exc}") from exc


def _write(path: Path, content: msgspec.Struct) -> None:
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        replace_file(path, msgspec.json.format(msgspec.json.encode(content)))
        sync(path.parent)
        sync(path.parent.parent)
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
        if path.parent.exists():
            sync(path.parent)
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def _unwritable(path: Path, exc: OSError) -> Refusal:
    return Refusal("recovery.file", f"expected to be able to write {path}, got: {exc.strerror}")
