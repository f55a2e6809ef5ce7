"""Which federations are ours, and how much is kept of others (spec 09).

Members of a federation may put any co-op into its charter, with or without asking. So a federation
is ours only if we signed its genesis, or if this home adopted it; others are known of because
treaties lead there, and are bounded, since their quorum may be made up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sheaf_node.ingest.progress import not_yet
from sheaf_protocol.charter import read_charter
from sheaf_protocol.digest import short
from sheaf_protocol.treaty import read_treaty

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_protocol.charter import Chain, Charter, Federation
    from sheaf_protocol.digest import CoopId, FederationId


class Bounds(NamedTuple):
    """How much is kept of federations that are not ours: of each that we have a treaty with, as our
    members agreed to that one, and of all others together, as those come unasked.
    """

    federations: int = 32
    """A few treaties with a few partners each, three treaties deep."""
    certificates: int = 1_024
    """Of one of them: a change a week for twenty years."""
    coops: int = 1_024
    """That they name in all, since the key log of each is kept."""


class Belonging:
    """What our co-op belongs to."""

    def __init__(self, own: CoopId, bounds: Bounds | None = None) -> None:
        self._own, self._bounds = own, bounds or Bounds()
        self._founded: dict[FederationId, bool] = {}
        self.adopted: frozenset[FederationId] = frozenset()
        """The federations that this home adopted; it may be admitted to one later, or never."""

    def names_us(self, charter: Charter) -> bool:
        """Return whether our co-op is among the members of a charter."""
        return any(member.cid == self._own for member in charter.members)

    def is_ours(self, fid: FederationId, chain: Chain) -> bool:
        """Return whether our co-op is or was a member, and wants to be."""
        if not chain.federation.was_member(self._own):
            return False
        if fid not in self._founded:
            self._founded[fid] = self.names_us(read_charter(chain.certificates[0]))
        return self._founded[fid] or fid in self.adopted

    def ours(self, chains: Mapping[FederationId, Chain]) -> dict[FederationId, Federation]:
        """Return our federations as they are in force, in the order of the chains."""
        return {fid: c.federation for fid, c in chains.items() if self.is_ours(fid, c)}

    def foreign(self, chains: Mapping[FederationId, Chain]) -> dict[FederationId, Federation]:
        """Return the other federations of which certificates are held."""
        return {fid: c.federation for fid, c in chains.items() if not self.is_ours(fid, c)}

    def require_room(
        self, chains: Mapping[FederationId, Chain], fid: FederationId, chain: Chain
    ) -> None:
        """Return if a chain may take its place among those held, else raise.

        Raises RemoteProtocolError `charter.quota` (not yet). What is ours has no bound.
        """
        if fid in self.adopted or self.is_ours(fid, chain):
            return
        partners = self._partners(chains)
        held = {} if fid in partners else self.foreign(chains)
        # What treaties of a partner lead to may be of its making, and is not to keep out another.
        foreign = {of: each for of, each in held.items() if of not in partners}
        foreign[fid] = chain.federation
        coops = sum(len(federation.spans) for federation in foreign.values())
        for kind, most, count in (
            ("federations", self._bounds.federations, len(foreign)),
            ("certificates", self._bounds.certificates, len(chain.certificates)),
            ("co-ops", self._bounds.coops, coops),
        ):
            if count > most:
                expected = f"at most {most} {kind} of federations that are not ours"
                raise not_yet("charter.quota", f"{expected}, got {count} with {short(fid)}")

    def _partners(self, chains: Mapping[FederationId, Chain]) -> frozenset[FederationId]:
        """Return the parties of the treaties that our federations have."""
        ours = self.ours(chains).values()
        treaties = (read_treaty(t.body) for each in ours for t in each.charter.treaties)
        return frozenset(party for treaty in treaties for party in treaty.parties)
