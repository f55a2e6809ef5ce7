"""How far a running node has come with the recovery of its home.

In memory, and handed on from one opening of the home to the next: a disk that is put back brings
the marker of its past with it, and what was compared in that past says nothing of today.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """What was found out since the node was started, and not before."""

    is_compared: bool = False
    """Whether our key log was compared with the peers: an operation may be made on it."""
    closing: list[str] | None = None
    """The lost writers, in hex, of which all promises are here and name what the store has: they
    may be closed. None until that is known."""
