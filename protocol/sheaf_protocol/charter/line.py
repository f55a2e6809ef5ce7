"""Lines: from which entry of its logs on a certificate holds for a co-op (spec chapter 09).

No clock says when an epoch begins. A certificate that changes what a co-op may do names the last
entry of each of its logs that the rules before apply to, so every node judges each entry alike,
whenever it comes. Whom a certificate leaves as it was needs no line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_protocol.digest import short
from sheaf_protocol.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.charter.model import Charter, Member
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.records.governance import CoopLines, Role

_UNDER_POLICY: Final[frozenset[Role]] = frozenset({"carrier", "coordinator", "service"})
"""Roles whose entries the policy judges."""
_UNDER_TREATIES: Final[Role] = "bridge"
"""The role whose entries treaties judge."""


def moved(before: Charter, after: Charter) -> list[CoopId]:
    """Return the co-ops of an epoch that the next one treats differently, in ascending order."""
    kept = {member.cid: member for member in after.members}
    has_new_policy = before.policy != after.policy
    has_new_treaties = before.treaties != after.treaties
    return [
        member.cid
        for member in before.members
        if _is_moved(member, kept.get(member.cid))
        or (has_new_policy and not _UNDER_POLICY.isdisjoint(member.roles))
        or (has_new_treaties and _UNDER_TREATIES in member.roles)
    ]


def _is_moved(member: Member, kept: Member | None) -> bool:
    return kept is None or (
        (kept.roles, kept.is_suspended, kept.sponsor)
        != (member.roles, member.is_suspended, member.sponsor)
    )


def require_lines(lines: Sequence[CoopLines], expected: Sequence[CoopId]) -> None:
    """Return if there are lines of exactly these co-ops, each log once, all in order of ids.

    Raises RemoteProtocolError `charter.lines`.
    """
    cids = [line.cid for line in lines]
    if cids != list(expected):
        got = ", ".join(map(short, cids)) or "none"
        named = ", ".join(map(short, expected)) or "none"
        raise RemoteProtocolError("charter.lines", f"expected lines of {named}, got {got}")
    for line in lines:
        wids = [log.wid for log in line.logs]
        if wids != sorted(set(wids)):
            detail = f"expected each log of {short(line.cid)} once, in order of writers"
            raise RemoteProtocolError("charter.lines", detail)
