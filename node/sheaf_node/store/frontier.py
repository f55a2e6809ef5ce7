"""How far a store holds each log, told so that two stores with the same control items agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_protocol.digest import Digest, FederationId, LogId
from sheaf_protocol.frontier import LogState
from sheaf_protocol.log import fork_leaf

if TYPE_CHECKING:
    from sheaf_node.store.model import HeldLog
    from sheaf_node.store.state import State
    from sheaf_protocol.identity import KeyLog
    from sheaf_protocol.identity.keylog import Cut


def frontier_of(state: State, fid: FederationId) -> dict[LogId, LogState]:
    """Return the frontier of a federation's logs; logs of which no entry is held are not in it."""
    shown = {
        log: _log_state(log, held, _cut(state.key_logs.get(held.cid), held))
        for log, held in state.logs.items()
        if held.fid == fid
    }
    return {log: place for log, place in shown.items() if place.seq > 0}


def _log_state(log: LogId, held: HeldLog, cut: Cut | None) -> LogState:
    """Return one log's place.

    What lies beyond a cut or a fork was kept by nodes that had it before they heard, and refused by
    the others. So a closed log ends at its cut and a forked one at its fork, but only once all that
    still counts is held: before, the log must look incomplete, or nobody would send the rest.
    """
    forked_at, seq = held.forked_at, held.head.seq
    if forked_at is not None and (cut is None or forked_at <= cut.seq):
        if seq >= forked_at - 1:
            return LogState(seq=forked_at, head=fork_leaf(log, forked_at), is_forked=True)
    elif cut is not None and seq >= cut.seq:
        return LogState(seq=cut.seq, head=Digest(cut.head))
    return LogState(seq=seq, head=Digest(held.head.id))


def _cut(keys: KeyLog | None, held: HeldLog) -> Cut | None:
    writer = None if keys is None else keys.writers.get(held.wid)
    return None if writer is None else writer.cut
