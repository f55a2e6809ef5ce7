"""Randomness of a run: independent streams, each from the seed and a name.

One stream for each purpose, so that a change in one place of the simulation does not change what
all others draw.
"""

from __future__ import annotations

import hashlib
import random


def dice(seed: int, *name: object) -> random.Random:
    """Return the stream of that name."""
    text = "/".join(map(str, (seed, *name)))
    return random.Random(hashlib.sha256(text.encode()).digest())  # noqa: S311
