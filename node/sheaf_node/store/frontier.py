"""How far a store holds each log, told so that two stores with the same control items agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sheaf_protocol.digest import Digest, EntryId, FederationId, LogId
from sheaf_protocol.fork import fork_leaf
from sheaf_protocol.frontier import LogState
from sheaf_protocol.log import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sheaf_node.store.line import Line
    from sheaf_node.store.model import HeldLog, StoredEntry
    from sheaf_node.store.state import State

    EntryAt: TypeAlias = Callable[[int, int], StoredEntry | None]
    """The entry at a place, by the log's number in the store and its own."""

    Place: TypeAlias = tuple[int, EntryId]
    """A number and the id of the entry there."""


def frontier_of(
    state: State, fid: FederationId, entry_at: EntryAt, only: Iterable[LogId] | None = None
) -> dict[LogId, LogState]:
    """Return the frontier of a federation's logs, or of some of them; logs of which nothing counts
    are not in it.

    What lies beyond a cut or a fork was kept by nodes that had it before they heard, and refused by
    the others. So a closed log ends at its cut, that of a leaver at its line and a forked one at
    its fork, but only once all that still counts is held: before, the log must look incomplete, or
    nobody would send the rest.
    """
    logs = state.logs if only is None else {log: state.logs[log] for log in only}
    shown = {
        log: _log_state(log, held, state.line(held), entry_at)
        for log, held in logs.items()
        if held.fid == fid
    }
    return {log: place for log, place in shown.items() if place.seq > 0}


def _log_state(log: LogId, held: HeldLog, line: Line, entry_at: EntryAt) -> LogState:
    seq, head = _end(held, line, entry_at)
    forked_at = line.forked_at
    is_cut_first = forked_at is not None and any(cut.seq < forked_at for cut in line.cuts)
    if forked_at is not None and not is_cut_first and seq >= forked_at - 1:
        leaf = fork_leaf(log, forked_at, _id_at(held, forked_at - 1, entry_at))
        return LogState(seq=forked_at, head=leaf, is_forked=True)
    return LogState(seq=seq, head=Digest(head))


def _end(held: HeldLog, line: Line, entry_at: EntryAt) -> Place:
    """Return the last place up to which a node takes a log that knew of its cut from the start."""
    seq, head = held.head.seq, held.head.id
    expires_ms = line.expires_ms
    for cut in line.cuts:
        if cut.is_void(seq, head):
            seq, head = _cut_at(held, cut.seq, cut.head, entry_at)
    if expires_ms is not None and held.head.time_ms > expires_ms:
        last = _last_before(expires_ms, held, entry_at)
        if last < seq:
            return last, _id_at(held, last, entry_at)
    return seq, head


def _cut_at(held: HeldLog, seq: int, head: EntryId, entry_at: EntryAt) -> Place:
    """Return where a log ends that was cut at or below its head (LOG-16)."""
    at_cut = entry_at(held.number, seq)
    if at_cut is None or at_cut.id == head:
        return seq, head
    # Another past than the manager's: the nodes that heard of the close first took it up to here.
    return seq - 1, at_cut.header.prev


def _last_before(expires_ms: int, held: HeldLog, entry_at: EntryAt) -> int:
    """Return the number of the last entry that its writer's expiry lets count: times only grow."""
    low, high = 0, held.head.seq
    while low < high:
        middle = (low + high + 1) // 2
        entry = entry_at(held.number, middle)
        if entry is not None and entry.header.time_ms <= expires_ms:
            low = middle
        else:
            high = middle - 1
    return low


def _id_at(held: HeldLog, seq: int, entry_at: EntryAt) -> EntryId:
    if seq == held.head.seq:
        return held.head.id
    entry = entry_at(held.number, seq)
    return EMPTY.id if entry is None else entry.id
