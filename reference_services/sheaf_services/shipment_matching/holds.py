"""Holds on capacity, folded from the asker's and the owner's log, and the owner's decisions.

The owner's line decides what a hold is: its writer's log, then those of the writers that succeed
it. Both lines are folded into facts keyed by entry id, so it does not matter which of the two
arrives first. The promises kept here: at every prefix of the owner's line, what is held and
confirmed together is at most what the capacity has; and of the holds that stand together in a
group, one owner confirms all or none.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.lifecycle.hold import HOLD, Hold
from sheaf_protocol.lifecycle.table import Party, advance
from sheaf_protocol.records import (
    HoldConfirm,
    HoldConfirmed,
    HoldExpired,
    HoldGrant,
    HoldRefuse,
    HoldRelease,
    HoldRequest,
    HoldRevoke,
    Vector,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.digest import Digest, EntryId, WriterId
    from sheaf_protocol.records import Capacity

LONGEST_HOLD_MS: Final = 48 * 3_600_000
"""Two days, the longest that an owner here locks anything for: a pool's slowest member answers."""

NO_CAPACITY: Final = "hold.no_capacity"
WAIT: Final = "wait"
"""What a policy says of a request that cannot be judged yet."""

Answer: TypeAlias = HoldGrant | HoldRefuse | HoldConfirmed | HoldExpired

_LOCKS: Final = frozenset({Hold.HELD, Hold.CONFIRMED, Hold.CONSUMED})
_FINAL: Final = frozenset({Hold.CONFIRMED, Hold.CONSUMED})


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldState:
    """One hold as the logs tell it."""

    request_id: EntryId
    request: HoldRequest
    asker: WriterId
    state: Hold
    grant_id: EntryId | None
    grant: HoldGrant | None
    refused: str | None
    confirm_id: EntryId | None
    is_contested: bool = False
    """Whether the grant counts no more and its asker relied on it: then it stays locked until the
    asker releases it, and the owner has no further word on it."""

    def is_confirmed_by(self, now_ms: int) -> bool:
        """Return whether the asker has confirmed, and the deadline has not passed."""
        if self.is_contested:
            return False
        is_asked = self.state is Hold.HELD and self.confirm_id is not None
        is_in_time = self.grant is not None and now_ms <= self.grant.until_ms
        return self.state in _FINAL or (is_asked and is_in_time)


class HoldBook:
    """All holds that were asked for, in the order in which their requests arrived.

    A hold is named by its asker: a second request under one name in one line is the same hold, and
    the first one of that line counts.
    """

    def __init__(self) -> None:
        self._requests: dict[EntryId, SeenRecord] = {}
        self._named: dict[tuple[WriterId, EntryId, Digest], SeenRecord] = {}
        self._groups: defaultdict[tuple[WriterId, Digest], list[EntryId]] = defaultdict(list)
        self._of_request: defaultdict[EntryId, dict[EntryId, SeenRecord]] = defaultdict(dict)
        self._of_grant: defaultdict[EntryId, dict[EntryId, SeenRecord]] = defaultdict(dict)
        self._contested: defaultdict[EntryId, dict[EntryId, SeenRecord]] = defaultdict(dict)
        """Grants that do not count, by the request that they answer."""
        self._of_confirm: defaultdict[EntryId, dict[EntryId, SeenRecord]] = defaultdict(dict)

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record of kind `hold.*`."""
        match seen.record:
            case HoldRequest(capacity=capacity, hold=hold, group=group):
                name = (seen.line, capacity, hold)
                if name not in self._named:
                    self._named[name] = self._requests[seen.id] = seen
                    self._groups[seen.line, group].append(seen.id)
            case HoldGrant(request=request) | HoldRefuse(request=request):
                self._of_request[request][seen.id] = seen
            case (
                HoldConfirm(grant=grant)
                | HoldRelease(grant=grant)
                | HoldExpired(grant=grant)
                | HoldRevoke(grant=grant)
            ):
                self._of_grant[grant][seen.id] = seen
            case HoldConfirmed(confirm=confirm):
                self._of_confirm[confirm][seen.id] = seen
            case _:
                return

    def fold_contested(self, seen: SeenRecord) -> None:
        """Learn one record that counts no more, though another co-op's entry relies on it."""
        if isinstance(seen.record, HoldGrant):
            self._contested[seen.record.request][seen.id] = seen

    def states(self, capacities: Mapping[EntryId, Capacity]) -> Iterator[HoldState]:
        """Yield each hold on one of these capacities as it stands."""
        return self._states(self._requests, capacities)

    def of_group(
        self, asker: WriterId, group: Digest, capacities: Mapping[EntryId, Capacity]
    ) -> Iterator[HoldState]:
        """Yield the holds that one asker joined in a group."""
        return self._states(self._groups.get((asker, group), ()), capacities)

    def _states(
        self, ids: Iterable[EntryId], capacities: Mapping[EntryId, Capacity]
    ) -> Iterator[HoldState]:
        for request_id in ids:
            seen = self._requests[request_id]
            request = seen.record
            if isinstance(request, HoldRequest) and request.capacity in capacities:
                owner = capacities[request.capacity].owner
                yield self._state(request_id, seen, request, owner)

    def _state(
        self, request_id: EntryId, seen: SeenRecord, request: HoldRequest, owner: WriterId
    ) -> HoldState:
        """Apply the owner's words in the order of its line, then a release nobody answered."""
        words = _by(owner, self._of_request.get(request_id))
        grant = next((w for w in words if isinstance(w.record, HoldGrant)), None)
        is_contested = False
        if grant is None and (grant := self._relied_on(request_id, seen.line, owner)):
            words.append(grant)
            is_contested = True
        refuse = next((w.record for w in words if isinstance(w.record, HoldRefuse)), None)
        answers = [] if grant is None else _by(seen.line, self._of_grant.get(grant.id))
        confirm = next((w for w in answers if isinstance(w.record, HoldConfirm)), None)
        if grant is not None:
            words += [
                word
                for word in _by(owner, self._of_grant.get(grant.id))
                if isinstance(word.record, HoldExpired | HoldRevoke)
            ]
        if confirm is not None:
            words += _by(owner, self._of_confirm.get(confirm.id))
        state = _apply(Hold.REQUESTED, sorted(words, key=_place), Party.OWNER)
        releases = [word for word in answers if isinstance(word.record, HoldRelease)]
        state = _apply(state, releases, Party.ASKER)
        record = None if grant is None else grant.record
        return HoldState(
            request_id=request_id,
            request=request,
            asker=seen.line,
            state=state,
            grant_id=None if grant is None else grant.id,
            grant=record if isinstance(record, HoldGrant) else None,
            refused=refuse.reason if isinstance(refuse, HoldRefuse) else None,
            confirm_id=None if confirm is None else confirm.id,
            is_contested=is_contested,
        )

    def _relied_on(
        self, request_id: EntryId, asker: WriterId, owner: WriterId
    ) -> SeenRecord | None:
        """Return the owner's grant that does not count and that the asker has answered, or None."""
        grants = _by(owner, self._contested.get(request_id))
        return next((g for g in grants if _by(asker, self._of_grant.get(g.id))), None)


def anyone(_: HoldState) -> str | None:
    """Return that any request may be granted: the policy of an owner without one."""
    return None


def decide_holds(
    book: HoldBook,
    capacities: Mapping[EntryId, Capacity],
    now_ms: int,
    policy: Callable[[HoldState], str | None] = anyone,
) -> list[tuple[Answer, EntryId]]:
    """Return what the owner of these capacities answers now, each with the entry it answers.

    `policy` returns None for a request to be granted where there is room, `WAIT`, or the reason for
    which it is refused.
    """
    states = list(book.states(capacities))
    used, together = _used(states), _together(states, now_ms)
    answers: list[tuple[Answer, EntryId]] = []
    for hold in states:
        if hold.state is Hold.HELD and not hold.is_contested:
            is_complete = together[hold.asker, hold.request.group]
            answers += _end_of_hold(hold, now_ms, used, is_complete=is_complete)
    # Ends come first: what they free goes to whoever asked for it.
    for hold in states:
        if hold.state is Hold.REQUESTED:
            verdict = policy(hold)
            if verdict != WAIT:
                answer = _refuse(hold, verdict) or _grant(hold, capacities, used, now_ms)
                answers.append((answer, hold.request_id))
    return answers


def next_deadline_ms(book: HoldBook, capacities: Mapping[EntryId, Capacity]) -> int | None:
    """Return when the next hold on these capacities runs out, or None."""
    deadlines = [
        hold.grant.until_ms
        for hold in book.states(capacities)
        if hold.state is Hold.HELD and hold.grant is not None and not hold.is_contested
    ]
    return min(deadlines, default=None)


def free(book: HoldBook, capacity_id: EntryId, capacity: Capacity) -> dict[str, int]:
    """Return what of a capacity is neither held nor confirmed, by dimension."""
    taken = _used(book.states({capacity_id: capacity}))[capacity_id]
    return {name: max(0, most - taken[name]) for name, most in capacity.resource.amounts().items()}


def _by(line: WriterId, words: Mapping[EntryId, SeenRecord] | None) -> list[SeenRecord]:
    """Return the words of one line of writers in its order."""
    return sorted((w for w in (words or {}).values() if w.line == line), key=_place)


def _place(word: SeenRecord) -> int:
    return word.place


def _apply(state: Hold, words: list[SeenRecord], by: Party) -> Hold:
    """Return the state after words that the table allows; the others changed nothing."""
    for word in words:
        try:
            state = advance(HOLD, state, word.kind, by)
        except RemoteProtocolError:
            continue
    return state


def _used(states: Iterable[HoldState]) -> defaultdict[EntryId, defaultdict[str, int]]:
    """Return what is held or confirmed of each capacity, by dimension."""
    used: defaultdict[EntryId, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for hold in states:
        if hold.state in _LOCKS and hold.grant is not None:
            for name, amount in hold.grant.locked.amounts().items():
                used[hold.request.capacity][name] += amount
    return used


def _together(
    states: Iterable[HoldState], now_ms: int
) -> defaultdict[tuple[WriterId, Digest], bool]:
    """Return for each group whether all its holds here are confirmed in time by their asker."""
    groups: defaultdict[tuple[WriterId, Digest], bool] = defaultdict(lambda: True)
    for hold in states:
        groups[hold.asker, hold.request.group] &= hold.is_confirmed_by(now_ms)
    return groups


def _refuse(hold: HoldState, reason: str | None) -> HoldRefuse | None:
    if reason is None:
        return None
    return HoldRefuse(hold=hold.request.hold, reason=reason, request=hold.request_id)


def _grant(
    hold: HoldState,
    capacities: Mapping[EntryId, Capacity],
    used: defaultdict[EntryId, defaultdict[str, int]],
    now_ms: int,
) -> HoldGrant | HoldRefuse:
    """Lock as much as there is up to `max`, or refuse where that is less than `min`."""
    request, taken = hold.request, used[hold.request.capacity]
    total, least = capacities[request.capacity].resource.amounts(), request.min.amounts()
    locked: dict[str, int] = {}
    for name, most in request.max.amounts().items():
        locked[name] = max(0, min(most, total.get(name, 0) - taken[name]))
    if any(locked.get(name, 0) < amount for name, amount in least.items()) or not any(
        locked.values()
    ):
        return HoldRefuse(hold=request.hold, reason=NO_CAPACITY, request=hold.request_id)
    for name, amount in locked.items():
        taken[name] += amount
    until_ms = now_ms + min(request.hold_for_ms, LONGEST_HOLD_MS)
    return HoldGrant(
        hold=request.hold, locked=Vector(**locked), request=hold.request_id, until_ms=until_ms
    )


def _end_of_hold(
    hold: HoldState,
    now_ms: int,
    used: defaultdict[EntryId, defaultdict[str, int]],
    *,
    is_complete: bool,
) -> Iterator[tuple[Answer, EntryId]]:
    """Yield the owner's word on a hold that was confirmed with its group or has run out.

    A leg confirmed alone would bind its asker to half a plan, so it waits for the others.
    """
    if hold.grant is None or hold.grant_id is None:
        return
    if now_ms > hold.grant.until_ms:
        for name, amount in hold.grant.locked.amounts().items():
            used[hold.request.capacity][name] -= amount
        yield HoldExpired(grant=hold.grant_id, hold=hold.request.hold), hold.grant_id
    elif hold.confirm_id is not None and is_complete:
        yield HoldConfirmed(confirm=hold.confirm_id, hold=hold.request.hold), hold.confirm_id
