"""What happened in a run, as one hash: two runs of a seed are the same where these are."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Trace:
    """Every frame, commit, death and answer of a run, in order, with its time."""

    def __init__(self, now: Callable[[], float], kept: int = 60) -> None:
        self._now = now
        self._hash = hashlib.sha256()
        self.last: deque[str] = deque(maxlen=kept)
        """The newest events in words, without the frames."""

    def note(self, what: str, *about: object) -> None:
        """Add an event."""
        line = f"{self._now():.6f} {what} "
        if what == "frame":
            *who, frame = about
            self._hash.update(line.encode() + repr(who).encode())
            self._hash.update(frame)  # type: ignore[arg-type]
            return
        line += " ".join(map(str, about))
        self._hash.update(line.encode())
        self.last.append(line)

    @property
    def digest(self) -> str:
        """The hash of all events so far, in hex."""
        return self._hash.hexdigest()
