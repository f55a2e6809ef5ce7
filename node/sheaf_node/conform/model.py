"""A conformance case: what it is called, which rules it shows, and the steps that it takes.

A vector is a case without steps (`judging.py`). Any other is a coroutine over a `Scene`. It returns
where the node under test does what the rules say and raises `Failed` where it does something else;
what it sent and heard stands in the sequence.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sheaf_node.conform.scene import Scene

Steps: TypeAlias = "Callable[[Scene], Awaitable[None]]"

_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")


class Failed(Exception):
    """The node under test did something else than the rules say."""

    def __init__(self, *, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected, self.got = expected, got


class Surface(enum.Enum):
    """Where a case touches the node under test."""

    LINK = "link"
    """The peer port, which every implementation has."""
    DIALLED = "dialled"
    """The kit's own port, which the node under test was told to dial."""
    API = "api"
    """The local port of this implementation, for those that offer the same one."""
    BYTES = "bytes"
    """Lines to and from a program, which judges the bytes of a vector."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a case says of an implementation, and where it touches it."""

    id: str
    clauses: Sequence[str]
    title: str
    """What an implementation that conforms does, or the point of a vector, without a full stop."""
    codes: Sequence[str] = ()
    """The codes that it gives while the case runs."""
    surface: Surface = Surface.LINK


@dataclass(frozen=True, kw_only=True, slots=True)
class Case(Claim):
    """One claim about a node, and how to put it to the test."""

    steps: Steps
    coops: int = 1
    """Members that the case has for itself, with every role but that of a bridge. A case that never
    finishes a handshake needs none: it is given one that others use, too."""
    plain: int = 0
    """Members with the role `member` alone."""
    sides: int = 0
    """Federations of the node under test and four co-ops, which the case may do anything to."""
    is_once: bool = False
    """Whether it leaves co-ops or federations of the kit so that it cannot be run again."""


class Catalogue:
    """Cases in the order in which they were written down."""

    def __init__(self) -> None:
        self._cases: dict[str, Case] = {}

    @property
    def cases(self) -> Sequence[Case]:
        """All cases."""
        return list(self._cases.values())

    def case(
        self,
        id_: str,
        clauses: str | tuple[str, ...],
        title: str,
        *,
        codes: tuple[str, ...] = (),
        coops: int = 1,
        plain: int = 0,
        sides: int = 0,
        surface: str = "link",
        once: bool = False,
    ) -> Callable[[Steps], Steps]:
        """Return the decorator that writes a case down. Raises ValueError for an id used twice."""
        if not _ID.match(id_) or id_ in self._cases:
            raise ValueError(f"expected words-with-hyphens used once, got {id_!r}")

        def written(steps: Steps) -> Steps:
            self._cases[id_] = Case(
                id=id_,
                clauses=(clauses,) if isinstance(clauses, str) else clauses,
                title=title,
                steps=steps,
                codes=codes,
                coops=coops,
                plain=plain,
                sides=sides,
                surface=Surface(surface),
                is_once=once,
            )
            return steps

        return written


CATALOGUE: Final = Catalogue()
"""The kit's cases, filled as the modules of `cases` load."""

case = CATALOGUE.case
