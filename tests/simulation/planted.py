"""What a planted bug is made of: a change of the running code, and the proof that it ran.

A plant changes an attribute that has to be there: a name that has moved is an error, not a bug that
nobody noticed.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Make = Callable[[Any], Any]

RAN: Final[Counter[str]] = Counter()
"""How often the changed lines ran, by the name of the bug: of this process, so of one run."""

_ROOMS: Final = ("sheaf_protocol", "sheaf_node", "sheaf_services", "tests.simulation")


@dataclass(frozen=True)
class Mutant:
    """A bug that the simulation has to find."""

    name: str
    breaks: str
    """What it breaks, in one sentence."""
    profiles: tuple[str, ...]
    """Where it is looked for, one after the other."""
    budget: int
    """Seeds of each profile, from 0 on, of which one has to find it."""
    expected: frozenset[str]
    """The invariants that it breaks. To be found by another one counts as a fault of this row."""
    plant: Callable[[], None]
    """Changes the running code; for the process of a run."""


MUTANTS: Final[dict[str, Mutant]] = {}


def mutant(
    expected: str, *, profiles: tuple[str, ...] = ("general",), budget: int = 16
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Add the function as a mutant: its name is the mutant's, its docstring says what it breaks."""

    def add(plant: Callable[[], None]) -> Callable[[], None]:
        name = plant.__name__.strip("_")
        if name in MUTANTS:
            raise LookupError(f"expected one mutant called {name}")
        MUTANTS[name] = Mutant(
            name=name,
            breaks=" ".join((plant.__doc__ or "").split()),
            profiles=profiles,
            budget=budget,
            expected=frozenset(expected.split()),
            plant=plant,
        )
        return plant

    return add


def ran(name: str) -> None:
    """Note that the changed line of a mutant ran."""
    RAN[name] += 1


def change(owner: object, name: str, make: Make) -> None:
    """Put what `make` makes of an attribute of a class or module in its place.

    Raises LookupError where there is none.
    """
    if name not in vars(owner):
        raise LookupError(f"expected an attribute {name} of {owner!r}: it has moved")
    setattr(owner, name, make(vars(owner)[name]))


def change_function(function: Callable[..., Any], make: Make) -> None:
    """Put what `make` makes of a function in its place, in all rooms that imported it."""
    changed = make(function)
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith(_ROOMS):
            for name, value in list(vars(module).items()):
                if value is function:
                    setattr(module, name, changed)


def around(name: str, body: Callable[..., Any]) -> Make:
    """Return what makes a function which calls `body(original, *args)` and notes that it ran."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def changed(*args: Any, **named: Any) -> Any:
            ran(name)
            return body(original, *args, **named)

        return changed

    return make


def seen() -> dict[str, int]:
    """Return the counters as an outcome has them."""
    return {f"planted: {name}": times for name, times in RAN.items()}


def runs_of(name: str, counters: Iterable[tuple[str, int]]) -> int:
    """Return how often a mutant's line ran, from the counters of an outcome."""
    return sum(times for key, times in counters if key == f"planted: {name}")
