"""Bugs in the rules for holds: the owner's, the asker's, and what the asker tells its user."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from msgspec import structs
from tests.simulation.holdings import Holdings
from tests.simulation.planted import around, change, change_function, mutant, ran

from sheaf_protocol.digest import digest
from sheaf_protocol.lifecycle.hold import Hold
from sheaf_protocol.lifecycle.table import Party
from sheaf_protocol.records import HoldConfirmed, HoldExpired, HoldGrant, HoldRefuse, HoldRequest
from sheaf_services.shipment_matching import holds as rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOLDS = ("general", "expiry-race")


# --- how much -------------------------------------------------------------------------------------


@mutant("I2")
def counts_only_confirmed() -> None:
    """An owner counts confirmed holds alone, so that what is held is promised twice."""

    def make(locks: frozenset[Hold]) -> Any:
        class Confirmed(frozenset[Hold]):
            def __contains__(self, state: object) -> bool:
                ran("counts_only_confirmed")
                return super().__contains__(state)

        return Confirmed(locks - {Hold.HELD})

    change(rules, "_LOCKS", make)


def _with_total(name: str, more: int) -> None:
    """Let an owner believe that each of its capacities is larger than it is."""

    def body(original: Any, hold: Any, capacities: Any, *rest: Any) -> Any:
        id_ = hold.request.capacity
        capacity = capacities[id_]
        resource = structs.replace(capacity.resource, pallets=capacity.resource.pallets + more)
        return original(hold, {id_: structs.replace(capacity, resource=resource)}, *rest)

    change(rules, "_grant", around(name, body))


@mutant("I2")
def capacity_off_by_one() -> None:
    """An owner grants one pallet more than it has."""
    _with_total("capacity_off_by_one", 1)


@mutant("I2")
def last_pallet_is_never_granted() -> None:
    """An owner refuses the last pallet that it has."""
    _with_total("last_pallet_is_never_granted", -1)


@mutant("I2", profiles=HOLDS, budget=32)
def grants_of_one_turn_overlap() -> None:
    """An owner that answers two requests in one turn does not count the first for the second."""

    def body(original: Any, hold: Any, capacities: Any, used: Any, now_ms: int) -> Any:
        copy = {id_: dict(taken) for id_, taken in used.items()}
        answer = original(hold, capacities, used, now_ms)
        for id_, taken in copy.items():
            used[id_].clear()
            used[id_].update(taken)
        return answer

    change(rules, "_grant", around("grants_of_one_turn_overlap", body))


@mutant("I2")
def grants_less_than_was_asked_for() -> None:
    """An owner grants what is left where that is less than the least asked for."""

    def body(original: Any, hold: Any, *rest: Any) -> Any:
        least = structs.replace(hold.request.min, pallets=1)
        return original(_replaced(hold, request=structs.replace(hold.request, min=least)), *rest)

    change(rules, "_grant", around("grants_less_than_was_asked_for", body))


def _replaced(hold: Any, **changes: Any) -> Any:
    from dataclasses import replace  # noqa: PLC0415 - beside msgspec's of the same name

    return replace(hold, **changes)


# --- how long -------------------------------------------------------------------------------------


@mutant("I10", profiles=("expiry-race",), budget=32)
def confirms_after_expiry() -> None:
    """An owner confirms a hold that had run out when it decided."""

    def body(original: Any, hold: Any, *rest: Any, **named: Any) -> Iterator[Any]:
        if hold.confirm_id is not None:
            confirmed = HoldConfirmed(confirm=hold.confirm_id, hold=hold.request.hold)
            return iter([(confirmed, hold.confirm_id)])
        return iter(original(hold, *rest, **named))

    change(rules, "_end_of_hold", around("confirms_after_expiry", body))


@mutant("I9", profiles=("expiry-race",))
def expiry_ignores_confirmation() -> None:
    """An owner lets a confirmed hold run out."""

    def body(original: Any, book: Any, capacities: Any, now_ms: int, *rest: Any) -> Any:
        late = [
            (HoldExpired(grant=hold.grant_id, hold=hold.request.hold), hold.grant_id)
            for hold in book.states(capacities)
            if hold.state is Hold.CONFIRMED and now_ms > hold.grant.until_ms
        ]
        return [*original(book, capacities, now_ms, *rest), *late]

    change_function(rules.decide_holds, around("expiry_ignores_confirmation", body))


@mutant("I10", profiles=("expiry-race",))
def expiry_off_by_one() -> None:
    """An owner ends a hold at its last millisecond, which still belongs to the asker."""

    def earlier(original: Any, *args: Any) -> Any:
        deadline_ms = original(*args)
        return None if deadline_ms is None else deadline_ms - 1

    change_function(rules.next_deadline_ms, around("expiry_off_by_one", earlier))
    change(
        rules,
        "_end_of_hold",
        lambda original: (
            lambda hold, now_ms, *rest, **named: original(hold, now_ms + 1, *rest, **named)
        ),
    )


@mutant("I10", budget=32)
def trusts_the_askers_clock() -> None:
    """An owner reckons a deadline from the time that the request bears."""

    def body(original: Any, book: Any, capacities: Any, now_ms: int, *rest: Any) -> Any:
        asked_ms = {id_: seen.time_ms for id_, seen in book._requests.items()}
        return [
            (_from(answer, asked_ms, now_ms), ref)
            for answer, ref in original(book, capacities, now_ms, *rest)
        ]

    def _from(answer: Any, asked_ms: Any, now_ms: int) -> Any:
        if not isinstance(answer, HoldGrant):
            return answer
        until_ms = answer.until_ms - now_ms + asked_ms[answer.request]
        return structs.replace(answer, until_ms=until_ms)

    change_function(rules.decide_holds, around("trusts_the_askers_clock", body))


@mutant("I10")
def holds_as_long_as_anybody_may() -> None:
    """An owner locks what it has for the longest time that there is, whatever was asked for."""

    def body(original: Any, hold: Any, *rest: Any) -> Any:
        longest = structs.replace(hold.request, hold_for_ms=rules.LONGEST_HOLD_MS)
        return original(_replaced(hold, request=longest), *rest)

    change(rules, "_grant", around("holds_as_long_as_anybody_may", body))


# --- whose word -----------------------------------------------------------------------------------


def _heed_everybody() -> None:
    """Take anybody's word for the owner's, and for the asker's."""

    def make(original: Callable[..., Any]) -> Any:
        return lambda _, words: sorted((words or {}).values(), key=attrgetter("seq"))

    change(rules, "_by", make)


@mutant("I1 I3 I7", budget=32)
def strangers_answer_for_the_owner() -> None:
    """A node answers requests for what is not its own, and askers take its word for the owner's."""

    deciding: list[Holdings] = []

    def decide(original: Any, service: Holdings) -> Any:
        deciding[:] = [service]
        return original(service)

    def decide_holds(original: Any, book: Any, _: Any, now_ms: int) -> Any:
        return original(book, deciding[0].capacities, now_ms)

    _heed_everybody()
    change(Holdings, "decide", around("strangers_answer_for_the_owner", decide))
    change_function(
        rules.decide_holds, lambda original: lambda *args: decide_holds(original, *args)
    )


@mutant("I3", budget=32)
def strangers_confirm_for_the_asker() -> None:
    """A node confirms what was granted to others, and owners take its word for the asker's."""

    def body(original: Any, service: Holdings) -> Any:
        return list(service.book.states(service.capacities))

    def deciding(original: Any) -> Any:
        def decide(service: Holdings) -> None:
            change(Holdings, "_ours", lambda _: lambda each: body(None, each))
            try:
                original(service)
            finally:
                change(Holdings, "_ours", lambda _: ours)
            ran("strangers_confirm_for_the_asker")

        return decide

    ours = Holdings._ours
    _heed_everybody()
    change(Holdings, "decide", deciding)


# --- once -----------------------------------------------------------------------------------------


@mutant("I3", budget=32)
def asks_and_grants_without_idempotency() -> None:
    """A hold that is asked for twice under one name is two holds, for its asker and its owner."""

    def twice(original: Any, service: Holdings, call: Any) -> Any:
        original(service, call)
        context: Any = service.context
        [*_, last] = context.publications._items
        context.publications._items.append(last)
        return {"known": False}

    def fold(original: Any, book: Any, seen: Any) -> None:
        if isinstance(seen.record, HoldRequest):
            book._requests[seen.id] = seen
            return
        original(book, seen)

    change(Holdings, "_ask", around("asks_and_grants_without_idempotency", twice))
    change(rules.HoldBook, "fold", lambda original: lambda *args: fold(original, *args))


@mutant("I3", profiles=HOLDS, budget=64)
def retries_under_a_new_name() -> None:
    """An asker draws a name for a hold when it is asked, and another one after a restart."""
    names: dict[tuple[int, str], str] = {}

    def drawn(service: Holdings, call: Any) -> Any:
        key = (id(service), call.options["hold"])
        name = names.setdefault(key, f"{call.options['hold']}/{service.context.random(4).hex()}")
        return structs_of(call, hold=name)

    def structs_of(call: Any, **options: str) -> Any:
        return type(call)(options={**call.options, **options})

    def body(original: Any, service: Holdings, call: Any) -> Any:
        return original(service, drawn(service, call))

    change(Holdings, "_ask", around("retries_under_a_new_name", body))
    for name in ("_give_back", "_hold"):
        change(
            Holdings,
            name,
            lambda original: lambda service, call: original(service, drawn(service, call)),
        )


@mutant("I4")
def confirms_again_and_again() -> None:
    """An owner does not know its own confirmation when it reads it, and gives another one."""

    def body(original: Any, book: Any, seen: Any) -> None:
        if not isinstance(seen.record, HoldConfirmed):
            original(book, seen)

    change(rules.HoldBook, "fold", around("confirms_again_and_again", body))


@mutant("I3")
def grants_what_it_refused() -> None:
    """An owner forgets that it refused a request, and grants it once there is room."""

    def body(original: Any, book: Any, *rest: Any) -> Any:
        known = {id_: dict(words) for id_, words in book._of_request.items()}
        refused = {
            id_: [key for key, word in words.items() if isinstance(word.record, HoldRefuse)]
            for id_, words in known.items()
        }
        for id_, keys in refused.items():
            for key in keys:
                del book._of_request[id_][key]
        answers = original(book, *rest)
        book._of_request.update(known)
        return [
            (answer, ref)
            for answer, ref in answers
            if not (isinstance(answer, HoldRefuse) and refused.get(ref))
        ]

    change_function(rules.decide_holds, around("grants_what_it_refused", body))


@mutant("I1 I2 I3 I7", profiles=HOLDS, budget=64)
def release_undoes_a_confirmation() -> None:
    """A release that reaches the owner after it confirmed frees what was confirmed."""

    def body(original: Any, state: Hold, words: Any, by: Party) -> Hold:
        if by is Party.ASKER and words and state is Hold.CONFIRMED:
            ran("release_undoes_a_confirmation")
            return Hold.RELEASED
        return Hold(original(state, words, by))

    change(rules, "_apply", lambda original: lambda *args: body(original, *args))


# --- what the user is told ------------------------------------------------------------------------


@mutant("I1")
def acknowledges_before_the_owner() -> None:
    """An asker tells its user that a hold is confirmed when it has asked for that itself."""

    def body(original: Any, service: Holdings, call: Any) -> Any:
        shown = original(service, call)
        if shown["state"] != "HELD":
            return shown
        name = digest("sim", call.options["hold"].encode())
        [hold] = [each for each in service._ours() if each.request.hold == name]
        if hold.confirm_id is None:
            return shown
        return {**shown, "state": "CONFIRMED", "word": hold.confirm_id.hex()}

    change(Holdings, "_hold", around("acknowledges_before_the_owner", body))


@mutant("I3", budget=32)
def tells_of_an_expiry_by_its_own_clock() -> None:
    """An asker tells its user that a hold ran out by its own clock; its owner may confirm it."""

    def body(original: Any, service: Holdings, call: Any) -> Any:
        shown = original(service, call)
        name = digest("sim", call.options["hold"].encode())
        for hold in service._ours():
            if hold.request.hold != name or hold.state is not Hold.HELD or hold.grant is None:
                continue
            if service.context.now_ms() > hold.grant.until_ms:
                ran("tells_of_an_expiry_by_its_own_clock")
                return {**shown, "state": "EXPIRED"}
        return shown

    change(Holdings, "_hold", lambda original: lambda *args: body(original, *args))
