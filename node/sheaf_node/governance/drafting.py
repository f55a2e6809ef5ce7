"""The charters that proposals make on one predecessor; each is computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_protocol.charter import next_charter
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, digest
from sheaf_protocol.errors import RemoteProtocolError

if TYPE_CHECKING:
    from sheaf_protocol.charter import Charter, Federation
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.records.governance import CertificateProposal


class Drafts:
    """What proposals make of the newest charter, whether we like it or not."""

    def __init__(self, federation: Federation) -> None:
        self._federation = federation
        self._made: dict[bytes, tuple[Charter, Digest] | None] = {}

    def charter(self, proposal: CertificateProposal) -> Charter | None:
        """Return the charter that a proposal makes, or None where it makes none."""
        made = self._make(proposal)
        return None if made is None else made[0]

    def id(self, proposal: CertificateProposal) -> Digest | None:
        """Return the id of the certificate that a proposal makes, or None."""
        made = self._make(proposal)
        return None if made is None else made[1]

    def anchored(self, after: Charter, cid: CoopId) -> Digest:
        """Return the head at which a certificate judges a co-op's writers.

        Of who leaves or is expelled it is the predecessor's.
        """
        members = (*after.members, *self._federation.charter.members)
        return next(member.key_head for member in members if member.cid == cid)

    def _make(self, proposal: CertificateProposal) -> tuple[Charter, Digest] | None:
        key = encode(proposal)
        if key not in self._made:
            self._made[key] = self._computed(proposal)
        return self._made[key]

    def _computed(self, proposal: CertificateProposal) -> tuple[Charter, Digest] | None:
        federation = self._federation
        if proposal.prev != federation.id:
            return None
        try:
            charter = next_charter(
                federation.charter,
                federation.id,
                federation.fid,
                proposal.change,
                ballot=proposal.ballot,
                heads=proposal.heads,
                lines=proposal.lines,
            )
        except RemoteProtocolError:
            return None
        return charter, digest("federation", encode(charter))
