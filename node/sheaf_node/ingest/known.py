"""The federations that a node knows of: ours, and those that ours lead to."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.events import Arrivals
    from sheaf_node.ingest.belonging import Belonging
    from sheaf_node.store import State, Store
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId, FederationId


class KnownFederations:
    """What is in force in each federation of which certificates are held."""

    def __init__(self, belonging: Belonging, store: Store, arrivals: Arrivals) -> None:
        self._belonging, self._store, self._arrivals = belonging, store, arrivals
        self.candidates: Mapping[FederationId, frozenset[CoopId]] = MappingProxyType({})
        """The co-ops that members propose to admit, by federation; see `welcome`."""
        self.learn()

    @property
    def ours(self) -> Mapping[FederationId, Federation]:
        """Those that this co-op is or was a member of, by id, the longest held first.

        Of those that it did not found, only the adopted ones.
        """
        return self._ours

    @property
    def foreign(self) -> Mapping[FederationId, Federation]:
        """The others of which certificates are held, by id."""
        return self._foreign

    @property
    def adopted(self) -> frozenset[FederationId]:
        """Those that this home adopted, be it a member or not so far."""
        return self._belonging.adopted

    def adopt(self, *fids: FederationId) -> None:
        """Take these federations for ours, from when they admit our co-op."""
        self._belonging.adopted |= set(fids)
        self.learn()
        self._arrivals.announce_control()

    def welcome(self, fid: FederationId, cids: frozenset[CoopId]) -> None:
        """Take up the key logs of these co-ops, and of no others, as candidates of a federation."""
        if self.candidates.get(fid, frozenset()) == cids:
            return
        self.candidates = MappingProxyType({**self.candidates, fid: cids})
        self._arrivals.announce_control()

    def learn(self) -> None:
        """Take up what is in force by the chains that the store has, and so were verified."""
        self._ours = self._belonging.ours(self._store.chains)
        self._foreign = self._belonging.foreign(self._store.chains)

    def in_force(self, state: State, fid: FederationId) -> Federation | None:
        """Return what is in force in a federation of ours, by a state of the store; or None."""
        chain = state.chains.get(fid)
        is_ours = chain is not None and self._belonging.is_ours(fid, chain)
        return chain.federation if chain is not None and is_ours else None
