"""Who may do what in a federation, now and at each place of each log (spec chapter 09).

Roles decide the effect of an entry and never its storage: what a role may not publish is kept by
all replicas and has no effect on any. An entry is judged by the epoch that the lines put it in, so
a certificate takes nothing back that counted before it was made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sheaf_protocol.charter.approval import quorum
from sheaf_protocol.charter.line import moved
from sheaf_protocol.charter.roles import (
    EVERY_MEMBER,
    MAY,
    WHILE_SUSPENDED,
    is_governed,
    voters_of,
)
from sheaf_protocol.digest import ZERO, Digest, EntryId
from sheaf_protocol.identity import Cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_protocol.charter.model import Charter, Member, TreatyInForce
    from sheaf_protocol.digest import CoopId, FederationId, WriterId
    from sheaf_protocol.records.governance import Level, LogLine, Policy, Role

_BEFORE_FIRST: Final = Cut(seq=0, head=EntryId(ZERO))


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What judges an entry: its author as a member, or None, the policy, and the treaties.

    Of the member its roles, suspension and sponsor count; its key head may have moved on since.
    The treaties are right for bridges, whose entries alone they judge.
    """

    member: Member | None
    policy: Policy
    treaties: Sequence[TreatyInForce] = ()

    def may(self, kind: str) -> bool:
        """Return whether one of the author's roles may publish a kind.

        A kind that no role mentions belongs to an extension, which has a policy of its own.
        """
        if self.member is None:
            return False
        if self.member.is_suspended:
            return kind in WHILE_SUSPENDED
        if kind in EVERY_MEMBER or not is_governed(kind):
            return True
        return any(kind in MAY[role] for role in self.member.roles)

    def level_of(self, treaty: Digest) -> Level | None:
        """Return the level of a treaty, by its id; None where the charter does not list it."""
        return next((listed.level for listed in self.treaties if listed.id == treaty), None)


@dataclass(frozen=True, slots=True)
class _Span:
    """The entries of a co-op above its lines, and how they stand until a later span begins."""

    standing: Standing
    lines: Mapping[WriterId, LogLine]

    def has(self, wid: WriterId, seq: int) -> bool:
        line = self.lines.get(wid)
        # A log not listed is cut before its first entry.
        return line is None or seq > line.seq


@dataclass(frozen=True, kw_only=True, slots=True)
class Federation:
    """A federation by the chain of its certificates: the newest charter, and what went before."""

    fid: FederationId
    id: Digest
    """The id of the newest certificate; that of the genesis is the federation's."""
    charter: Charter
    is_forked: bool = False
    """Whether two certificates follow on the newest, so that nothing can until a re-foundation."""
    members: Mapping[CoopId, Member]
    spans: Mapping[CoopId, tuple[_Span, ...]]
    """Of everyone that ever was a member, the newest last. Most co-ops have one, whatever the
    number of epochs."""

    @classmethod
    def begun(cls, fid: FederationId, genesis: Charter) -> Federation:
        """Return the federation of a genesis charter alone."""
        members = {member.cid: member for member in genesis.members}
        spans = {
            cid: (_Span(Standing(member=member, policy=genesis.policy), {}),)
            for cid, member in members.items()
        }
        return cls(fid=fid, id=Digest(fid), charter=genesis, members=members, spans=spans)

    def after(self, id_: Digest, charter: Charter) -> Federation:
        """Return the federation after one more certificate, whose charter follows on this one."""
        members = {member.cid: member for member in charter.members}
        lines = {each.cid: {log.wid: log for log in each.logs} for each in charter.lines}
        spans = dict(self.spans)
        for cid in moved(self.charter, charter):
            standing = _standing(members.get(cid), charter)
            spans[cid] = (*spans[cid], _Span(standing, lines[cid]))
        for cid in members.keys() - self.members.keys():
            standing = _standing(members[cid], charter)
            earlier = spans.get(cid, ())
            # Who comes back goes on where its logs were cut.
            spans[cid] = (*earlier, _Span(standing, earlier[-1].lines if earlier else {}))
        return replace(self, id=id_, charter=charter, members=members, spans=spans)

    @property
    def roles(self) -> Mapping[CoopId, frozenset[Role]]:
        """The roles of each member."""
        return {cid: frozenset(member.roles) for cid, member in self.members.items()}

    def roles_of(self, cid: CoopId) -> frozenset[Role]:
        """Return the roles of a member; none where it is not one."""
        member = self.members.get(cid)
        return frozenset() if member is None else frozenset(member.roles)

    @property
    def voters(self) -> tuple[CoopId, ...]:
        """The members that have a vote, in ascending order of ids."""
        return voters_of(self.charter)

    @property
    def quorum(self) -> int:
        """How many voters make the next certificate."""
        return quorum(len(self.voters), self.charter.policy.certify)

    def is_member(self, cid: CoopId) -> bool:
        """Return whether the co-op is a member."""
        return cid in self.members

    def was_member(self, cid: CoopId) -> bool:
        """Return whether the co-op is or ever was a member."""
        return cid in self.spans

    def with_role(self, role: Role) -> Sequence[CoopId]:
        """Return the members in a role, in the charter's order."""
        return [m.cid for m in self.charter.members if role in m.roles]

    def may(self, cid: CoopId, kind: str) -> bool:
        """Return whether the co-op may publish a kind by the newest charter."""
        return _standing(self.members.get(cid), self.charter).may(kind)

    def standing(self, cid: CoopId, wid: WriterId, seq: int) -> Standing:
        """Return what judges the entry of a number in a co-op's log.

        The newest certificate whose line lies below it does. Where lines lie below those of an
        earlier certificate, that one counts only up to them.
        """
        for span in reversed(self.spans.get(cid, ())):
            if span.has(wid, seq):
                return span.standing
        return _standing(None, self.charter)

    def splits(self, cid: CoopId, wid: WriterId) -> Sequence[int]:
        """Return the numbers of a co-op's log above which another standing may begin."""
        lines = (span.lines.get(wid) for span in self.spans.get(cid, ()))
        return sorted({line.seq for line in lines if line is not None})

    def cut_of(self, cid: CoopId, wid: WriterId) -> Cut | None:
        """Return where the log of a co-op ends that left or was expelled; None for all others."""
        if self.is_member(cid) or not self.was_member(cid):
            return None
        line = self.spans[cid][-1].lines.get(wid)
        return _BEFORE_FIRST if line is None else Cut(seq=line.seq, head=EntryId(line.head))


def _standing(member: Member | None, charter: Charter) -> Standing:
    return Standing(member=member, policy=charter.policy, treaties=charter.treaties)
