"""The kept corpus: few and small inputs that together reach what all that were found reach."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any, Final

from tests.fuzz.target import FOLDER, load

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import FrameType

    from tests.fuzz.target import Target

MAX_FILES: Final = 50
"""Of one target: the default suite runs them all, and five targets stay below 300."""
MAX_BYTES: Final = 2_048
"""Of one file: what a longer input reaches, a shorter one has reached so far."""

_Line = tuple[str, int, int]


def kept(name: str) -> list[Path]:
    """Return the files kept for a target."""
    return sorted((FOLDER / name).glob("*"))


def keep(name: str, inputs: Iterable[bytes]) -> int:
    """Put the fewest inputs in the target's folder that reach what all reach; return how many."""
    chosen = _cover(load(name), {data for data in inputs if len(data) <= MAX_BYTES})
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    for path in kept(name):
        path.unlink()
    for data in chosen:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    return len(chosen)


def _cover(target: Target, inputs: set[bytes]) -> list[bytes]:
    """Return inputs that add lines of the protocol to those before them, short ones first.

    A line counts once for each line that it was reached from, so that both ways of a branch and a
    second turn of a loop do. The greediest first: each next input is the one that adds most.
    """
    reach = {data: _lines(target, data) for data in sorted(inputs, key=lambda d: (len(d), d))}
    chosen: list[bytes] = []
    left = set().union(*reach.values())
    while left and len(chosen) < MAX_FILES:
        best = max(reach, key=lambda data: (len(reach[data] & left), -len(data)))
        left -= reach.pop(best)
        chosen.append(best)
    return chosen


def _lines(target: Target, data: bytes) -> set[_Line]:
    reached: set[_Line] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        file = frame.f_code.co_filename
        if "sheaf_protocol" not in file:
            return None
        last = 0

        def step(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            if event == "line":
                reached.add((file, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step

    sys.settrace(trace)
    try:
        target.run(data)
    finally:
        sys.settrace(None)
    return reached
