"""How far a store holds each log, told so that two stores with the same control items agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sheaf_protocol.digest import Digest, EntryId, FederationId, LogId
from sheaf_protocol.frontier import LogState
from sheaf_protocol.log import EMPTY, fork_leaf

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_node.store.model import HeldLog, StoredEntry
    from sheaf_node.store.state import State
    from sheaf_protocol.identity import Cut

    EntryAt: TypeAlias = Callable[[int, int], StoredEntry | None]
    """The entry at a place, by the log's number in the store and its own."""


def frontier_of(state: State, fid: FederationId, entry_at: EntryAt) -> dict[LogId, LogState]:
    """Return the frontier of a federation's logs; logs of which nothing counts are not in it.

    What lies beyond a cut or a fork was kept by nodes that had it before they heard, and refused by
    the others. So a closed log ends at its cut and a forked one at its fork, but only once all that
    still counts is held: before, the log must look incomplete, or nobody would send the rest.
    """
    shown = {
        log: _log_state(log, held, _cut(state, held), entry_at)
        for log, held in state.logs.items()
        if held.fid == fid
    }
    return {log: place for log, place in shown.items() if place.seq > 0}


def _log_state(log: LogId, held: HeldLog, cut: Cut | None, entry_at: EntryAt) -> LogState:
    forked_at, seq = held.forked_at, held.head.seq
    if forked_at is not None and (cut is None or forked_at <= cut.seq):
        if seq >= forked_at - 1:
            leaf = fork_leaf(log, forked_at, _id_at(held, forked_at - 1, entry_at))
            return LogState(seq=forked_at, head=leaf, is_forked=True)
    elif cut is not None and cut.is_void(seq, held.head.id):
        return _end(held, cut, entry_at)
    return LogState(seq=seq, head=Digest(held.head.id))


def _id_at(held: HeldLog, seq: int, entry_at: EntryAt) -> EntryId:
    if seq == held.head.seq:
        return held.head.id
    entry = entry_at(held.number, seq)
    return EMPTY.id if entry is None else entry.id


def _end(held: HeldLog, cut: Cut, entry_at: EntryAt) -> LogState:
    """Return where a log ends that was cut at or below its head (LOG-16)."""
    at_cut = entry_at(held.number, cut.seq)
    if at_cut is None or at_cut.id == cut.head:
        return LogState(seq=cut.seq, head=Digest(cut.head))
    # Another past than the manager's: the nodes that heard of the close first took it up to here.
    return LogState(seq=cut.seq - 1, head=Digest(at_cut.header.prev))


def _cut(state: State, held: HeldLog) -> Cut | None:
    keys = state.key_logs.get(held.cid)
    writer = None if keys is None else keys.writers.get(held.wid)
    return None if writer is None else writer.cut_in(held.fid)
