"""Choices drawn from an input, byte by byte: a small change of it is a small change of them.

Where the input ends, every further choice is the first one: the shortest input is the plain case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Choices:
    """One reading of an input."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._data)

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def below(self, end: int) -> int:
        """Return a number from 0 to before `end`, which is 256 at most."""
        return self.byte() % end

    def often(self) -> bool:
        """Return a choice that is usually true: an input of random bytes gets past it."""
        return self.byte() < 240

    def of(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[self.below(len(items))]

    def take(self, size: int) -> bytes:
        """Return as many bytes, zeros where the input has ended."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken.ljust(size, b"\x00")

    def some(self) -> bytes:
        """Return up to 255 bytes, as many as the next byte says and the input has."""
        size = min(self.byte(), max(0, len(self._data) - self._at))
        return self.take(size)

    def rest(self) -> bytes:
        """Return all that is left."""
        taken = self._data[self._at :]
        self._at = len(self._data)
        return taken
