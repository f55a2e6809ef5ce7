"""Which key heads a certificate has to anchor so that every voter can approve it.

An approval holds by a writer that is open at the head that the certificate anchors (CHR-36). A
value that leaves out a renewal of a voter's writer takes that voter's approval away; once a quorum
accepted it, a liar that says no more would stop the federation. So nobody agrees to one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from sheaf_node.governance.anchoring import MOST_HEADS
from sheaf_protocol.codec import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.governance.anchoring import Anchoring
    from sheaf_node.governance.powers import Powers
    from sheaf_protocol.charter import Charter, Federation
    from sheaf_protocol.digest import CoopId, Digest
    from sheaf_protocol.records.governance import Ballot, CertificateProposal, Change


class Voices:
    """The heads that voters on one predecessor need, as we knew them when a value became due.

    It outlives a service that folds anew, which a co-op can bring about at will. What comes later
    is not asked for: a co-op that renews its writer again and again would else hold up everybody,
    and not itself alone.
    """

    def __init__(self, federation: Federation, powers: Powers) -> None:
        self.prev, self._voters, self._powers = federation.id, federation.voters, powers
        self._needed: dict[bytes, Mapping[CoopId, Digest]] = {}

    def needed(
        self, change: Change, ballot: Ballot | UnsetType, anchoring: Anchoring, now_ms: int
    ) -> Mapping[CoopId, Digest]:
        """Return the first head of each voter that lets it speak, where its anchor does not.

        `change` and `ballot` say which value; what is returned for one stays as it was.
        """
        key = encode(change) if ballot is UNSET else ballot.proposal
        if key not in self._needed:
            self._needed[key] = self._found(anchoring, now_ms)
        return self._needed[key]

    def may_speak(
        self, proposal: CertificateProposal, after: Charter, anchoring: Anchoring, now_ms: int
    ) -> bool:
        """Return whether a charter anchors what voters need, or as much as there is room for."""
        if len(proposal.heads) >= MOST_HEADS:
            return True
        anchored = {member.cid: member.key_head for member in after.members}
        needed = self.needed(proposal.change, proposal.ballot, anchoring, now_ms)
        return all(
            anchoring.reaches(cid, anchored[cid], head)
            for cid, head in needed.items()
            if cid in anchored  # who goes is judged where the predecessor anchored it
        )

    def _found(self, anchoring: Anchoring, now_ms: int) -> Mapping[CoopId, Digest]:
        found = {}
        for cid in self._voters:
            wid = self._powers.first_writer(cid, now_ms)
            head = None if wid is None else anchoring.first_open(cid, wid)
            if head is not None:
                found[cid] = head
        return found
