"""Refusals of a list: by line and column, as the spreadsheet counts and names them.

The people who make these files see them in a spreadsheet. So a refusal names the line as the
spreadsheet numbers it, the column by its name, what was expected and what came; and it says how
many lines have a problem, so that nobody mends a file one upload at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

S = TypeVar("S")
T = TypeVar("T")

MOST_TOLD: Final = 200
"""Lines of which it is told at once what is wrong; nobody mends more before looking again."""


class PlacedRefusal(Refusal):
    """What is wrong at one place of a file: `said` without the place, `detail` with it."""

    def __init__(self, code: str, said: str, line: int, column: str = "") -> None:
        where = f"line {line}" + (f", column {column}" if column else "")
        super().__init__(code, f"{where}: {said}")
        self.said, self.line, self.column = said, line, column

    def __reduce__(self) -> tuple[type[Refusal], tuple[str, str]]:
        """Cross a process border as the refusal that it is."""
        return (Refusal, (self.code, self.detail))


class ListRefusal(Refusal):
    """A file of which lines are wrong: the first of them by code and detail, and all by `first`."""

    def __init__(self, first: Sequence[Refusal], lines: int) -> None:
        others = lines - 1
        more = f"; {others} more line{'s have' if others > 1 else ' has'} a problem"
        super().__init__(first[0].code, first[0].detail + (more if others else ""))
        self.first, self.lines = tuple(first), lines

    def __reduce__(self) -> tuple[type[Refusal], tuple[str, str]]:
        """Cross a process border as the refusal that it is."""
        return (Refusal, (self.code, self.detail))


@dataclass(slots=True)
class _Problems:
    """The first problems of a file and the number of lines that have one."""

    first: list[Refusal] = field(default_factory=list)
    lines: int = 0

    def note(self, refusal: Refusal) -> None:
        self.lines += 1
        if len(self.first) < MOST_TOLD:
            self.first.append(refusal)

    def refuse_if_any(self) -> None:
        if self.first:
            raise ListRefusal(self.first, self.lines)


def each(items: Iterable[S], parse: Callable[[S], T]) -> list[T]:
    """Return what `parse` makes of all items, or raise the first refusal with the number of others.

    An item is a line, or what lines were joined into.
    """
    problems, results = _Problems(), []
    for item in items:
        try:
            results.append(parse(item))
        except Refusal as refusal:
            problems.note(refusal)
    problems.refuse_if_any()
    return results


def shown(text: str) -> str:
    """Return a short printable form of a cell, safe to show to a person."""
    return repr(text if len(text) <= 40 else text[:40] + "...")
