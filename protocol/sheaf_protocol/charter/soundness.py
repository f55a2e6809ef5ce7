"""What every charter keeps to, whatever led to it (spec chapter 09)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from sheaf_protocol.charter.roles import voters_of
from sheaf_protocol.digest import short
from sheaf_protocol.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from sheaf_protocol.charter.model import Charter, Member, TreatyInForce
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.records.governance import Policy


def require_sound(charter: Charter) -> None:
    """Return if members, policy and treaties of a charter are in order.

    Raises RemoteProtocolError `charter.members`, `charter.sponsor`, `charter.policy`,
    `charter.treaties`, `charter.voters`.
    """
    _require_members(charter.members)
    _require_policy(charter.policy)
    _require_treaties(charter.treaties)
    if not voters_of(charter):
        raise RemoteProtocolError("charter.voters", "expected a member that has a vote, got none")


def require_sponsors(charter: Charter, seats: Container[CoopId]) -> None:
    """Return if another member that has a vote signs for each of these seats.

    Raises RemoteProtocolError `charter.sponsor`.
    """
    voters = set(voters_of(charter))
    for member in charter.members:
        if member.cid not in seats or member.sponsor is UNSET:
            continue
        if member.sponsor == member.cid or member.sponsor not in voters:
            detail = f"expected a sponsor of {short(member.cid)} that has a vote"
            raise RemoteProtocolError("charter.sponsor", f"{detail}, got {short(member.sponsor)}")


def _require_members(members: Sequence[Member]) -> None:
    ids = [member.cid for member in members]
    if ids != sorted(set(ids)):
        raise RemoteProtocolError("charter.members", "expected each member once, in order of ids")
    for member in members:
        if member.roles != sorted(set(member.roles)):
            detail = f"expected each role of {short(member.cid)} once, in alphabetical order"
            raise RemoteProtocolError("charter.members", detail)
        if ("seat" in member.roles) is (member.sponsor is UNSET):
            detail = f"expected a sponsor if {short(member.cid)} has a seat, and only then"
            raise RemoteProtocolError("charter.sponsor", detail)


def _require_policy(policy: Policy) -> None:
    if policy.modes != sorted(set(policy.modes)):
        detail = "expected each privacy mode once, in alphabetical order"
        raise RemoteProtocolError("charter.policy", detail)
    if policy.privacy not in policy.modes:
        detail = f"expected the default mode among {policy.modes}, got {policy.privacy}"
        raise RemoteProtocolError("charter.policy", detail)


def _require_treaties(treaties: Sequence[TreatyInForce]) -> None:
    ids = [treaty.id for treaty in treaties]
    if ids != sorted(set(ids)):
        raise RemoteProtocolError("charter.treaties", "expected each treaty once, in order of ids")
    for treaty in treaties:
        has_rate = treaty.per_day is not UNSET
        if treaty.level == "end" or has_rate is not (treaty.level == "limit"):
            detail = (
                f"expected {short(treaty.id)} not to have ended, and a rate at level limit alone"
            )
            raise RemoteProtocolError("charter.treaties", detail)
