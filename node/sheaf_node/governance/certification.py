"""The rounds on one predecessor, as this node takes part in them (spec 15, section 4).

`Rounds` knows the rules; here its statements come from the log, its time from our clock, and a
certificate is put together of what a quorum approved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.governance.drafting import Drafts
from sheaf_protocol.charter import Certificate
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.governance import MOST_ALIKE, Accept, Approve, Rounds, to_record
from sheaf_protocol.limits import MAX_REFS
from sheaf_protocol.records.governance import (
    CertificateAbandon,
    CertificateAccept,
    CertificateApprove,
    CertificateProposal,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sheaf_node.governance.powers import Powers
    from sheaf_node.plugins import SeenRecord, ServiceContext
    from sheaf_protocol.charter import Chain, Charter, Federation
    from sheaf_protocol.digest import CoopId, EntryId, WriterId
    from sheaf_protocol.governance import Statement, Step, Views

STATEMENTS: Final = (
    CertificateAbandon,
    CertificateAccept,
    CertificateApprove,
    CertificateProposal,
)
MOST_AHEAD: Final = 64
"""Statements of one co-op that may wait for a certificate; certificates come before entries."""
_MOST_DOUBLINGS: Final = 10
"""Of the time of a round: a thousand times the first, 17 hours where that is a minute."""


class Statements:
    """What members said in rounds, by predecessor.

    It outlives a service that folds anew: what counted once counts for good, whatever became of
    its author's log since (RND-12).
    """

    def __init__(self) -> None:
        self._on: dict[Digest, dict[EntryId, SeenRecord]] = {}
        self._alike: dict[tuple[Digest, CoopId, str, int], int] = {}
        self._ahead: dict[CoopId, list[Digest]] = {}
        """The predecessor of each statement on one that was not known then, by co-op."""

    def note(self, seen: SeenRecord, chain: Chain) -> None:
        """Remember a statement; once is as good as twice.

        Left out is what is past, or on no certificate that is known and one too many, or a fifth of
        a kind for one round: an honest node makes one.
        """
        said = seen.record
        if not isinstance(said, STATEMENTS):
            return
        prev, newest = Digest(said.prev), chain.federation.id
        place = (prev, seen.cid, seen.kind, said.round)
        if self.has(prev, seen.id) or self._alike.get(place, 0) >= MOST_ALIKE:
            return
        if prev != newest and (prev in chain.links or not self._has_room(prev, seen.cid, chain)):
            return
        self._alike[place] = self._alike.get(place, 0) + 1
        self._on.setdefault(prev, {})[seen.id] = seen

    def on(self, prev: Digest) -> Iterable[SeenRecord]:
        """Return what was said on a predecessor, in the order of arrival."""
        return list(self._on.get(prev, {}).values())

    def has(self, prev: Digest, id_: EntryId) -> bool:
        """Return whether an entry is a statement on a predecessor."""
        return id_ in self._on.get(prev, {})

    def forget(self, past: Collection[Digest]) -> None:
        """Drop what was said on predecessors that are certified past."""
        for prev in [prev for prev in self._on if prev in past]:
            del self._on[prev]
            self._alike = {p: count for p, count in self._alike.items() if p[0] != prev}

    def _has_room(self, prev: Digest, cid: CoopId, chain: Chain) -> bool:
        """Return whether one more statement of a co-op may wait for a certificate to come."""
        ahead = [other for other in self._ahead.get(cid, ()) if other not in chain.links]
        if len(ahead) >= MOST_AHEAD:
            return False
        self._ahead[cid] = [*ahead, prev]
        return True


class Certification:
    """What this node knows of the rounds on one predecessor."""

    def __init__(self, context: ServiceContext, powers: Powers, federation: Federation) -> None:
        self.prev, self.drafts = federation.id, Drafts(federation)
        self._own, self._powers = context.cid, powers
        self._wid = context.wid
        self._round_ms = federation.charter.policy.round_ms
        self.rounds = Rounds(
            self.prev, federation.voters, federation.quorum, self._is_writer, self._holds
        )
        self._heard: set[EntryId] = set()
        self._proposals: dict[Digest, SeenRecord] = {}
        self._accepts: dict[Digest, list[EntryId]] = {}
        self._due: tuple[int, int] | None = None
        """The round whose time runs, and when it is over."""

    @property
    def round(self) -> int:
        """The round that this node is in."""
        return self.rounds.round_of(self._own)

    @property
    def due_ms(self) -> int | None:
        """When the time of our round is over; None while it does not run."""
        return None if self._due is None else self._due[1]

    def hear(self, statements: Iterable[SeenRecord]) -> None:
        """Take in what was not heard so far."""
        for seen in statements:
            if seen.id not in self._heard:
                self._hear(seen)

    def may_approve(self, certificate: Digest) -> bool:
        """Return whether an approval by this node would hold in a certificate."""
        return self._holds(certificate, self._own, self._wid)

    def next_step(
        self, views: Views, *, now_ms: int, has_value: bool
    ) -> tuple[Statement, Sequence[EntryId]] | None:
        """Return what this node says next and the entries that it names; None where it waits."""
        has_reason = has_value or self.rounds.is_called(self._own)
        is_late = self._is_late(now_ms, has_reason=has_reason)
        step = self.rounds.next_step(self._own, views, is_late=is_late)
        if step is None:
            return None
        return to_record(step, self.prev, self._powers.sign), self._refs(step)

    def certificate(self) -> Certificate | None:
        """Return the certificate that a quorum approved, if its proposal is here."""
        decided = self.rounds.decided
        seen = None if decided is None else self._proposals.get(decided.certificate)
        if decided is None or seen is None:
            return None
        charter = self._charter(seen)
        if charter is None:
            return None
        approvals = list(decided.approvals)
        return Certificate(approvals=approvals, body=encode(charter), round=decided.round)

    def _hear(self, seen: SeenRecord) -> None:
        said = seen.record
        if not isinstance(said, STATEMENTS):
            return
        self._heard.add(seen.id)
        try:
            self.rounds.hear(seen.id, seen.cid, seen.wid, said)
        except RemoteProtocolError:
            return  # it counts nowhere, and stays in its author's log for all to see
        if isinstance(said, CertificateProposal):
            made = self.drafts.id(said)
            if made is not None:
                self._proposals.setdefault(made, seen)
        elif isinstance(said, CertificateAccept):
            self._accepts.setdefault(Digest(said.certificate), []).append(seen.id)

    def _holds(self, certificate: Digest, cid: CoopId, wid: WriterId) -> bool:
        """Return whether a certificate bears approvals of a writer; no while it is not known."""
        proposal = self._proposals.get(certificate)
        charter = None if proposal is None else self._charter(proposal)
        if charter is None:
            return False
        return self._powers.is_open_at(cid, wid, self.drafts.anchored(charter, cid))

    def _charter(self, seen: SeenRecord) -> Charter | None:
        said = seen.record
        return self.drafts.charter(said) if isinstance(said, CertificateProposal) else None

    def _is_writer(self, cid: CoopId, wid: WriterId) -> bool:
        return self._powers.is_writer(cid, wid)

    def _refs(self, step: Step) -> Sequence[EntryId]:
        """Return what a statement rests on, so that it is found where its author forked since."""
        match step:
            case Accept(certificate=certificate) if certificate in self._proposals:
                return [self._proposals[certificate].id]
            case Approve(certificate=certificate):
                return self._accepts.get(certificate, [])[:MAX_REFS]
            case _:
                return []

    def _is_late(self, now_ms: int, *, has_reason: bool) -> bool:
        """Return whether the time of our round is over; it runs from when there was a reason."""
        if not has_reason:
            self._due = None
            return False
        round_ = self.round
        if self._due is None or self._due[0] != round_:
            wait_ms = self._round_ms << min(round_, _MOST_DOUBLINGS)
            self._due = (round_, now_ms + wait_ms)
        return now_ms >= self._due[1]
