"""A disk that keeps apart what was written and what was synced, and what a power cut leaves of it.

The model is meaner than any file system: of what was not synced each sector of 512 bytes may be
there or not, in any order, so that an older write may stand where a newer one was; a file may be
long without its contents, or short; a name may be there or not until its folder was synced. What
was synced is there: a disk that lies about that is beyond what software can mend.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from random import Random

SECTOR = 512
KEPT = (0.0, 0.1, 0.5, 0.9, 1.0)
"""How much of what was not synced is there after a cut: drawn once for each cut."""

Image: TypeAlias = dict[str, bytes]
"""What is under each name."""


@dataclass(slots=True)
class File:
    """One file: as the running process sees it, and what a cut cannot take."""

    seen: bytearray = field(default_factory=bytearray)
    synced: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Writes by their place, and where there are no bytes the lengths it was cut to."""

    def write(self, at: int, data: bytes) -> None:
        _put(self.seen, at, data)
        self.pending.append((at, data))

    def truncate(self, size: int) -> None:
        _resize(self.seen, size)
        self.pending.append((size, None))

    def sync(self) -> None:
        for at, data in self.pending:
            if data is None:
                _resize(self.synced, at)
            else:
                _put(self.synced, at, data)
        self.pending.clear()

    def after_cut(self, random: Random, kept: float) -> bytes:
        left = bytearray(self.synced)
        pieces = [piece for at, data in self.pending for piece in _pieces(at, data)]
        random.shuffle(pieces)
        for at, data in pieces:
            if random.random() >= kept:
                continue
            if data is None:
                _resize(left, at)
            else:
                _put(left, at, data)
        return bytes(left)


class Disk:
    """The files of one folder."""

    def __init__(self, image: Image | None = None) -> None:
        self._files = {name: _durable(data) for name, data in (image or {}).items()}
        self._durable_names = dict(self._files)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def open(self, name: str) -> File:
        """Return the file of this name, made where there is none."""
        return self._files.setdefault(name, File())

    def remove(self, name: str) -> None:
        self._files.pop(name, None)

    def sync_names(self) -> None:
        """Make durable which files there are."""
        self._durable_names = dict(self._files)

    def after_cut(self, random: Random) -> Image:
        """Return what is there when the power is back."""
        kept = random.choice(KEPT)
        left: Image = {}
        for name in sorted({*self._files, *self._durable_names}):
            file, before = self._files.get(name), self._durable_names.get(name)
            chosen = file if file is before or random.random() < kept else before
            if chosen is not None:
                left[name] = chosen.after_cut(random, kept)
        return left


def _durable(data: bytes) -> File:
    return File(seen=bytearray(data), synced=bytearray(data))


def _pieces(at: int, data: bytes | None) -> list[tuple[int, bytes | None]]:
    """Return a write as what of it a disk does at once."""
    if data is None:
        return [(at, None)]
    ends = [*range(SECTOR - at % SECTOR, len(data), SECTOR), len(data)]
    return [(at + start, data[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def _put(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


def _resize(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))
