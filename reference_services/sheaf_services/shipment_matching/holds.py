"""Holds on capacity, folded from the asker's and the owner's log, and the owner's decisions.

The owner's log decides what a hold is. Both logs are folded into facts keyed by entry id, so it
does not matter which of the two arrives first. The promise kept here: at every prefix of the
owner's log, what is held and confirmed together is at most what the capacity has.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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
    Vector,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.digest import EntryId, WriterId
    from sheaf_protocol.records import Capacity

LONGEST_HOLD_MS: Final = 48 * 3_600_000
"""Two days, the longest that an owner here locks anything for: a pool's slowest member answers."""

Answer = HoldGrant | HoldRefuse | HoldConfirmed | HoldExpired


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldState:
    """One hold as the logs tell it."""

    request_id: EntryId
    request: HoldRequest
    asker: WriterId
    state: Hold
    grant_id: EntryId | None
    grant: HoldGrant | None
    confirm_id: EntryId | None


class HoldBook:
    """All holds that were asked for, in the order in which their requests arrived."""

    def __init__(self) -> None:
        self._requests: dict[EntryId, SeenRecord] = {}
        self._grants: dict[EntryId, SeenRecord] = {}
        self._of_request: defaultdict[EntryId, list[SeenRecord]] = defaultdict(list)
        self._of_grant: defaultdict[EntryId, list[SeenRecord]] = defaultdict(list)
        self._of_confirm: defaultdict[EntryId, list[SeenRecord]] = defaultdict(list)

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record of kind `hold.*`."""
        match seen.record:
            case HoldRequest():
                self._requests[seen.id] = seen
            case HoldGrant(request=request):
                self._grants[seen.id] = seen
                self._of_request[request].append(seen)
            case HoldRefuse(request=request):
                self._of_request[request].append(seen)
            case HoldConfirm(grant=grant) | HoldRelease(grant=grant) | HoldExpired(grant=grant):
                self._of_grant[grant].append(seen)
            case HoldConfirmed(confirm=confirm):
                self._of_confirm[confirm].append(seen)
            case _:
                return

    def states(self, capacities: Mapping[EntryId, Capacity]) -> Iterator[HoldState]:
        """Yield each hold on one of these capacities as it stands."""
        for request_id, seen in self._requests.items():
            request = seen.record
            if isinstance(request, HoldRequest) and request.capacity in capacities:
                yield self._state(request_id, seen, request, capacities[request.capacity])

    def _state(
        self, request_id: EntryId, seen: SeenRecord, request: HoldRequest, capacity: Capacity
    ) -> HoldState:
        """Apply the owner's words in the order of its log, then a release nobody answered."""
        words = [w for w in self._of_request[request_id] if w.wid == capacity.owner]
        grant = next((w for w in words if isinstance(w.record, HoldGrant)), None)
        confirm: SeenRecord | None = None
        release: SeenRecord | None = None
        if grant is not None:
            answers = [w for w in self._of_grant[grant.id] if w.wid == seen.wid]
            confirm = next((w for w in answers if isinstance(w.record, HoldConfirm)), None)
            release = next((w for w in answers if isinstance(w.record, HoldRelease)), None)
            words += [w for w in self._of_grant[grant.id] if w.wid == capacity.owner]
        if confirm is not None:
            words += [w for w in self._of_confirm[confirm.id] if w.wid == capacity.owner]
        state = _apply(Hold.REQUESTED, sorted(words, key=lambda word: word.seq), Party.OWNER)
        if release is not None:
            state = _apply(state, [release], Party.ASKER)
        record = grant.record if grant is not None else None
        return HoldState(
            request_id=request_id,
            request=request,
            asker=seen.wid,
            state=state,
            grant_id=None if grant is None else grant.id,
            grant=record if isinstance(record, HoldGrant) else None,
            confirm_id=None if confirm is None else confirm.id,
        )


def decide_holds(
    book: HoldBook, capacities: Mapping[EntryId, Capacity], now_ms: int
) -> list[tuple[Answer, EntryId]]:
    """Return what the owner of these capacities answers now, each with the entry it answers."""
    states = list(book.states(capacities))
    used = _used(states)
    answers: list[tuple[Answer, EntryId]] = []
    for hold in states:
        if hold.state is Hold.REQUESTED:
            answer = _answer_request(hold, capacities, used, now_ms)
            answers.append((answer, hold.request_id))
        elif hold.state is Hold.HELD and (word := _end_of_hold(hold, now_ms)) is not None:
            answers.append(word)
    return answers


def next_deadline_ms(book: HoldBook, capacities: Mapping[EntryId, Capacity]) -> int | None:
    """Return when the next hold on these capacities runs out, or None."""
    deadlines = [
        hold.grant.until_ms
        for hold in book.states(capacities)
        if hold.state is Hold.HELD and hold.grant is not None
    ]
    return min(deadlines, default=None)


def _apply(state: Hold, words: list[SeenRecord], by: Party) -> Hold:
    """Return the state after words that the table allows; the others changed nothing."""
    for word in words:
        try:
            state = advance(HOLD, state, word.kind, by)
        except RemoteProtocolError:
            continue
    return state


def _used(states: list[HoldState]) -> defaultdict[EntryId, defaultdict[str, int]]:
    """Return what is held or confirmed of each capacity, by dimension."""
    used: defaultdict[EntryId, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for hold in states:
        if hold.state in {Hold.HELD, Hold.CONFIRMED, Hold.CONSUMED} and hold.grant is not None:
            for name, amount in hold.grant.locked.amounts().items():
                used[hold.request.capacity][name] += amount
    return used


def _answer_request(
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
        locked[name] = min(most, total.get(name, 0) - taken[name])
    if any(locked.get(name, 0) < amount for name, amount in least.items()) or not any(
        locked.values()
    ):
        return HoldRefuse(hold=request.hold, reason="hold.no_capacity", request=hold.request_id)
    for name, amount in locked.items():
        taken[name] += amount
    until_ms = now_ms + min(request.hold_for_ms, LONGEST_HOLD_MS)
    return HoldGrant(
        hold=request.hold, locked=Vector(**locked), request=hold.request_id, until_ms=until_ms
    )


def _end_of_hold(hold: HoldState, now_ms: int) -> tuple[Answer, EntryId] | None:
    """Return the owner's word on a hold that was confirmed in time or has run out."""
    if hold.grant is None or hold.grant_id is None:
        return None
    if now_ms > hold.grant.until_ms:
        expired = HoldExpired(grant=hold.grant_id, hold=hold.request.hold)
        return expired, hold.grant_id
    if hold.confirm_id is None:
        return None
    return HoldConfirmed(confirm=hold.confirm_id, hold=hold.request.hold), hold.confirm_id
