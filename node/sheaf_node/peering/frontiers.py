"""Each federation's frontier, worked out once for all links and moved on by what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sheaf_protocol.frontier import Frontier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sheaf_node.events import Arrivals
    from sheaf_protocol.digest import FederationId, LogId, WriterId
    from sheaf_protocol.frontier import LogState
    from sheaf_protocol.link import Cursor


class Held(Protocol):
    """What comparing asks of a store."""

    @property
    def arrival(self) -> int:
        """The arrival number of the newest durable entry."""

    def frontier(
        self, fid: FederationId, only: Iterable[LogId] | None = None
    ) -> Mapping[LogId, LogState]:
        """Return how far logs of a federation are held: all, or `only` some of those held."""

    def changed_after(self, arrival: int) -> set[LogId]:
        """Return the logs that took in entries after an arrival number."""

    def cursor(self, peer: WriterId, fid: FederationId) -> Cursor | None:
        """Return when a peer last held what we hold of a federation, or None."""


class Moment:
    """What is held at one moment: all links that are told of it are told the same."""

    def __init__(self, frontiers: Frontiers, arrival: int) -> None:
        self.arrival = arrival
        """The arrival number of the newest entry that is in it for sure."""
        self._frontiers = frontiers
        self._known: dict[FederationId, Frontier] = {}

    def of(self, fid: FederationId) -> Frontier:
        """Return what is held of a federation, by when it was first asked for."""
        if fid not in self._known:
            self._known[fid] = self._frontiers.of(fid)
        return self._known[fid]


class Frontiers:
    """What the store holds of each federation."""

    def __init__(self, store: Held, arrivals: Arrivals) -> None:
        self._store, self._arrivals = store, arrivals
        self._known: dict[FederationId, tuple[tuple[int, int], Frontier]] = {}

    def of(self, fid: FederationId) -> Frontier:
        """Return what is held of a federation now."""
        # Closes and fork proofs move a frontier without an arrival, and any of its logs.
        version = (self._store.arrival, self._arrivals.control)
        known = self._known.get(fid)
        if known is None or known[0] != version:
            known = self._known[fid] = (version, self._worked_out(fid, version, known))
        return known[1]

    def moment(self) -> Moment:
        """Return what is held now, whatever comes while links are told of it."""
        return Moment(self, self._store.arrival)

    def _worked_out(
        self,
        fid: FederationId,
        version: tuple[int, int],
        known: tuple[tuple[int, int], Frontier] | None,
    ) -> Frontier:
        """Return the frontier by now; where entries alone have come, only of logs that grew."""
        if known is None:
            return Frontier.of(self._store.frontier(fid))
        (arrival, control), before = known
        if control != version[1]:
            return _moved(before, self._store.frontier(fid))
        grown = self._store.changed_after(arrival)
        states = self._store.frontier(fid, grown)
        changes: dict[LogId, LogState | None] = {
            log: states.get(log)
            for log in grown
            if (log in states or log in before.logs) and before.logs.get(log) != states.get(log)
        }
        return before.moved(changes) if changes else before


def _moved(before: Frontier, logs: Mapping[LogId, LogState]) -> Frontier:
    """Return the frontier of these logs; the digests of those that stayed are kept."""
    old = before.logs
    changes: dict[LogId, LogState | None] = dict.fromkeys(old.keys() - logs.keys())
    changes.update((log, state) for log, state in logs.items() if old.get(log) != state)
    return before.moved(changes) if changes else before
