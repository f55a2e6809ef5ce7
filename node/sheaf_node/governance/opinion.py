"""What our node would certify next, and whether it agrees with what another puts forward.

People decided; a node checks that they did. It agrees to a certificate where by its own clock and
its own copy of the votes the ballot passed, where the votes listed pass by themselves, and where
the lines leave nothing out that it held when the ballot passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from sheaf_node.governance.ballot import Stage, result_of
from sheaf_node.governance.epoch import has_gone_since
from sheaf_protocol.charter import touched
from sheaf_protocol.digest import CoopId, Digest, EntryId, WriterId, log_id
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.governance import bar_of, listed_choices, tally
from sheaf_protocol.records.governance import (
    Ballot,
    CertificateProposal,
    Change,
    CoopLines,
    LogLine,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_node.governance.anchoring import Anchoring
    from sheaf_node.governance.ballot import Ballots, Bench, Held
    from sheaf_node.governance.drafting import Drafts
    from sheaf_node.governance.powers import Powers
    from sheaf_node.governance.voices import Voices
    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.log import Head

_REMOVING = frozenset({"expel", "leave"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Opinion:
    """Our view at one moment."""

    own: CoopId
    wid: WriterId
    bench: Bench
    ballots: Ballots
    anchoring: Anchoring
    drafts: Drafts
    powers: Powers
    voices: Voices
    heads: Sequence[tuple[CoopId, WriterId, Head]]
    """How far each log was folded."""

    def value(self) -> CertificateProposal | None:
        """Return what we would put forward: who leaves first, then ballots, then changed keys."""
        due = list(self._due())
        for change, ballot in due:
            self.voices.needed(change, ballot, self.anchoring, self.bench.now_ms)
        for change, ballot in due:
            value = self._draft(change, ballot)
            if value is not None:
                return value
        return None

    def agrees(self, proposal: CertificateProposal) -> bool:
        """Return whether our own view of ballot, heads and lines agrees with a proposal."""
        since = self._passed_at(proposal)
        return (
            since is not None
            and self.anchoring.agrees(proposal.heads)
            and all(self._agrees_to_lines(lines, since) for lines in proposal.lines)
            and self._may_approve(proposal)
        )

    def pending_leave(self, cid: CoopId) -> SeenRecord | None:
        """Return the word of a member that it leaves, if it has not left since."""
        if not self.bench.federation.is_member(cid):
            return None
        for seen in self.ballots.leaves.get(cid, ()):
            if not has_gone_since(self.bench.epochs, cid, seen.wid, seen.seq):
                return seen
        return None

    def _due(self) -> Iterator[tuple[Change, Ballot | UnsetType]]:
        for cid in sorted(self.ballots.leaves):
            if self.pending_leave(cid) is not None:
                yield Change(action="leave", cid=cid), UNSET
        for held in self.ballots.live(self.bench):
            if held.stage is Stage.PASSED and held.counted is not None:
                votes = list(held.counted.listed)
                yield held.proposal.change, Ballot(proposal=held.seen.id, votes=votes)
        if self.anchoring.has_change_of_keys(self.anchoring.heads()):
            yield Change(action="anchor"), UNSET

    def _draft(self, change: Change, ballot: Ballot | UnsetType) -> CertificateProposal | None:
        federation = self.bench.federation
        try:
            lines = [self.lines(cid) for cid in touched(federation.charter, change)]
        except RemoteProtocolError:
            return None
        needed = self.voices.needed(change, ballot, self.anchoring, self.bench.now_ms)
        besides = () if change.cid is UNSET or change.action not in _REMOVING else (change.cid,)
        value = CertificateProposal(
            ballot=ballot,
            change=change,
            heads=self.anchoring.heads(besides, first=needed),
            lines=lines,
            prev=federation.id,
            round=0,
        )
        return value if self.drafts.id(value) is not None else None

    def lines(self, cid: CoopId) -> CoopLines:
        """Return the lines of a co-op at the heads of its logs, as far as we folded them."""
        logs = [
            LogLine(head=Digest(head.id), seq=head.seq, wid=wid)
            for owner, wid, head in self.heads
            if owner == cid
        ]
        return CoopLines(cid=cid, logs=sorted(logs, key=lambda log: log.wid))

    def _passed_at(self, proposal: CertificateProposal) -> int | None:
        """Return the arrival of the entry by which we knew; None where we do not agree."""
        change = proposal.change
        if proposal.ballot is not UNSET:
            return self._ballot_passed_at(proposal.ballot, change)
        if change.action == "leave" and change.cid is not UNSET:
            leave = self.pending_leave(CoopId(change.cid))
            return None if leave is None else self._arrival(leave.id)
        is_bare = change.action == "anchor" and change.cid is UNSET
        return 0 if is_bare and self.anchoring.has_change_of_keys(proposal.heads) else None

    def _ballot_passed_at(self, ballot: Ballot, change: Change) -> int | None:
        id_ = EntryId(ballot.proposal)
        if id_ not in self.ballots.proposals:
            return None
        held = self.ballots.held(id_, self.bench)
        if held.stage is not Stage.PASSED or held.proposal.change != change:
            return None
        return self._deciding_arrival(held) if self._passes_as_listed(held, ballot) else None

    def _passes_as_listed(self, held: Held, ballot: Ballot) -> bool:
        proposal, policy = held.proposal, self.bench.federation.charter.policy
        casts = self.ballots.casts(held.seen.id, self.bench.histories)
        bar = bar_of(policy, proposal.change, is_closed=self.bench.now_ms >= proposal.closes_at_ms)
        try:
            choices = listed_choices(ballot, proposal, held.electorate, casts)
            result = tally(policy.tally, choices, held.electorate, bar, self.bench.tallies)
        except RemoteProtocolError:
            return False
        return result.outcome == "passed"

    def _deciding_arrival(self, held: Held) -> int:
        """Return the arrival of the vote that made the ballot pass in our own store."""
        casts = self.ballots.casts(held.seen.id, self.bench.histories)
        arrivals = {cast.entry: self._arrival(cast.entry) for cast in casts}
        casts.sort(key=lambda cast: arrivals[cast.entry])
        for place in range(len(casts)):
            _, result = result_of(held.seen, casts[: place + 1], self.bench, is_closed=True)
            if result.outcome == "passed":
                return arrivals[casts[place].entry]
        return self._arrival(held.seen.id)

    def _agrees_to_lines(self, lines: CoopLines, since: int) -> bool:
        """Return whether we hold what the lines name, and nothing more by when we knew."""
        cid, fid = CoopId(lines.cid), self.bench.federation.fid
        named = {WriterId(log.wid): log for log in lines.logs}
        for log in lines.logs:
            entry = self.powers.entry(EntryId(log.head))
            if entry is None or entry.header.seq != log.seq:
                return False
            if entry.log != log_id(fid, cid, WriterId(log.wid)):
                return False
        held = {wid for owner, wid, _ in self.heads if owner == cid}
        for wid in held:
            seq = named[wid].seq if wid in named else 0
            beyond = self.powers.entry_after(log_id(fid, cid, wid), seq)
            if beyond is not None and beyond.void is None and beyond.arrival <= since:
                return False
        return True

    def _may_approve(self, proposal: CertificateProposal) -> bool:
        """Return whether the writers of voters are open where the certificate anchors key logs.

        Of others those that we knew of when the value became due; of our own the one that we have.
        """
        charter = self.drafts.charter(proposal)
        if charter is None:
            return False
        if not self.voices.may_speak(proposal, charter, self.anchoring, self.bench.now_ms):
            return False
        head = self.drafts.anchored(charter, self.own)
        return self.powers.is_open_at(self.own, self.wid, head)

    def _arrival(self, id_: EntryId) -> int:
        entry = self.powers.entry(id_)
        return 0 if entry is None else entry.arrival
