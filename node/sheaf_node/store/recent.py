"""The newest entries as they were committed, so that who follows the log reads no disk.

Services, pushes to peers and programs of the local API all read what just arrived, and reading a
row back costs as much as writing it. What is judged anew on disk is forgotten here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.store.effects import Effects
    from sheaf_node.store.model import StoredEntry

MAX_BYTES: Final = 4 * 1_048_576
"""Four MiB: some seconds of a busy federation."""
_STEP: Final = 4
"""When it is full, one part in four goes at once, since a list loses its beginning slowly."""


class Recent:
    """Entries without a gap in their arrival numbers, up to the newest that is durable."""

    def __init__(self) -> None:
        self._entries: list[StoredEntry] = []
        self._size = 0
        self._decided = 0

    def add(self, effects: Effects, decided: int) -> None:
        """Take up what became durable; entries up to the number `decided` are decided on by now."""
        if effects.judged or effects.faults or effects.has_payloads or effects.marks:
            self._forget()
        if effects.marks:
            self._decided = decided  # these were not found erased by what is a mark just now
        new = [entry for entry in effects.entries if entry.arrival > self._decided]
        if not new:
            return
        if self._entries and self._entries[-1].arrival + 1 != new[0].arrival:
            self._forget()
        self._entries += new
        self._size += sum(entry.envelope.size for entry in new)
        while self._size > MAX_BYTES:
            gone = self._entries[: -(-len(self._entries) // _STEP)]
            del self._entries[: len(gone)]
            self._size -= sum(entry.envelope.size for entry in gone)

    def after(self, arrival: int, limit: int) -> Sequence[StoredEntry] | None:
        """Return the next entries after an arrival number, or None where they are on disk alone."""
        if not self._entries or arrival + 1 < self._entries[0].arrival:
            return None
        first = arrival + 1 - self._entries[0].arrival
        return self._entries[first : first + limit]

    def _forget(self) -> None:
        self._entries.clear()
        self._size = 0
