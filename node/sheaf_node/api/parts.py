"""What the routes of the local API need of their node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_node.hosting import choose_federation, require_host
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.api.lookout import Lookout
    from sheaf_node.api.session import Sessions
    from sheaf_node.api.stream import Streams
    from sheaf_node.blobs import Fetching
    from sheaf_node.drafts import Drafts
    from sheaf_node.erasing import Erasing
    from sheaf_node.ingest import Ingest
    from sheaf_node.joining import Inviting
    from sheaf_node.keyring import Keyring
    from sheaf_node.kinds import Kinds
    from sheaf_node.peering import Peering
    from sheaf_node.plugins import ServiceHost
    from sheaf_node.recovery import Standing
    from sheaf_node.remote import RemoteHost, Remotes
    from sheaf_node.seats import Seating
    from sheaf_node.store import Store
    from sheaf_node.webhooks import Desk
    from sheaf_protocol.digest import FederationId


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiParts:
    """The open parts of a node, for the handlers of its local API."""

    store: Store
    ingest: Ingest
    keyring: Keyring
    erasing: Erasing
    hosts: Mapping[FederationId, Mapping[str, ServiceHost]]
    peering: Peering | None
    blobs: Fetching
    streams: Streams
    sessions: Sessions
    standing: Standing | None
    inviting: Inviting | None
    seating: Seating | None
    remotes: Remotes | None
    kinds: Kinds | None
    webhooks: Desk | None
    drafts: Drafts | None
    beside: Lookout
    """One for all requests: a look that the disk holds up is under way once."""
    document: bytes
    """The OpenAPI document of all routes."""

    def federation(self, prefix: str | None) -> FederationId:
        """Return the federation that a request names, or the first where it names none.

        Raises Refusal `node.no_federation`, `api.query`.
        """
        return choose_federation(self.ingest.federations, prefix)

    def service(self, prefix: str | None, name: str) -> ServiceHost | RemoteHost:
        """Return the host of a service in a federation: one of the node's process before others.

        Raises Refusal `service.unknown`, `service.file` also.
        """
        fid = self.federation(prefix)
        if name not in self.hosts.get(fid, {}) and self.remotes is not None:
            found = self.remotes.find(fid, name)
            if found is not None:
                return found
        return require_host(self.hosts, fid, name)

    def require_remotes(self) -> Remotes:
        """Return the services of other processes. Raises Refusal `service.unknown`."""
        if self.remotes is None:
            raise Refusal("service.unknown", "expected a node that runs for a home")
        return self.remotes
