"""The rounds in which nodes agree on the next certificate (spec 15, section 4).

A round has two phases: a quorum accepts a proposal, and whoever saw that quorum approves. The
accepts are what an abandon can show, so a liar cannot invent what was locked; section 5 of the
chapter says why one phase would not do.

Nothing here keeps a secret or a clock. A node hears its own log first, so it knows after a crash
what it has signed; it says one thing at a time and hears that before it asks for the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from msgspec import UNSET, structs

from sheaf_protocol.governance.heard import Heard, Speaker
from sheaf_protocol.governance.steps import Abandon, Accept, Approve, Propose, Statement, Step
from sheaf_protocol.records.governance import (
    CertificateAbandon,
    CertificateAccept,
    CertificateApprove,
    CertificateProposal,
)

MAX_ROUND: Final = 1_000
"""The last round: at a day each they take three years."""

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sheaf_protocol.charter.model import Approval
    from sheaf_protocol.digest import CoopId, Digest, EntryId, WriterId
    from sheaf_protocol.governance.doubles import Double
    from sheaf_protocol.records.governance import Lock


@dataclass(frozen=True, slots=True)
class Views:
    """What our node thinks, asked for when it matters."""

    value: Callable[[], CertificateProposal | None]
    """What we would put forward now; None where nothing is to be certified. Its `prev` and
    `round` are set here."""
    derive: Callable[[CertificateProposal], Digest | None]
    """The id of the certificate that a proposal makes, by the predecessor alone and whether we
    like it or not; None where it makes none. Always the same for the same proposal."""
    agrees: Callable[[CertificateProposal], bool]
    """Whether our own view of ballot, heads and lines agrees."""
    may_approve: Callable[[Digest], bool]
    """Whether an approval of ours would hold in a certificate."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A certificate that a quorum approved in one round, the approvals in order of co-ops."""

    certificate: Digest
    round: int
    approvals: tuple[Approval, ...]


@dataclass(slots=True)
class _Own:
    """What one co-op has said so far."""

    spoken: int = 0
    """The highest round of a statement."""
    abandoned: int = -1
    approved: int = -1
    accepted: int = -1
    proposed: int = -1


class Rounds:
    """The rounds on one predecessor, as one node sees them."""

    def __init__(
        self,
        prev: Digest,
        voters: Sequence[CoopId],
        quorum: int,
        is_writer: Callable[[CoopId, WriterId], bool],
        holds: Callable[[Digest, CoopId, WriterId], bool],
    ) -> None:
        """`is_writer` tells whether a co-op's key log delegates a writer, open or ended since.

        `holds` tells whether a certificate takes the approvals of a co-op's writer (CHR-36); it may
        learn so later, and never unlearns it.
        """
        self.prev = prev
        self.quorum = quorum
        self._holds = holds
        self._heard = Heard(prev, voters, quorum, is_writer)
        self._own: dict[CoopId, _Own] = {}
        self._seen: set[EntryId] = set()

    @property
    def decided(self) -> Decided | None:
        """The certificate that a quorum approved so that it holds, if there is one."""
        for (round_, certificate), given in sorted(self._heard.approvals.items()):
            if len(given) < self.quorum:
                continue
            approvals = tuple(a for _, a in sorted(given.items()) if self._counts(certificate, a))
            if len(approvals) >= self.quorum:
                return Decided(certificate=certificate, round=round_, approvals=approvals)
        return None

    @property
    def doubles(self) -> tuple[Double, ...]:
        """Who said two things of which honest nodes say one (`ballot.double`)."""
        return self._heard.doubles.proofs()

    def proposer(self, round_: int) -> CoopId:
        """Return whose turn a round is."""
        return self._heard.proposer(round_)

    def hear(self, entry: EntryId, cid: CoopId, wid: WriterId, said: Statement) -> None:
        """Take an entry of a member's log, in any order; once is as good as twice.

        Raises RemoteProtocolError as the author's fault, and counts nothing then: `round.prev`,
        `round.voter`, `round.proposer`, `round.signature`, `round.lock`.
        """
        if entry in self._seen:
            return
        self._heard.hear(entry, Speaker(cid, wid), said)
        self._seen.add(entry)
        _remember(self._own.setdefault(cid, _Own()), said)

    def round_of(self, own: CoopId) -> int:
        """Return the round that a co-op is in: the highest opened, or the highest it spoke in."""
        # Who gave a later round up gave this one up: a liar that showed some nodes an abandon and
        # others none would else leave too few in either round.
        gave_up = sorted((said.abandoned for said in self._own.values()), reverse=True)
        opened = gave_up[self.quorum - 1] + 1 if len(gave_up) >= self.quorum else 0
        return max(self._said(own).spoken, opened)

    def is_called(self, own: CoopId) -> bool:
        """Return whether our round is at work: it has a proposal, something is locked, or more
        co-ops gave it up than may lie.

        A node without a value of its own counts the time of a round from here; a federation that
        has nothing to decide goes through no rounds.
        """
        here = self.round_of(own)
        gave_up = sum(said.abandoned >= here for said in self._own.values())
        is_left = gave_up > len(self._heard.voters) - self.quorum
        return is_left or here in self._heard.proposals or self._heard.lock_below(here) is not None

    def value_of(self, certificate: Digest, views: Views) -> CertificateProposal | None:
        """Return a proposal that makes a certificate, if one was heard."""
        made = (p for p in self._proposals() if views.derive(p) == certificate)
        return next(made, None)

    def next_step(self, own: CoopId, views: Views, *, is_late: bool) -> Step | None:
        """Return the next thing that our node says, or None where it waits.

        `is_late` tells that the time of our round is over. Publish the step and hear it, then ask
        again: what is not in our own log was not said.
        """
        here = self.round_of(own)
        if self.decided is not None or own not in self._heard.voters or here > MAX_ROUND:
            return None
        return (
            self._approve(own, views)
            or self._propose(own, here, views)
            or self._accept(own, here, views)
            or (self._abandon(own, here) if is_late else None)
        )

    def _said(self, cid: CoopId) -> _Own:
        return self._own.get(cid, _Own())

    def _counts(self, certificate: Digest, approval: Approval) -> bool:
        """RND-18: an approval that a certificate cannot bear is none."""
        wid = approval.wid
        return wid is not UNSET and self._holds(certificate, approval.cid, wid)

    def _approve(self, own: CoopId, views: Views) -> Step | None:
        """RND-6: what a quorum accepted, in no round that we gave up, passed or approved in."""
        said, lock = self._said(own), self._heard.lock_below(MAX_ROUND)
        if lock is None or lock.round < said.spoken:
            return None
        if lock.round <= max(said.abandoned, said.approved):
            return None
        if not views.may_approve(lock.certificate):  # RND-19
            return None
        return Approve(certificate=lock.certificate, round=lock.round)

    def _propose(self, own: CoopId, here: int, views: Views) -> Step | None:
        said = self._said(own)
        if self.proposer(here) != own or here <= max(said.proposed, said.abandoned):
            return None
        value = self._value(here, views)
        if value is None:
            return None
        return Propose(structs.replace(value, prev=self.prev, round=here))

    def _value(self, here: int, views: Views) -> CertificateProposal | None:
        """RND-4: that of the highest lock shown, or ours where a quorum shows none."""
        locks = self._locks(here)
        if locks:
            highest = min(locks, key=lambda lock: (-lock.round, lock.certificate))
            bound = self.value_of(highest.certificate, views)
            if bound is not None:
                return bound
        return views.value() if self._is_free(here) else None

    def _accept(self, own: CoopId, here: int, views: Views) -> Step | None:
        """RND-5: one a round, bound by a lock or agreed to."""
        said = self._said(own)
        if here <= max(said.accepted, said.approved, said.abandoned):
            return None
        for proposal in self._heard.proposals.get(here, {}).values():
            certificate = views.derive(proposal)
            if certificate is None:
                continue
            if self._is_bound(here, certificate) or (
                self._is_free(here) and views.agrees(proposal)
            ):
                return Accept(certificate=certificate, round=here)
        return None

    def _abandon(self, own: CoopId, here: int) -> Step | None:
        """RND-7: with the highest lock known, which is never below what we approved."""
        said, lock = self._said(own), self._heard.lock_below(here)
        shown = -1 if lock is None else lock.round
        if here <= said.abandoned or shown < said.approved:
            return None
        record = CertificateAbandon(lock=lock or UNSET, prev=self.prev, round=here)
        return Abandon(record)

    def _is_free(self, here: int) -> bool:
        """Return whether a quorum gave the round before up without a lock; the first is free."""
        return here == 0 or self._count_below(here, -1) >= self.quorum

    def _is_bound(self, here: int, certificate: Digest) -> bool:
        """Return whether a quorum gave up with no lock higher than one of this certificate."""
        rounds = [lock.round for lock in self._locks(here) if lock.certificate == certificate]
        return bool(rounds) and self._count_below(here, max(rounds)) >= self.quorum

    def _count_below(self, here: int, highest: int) -> int:
        by_coop = self._heard.abandons.get(here - 1, {}).values()
        return sum(any(_lock_round(a) <= highest for a in abandons) for abandons in by_coop)

    def _locks(self, here: int) -> list[Lock]:
        abandons = self._heard.abandons.get(here - 1, {}).values()
        return [a.lock for by_coop in abandons for a in by_coop if a.lock is not UNSET]

    def _proposals(self) -> Iterator[CertificateProposal]:
        for of_round in self._heard.proposals.values():
            yield from of_round.values()


def _lock_round(abandon: CertificateAbandon) -> int:
    return -1 if abandon.lock is UNSET else abandon.lock.round


def _remember(own: _Own, said: Statement) -> None:
    own.spoken = max(own.spoken, said.round)
    match said:
        case CertificateProposal():
            own.proposed = max(own.proposed, said.round)
        case CertificateAccept():
            own.accepted = max(own.accepted, said.round)
        case CertificateApprove():
            own.approved = max(own.approved, said.round)
        case CertificateAbandon():
            own.abandoned = max(own.abandoned, said.round)
        case _:
            assert_never(said)
