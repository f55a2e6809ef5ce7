"""How the vectors of chapter 15 are read: ballots that are tallied, rounds that go on."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import Digest, digest
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.governance import (
    Abandon,
    Accept,
    Approve,
    Cast,
    Decided,
    Propose,
    Rounds,
    Statement,
    Step,
    Views,
    bar_of,
    count,
    listed_choices,
    require_open,
    require_proposal,
    tally,
)
from sheaf_protocol.records.governance import (
    Ballot,
    CertificateAbandon,
    CertificateAccept,
    CertificateApprove,
    CertificateProposal,
    Choice,
    Policy,
    Proposal,
    Vote,
)
from sheaf_protocol.records.values import CoopRef, Count, EntryRef, Hash, TimeMs, WriterRef

_STATEMENTS: dict[str, type[Statement]] = {
    "charter.abandon": CertificateAbandon,
    "charter.accept": CertificateAccept,
    "charter.approve": CertificateApprove,
    "charter.propose": CertificateProposal,
}


class _Cast(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    entry: EntryRef
    cid: CoopRef
    writer: Count
    seq: Count
    time_ms: TimeMs
    choice: Choice


class _BallotInput(msgspec.Struct, frozen=True, kw_only=True):
    ballot: Ballot | UnsetType = UNSET
    casts: Annotated[list[_Cast], Meta(max_length=64)]
    chain: list[Hash]
    electorate: list[CoopRef]
    enacted: list[EntryRef]
    id: EntryRef
    is_closed: bool
    policy: Policy
    proposal: Proposal
    time_ms: TimeMs


class _Voter(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    cid: CoopRef
    writers: list[WriterRef]


_Kind: TypeAlias = Annotated[str, Meta(pattern=r"\Acharter\.(abandon|accept|approve|propose)\Z")]


class _Said(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    entry: EntryRef
    cid: CoopRef
    wid: WriterRef
    kind: _Kind
    body: bytes


class _RoundsInput(msgspec.Struct, frozen=True, kw_only=True):
    agreed: list[Hash]
    is_late: bool
    own: CoopRef
    prev: Hash
    quorum: Annotated[int, Meta(ge=1, le=1_024)]
    said: Annotated[list[_Said], Meta(max_length=256)]
    value: CertificateProposal | UnsetType = UNSET
    voters: Annotated[list[_Voter], Meta(min_length=1, max_length=16)]


def read_tally(data: bytes) -> bytes:
    """Return `[yes, no, abstain, missing, outcome]` of a ballot, by its list if it has one."""
    given = decode(data, _BallotInput)
    require_proposal(given.proposal, given.time_ms, given.policy, given.chain)
    casts = [_cast(cast, given) for cast in given.casts]
    counted = count(given.proposal, given.electorate, casts)
    choices = counted.choices
    if given.ballot is not UNSET:
        require_open(given.ballot, given.enacted)
        choices = listed_choices(given.ballot, given.proposal, given.electorate, casts)
    elif counted.refused:
        code = counted.refused[min(counted.refused)]
        raise RemoteProtocolError(code, "expected votes that count", Fault.AUTHOR)
    bar = bar_of(given.policy, given.proposal.change, is_closed=given.is_closed)
    found = tally(given.policy.tally, choices, given.electorate, bar)
    return encode([found.yes, found.no, found.abstain, found.missing, found.outcome])


def read_rounds(data: bytes) -> bytes:
    """Return what a node says next, having heard statements in this order.

    `["propose", certificate, round]`, `["accept", ..]`, `["approve", ..]`, `["abandon", round,
    [certificate, round] of the lock or []]`, `["decided", certificate, round, [cid...]]` or
    `["wait", round]`.
    """
    given = decode(data, _RoundsInput)
    writers = {(voter.cid, wid) for voter in given.voters for wid in voter.writers}
    voters = [voter.cid for voter in given.voters]
    rounds = Rounds(
        given.prev,
        voters,
        given.quorum,
        lambda cid, wid: (cid, wid) in writers,
        lambda _certificate, cid, wid: (cid, wid) in writers,
    )
    for said in given.said:
        statement: Statement = decode(said.body, _STATEMENTS[said.kind])
        rounds.hear(said.entry, said.cid, said.wid, statement)
    if rounds.doubles:
        liar = rounds.doubles[0]
        detail = f"expected one statement in round {liar.round}"
        raise RemoteProtocolError("ballot.double", detail, Fault.AUTHOR)
    step = rounds.decided or rounds.next_step(given.own, _views(given), is_late=given.is_late)
    return encode(_told(step, rounds.round_of(given.own)))


def _cast(given: _Cast, ballot: _BallotInput) -> Cast:
    vote = Vote(choice=given.choice, proposal=ballot.id)
    return Cast(given.entry, given.cid, given.writer, given.seq, given.time_ms, vote)


def _derive(proposal: CertificateProposal) -> Digest:
    """Return what stands for the id of a certificate in these vectors."""
    return digest("federation", encode(proposal.change))


def _views(given: _RoundsInput) -> Views:
    value = None if given.value is UNSET else given.value
    return Views(
        value=lambda: value,
        derive=_derive,
        agrees=lambda proposal: _derive(proposal) in given.agreed,
        may_approve=lambda _: True,
    )


def _told(step: Step | Decided | None, round_: int) -> list[Any]:
    match step:
        case Decided():
            return ["decided", step.certificate, step.round, [a.cid for a in step.approvals]]
        case Propose(record=proposal):
            return ["propose", _derive(proposal), proposal.round]
        case Accept():
            return ["accept", step.certificate, step.round]
        case Approve():
            return ["approve", step.certificate, step.round]
        case Abandon(record=abandon):
            lock = abandon.lock
            shown = [] if lock is UNSET else [lock.certificate, lock.round]
            return ["abandon", abandon.round, shown]
        case _:
            return ["wait", round_]
