"""What a change does, in the words of a person who votes on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import UNSET, structs

from sheaf_protocol.digest import CoopId, Digest, short
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.treaty import read_treaty, treaty_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sheaf_protocol.charter import Charter, Policy
    from sheaf_protocol.records.governance import Change

_ON_ONE: Final = {
    "expel": "expel {who}",
    "leave": "let {who} leave",
    "restore": "restore {who}, which is suspended",
    "suspend": "suspend {who}: what it publishes has no effect until it is restored",
}


def change_words(change: Change, before: Charter, name_of: Callable[[CoopId], str]) -> str:
    """Return what a change would do to a charter, in a sentence without a full stop."""
    who = "" if change.cid is UNSET else name_of(CoopId(change.cid))
    if change.action in _ON_ONE:
        return _ON_ONE[change.action].format(who=who)
    if change.action in {"admit", "roles"}:
        return _role_words(change, before, who) + _sponsor(change, name_of)
    if change.action == "policy":
        return _policy_words(change, before.policy)
    if change.action == "treaty":
        return f"agree to the treaty {_treaty_words(change, name_of)}"
    return _level_words(change) if change.action == "treaty_level" else "anchor changed keys"


def _role_words(change: Change, before: Charter, who: str) -> str:
    roles = "" if change.roles is UNSET else _listed(change.roles)
    if change.action == "admit":
        return f"admit {who} as {roles}"
    was = next((m.roles for m in before.members if m.cid == change.cid), [])
    return f"make {who} {roles} (so far {_listed(was) or 'no member'})"


def _sponsor(change: Change, name_of: Callable[[CoopId], str]) -> str:
    if change.sponsor is UNSET:
        return ""
    return f", for whom {name_of(CoopId(change.sponsor))} signs"


def _policy_words(change: Change, before: Policy) -> str:
    if change.policy is UNSET:
        return "change the policy"
    was, becomes = structs.asdict(before), structs.asdict(change.policy)
    moved = [
        f"{key} from {_shown(was[key])} to {_shown(value)}"
        for key, value in becomes.items()
        if value != was[key] and key != "version"
    ]
    return f"set {', '.join(moved)} (policy version {change.policy.version})"


def _treaty_words(change: Change, name_of: Callable[[CoopId], str]) -> str:
    """Return which treaty it is and what it lets cross: a title says whatever its author likes."""
    body = b"" if change.treaty is UNSET else change.treaty
    try:
        treaty = read_treaty(body)
    except RemoteProtocolError:
        return "that nobody can read"
    one, other = (short(fid) for fid in treaty.parties)
    ways = (f"{one} to {other}", f"{other} to {one}")
    said = [
        f"{way} {_listed(kinds.kinds) or 'nothing'}, at most {kinds.per_day} a day"
        for way, kinds in zip(ways, treaty.directions, strict=True)
    ]
    over = _listed(f"{name_of(CoopId(cid))} ({short(CoopId(cid))})" for cid in treaty.bridges)
    return f"{short(treaty_id(body))} {treaty.title!r}: {'; '.join(said)}; over {over}"


def _level_words(change: Change) -> str:
    which = "" if change.treaty_id is UNSET else short(Digest(change.treaty_id))
    if change.level == "end":
        return f"end the treaty {which} for good"
    rate = "" if change.per_day is UNSET else f" of {change.per_day} entries a day each way"
    return f"set the treaty {which} to {change.level}{rate}"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _shown(value: object) -> str:
    return _listed(map(str, value)) if isinstance(value, list) else str(value)
