"""Which proposals stand and which votes count (spec 15, section 2).

One co-op has one vote, however many writers it has and however often it changes its mind. What is
decided here depends on entries alone, never on the order in which they arrived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.digest import short
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.governance.tally import WITHOUT_BALLOT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sheaf_protocol.digest import CoopId, Digest, EntryId
    from sheaf_protocol.records.governance import Ballot, Choice, Policy, Proposal, Vote

MAX_VOTES: Final = 8
"""Votes of one co-op on one proposal that count: changing one's mind more often makes work only."""


@dataclass(frozen=True, slots=True)
class Cast:
    """A vote as its author's logs place it."""

    entry: EntryId
    cid: CoopId
    writer: int
    """The place of its writer among those that the co-op's key log delegates, from 0."""
    seq: int
    time_ms: int
    vote: Vote


@dataclass(frozen=True, slots=True)
class Counted:
    """The vote of each co-op that counts, and why others do not."""

    votes: Mapping[CoopId, Cast]
    refused: Mapping[EntryId, str]

    @property
    def choices(self) -> Mapping[CoopId, Choice]:
        """What each co-op said."""
        return {cid: cast.vote.choice for cid, cast in self.votes.items()}

    @property
    def listed(self) -> Sequence[EntryId]:
        """The votes as a certificate lists them, in ascending order of ids."""
        return sorted(cast.entry for cast in self.votes.values())


def require_proposal(
    proposal: Proposal, time_ms: int, policy: Policy, chain: Collection[Digest]
) -> None:
    """Refuse a proposal on which no ballot is held; `time_ms` is that of its entry.

    `policy` is that of the newest epoch, `chain` has the ids of all certificates. Raises
    RemoteProtocolError: `ballot.action`, `ballot.short` as the author's fault, and not yet
    `ballot.epoch`.
    """
    if proposal.change.action in WITHOUT_BALLOT:
        detail = f"expected an action that members vote on, got {proposal.change.action}"
        raise RemoteProtocolError("ballot.action", detail, Fault.AUTHOR)
    open_ms = proposal.closes_at_ms - time_ms
    if open_ms < policy.ballot_ms:
        detail = f"expected a ballot of {policy.ballot_ms} ms by policy version {policy.version}"
        raise RemoteProtocolError("ballot.short", f"{detail}, got {open_ms} ms", Fault.AUTHOR)
    if proposal.epoch not in chain:
        detail = f"expected a certificate of the chain, got {short(proposal.epoch)}"
        raise RemoteProtocolError("ballot.epoch", detail, Fault.NOT_YET)


def count(proposal: Proposal, electorate: Collection[CoopId], casts: Iterable[Cast]) -> Counted:
    """Return the votes on a proposal that count, whatever the order they are given in.

    A vote that does not count is refused with `ballot.not_elector`, `ballot.late` or
    `ballot.changes`; one that a later vote replaced is neither counted nor refused.
    """
    votes: dict[CoopId, Cast] = {}
    refused: dict[EntryId, str] = {}
    counted: dict[CoopId, int] = {}
    for cast in sorted(casts, key=lambda cast: (cast.cid, cast.writer, cast.seq)):
        if cast.cid not in electorate:
            refused[cast.entry] = "ballot.not_elector"
        elif cast.time_ms > proposal.closes_at_ms:
            refused[cast.entry] = "ballot.late"
        elif counted.get(cast.cid, 0) == MAX_VOTES:
            refused[cast.entry] = "ballot.changes"
        else:
            counted[cast.cid] = counted.get(cast.cid, 0) + 1
            votes[cast.cid] = cast
    return Counted(votes=votes, refused=refused)


def listed_choices(
    ballot: Ballot, proposal: Proposal, electorate: Collection[CoopId], casts: Iterable[Cast]
) -> Mapping[CoopId, Choice]:
    """Return what the votes that a certificate lists say; `casts` are all that we hold.

    A vote that was replaced since may stand there: its author had said so. Raises
    RemoteProtocolError: `ballot.listed` as the author's fault where one could not count or a co-op
    or an order is wrong, and not yet `ballot.unknown` for a vote that we do not hold.
    """
    held = {cast.entry: cast for cast in casts}
    if list(ballot.votes) != sorted(set(ballot.votes)):
        raise _listed("expected each vote once, in ascending order of ids")
    choices: dict[CoopId, Choice] = {}
    for entry in ballot.votes:
        cast = held.get(entry)
        if cast is None:
            detail = f"expected a vote on the proposal, got {short(entry)}"
            raise RemoteProtocolError("ballot.unknown", detail, Fault.NOT_YET)
        if cast.cid in choices or count(proposal, electorate, [cast]).refused:
            raise _listed(f"expected one vote that counts of {short(cast.cid)}")
        choices[cast.cid] = cast.vote.choice
    return choices


def require_open(ballot: Ballot, enacted: Collection[EntryId]) -> None:
    """Refuse a ballot that led to a certificate before: a passed vote works once.

    Raises RemoteProtocolError `ballot.enacted` as the author's fault.
    """
    if ballot.proposal in enacted:
        detail = f"expected a proposal not enacted so far, got {short(ballot.proposal)}"
        raise RemoteProtocolError("ballot.enacted", detail, Fault.AUTHOR)


def _listed(detail: str) -> RemoteProtocolError:
    return RemoteProtocolError("ballot.listed", detail, Fault.AUTHOR)
