"""What one look found, in words for a manager."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.Enum):
    """How bad it is."""

    OK = "ok"
    SKIPPED = "skipped"
    """It could not be looked at; `said` tells why."""
    WARN = "warn"
    """The node works, and something should be seen to."""
    FAIL = "fail"
    """The node does not work, or loses what it should keep."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of a report."""

    look: str
    """What was looked at: a word that is the same in each report."""
    level: Level
    said: str
    """What was found, a sentence."""
    todo: str = ""
    """What to do about it; empty where there is nothing to do."""


def ok(look: str, said: str) -> Finding:
    """Return that all is well."""
    return Finding(look=look, level=Level.OK, said=said)


def skipped(look: str, said: str, todo: str = "") -> Finding:
    """Return that it was not looked at, and why."""
    return Finding(look=look, level=Level.SKIPPED, said=said, todo=todo)


def warn(look: str, said: str, todo: str) -> Finding:
    """Return that something should be seen to."""
    return Finding(look=look, level=Level.WARN, said=said, todo=todo)


def bad(look: str, said: str, todo: str) -> Finding:
    """Return that something is broken."""
    return Finding(look=look, level=Level.FAIL, said=said, todo=todo)
