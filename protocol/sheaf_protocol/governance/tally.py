"""Methods that turn votes into an outcome (spec 15, section 3).

A method is a function of votes, electorate and bar alone, so that anyone who holds the votes comes
to the same result. A federation's policy names one; others than these enter as plug-ins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from sheaf_protocol.digest import CoopId
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.records.governance import Choice

if TYPE_CHECKING:
    from sheaf_protocol.records.governance import Change, Policy

Outcome: TypeAlias = Literal["failed", "open", "passed"]
CHARTER_ACTIONS: Final = frozenset({"expel", "policy", "treaty", "treaty_level"})
"""Actions that need `charter_bps` of the votes, all others `pass_bps`."""
WITHOUT_BALLOT: Final = frozenset({"anchor", "leave"})
"""Actions on which nobody votes."""
_WHOLE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Bar:
    """What votes have to reach, in basis points, and whether more of them may come."""

    pass_bps: int
    turnout_bps: int
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Result:
    """How many co-ops said what, and what follows."""

    yes: int
    no: int
    abstain: int
    missing: int
    outcome: Outcome


Tally: TypeAlias = Callable[[Mapping[CoopId, Choice], Collection[CoopId], Bar], Outcome]
"""The choice of each co-op that voted, all that may vote, the bar: pure, and integers only."""


def bar_of(policy: Policy, change: Change, *, is_closed: bool) -> Bar:
    """Return what votes on a change have to reach under a policy."""
    is_charter = change.action in CHARTER_ACTIONS
    share = policy.charter_bps if is_charter else policy.pass_bps
    return Bar(pass_bps=share, turnout_bps=policy.turnout_bps, is_closed=is_closed)


def one_coop_one_vote(
    choices: Mapping[CoopId, Choice], electorate: Collection[CoopId], bar: Bar
) -> Outcome:
    """BAL-7: enough voted, abstentions included, and more than a share of yes and no said yes."""
    said = _counted(choices, electorate)
    most = _reaches(said.yes + said.missing, said.no, bar)
    least = _reaches(said.yes, said.no + said.missing, bar)
    has_turnout = _has_turnout(said, bar)
    if bar.is_closed:
        return "passed" if has_turnout and _reaches(said.yes, said.no, bar) else "failed"
    if least and has_turnout:
        return "passed"
    return "open" if most else "failed"


def consent(choices: Mapping[CoopId, Choice], electorate: Collection[CoopId], bar: Bar) -> Outcome:
    """BAL-8: enough voted, and none of them said no."""
    said = _counted(choices, electorate)
    if said.no:
        return "failed"
    if said.missing and not bar.is_closed:
        return "open"
    return "passed" if _has_turnout(said, bar) else "failed"


TALLIES: Final[Mapping[str, Tally]] = MappingProxyType(
    {"consent/1": consent, "one_coop_one_vote/1": one_coop_one_vote}
)
"""The methods of this version, by the name that a policy gives them."""


def tally(
    rule: str,
    choices: Mapping[CoopId, Choice],
    electorate: Collection[CoopId],
    bar: Bar,
    tallies: Mapping[str, Tally] = TALLIES,
) -> Result:
    """Return what the votes of an electorate come to; those of others do not count.

    Raises RemoteProtocolError, not yet: `ballot.tally` where the method is not known here.
    """
    method = tallies.get(rule)
    if method is None:
        detail = f"expected one of {', '.join(sorted(tallies))}, got {rule}"
        raise RemoteProtocolError("ballot.tally", detail, Fault.NOT_YET)
    members = frozenset(electorate)
    mine = {cid: choice for cid, choice in choices.items() if cid in members}
    said = _counted(mine, members)
    return Result(said.yes, said.no, said.abstain, said.missing, method(mine, members, bar))


@dataclass(frozen=True, slots=True)
class _Said:
    yes: int
    no: int
    abstain: int
    missing: int


def _counted(choices: Mapping[CoopId, Choice], electorate: Collection[CoopId]) -> _Said:
    said = list(choices.values())
    yes, no, abstain = (said.count(choice) for choice in ("yes", "no", "abstain"))
    return _Said(yes, no, abstain, len(electorate) - len(said))


def _reaches(yes: int, no: int, bar: Bar) -> bool:
    return yes * _WHOLE > bar.pass_bps * (yes + no)


def _has_turnout(said: _Said, bar: Bar) -> bool:
    voted = said.yes + said.no + said.abstain
    return voted * _WHOLE >= bar.turnout_bps * (voted + said.missing)
