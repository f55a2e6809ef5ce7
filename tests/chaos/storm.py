"""What goes wrong when, drawn from a seed: faults of wires and of processes, each with its time."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.chaos.wire import Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence


class Harm(enum.StrEnum):
    """What may be done to a process."""

    KILL = "kill -9"
    """And started again when the fault is over."""
    STOP = "SIGSTOP"
    """And SIGCONT when the fault is over."""


Pair = tuple[int, int]
"""A wire: the number of the node that dials, and of the one it dials."""

_SPREAD: Final = (Trouble.DELAY, Trouble.LOSS, Trouble.NARROW)
"""Troubles that a whole network may have at once."""
_HARM: Final = 0.3
_PARTITION: Final = 0.15


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Something wrong with wires or with one process for a time, in seconds from the start."""

    from_s: float
    to_s: float
    trouble: Trouble | None = None
    wires: Sequence[Pair] = ()
    harm: Harm | None = None
    node: int = 0

    def __str__(self) -> str:
        when = f"{self.from_s:.2f} to {self.to_s:.2f} s"
        if self.harm is not None:
            return f"{when}: {self.harm} of node {self.node}"
        named = " ".join(f"{near}-{far}" for near, far in self.wires)
        return f"{when}: {self.trouble} on {named}"


def wires_between(nodes: int) -> list[Pair]:
    """Return the wires by which each node dials those before it."""
    return [(near, far) for near in range(nodes) for far in range(near)]


def draw_storm(seed: int, *, nodes: int, seconds: float) -> list[Fault]:
    """Return a storm's faults in the order in which they begin; all end with the storm.

    Which kinds it has is drawn first, so that one storm differs from the next in more than times.
    """
    dice = random.Random(seed)  # noqa: S311  # repeatable, not secret
    kinds = dice.sample(list(Trouble), dice.randint(3, len(Trouble)))
    faults: list[Fault] = []
    at_s = 0.2
    while at_s < seconds:
        to_s = min(at_s + dice.uniform(0.3, 4.0), seconds)
        faults.append(_fault(dice, kinds, nodes, at_s, to_s))
        at_s += dice.uniform(0.1, 1.0)
    return faults


def _fault(
    dice: random.Random, kinds: Sequence[Trouble], nodes: int, from_s: float, to_s: float
) -> Fault:
    wires = wires_between(nodes)
    drawn = dice.random()
    if drawn < _HARM:
        harm = dice.choice(list(Harm))
        return Fault(from_s=from_s, to_s=to_s, harm=harm, node=dice.randrange(nodes))
    if drawn < _HARM + _PARTITION:
        island = set(dice.sample(range(nodes), dice.randint(1, nodes // 2)))
        between = [(near, far) for near, far in wires if (near in island) != (far in island)]
        trouble = dice.choice((Trouble.CUT, Trouble.REFUSE, Trouble.CUT_FORTH, Trouble.CUT_BACK))
        return Fault(from_s=from_s, to_s=to_s, trouble=trouble, wires=between)
    trouble = dice.choice(list(kinds))
    most = len(wires) if trouble in _SPREAD else len(wires) // 3
    hit = sorted(dice.sample(wires, dice.randint(1, max(1, most))))
    return Fault(from_s=from_s, to_s=to_s, trouble=trouble, wires=hit)
