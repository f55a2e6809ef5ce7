"""Whether a record counts by the standing of its author (spec chapter 09, section 7).

All replicas must come to the same answer, so it rests on the record and on the certificates alone:
on the roles and the policy that hold at the entry's place in its log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sheaf_protocol.records.curve import CurveOpen
from sheaf_protocol.records.pool import PoolOpen

if TYPE_CHECKING:
    from sheaf_protocol.charter.standing import Standing
    from sheaf_protocol.records import Record
    from sheaf_protocol.records.governance import Policy


class AuthorFault(NamedTuple):
    """Why an entry has no effect: a code, and what was expected and what came."""

    code: str
    detail: str


def barred_by(standing: Standing, kind: str) -> AuthorFault | None:
    """Return why an author of this standing may not publish a kind, or None where it may.

    What lies beyond the line of a leaver is void, which is no fault of the entry.
    """
    member = standing.member
    if member is None or standing.may(kind):
        return None
    if member.is_suspended:
        return AuthorFault("policy.suspended", f"expected no {kind} of a suspended member")
    roles = ", ".join(member.roles)
    return AuthorFault("policy.role", f"expected an author that may publish {kind}, got {roles}")


def policy_fault(record: Record, policy: Policy) -> AuthorFault | None:
    """Return the rule of the federation's policy that a record breaks, or None.

    What it says names the version of the policy.
    """
    match record:
        case PoolOpen():
            return _mode_fault(record.mode, policy) or _fee_fault(record.fee_bps, policy)
        case CurveOpen():
            return _mode_fault("sealed", policy) or _curve_fault(record, policy)
        case _:
            return None


def _mode_fault(mode: str, policy: Policy) -> AuthorFault | None:
    if mode in policy.modes:
        return None
    allowed = " or ".join(policy.modes)
    return AuthorFault("policy.mode", f"expected mode {allowed} {_by(policy)}, got {mode}")


def _fee_fault(fee_bps: int, policy: Policy) -> AuthorFault | None:
    if fee_bps <= policy.fee_bps:
        return None
    expected = f"expected a fee of at most {policy.fee_bps} basis points {_by(policy)}"
    return AuthorFault("policy.fee", f"{expected}, got {fee_bps}")


def _curve_fault(curve: CurveOpen, policy: Policy) -> AuthorFault | None:
    if curve.k_min < policy.k_min:
        expected = f"expected at least {policy.k_min} co-ops behind a curve {_by(policy)}"
        return AuthorFault("policy.k_min", f"{expected}, got {curve.k_min}")
    if curve.dominance_bps > policy.dominance_bps:
        most = f"expected at most {policy.dominance_bps} basis points of a level for one co-op"
        got = f"got {curve.dominance_bps}"
        return AuthorFault("policy.dominance", f"{most} {_by(policy)}, {got}")
    return None


def _by(policy: Policy) -> str:
    return f"by policy version {policy.version}"
