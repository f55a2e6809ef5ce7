"""The exchanges of one link: one for each federation that both sides offered, begun if need be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.peering.exchange import Exchange
from sheaf_protocol.digest import log_id
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.frontier import idle_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_node.peering.shared import Shared
    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.link import Cursor, Link, Peer


class Exchanges:
    """What a link exchanges, by federation; iterated over in the order in which that began."""

    def __init__(self, link: Link, shared: Shared) -> None:
        self._link, self._shared = link, shared
        self._by_fid: dict[FederationId, Exchange] = {}
        self.their_store = b""
        """The store of the peer, as it said; empty before that."""

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._by_fid.values())

    def get(self, fid: FederationId) -> Exchange | None:
        """Return the exchange of a federation if it has begun."""
        return self._by_fid.get(fid)

    def of(self, fid: FederationId | None) -> Exchange:
        """Return the exchange of a federation that both sides offered, begun if need be."""
        if fid is None:
            raise LocalProtocolError("link.scope", "expected the federation of a data message")
        if fid not in self._by_fid:
            peer, shared = require_peer(self._link), self._shared
            exchange = self._by_fid[fid] = Exchange(
                fid,
                self._link,
                store=shared.store,
                ingest=shared.ingest,
                frontiers=shared.frontiers,
                claims=shared.claims,
                store_id=self.their_store,
                traffic=shared.traffic,
            )
            shared.claims.expect(log_id(fid, peer.cid, peer.wid), exchange.sync)
            shared.stir()
        return self._by_fid[fid]

    @property
    def in_sync(self) -> bool:
        """Whether there is one, and both sides hold the same in each, as last told."""
        return bool(self._by_fid) and all(exchange.in_sync for exchange in self)

    def roots(self) -> bytes:
        """Return the digest over the roots of all common federations."""
        return idle_digest(self._shared.frontiers.of(fid).root for fid in self._link.in_order)

    def cursors(self) -> dict[FederationId, Cursor]:
        """Return the last moments of equal roots, by federation."""
        known = {fid: exchange.comparing.cursor for fid, exchange in self._by_fid.items()}
        return {fid: cursor for fid, cursor in known.items() if cursor is not None}

    def withdraw(self) -> None:
        """Let go of exchanges in federations that are not common any more."""
        for fid in self._by_fid.keys() - self._link.common:
            self._shared.claims.drop(self._by_fid.pop(fid).sync)

    def end(self) -> None:
        """Let go of what was reserved for this link."""
        for exchange in self:
            self._shared.claims.drop(exchange.sync)


def require_peer(link: Link) -> Peer:
    """Return who is at the other end. Raises LocalProtocolError where that is not proven yet."""
    if link.peer is None:
        raise LocalProtocolError("link.not_open", "expected an authenticated peer")
    return link.peer
