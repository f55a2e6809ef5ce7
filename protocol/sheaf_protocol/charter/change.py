"""What a change makes of a charter: a pure function that every node computes (spec chapter 09)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar, assert_never

from msgspec import UNSET, UnsetType, structs

from sheaf_protocol.charter.line import moved, require_lines
from sheaf_protocol.charter.model import Member, TreatyInForce
from sheaf_protocol.charter.soundness import require_sound, require_sponsors
from sheaf_protocol.digest import short
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import MAX_MEMBERS
from sheaf_protocol.records.governance import KeyHead
from sheaf_protocol.treaty import read_treaty, require_fits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_protocol.charter.model import Charter
    from sheaf_protocol.digest import CoopId, Digest, FederationId
    from sheaf_protocol.records.governance import (
        Action,
        Ballot,
        Change,
        CoopLines,
        Policy,
    )

_T = TypeVar("_T")

MOST_TREATIES: Final = 16
"""Treaties of one charter: as many as its list has room for."""

FIELDS: Final[Mapping[Action, frozenset[str]]] = {
    "admit": frozenset({"cid", "key_head", "roles", "sponsor"}),
    "anchor": frozenset({"cid", "key_head"}),
    "expel": frozenset({"cid"}),
    "leave": frozenset({"cid"}),
    "policy": frozenset({"policy"}),
    "restore": frozenset({"cid"}),
    "roles": frozenset({"cid", "roles", "sponsor"}),
    "suspend": frozenset({"cid"}),
    "treaty": frozenset({"treaty"}),
    "treaty_level": frozenset({"level", "per_day", "treaty_id"}),
}
"""The fields of each action (CHR-20). It needs all, but for a sponsor, a rate, and an anchor's."""


def touched(before: Charter, change: Change) -> list[CoopId]:
    """Return the co-ops whose entries a change judges anew, in ascending order of ids.

    The certificate has lines of exactly these. Raises RemoteProtocolError `charter.change`.
    """
    return moved(before, _changed(before, change))


def next_charter(
    before: Charter,
    before_id: Digest,
    fid: FederationId,
    change: Change,
    *,
    ballot: Ballot | UnsetType = UNSET,
    heads: Sequence[KeyHead] = (),
    lines: Sequence[CoopLines] = (),
) -> Charter:
    """Return the charter that follows on one of a federation.

    `heads` are those of members that move on beside the change. Raises RemoteProtocolError
    `charter.change`, `charter.heads`, `charter.lines`, those of `require_sound`, and of a new
    treaty `enc.*`, `schema.*` and those of `require_fits`.
    """
    after = _changed(before, change)
    if change.treaty is not UNSET:
        require_fits(read_treaty(change.treaty), fid, _bridges(before))
    require_lines(lines, moved(before, after))
    after = structs.replace(
        after,
        ballot=ballot,
        change=change,
        epoch=before.epoch + 1,
        fid=fid,
        lines=list(lines),
        members=_with_heads(before, after, change, heads),
        prev=before_id,
        refounds=UNSET,
    )
    require_sound(after)
    # A seat that loses its sponsor later keeps its place, or a sponsor could never leave.
    require_sponsors(after, () if change.cid is UNSET else (change.cid,))
    return after


def moved_heads(before: Charter, after: Charter, change: Change) -> list[KeyHead]:
    """Return the key heads that moved on beside a change, of which a charter has no list."""
    held = {member.cid: member.key_head for member in before.members}
    named = change.cid if change.key_head is not UNSET else None
    return [
        KeyHead(cid=member.cid, key_head=member.key_head)
        for member in after.members
        if held.get(member.cid, member.key_head) != member.key_head and member.cid != named
    ]


def _changed(before: Charter, change: Change) -> Charter:
    """Return the charter with other members, policy or treaties; what else it says stays."""
    has = {name for name in change.__struct_fields__ if getattr(change, name) is not UNSET}
    if not has <= FIELDS[change.action] | {"action"}:
        listed = ", ".join(sorted(FIELDS[change.action]))
        raise _refused(f"no fields of {change.action} but {listed}")
    match change.action:
        case "admit":
            after = _admitted(before, change)
        case "anchor":
            after = _anchored(before, change)
        case "expel" | "leave":
            gone = _member(before, change)
            after = structs.replace(before, members=[m for m in before.members if m is not gone])
        case "restore" | "suspend":
            after = _altered(before, change, is_suspended=change.action == "suspend")
        case "roles":
            after = _altered(before, change, roles=_given(change.roles), sponsor=change.sponsor)
        case "policy":
            after = _under_policy(before, _given(change.policy))
        case "treaty":
            after = _with_treaty(before, _given(change.treaty))
        case "treaty_level":
            after = _with_level(before, change)
        case _:
            assert_never(change.action)
    return after


def _admitted(before: Charter, change: Change) -> Charter:
    admitted = Member(
        cid=_given(change.cid),
        is_suspended=False,
        key_head=_given(change.key_head),
        roles=_given(change.roles),
        sponsor=change.sponsor,
    )
    if len(before.members) == MAX_MEMBERS:
        raise _refused(f"at most {MAX_MEMBERS} members")
    # One that is a member already is there twice, which no charter may have.
    members = sorted([*before.members, admitted], key=lambda member: member.cid)
    return structs.replace(before, members=members)


def _anchored(before: Charter, change: Change) -> Charter:
    if change.cid is UNSET and change.key_head is UNSET:
        return before
    return _altered(before, change, key_head=_given(change.key_head))


def _altered(before: Charter, change: Change, **fields: object) -> Charter:
    member = _member(before, change)
    altered = structs.replace(member, **fields)
    if altered == member:
        raise _refused(f"something that changes {short(member.cid)}")
    members = [altered if each is member else each for each in before.members]
    return structs.replace(before, members=members)


def _member(before: Charter, change: Change) -> Member:
    cid = _given(change.cid)
    for member in before.members:
        if member.cid == cid:
            return member
    raise _refused(f"{short(cid)} to be a member")


def _under_policy(before: Charter, policy: Policy) -> Charter:
    version = before.policy.version + 1
    if policy.version != version:
        detail = f"expected version {version} of the policy, got {policy.version}"
        raise RemoteProtocolError("charter.policy", detail)
    if structs.replace(before.policy, version=version) == policy:
        raise _refused("a policy that differs")
    return structs.replace(before, policy=policy)


def _with_treaty(before: Charter, body: bytes) -> Charter:
    if len(before.treaties) == MOST_TREATIES:
        raise _refused(f"at most {MOST_TREATIES} treaties")
    treaties = [*before.treaties, TreatyInForce(body=body, level="allow")]
    return structs.replace(before, treaties=sorted(treaties, key=lambda treaty: treaty.id))


def _with_level(before: Charter, change: Change) -> Charter:
    id_, level = _given(change.treaty_id), _given(change.level)
    treaties = {treaty.id: treaty for treaty in before.treaties}
    treaty = treaties.get(id_)
    if treaty is None:
        raise _refused(f"treaty {short(id_)} to be in force")
    treaties[id_] = structs.replace(treaty, level=level, per_day=change.per_day)
    if treaties[id_] == treaty:
        raise _refused("another level or rate")
    if level == "end":
        if change.per_day is not UNSET:
            raise _refused("no rate of a treaty that ends")
        del treaties[id_]
    return structs.replace(before, treaties=list(treaties.values()))


def _with_heads(
    before: Charter, after: Charter, change: Change, heads: Sequence[KeyHead]
) -> list[Member]:
    """Return the members of a charter at the key heads that move on with it."""
    moving = {head.cid: head.key_head for head in heads}
    members = [
        structs.replace(member, key_head=moving.get(member.cid, member.key_head))
        for member in after.members
    ]
    moved_on = moved_heads(before, structs.replace(after, members=members), change)
    # What is listed and moves nothing would give one charter two spellings of what led to it.
    if moved_on != list(heads):
        detail = "expected key heads that move, of members that stay, once each, in order of ids"
        raise RemoteProtocolError("charter.heads", detail)
    if change.action == "anchor" and members == before.members:
        raise _refused("a key head that moves")
    return members


def _bridges(charter: Charter) -> set[CoopId]:
    members = charter.members
    return {m.cid for m in members if "bridge" in m.roles and not m.is_suspended}


def _given(field: _T | UnsetType) -> _T:
    if isinstance(field, UnsetType):
        raise _refused("all fields of its action")
    return field


def _refused(expected: str) -> RemoteProtocolError:
    return RemoteProtocolError("charter.change", f"expected {expected}")
