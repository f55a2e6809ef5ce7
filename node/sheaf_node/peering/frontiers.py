"""Each federation's frontier, worked out once for all links and moved on by what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sheaf_protocol.frontier import Frontier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.events import Arrivals
    from sheaf_protocol.digest import FederationId, LogId, WriterId
    from sheaf_protocol.frontier import LogState
    from sheaf_protocol.link import Cursor


class Held(Protocol):
    """What comparing asks of a store."""

    @property
    def arrival(self) -> int:
        """The arrival number of the newest durable entry."""

    def frontier(self, fid: FederationId) -> Mapping[LogId, LogState]:
        """Return how far each log of a federation is held."""

    def changed_after(self, arrival: int) -> set[LogId]:
        """Return the logs that took in entries after an arrival number."""

    def cursor(self, peer: WriterId, fid: FederationId) -> Cursor | None:
        """Return when a peer last held what we hold of a federation, or None."""


class Frontiers:
    """What the store holds of each federation."""

    def __init__(self, store: Held, arrivals: Arrivals) -> None:
        self._store, self._arrivals = store, arrivals
        self._known: dict[FederationId, tuple[tuple[int, int], Frontier]] = {}

    def of(self, fid: FederationId) -> Frontier:
        """Return what is held of a federation now."""
        # Closes and fork proofs move a frontier without an arrival.
        version = (self._store.arrival, self._arrivals.control)
        known = self._known.get(fid)
        if known is None or known[0] != version:
            logs = self._store.frontier(fid)
            frontier = Frontier.of(logs) if known is None else _moved(known[1], logs)
            known = self._known[fid] = (version, frontier)
        return known[1]


def _moved(before: Frontier, logs: Mapping[LogId, LogState]) -> Frontier:
    """Return the frontier of these logs; the digests of those that stayed are kept."""
    old = before.logs
    changes: dict[LogId, LogState | None] = dict.fromkeys(old.keys() - logs.keys())
    changes.update((log, state) for log, state in logs.items() if old.get(log) != state)
    return before.moved(changes) if changes else before
