"""The charter of an epoch and the certificate that carries it (spec 09, section 2)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.codec import decode
from sheaf_protocol.digest import CoopId, Digest, FederationId, WriterId, digest
from sheaf_protocol.limits import MAX_CERTIFICATE, MAX_INT, MAX_MEMBERS, MAX_TREATY
from sheaf_protocol.records.governance import Ballot, Change, CoopLines, Level, Policy, Role

_Id = Meta(min_length=32, max_length=32)


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One co-op of a federation, at the head of its key log that this epoch anchors."""

    cid: Annotated[CoopId, _Id]
    is_suspended: bool
    key_head: Annotated[Digest, _Id]
    roles: Annotated[list[Role], Meta(min_length=1, max_length=9)]
    sponsor: Annotated[CoopId, _Id] | UnsetType = UNSET
    """Who signs for a seat."""


class TreatyInForce(msgspec.Struct, frozen=True, kw_only=True):
    """A treaty that this federation agreed to, and how much of it holds now."""

    body: Annotated[bytes, Meta(max_length=MAX_TREATY)]
    level: Level
    per_day: Annotated[int, Meta(ge=0, le=MAX_INT)] | UnsetType = UNSET

    @property
    def id(self) -> Digest:
        """The hash of the treaty's body."""
        return digest("treaty", self.body)


class Charter(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a certificate: one epoch's members and rules, and what led to them.

    The genesis has no `ballot`, `change`, `fid` and `refounds`, and no lines.
    """

    ballot: Ballot | UnsetType = UNSET
    change: Change | UnsetType = UNSET
    epoch: Annotated[int, Meta(ge=0, le=MAX_INT)]
    fid: Annotated[FederationId, _Id] | UnsetType = UNSET
    lines: Annotated[list[CoopLines], Meta(max_length=256)]
    members: Annotated[list[Member], Meta(min_length=1, max_length=MAX_MEMBERS)]
    name: Annotated[str, Meta(min_length=1, max_length=120, pattern=r"\A[^\x00-\x1f]+\Z")]
    nonce: Annotated[bytes, Meta(min_length=16, max_length=16)]
    policy: Policy
    prev: Annotated[Digest, _Id]
    refounds: (
        Annotated[list[Annotated[Digest, _Id]], Meta(min_length=2, max_length=16)] | UnsetType
    ) = UNSET
    """The certificates of one epoch that all were valid, and that this one takes the place of."""
    treaties: Annotated[list[TreatyInForce], Meta(max_length=16)]
    v: Literal[1]


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A member's signature under a certificate.

    By its manager key, which people use, at a founding or re-foundation; by the writer `wid`, which
    nodes use, at every other.
    """

    cid: Annotated[CoopId, _Id]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]
    wid: Annotated[WriterId, _Id] | UnsetType = UNSET


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A charter's bytes as signed, with the members' signatures and the round they belong to."""

    approvals: Annotated[list[Approval], Meta(max_length=MAX_MEMBERS)]
    body: Annotated[bytes, Meta(max_length=MAX_CERTIFICATE)]
    round: Annotated[int, Meta(ge=0, le=1_000)] | UnsetType = UNSET

    @property
    def id(self) -> Digest:
        """The hash of the body, whoever signed so far; that of a genesis is its federation's id."""
        return digest("federation", self.body)

    @property
    def fid(self) -> FederationId:
        """The id of the federation that a genesis certificate founds."""
        return FederationId(self.id)


def read_charter(certificate: Certificate) -> Charter:
    """Return the charter in a certificate's body, signatures unchecked (for showing a draft)."""
    return decode(certificate.body, Charter, limit=MAX_CERTIFICATE)
