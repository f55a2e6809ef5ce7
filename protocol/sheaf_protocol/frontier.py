"""What a node holds of each log, told shortly and compared exactly (spec 06, section 2).

A height alone hides forks: two replicas at equal height with different heads would look in sync
for ever. So each item carries eight bytes of the head, and the root hashes the heads in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from sheaf_protocol.digest import Digest, LogId, digest
from sheaf_protocol.limits import MAX_INT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class FrontierItem(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One log on the wire: its id, the last number held, eight bytes of the head."""

    log: Annotated[LogId, Meta(min_length=32, max_length=32)]
    seq: Annotated[int, Meta(ge=0, le=MAX_INT)]
    head8: Annotated[bytes, Meta(min_length=8, max_length=8)]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogState:
    """One log as held: the last number and head, or the place and leaf of its fork."""

    seq: int
    head: Digest
    is_forked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Entries `first` to `last` of a log, both included."""

    log: LogId
    first: int
    last: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What a peer's frontier means for us."""

    wanted: tuple[Range, ...]
    """Ranges that the peer holds and we do not."""
    diverged: tuple[LogId, ...]
    """Logs at equal height with different heads: one of us holds a fork unknown to the other."""


def root(logs: Mapping[LogId, LogState]) -> Digest:
    """Return the digest over all logs in the order of their ids, heads in full."""
    return digest("frontier", *(_leaf(log, state) for log, state in sorted(logs.items())))


def items(logs: Mapping[LogId, LogState]) -> list[FrontierItem]:
    """Return the frontier as it goes on the wire, in the order of log ids."""
    return [FrontierItem(log, s.seq, bytes(s.head[:8])) for log, s in sorted(logs.items())]


def compare(ours: Mapping[LogId, LogState], theirs: Iterable[FrontierItem]) -> Difference:
    """Return the ranges to ask the peer for, and the logs where we and the peer diverge.

    What lies beyond a fork that is known here is not asked for: its entries travel by request only,
    and asking each round would carry it over every link for ever. What lies below may differ still.
    """
    wanted, diverged = [], []
    for item in theirs:
        mine = ours.get(item.log)
        held = 0 if mine is None else mine.seq
        if item.seq > held:
            if mine is not None and mine.is_forked:
                continue
            wanted.append(Range(log=item.log, first=held + 1, last=item.seq))
        elif mine is not None and item.seq == held and item.head8 != mine.head[:8]:
            diverged.append(item.log)
    return Difference(wanted=tuple(wanted), diverged=tuple(diverged))


def _leaf(log: LogId, state: LogState) -> bytes:
    return log + state.seq.to_bytes(8, "big") + state.head
