"""What was said in the rounds on one predecessor, counted by co-ops (spec 15, section 4).

Everything here only grows: a statement that counted once counts for good, whatever becomes of its
author's log. A lock that could shrink would let two certificates pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from msgspec import UNSET

from sheaf_protocol.charter.model import Approval
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.governance.doubles import Doubles
from sheaf_protocol.governance.steps import ACCEPT, APPROVE, Statement, round_message
from sheaf_protocol.identity import verify
from sheaf_protocol.records.governance import (
    AcceptedBy,
    CertificateAbandon,
    CertificateAccept,
    CertificateApprove,
    CertificateProposal,
    Lock,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sheaf_protocol.digest import CoopId, Digest, EntryId, WriterId


MOST_ALIKE: Final = 4
"""Statements of one kind by one co-op for one round that are heard; an honest one makes one."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who made a statement: the co-op, and the writer that signed its entry."""

    cid: CoopId
    wid: WriterId


class Heard:
    """The statements on one predecessor, those that break a rule left out."""

    def __init__(
        self,
        prev: Digest,
        voters: Sequence[CoopId],
        quorum: int,
        is_writer: Callable[[CoopId, WriterId], bool],
    ) -> None:
        self.prev = prev
        self.voters = sorted(voters)
        self.quorum = quorum
        self.proposals: dict[int, dict[EntryId, CertificateProposal]] = {}
        self.abandons: dict[int, dict[CoopId, list[CertificateAbandon]]] = {}
        self.approvals: dict[tuple[int, Digest], dict[CoopId, Approval]] = {}
        self.doubles = Doubles()
        self._accepts: dict[tuple[int, Digest], dict[CoopId, AcceptedBy]] = {}
        self._is_writer = is_writer
        self._members = frozenset(voters)
        self._alike: dict[tuple[CoopId, type[Statement], int], int] = {}

    def proposer(self, round_: int) -> CoopId:
        """Return whose turn a round is: voters take turns from where the predecessor points."""
        start = int.from_bytes(self.prev[:8])
        return self.voters[(start + round_) % len(self.voters)]  # RND-1

    def hear(self, entry: EntryId, speaker: Speaker, said: Statement) -> None:
        """Count a statement; one that was heard before changes nothing.

        Raises RemoteProtocolError as the author's fault: `round.prev`, `round.voter`,
        `round.proposer`, `round.signature`, `round.lock`.
        """
        self._require_place(speaker, said)
        place = (speaker.cid, type(said), said.round)
        if self._alike.get(place, 0) >= MOST_ALIKE and not isinstance(said, CertificateApprove):
            return  # RND-20; who decided by an approval says no more, so the others need it too
        match said:
            case CertificateProposal():
                self._propose(entry, speaker, said)
            case CertificateAccept():
                self._accept(speaker, said)
            case CertificateApprove():
                self._approve(speaker, said)
            case CertificateAbandon():
                self._abandon(speaker, said)
            case _:
                assert_never(said)
        self._alike[place] = self._alike.get(place, 0) + 1
        self.doubles.note(entry, speaker.cid, said)

    def lock_below(self, round_: int) -> Lock | None:
        """Return the highest quorum of accepts of this round or a lower one."""
        locked = [
            place
            for place, accepts in self._accepts.items()
            if place[0] <= round_ and len(accepts) >= self.quorum
        ]
        if not locked:
            return None
        highest = max(at for at, _ in locked)
        certificate = min(certificate for at, certificate in locked if at == highest)
        accepts = sorted(self._accepts[highest, certificate].values(), key=lambda a: a.cid)
        return Lock(accepts=accepts[: self.quorum], certificate=certificate, round=highest)

    def _require_place(self, speaker: Speaker, said: Statement) -> None:
        if said.prev != self.prev:
            detail = f"expected a statement on {short(self.prev)}, got one on {short(said.prev)}"
            raise _refusal("round.prev", detail)
        if speaker.cid not in self._members:
            raise _refusal("round.voter", f"expected a voter, got {short(speaker.cid)}")

    def _propose(self, entry: EntryId, speaker: Speaker, said: CertificateProposal) -> None:
        turn = self.proposer(said.round)
        if speaker.cid != turn:
            detail = f"expected a proposal of {short(turn)}, got one of {short(speaker.cid)}"
            raise _refusal("round.proposer", detail)
        self.proposals.setdefault(said.round, {})[entry] = said

    def _accept(self, speaker: Speaker, said: CertificateAccept) -> None:
        by = AcceptedBy(cid=speaker.cid, signature=said.signature, wid=speaker.wid)
        self._require_signed(ACCEPT, said.certificate, said.round, by)
        self._count(said.round, said.certificate, by)

    def _approve(self, speaker: Speaker, said: CertificateApprove) -> None:
        approval = Approval(cid=speaker.cid, signature=said.signature, wid=speaker.wid)
        by = AcceptedBy(cid=speaker.cid, signature=said.signature, wid=speaker.wid)
        self._require_signed(APPROVE, said.certificate, said.round, by)
        given = self.approvals.setdefault((said.round, said.certificate), {})
        given.setdefault(speaker.cid, approval)

    def _abandon(self, speaker: Speaker, said: CertificateAbandon) -> None:
        if said.lock is not UNSET:
            self._require_lock(said.lock, said.round)
            for by in said.lock.accepts:
                self._count(said.lock.round, said.lock.certificate, by)
        given = self.abandons.setdefault(said.round, {}).setdefault(speaker.cid, [])
        if said not in given:
            given.append(said)

    def _count(self, round_: int, certificate: Digest, by: AcceptedBy) -> None:
        self._accepts.setdefault((round_, certificate), {}).setdefault(by.cid, by)

    def _require_lock(self, lock: Lock, abandoned: int) -> None:
        if lock.round > abandoned:
            raise _refusal("round.lock", f"expected a lock of round {abandoned} or lower")
        ids = [by.cid for by in lock.accepts]
        if ids != sorted(set(ids)) or not self._members.issuperset(ids):
            raise _refusal("round.lock", "expected accepts of voters, once each, in order of ids")
        if len(ids) < self.quorum:
            detail = f"expected accepts of {self.quorum} co-ops, got {len(ids)}"
            raise _refusal("round.lock", detail)
        for by in lock.accepts:
            # Most were heard as entries before, and a signature is dear.
            known = self._accepts.get((lock.round, lock.certificate), {}).get(by.cid)
            if by != known:
                self._require_signed(ACCEPT, lock.certificate, lock.round, by)

    def _require_signed(
        self, purpose: str, certificate: Digest, round_: int, by: AcceptedBy
    ) -> None:
        message = round_message(certificate, round_)
        is_valid = self._is_writer(by.cid, by.wid)
        if not is_valid or not verify(by.wid, purpose, message, by.signature):
            detail = f"expected a signature of a writer of {short(by.cid)} over {purpose}"
            raise _refusal("round.signature", detail)


def _refusal(code: str, detail: str) -> RemoteProtocolError:
    return RemoteProtocolError(code, detail, Fault.AUTHOR)
