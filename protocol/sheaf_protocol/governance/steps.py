"""What a node may say next in a round, and how it is signed (spec 15, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from sheaf_protocol.records.governance import (
    CertificateAbandon,
    CertificateAccept,
    CertificateApprove,
    CertificateProposal,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_protocol.digest import Digest

Statement: TypeAlias = (
    CertificateProposal | CertificateAccept | CertificateApprove | CertificateAbandon
)
"""A record that takes part in a round."""
ACCEPT: Final = "accept"
"""The purpose under which a node signs what it accepts."""
APPROVE: Final = "certify"
"""The purpose under which a node signs a certificate."""


@dataclass(frozen=True, slots=True)
class Propose:
    """Put a value forward: the record is complete."""

    record: CertificateProposal


@dataclass(frozen=True, slots=True)
class Accept:
    """Take the proposal that makes this certificate."""

    certificate: Digest
    round: int


@dataclass(frozen=True, slots=True)
class Approve:
    """Sign the certificate that a quorum accepted."""

    certificate: Digest
    round: int


@dataclass(frozen=True, slots=True)
class Abandon:
    """Give the round up: the record is complete."""

    record: CertificateAbandon


Step: TypeAlias = Propose | Accept | Approve | Abandon


def round_message(certificate: Digest, round_: int) -> bytes:
    """Return what an accept and an approval sign: the certificate's id and the round (RND-2)."""
    return certificate + round_.to_bytes(8)


def to_record(step: Step, prev: Digest, sign: Callable[[str, bytes], bytes]) -> Statement:
    """Return the record of a step; `sign(purpose, message)` is the node's writer key."""
    match step:
        case Propose(record=proposal):
            return proposal
        case Abandon(record=abandon):
            return abandon
        case Accept(certificate=certificate, round=round_):
            signature = sign(ACCEPT, round_message(certificate, round_))
            return CertificateAccept(
                certificate=certificate, prev=prev, round=round_, signature=signature
            )
        case Approve(certificate=certificate, round=round_):
            signature = sign(APPROVE, round_message(certificate, round_))
            return CertificateApprove(
                certificate=certificate, prev=prev, round=round_, signature=signature
            )
        case _:
            assert_never(step)
