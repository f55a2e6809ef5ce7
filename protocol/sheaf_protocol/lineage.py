"""Which writers follow on one another, and in which order their entries are read (spec chapter 18).

A co-op that replaces a writer hands over what that writer began: pools, holds, rounds, lines. The
new writer says so by a `writer.succeed`, and the key log has the old one closed at the same cut. No
clock and no order of arrival takes part, so replicas with the same key log and entries agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from sheaf_protocol.digest import CoopId, WriterId
from sheaf_protocol.records.recovery import WRITER_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.identity import Cut, KeyLog

OPENING: Final = WRITER_KINDS
"""Kinds that may stand before a `writer.succeed` in its log. With anything else there the new
writer would have spoken beside the old one, and their line would have no single order."""

PlaceOf: TypeAlias = Callable[[CoopId, WriterId, int], tuple[WriterId, int]]
"""Tells the line of a writer, by its root, and where in it an entry of its log stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Succession:
    """A `writer.succeed` as it stands in a log: neither void nor faulty, and only kinds of
    `OPENING` before it.
    """

    by: WriterId
    """Who signed it."""
    at: int
    """Its place in that log."""
    wid: WriterId
    """The writer that it succeeds."""
    cut: Cut
    """Where that writer's log ends, as the successor says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """Where one writer stands in its line."""

    writers: tuple[WriterId, ...]
    """All writers of the line so far, in the order of their delegations; the first is its root."""
    before: int = 0
    """The entries of the line that stand before its own log."""
    ends: int | None = None
    """The place in its own log after which the next writer's follows; None for the last writer."""
    begins: int = 0
    """The place of its last `writer.succeed` that counts: below it, its log is not yet the line's
    next. 0 for a writer that succeeds nobody."""
    waits_for: Mapping[int, tuple[WriterId, Cut]] = field(default_factory=dict)
    """Whose log is to be read to which cut before its own is read from a place on."""

    @property
    def root(self) -> WriterId:
        """The line's first writer, by which it is known."""
        return self.writers[0]

    def place_of(self, seq: int) -> int:
        """Return where an entry of its log stands in the line.

        That is 0 for one before it took over: whoever read so far need not have read those before
        it. What lies beyond its end stands at the end.
        """
        if seq < self.begins:
            return 0
        return self.before + (seq if self.ends is None else min(seq, self.ends))


@dataclass(frozen=True, kw_only=True, slots=True)
class Lineage:
    """The lines of one co-op's writers in one federation."""

    links: Mapping[WriterId, Link] = field(default_factory=dict)
    """Of each writer whose line has several."""
    pending: Mapping[WriterId, int] = field(default_factory=dict)
    """By writer the first place at which it succeeds one that is still open: whether that counts is
    not known until the key log closes it, and nothing from there on can be read."""
    counting: Mapping[WriterId, Succession] = field(default_factory=dict)
    """By writer the succession by which another goes on for it."""

    def link(self, wid: WriterId) -> Link:
        """Return where a writer stands in its line."""
        return self.links.get(wid) or Link(writers=(wid,))


def alone(_: CoopId, wid: WriterId, seq: int) -> tuple[WriterId, int]:
    """Return where an entry stands in its line if no writer ever succeeded another."""
    return wid, seq


def counts(keys: KeyLog, fid: FederationId, said: Succession) -> bool:
    """Return whether a succession is true, though another one may have come before it."""
    return _may_count(keys, said) and keys.writers[said.wid].cut_in(fid) == said.cut


def successions(
    keys: KeyLog, fid: FederationId, said: Iterable[Succession]
) -> Mapping[WriterId, Succession]:
    """Return the succession that counts of each writer that was succeeded.

    Of several true ones it is that of the writer delegated first, and in its log the lowest.
    """
    found: dict[WriterId, Succession] = {}
    true = (each for each in said if counts(keys, fid, each))
    for each in sorted(true, key=lambda said: _rank(keys, said)):
        found.setdefault(each.wid, each)
    return found


def owed(
    keys: KeyLog, fid: FederationId, said: Iterable[Succession], by: WriterId
) -> Sequence[tuple[WriterId, Cut]]:
    """Return whom a writer has yet to succeed, and where each ended, in the key log's order.

    These are the writers delegated before it that ended with entries in the federation and that
    nobody succeeded. Only the newest open writer takes over.
    """
    writers = sorted(keys.writers.values(), key=lambda writer: writer.opened_at)
    opened = [writer for writer in writers if not writer.is_closed]
    if not opened or opened[-1].wid != by:
        return []
    succeeded = successions(keys, fid, said)
    before = writers[: writers.index(opened[-1])]
    cuts = [(writer.wid, writer.cut_in(fid)) for writer in before]
    return [
        (wid, cut) for wid, cut in cuts if cut is not None and cut.seq > 0 and wid not in succeeded
    ]


def lineage(keys: KeyLog, fid: FederationId, said: Iterable[Succession]) -> Lineage:
    """Return the lines that the successions said in a federation make, given in any order."""
    said = list(said)
    counting = successions(keys, fid, said)
    pending: dict[WriterId, int] = {}
    for each in said:
        if _may_count(keys, each) and not keys.writers[each.wid].is_closed:
            pending[each.by] = min(each.at, pending.get(each.by, each.at))
    inside = {*counting, *(s.by for s in counting.values())}
    order = sorted(inside, key=lambda wid: keys.writers[wid].opened_at)
    return Lineage(links=_links(order, counting), pending=pending, counting=counting)


def changes(keys: KeyLog, fid: FederationId, lines: Lineage, said: Succession) -> bool:
    """Return whether one more succession makes other lines, under the same key log."""
    if not _may_count(keys, said):
        return False
    if not keys.writers[said.wid].is_closed:
        return said.at < lines.pending.get(said.by, said.at + 1)
    first = lines.counting.get(said.wid)
    is_first = first is None or _rank(keys, said) < _rank(keys, first)
    return is_first and counts(keys, fid, said)


def _rank(keys: KeyLog, said: Succession) -> tuple[int, int]:
    return (keys.writers[said.by].opened_at, said.at)


def _may_count(keys: KeyLog, said: Succession) -> bool:
    before, after = keys.writers.get(said.wid), keys.writers.get(said.by)
    return before is not None and after is not None and before.opened_at < after.opened_at


def _links(
    order: Sequence[WriterId], counting: Mapping[WriterId, Succession]
) -> dict[WriterId, Link]:
    """Return the link of each writer in a line; `order` is that of the key log."""
    # Each writer has one successor at most, delegated later: so the last of a line is found by
    # following them, and a line ends in exactly one writer.
    last: dict[WriterId, WriterId] = {}
    for wid in reversed(order):
        last[wid] = last[counting[wid].by] if wid in counting else wid
    links = {}
    for end in dict.fromkeys(last.values()):
        writers = tuple(wid for wid in order if last[wid] == end)
        before = 0
        for wid in writers:
            succeeded = {s.at: (s.wid, s.cut) for s in counting.values() if s.by == wid}
            ends = counting[wid].cut.seq if wid in counting else None
            links[wid] = Link(
                writers=writers,
                before=before,
                ends=ends,
                begins=max(succeeded, default=0),
                waits_for=succeeded,
            )
            before += ends or 0
    return links
