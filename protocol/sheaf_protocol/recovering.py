"""Restoring a writer: whose promise is needed, what is missing, who goes on (spec chapter 18).

A home that came back from an old copy does not know what it signed last. It never signs with that
writer again: a new one declares the old one lost, the members promise to take no more of the old
log than they hold, the old writer is closed at the highest place promised, and the new one goes on
from there. Everything here is decided on what all replicas hold alike.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.digest import EntryId, log_id
from sheaf_protocol.lineage import owed, successions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from sheaf_protocol.digest import CoopId, FederationId, LogId, WriterId
    from sheaf_protocol.identity import Cut, KeyLog
    from sheaf_protocol.lineage import Succession
    from sheaf_protocol.records.recovery import WriterLost, WriterPromise

DORMANT_MS: Final = 72 * 3_600_000
"""How much older than our newest entry a member's newest may be before it is waited for no more: a
weekend and a day. It cannot have decided on what it did not see."""
MAX_PROMISES: Final = 16
"""How often a member promises on one log: as often as one may be put back before a recovery ends.
So a co-op makes others write no more than that for each writer that it ever had (RST-20)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """A `writer.lost`, with who said it."""

    id: EntryId
    cid: CoopId
    by: WriterId
    record: WriterLost

    def log_in(self, fid: FederationId) -> LogId:
        """Return the log that it is about."""
        return log_id(fid, self.cid, self.record.wid)


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """A `writer.promise`, with who said it."""

    cid: CoopId
    record: WriterPromise


def is_to_be_promised(keys: KeyLog, lost: Lost) -> bool:
    """Return whether a member owes a promise: the lost writer is open, and older than its
    successor (RST-4).
    """
    wid = lost.record.wid
    return is_older(keys, wid, lost.by) and not keys.writers[wid].is_closed


def is_older(keys: KeyLog, wid: WriterId, by: WriterId) -> bool:
    """Return whether a co-op has both writers, and delegated the one before the other."""
    old, new = keys.writers.get(wid), keys.writers.get(by)
    return old is not None and new is not None and old.opened_at < new.opened_at


def to_promise(keys: KeyLog, told: Sequence[Lost], promised_on: Collection[EntryId]) -> list[Lost]:
    """Return which of what a co-op told in a federation a member has still to promise on.

    `told` is in the order of the logs. The first word of one writer on another counts, and no log
    is promised on without end (RST-4, RST-20).
    """
    first: dict[tuple[WriterId, WriterId], Lost] = {}
    for each in told:
        first.setdefault((each.by, each.record.wid), each)
    times = Counter(each.record.wid for each in told if each.id in promised_on)
    due = []
    for each in first.values():
        is_open = each.id not in promised_on and is_to_be_promised(keys, each)
        if is_open and times[each.record.wid] < MAX_PROMISES:
            times[each.record.wid] += 1
            due.append(each)
    return due


def required(
    members: Iterable[CoopId],
    newest_ms: Mapping[CoopId, int],
    *,
    own: CoopId,
    came_ms: int,
    absent: Collection[CoopId] = (),
) -> list[CoopId]:
    """Return the members whose promise is needed, in ascending order (RST-7).

    `newest_ms` is the time of each member's newest entry held, `came_ms` that of the newest entry
    of the lost writer in the copy that was restored. Nothing is known of a member without an entry,
    so it is needed: the copy may be of a time before it spoke.
    """
    return sorted(
        cid
        for cid in members
        if cid != own and cid not in absent and newest_ms.get(cid, came_ms) + DORMANT_MS >= came_ms
    )


def promised(
    fid: FederationId,
    lost: Lost,
    promises: Iterable[Promise],
    *,
    members: Collection[CoopId],
    absent: Collection[CoopId] = (),
) -> dict[CoopId, WriterPromise]:
    """Return the promises that count for a lost writer: of each member the furthest (RST-8).

    Those of members that are done without do not: one that names what is nowhere would keep the
    log open for good.
    """
    log = lost.log_in(fid)
    counted: dict[CoopId, WriterPromise] = {}
    for promise in promises:
        record, known = promise.record, counted.get(promise.cid)
        is_of_member = promise.cid in members and promise.cid not in (lost.cid, *absent)
        is_of_log = (record.lost, record.log) == (lost.id, log)
        if is_of_member and is_of_log and (known is None or known.seq < record.seq):
            counted[promise.cid] = record
    return counted


def is_held(
    promise: WriterPromise, *, held_seq: int, id_at: EntryId | None, forked_at: int | None
) -> bool:
    """Return whether all of a log that somebody promised is held, so that it can be closed (RST-9).

    `id_at` is the entry held at the promised place. A log that forked counts up to its fork only.
    """
    end = _end(promise.seq, forked_at)
    is_named = end == 0 or end < promise.seq or id_at == EntryId(promise.head)
    return held_seq >= end and is_named


def unheld(
    promises: Mapping[CoopId, WriterPromise],
    *,
    held_seq: int,
    id_at: Callable[[int], EntryId | None],
    forked_at: int | None,
) -> list[CoopId]:
    """Return whose promises that count name what is not held, in ascending order (RST-9)."""
    return sorted(
        cid
        for cid, each in promises.items()
        if not is_held(each, held_seq=held_seq, id_at=id_at(each.seq), forked_at=forked_at)
    )


def least_end(promises: Mapping[CoopId, WriterPromise], *, forked_at: int | None) -> int:
    """Return the least place at which a lost log may end, once all up to there is held (RST-9)."""
    return _end(max((each.seq for each in promises.values()), default=0), forked_at)


def _end(seq: int, forked_at: int | None) -> int:
    """Return up to where a log that was promised up to a place counts: its fork ends it before."""
    return seq if forked_at is None else min(seq, forked_at - 1)


def to_succeed(
    keys: KeyLog,
    fid: FederationId,
    said: Sequence[Succession],
    by: WriterId,
    told: Collection[WriterId] = (),
) -> list[tuple[WriterId, Cut]]:
    """Return whom our writer has still to succeed, in key-log order, with the cuts (RST-11).

    Those whose logs have something that counts, and those that it `told` were lost, even where
    nothing of them does.
    """
    succeeded = successions(keys, fid, said)
    due = dict(owed(keys, fid, said, by))
    for wid in told:
        writer = keys.writers.get(wid)
        cut = None if writer is None else writer.cut_in(fid)
        if cut is not None and wid not in succeeded:
            due[wid] = cut
    return sorted(due.items(), key=lambda each: keys.writers[each[0]].opened_at)
