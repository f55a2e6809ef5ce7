"""A federation's charter: its members, roles and rules, epoch by epoch (spec chapter 09)."""

from sheaf_protocol.charter.approval import approve, approve_epoch, certify_message, quorum
from sheaf_protocol.charter.chain import Chain
from sheaf_protocol.charter.change import FIELDS, moved_heads, next_charter, touched
from sheaf_protocol.charter.founding import federation_of, found, genesis_body
from sheaf_protocol.charter.judging import fid_of, judge
from sheaf_protocol.charter.line import moved
from sheaf_protocol.charter.model import (
    Approval,
    Certificate,
    Charter,
    Member,
    TreatyInForce,
    read_charter,
)
from sheaf_protocol.charter.roles import (
    EVERY_MEMBER,
    MAY,
    VOTING,
    WHILE_SUSPENDED,
    have_vote,
    is_governed,
    voters_of,
)
from sheaf_protocol.charter.standing import Federation, Standing
from sheaf_protocol.records.governance import DEFAULT_POLICY, Policy, Role

__all__ = [
    "DEFAULT_POLICY",
    "EVERY_MEMBER",
    "FIELDS",
    "MAY",
    "VOTING",
    "WHILE_SUSPENDED",
    "Approval",
    "Certificate",
    "Chain",
    "Charter",
    "Federation",
    "Member",
    "Policy",
    "Role",
    "Standing",
    "TreatyInForce",
    "approve",
    "approve_epoch",
    "certify_message",
    "federation_of",
    "fid_of",
    "found",
    "genesis_body",
    "have_vote",
    "is_governed",
    "judge",
    "moved",
    "moved_heads",
    "next_charter",
    "quorum",
    "read_charter",
    "touched",
    "voters_of",
]
