"""What a run did and saw: operations with their outcomes, and what each node showed of its log.

Nothing here knows the node's code: an entry is what the local API shows of it, as JSON.
"""

from __future__ import annotations

import enum
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Outcome(enum.StrEnum):
    """How an operation ended for who asked."""

    OK = "ok"
    FAIL = "fail"
    """Refused by a rule, or never sent."""
    UNKNOWN = "unknown"
    """No answer came, so it may have happened, and may happen yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One attempt at one node's API to bring about one element.

    The element is named by a record's kind, the author's node, and `key`: the record's own
    reference, which stays the same when it is asked for again.
    """

    kind: str
    node: str
    key: str
    outcome: Outcome
    invoked_s: float
    ended_s: float
    said: str = ""
    """The code of a refusal, or what became of the connection."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """An entry as one node showed it."""

    arrival: int
    id: str
    cid: str
    wid: str
    seq: int
    kind: str
    refs: Sequence[str]
    no_effect: str | None
    record: Mapping[str, Any]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Shown:
        """Return what an item of `/api/v1/log` says; a body that is not there is empty."""
        kept = {name: entry[name] for name in cls.__slots__}
        return cls(**(kept | {"record": entry["record"] or {}}))

    @property
    def key(self) -> str:
        """The author's own reference to what this is about, or nothing."""
        return str(self.record.get("ref") or self.record.get("hold") or "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scarce:
    """A capacity whose holds all want the same, for long: so many of them fit and no more."""

    capacity: str
    """The id of its entry."""
    quantity: int


@dataclass(kw_only=True, slots=True)
class History:
    """A run, whole: what a checker is given and what is kept where it finds a fault."""

    cids: Mapping[str, str]
    """The co-op of each node."""
    dimension: str = "load"
    """Of the vectors of capacities and holds, the one that the run draws on."""
    scarce: Sequence[Scarce] = ()
    operations: list[Operation] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What was done to the network and the processes, in words."""
    seen: dict[str, dict[int, str]] = field(default_factory=dict)
    """By node the ids that it showed while it ran, by arrival number."""
    final: dict[str, list[Shown]] = field(default_factory=dict)
    """By node all it shows in the end, in the order of arrival."""
    forked: dict[str, int] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    outcries: dict[str, str] = field(default_factory=dict)
    """By node what it wrote of faults of its own, where it did."""

    def write(self, path: Path, *, command: str, problems: Sequence[str]) -> None:
        """Write the run as JSON, with the command to repeat it and what was found."""
        told = {"command": command, "problems": problems, **asdict(self)}
        path.write_text(json.dumps(told, indent=1))
