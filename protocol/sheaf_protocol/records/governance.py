"""How a federation governs itself: proposals, votes and the rounds that certify (spec 09).

People decide by ballots that last days; nodes re-check the tally and sign the next certificate by
themselves, in rounds. All of it are entries of the members' logs: a co-op that says two things
about one round has signed both.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.limits import MAX_INT, MAX_MEMBERS, MAX_TREATY
from sheaf_protocol.records.values import CoopRef, Count, EntryRef, Hash, RuleId, TimeMs, WriterRef

Role: TypeAlias = Literal[
    "bridge",
    "carrier",
    "coordinator",
    "member",
    "observer",
    "seat",
    "service",
    "steward",
    "supplier",
]
Roles: TypeAlias = Annotated[list[Role], Meta(min_length=1, max_length=9)]
Action: TypeAlias = Literal[
    "admit",
    "anchor",
    "expel",
    "leave",
    "policy",
    "restore",
    "roles",
    "suspend",
    "treaty",
    "treaty_level",
]
Level: TypeAlias = Literal["allow", "limit", "pause", "end"]
"""How much of a treaty is in force. `end` is for good."""
Choice: TypeAlias = Literal["yes", "no", "abstain"]
BasisPoints: TypeAlias = Annotated[int, Meta(ge=0, le=10_000)]
DurationMs: TypeAlias = Annotated[int, Meta(ge=1_000, le=366 * 86_400_000)]
Words: TypeAlias = Annotated[str, Meta(max_length=4_000, pattern=r"\A[^\x00]*\Z")]
"""The reasons of a proposal, for people."""
RoundNumber: TypeAlias = Annotated[int, Meta(ge=0, le=1_000)]
"""The place of a certification round among those on one predecessor."""
Signature: TypeAlias = Annotated[bytes, Meta(min_length=64, max_length=64)]
_Title: TypeAlias = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"\A[^\x00-\x1f]+\Z")]

MIN_K: Final = 3
"""The fewest co-ops behind a published sum: of two, each would learn the other's line."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a federation that a passed vote may change; `version` counts the changes.

    Times are milliseconds, shares basis points.
    """

    anchor_ms: DurationMs
    """How long nodes know of a rotate or recover before they anchor it."""
    ballot_ms: DurationMs
    """The shortest time that a ballot is open, and how long where its author did not choose."""
    certify: Literal["majority", "two_thirds"]
    """The share of voters whose approvals a certificate takes more than: a half or two thirds."""
    charter_bps: BasisPoints
    """Yes votes must be more than this share of yes and no, to expel, for policy and treaties."""
    clock: Literal["owner"]
    """Whose clock decides a deadline: that of the writer that owns the pool, hold or ballot."""
    dominance_bps: Annotated[int, Meta(ge=1, le=10_000)]
    """The largest share of one co-op in a level of a published demand curve."""
    fee_bps: BasisPoints
    """The most that a pool may charge."""
    hold_ms: DurationMs
    """How long a hold lasts where nothing else was agreed."""
    k_min: Annotated[int, Meta(ge=MIN_K, le=1_000)]
    """The fewest co-ops with a line behind a published demand curve."""
    modes: Annotated[list[Literal["open", "sealed"]], Meta(min_length=1, max_length=2)]
    """The privacy modes in which a pool may be opened, in alphabetical order."""
    no_show_bps: BasisPoints
    """What a buyer pays that does not take what it ordered."""
    pass_bps: BasisPoints
    """As `charter_bps`, for all other changes."""
    privacy: Literal["open", "sealed"]
    """The mode of a pool whose coordinator does not choose."""
    round_ms: DurationMs
    """How long nodes wait in the first round of a certification; twice as long in each next."""
    tally: RuleId
    """How votes are counted (chapter 15)."""
    turnout_bps: BasisPoints
    """The least share of the electorate that must have voted."""
    version: Count
    """How often the policy was changed; refusals name it."""


DEFAULT_POLICY: Final = Policy(
    anchor_ms=72 * 3_600_000,
    ballot_ms=7 * 86_400_000,
    certify="two_thirds",
    charter_bps=6_666,
    clock="owner",
    dominance_bps=7_000,
    fee_bps=500,
    hold_ms=48 * 3_600_000,
    k_min=5,
    modes=["open", "sealed"],
    no_show_bps=1_000,
    pass_bps=5_000,
    privacy="sealed",
    round_ms=60_000,
    tally="one_coop_one_vote/1",
    turnout_bps=5_000,
    version=0,
)
"""What founders get who choose nothing."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What one epoch changes; which fields an action has is CHR-20."""

    action: Action
    cid: CoopRef | UnsetType = UNSET
    key_head: Hash | UnsetType = UNSET
    level: Level | UnsetType = UNSET
    per_day: Annotated[int, Meta(ge=0, le=MAX_INT)] | UnsetType = UNSET
    """Entries a day and direction, at level `limit`."""
    policy: Policy | UnsetType = UNSET
    roles: Roles | UnsetType = UNSET
    sponsor: CoopRef | UnsetType = UNSET
    """Who signs for a seat."""
    treaty: Annotated[bytes, Meta(max_length=MAX_TREATY)] | UnsetType = UNSET
    treaty_id: Hash | UnsetType = UNSET


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """The last entry of one writer's log that the rules before a certificate apply to."""

    head: Hash
    seq: Annotated[int, Meta(ge=1, le=MAX_INT)]
    wid: WriterRef


class CoopLines(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of a co-op that a certificate touches; a log not listed is cut before it begins."""

    cid: CoopRef
    logs: Annotated[list[LogLine], Meta(max_length=64)]


class Ballot(msgspec.Struct, frozen=True, kw_only=True):
    """Which votes decided: one of each co-op at most, in ascending order of ids."""

    proposal: EntryRef
    votes: Annotated[list[EntryRef], Meta(max_length=MAX_MEMBERS)]


class KeyHead(msgspec.Struct, frozen=True, kw_only=True):
    """The operation of a co-op's key log that a certificate anchors."""

    cid: CoopRef
    key_head: Hash


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A member asks all to decide on a change.

    `epoch` is the newest certificate that its author knew. Who has a vote in the newest one of all
    decides, so that a co-op that left or was suspended since does not.
    """

    change: Change
    closes_at_ms: TimeMs
    epoch: Hash
    text: Words
    title: _Title


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """A co-op's word on a proposal. A later one takes its place until the ballot closes."""

    choice: Choice
    proposal: EntryRef


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """The author leaves the federation; nobody votes on that."""

    text: Words


class CertificateProposal(msgspec.Struct, frozen=True, kw_only=True):
    """What the proposer of a round puts forward: all that the next charter follows from."""

    ballot: Ballot | UnsetType = UNSET
    change: Change
    heads: Annotated[list[KeyHead], Meta(max_length=512)]
    """Key heads that move on with this certificate, in ascending order of ids."""
    lines: Annotated[list[CoopLines], Meta(max_length=256)]
    prev: Hash
    round: RoundNumber


class CertificateAccept(msgspec.Struct, frozen=True, kw_only=True):
    """A node takes a round's proposal, the charter of which has the id `certificate`.

    The signature, purpose `accept`, holds without this entry, so that a lock can carry it.
    """

    certificate: Hash
    prev: Hash
    round: RoundNumber
    signature: Signature


class CertificateApprove(msgspec.Struct, frozen=True, kw_only=True):
    """A node that holds a quorum of accepts signs the certificate, purpose `certify`."""

    certificate: Hash
    prev: Hash
    round: RoundNumber
    signature: Signature


class AcceptedBy(msgspec.Struct, frozen=True, kw_only=True):
    """Who accepted, and the signature of that accept."""

    cid: CoopRef
    signature: Signature
    wid: WriterRef


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """A quorum of accepts of one certificate in one round, in ascending order of co-ops."""

    accepts: Annotated[list[AcceptedBy], Meta(min_length=1, max_length=420)]
    """At most what fits a payload: the quorum of 629 voters."""
    certificate: Hash
    round: RoundNumber


class CertificateAbandon(msgspec.Struct, frozen=True, kw_only=True):
    """A node gives a round up and shows the highest lock it knows: it approves in no lower one."""

    lock: Lock | UnsetType = UNSET
    prev: Hash
    round: RoundNumber
