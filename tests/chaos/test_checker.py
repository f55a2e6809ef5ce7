"""The checker on histories made by hand: a right one, and each kind of wrong one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.chaos.checker import check
from tests.chaos.history import History, Operation, Outcome, Scarce, Shown

HILL, DALE = "c-hill", "c-dale"
CAPACITY: dict[str, Any] = {"ref": "truck", "resource": {"load": 10}}


def shown(arrival: int, cid: str, seq: int, kind: str, about: str = "", **record: Any) -> Shown:
    return Shown(
        arrival=arrival,
        id=f"{cid}/{seq}",
        cid=cid,
        wid=f"w{cid}",
        seq=seq,
        kind=kind,
        refs=[about] if about else [],
        no_effect=None,
        record=record,
    )


def tried(outcome: Outcome, kind: str = "demand.submit", key: str = "a") -> Operation:
    return Operation(kind=kind, node="dale", key=key, outcome=outcome, invoked_s=0.0, ended_s=1.0)


def request(arrival: int, seq: int, hold: str) -> Shown:
    truck = f"{HILL}/1"
    return shown(arrival, DALE, seq, "hold.request", truck, capacity=truck, hold=hold)


def grant(arrival: int, seq: int, of: int, hold: str, load: int) -> Shown:
    id_ = f"{DALE}/{of}"
    locked = {"load": load}
    return shown(arrival, HILL, seq, "hold.grant", id_, hold=hold, request=id_, locked=locked)


def word(arrival: int, cid: str, seq: int, kind: str) -> Shown:
    """Return a word on the grant of hold x."""
    id_ = f"{HILL}/2"
    return shown(arrival, cid, seq, kind, id_, hold="x", grant=id_)


TRUCK = shown(1, HILL, 1, "capacity.publish", **CAPACITY)
HELD = [TRUCK, request(2, 1, "x"), request(3, 2, "y"), grant(4, 2, 1, "x", 6)]


def both(*entries: Shown, operations: list[Operation] | None = None) -> History:
    """Return the history of two nodes that ended with the same entries."""
    return History(
        cids={"hill": HILL, "dale": DALE},
        operations=operations or [],
        final={"hill": list(entries), "dale": list(entries)},
        forked={"hill": 0, "dale": 0},
        roots={"hill": "r", "dale": "r"},
    )


def demand(arrival: int, seq: int, key: str) -> Shown:
    made = shown(arrival, DALE, seq, "demand.submit")
    return replace(made, record={"ref": key})


def test_what_was_acknowledged_and_is_everywhere_is_right() -> None:
    history = both(TRUCK, demand(2, 1, "a"), operations=[tried(Outcome.OK)])

    assert check(history) == []


def test_what_was_acknowledged_and_is_nowhere_is_lost() -> None:
    history = both(TRUCK, operations=[tried(Outcome.OK)])

    assert check(history) == ["lost: demand.submit a was answered ok and is not on dale, hill"]


@pytest.mark.parametrize("entries", [[TRUCK], [TRUCK, demand(2, 1, "a")]])
def test_what_got_no_answer_may_be_there_or_not(entries: list[Shown]) -> None:
    assert check(both(*entries, operations=[tried(Outcome.UNKNOWN)])) == []


def test_what_failed_and_is_there_is_found() -> None:
    history = both(TRUCK, demand(2, 1, "a"), operations=[tried(Outcome.FAIL)])

    assert check(history) == ["undead: demand.submit a failed and is on hill, dale"]


def test_a_failed_repeat_says_nothing_of_the_attempt_before() -> None:
    attempts = [tried(Outcome.UNKNOWN), tried(Outcome.FAIL)]

    assert check(both(TRUCK, demand(2, 1, "a"), operations=attempts)) == []


def test_two_entries_of_one_line_are_found() -> None:
    history = both(TRUCK, demand(2, 1, "a"), demand(3, 2, "a"))

    assert "hill: twice: 2 entries of demand.submit a" in check(history)


def test_two_answers_to_one_hold_are_found() -> None:
    again = grant(5, 3, 1, "x", 1)

    assert "hill: twice: 2 answers to hold x" in check(both(*HELD, again))


def test_more_granted_than_there_is_is_found_at_its_place() -> None:
    history = both(*HELD, grant(5, 3, 2, "y", 6))

    assert check(history)[0] == "hill: capacity: 12 of 10 locked in truck at arrival 5"


@pytest.mark.parametrize(
    ("cid", "kind"),
    [(DALE, "hold.release"), (HILL, "hold.expired"), (HILL, "hold.revoke")],
)
def test_what_ended_makes_room(cid: str, kind: str) -> None:
    seq = 3
    ended = word(5, cid, seq, kind)
    then = grant(6, 4 if cid == HILL else 3, 2, "y", 10)

    assert check(both(*HELD, ended, then)) == []


def test_a_release_by_somebody_else_makes_no_room() -> None:
    released = word(5, HILL, 3, "hold.release")

    assert check(both(*HELD, released, grant(6, 4, 2, "y", 10))) != []


def test_a_release_after_the_owners_confirmation_makes_no_room() -> None:
    confirmed = shown(5, HILL, 3, "hold.confirmed", hold="x", confirm="any")
    released = word(6, DALE, 3, "hold.release")
    history = both(*HELD, confirmed, released, grant(7, 4, 2, "y", 10))

    assert "hill: capacity: 16 of 10 locked in truck at arrival 7" in check(history)


def test_a_release_may_reach_another_node_after_the_grant_it_made_room_for() -> None:
    released, then = word(5, DALE, 3, "hold.release"), grant(6, 3, 2, "y", 10)
    history = both(*HELD, released, then)
    history.final["dale"][-2:] = [replace(then, arrival=5), replace(released, arrival=6)]

    assert check(history) == []


def test_the_owner_must_have_a_release_before_it_grants_again() -> None:
    released, then = word(5, DALE, 3, "hold.release"), grant(6, 3, 2, "y", 10)
    history = both(*HELD, released, then)
    history.final["hill"][-2:] = [replace(then, arrival=5), replace(released, arrival=6)]

    assert "hill: capacity: 16 of 10 locked in truck at arrival 5" in check(history)


def test_a_grant_of_what_belongs_to_another_is_found() -> None:
    foreign = replace(grant(4, 3, 1, "x", 1), cid=DALE, wid=f"w{DALE}", id=f"{DALE}/3")

    assert f"hill: capacity: {DALE}/3 grants what is not its author's" in check(
        both(TRUCK, request(2, 1, "x"), request(3, 2, "y"), foreign)
    )


def test_a_gap_in_a_log_is_found() -> None:
    assert check(both(TRUCK, demand(2, 2, "a")))[0] == (
        f"hill: order: 2 came after 0 in the log of {('w' + DALE)[:8]}"
    )


def test_what_was_shown_once_and_is_gone_is_found() -> None:
    history = both(TRUCK)
    history.seen["hill"] = {1: TRUCK.id, 2: "gone"}

    assert check(history) == ["hill: rewritten: gone was shown at arrival 2 and is there no more"]


def test_two_entries_at_one_place_are_found() -> None:
    history = both(TRUCK)
    history.final["dale"] = [replace(TRUCK, id="another")]

    assert f"fork: 2 entries at 1 in the log of {('w' + HILL)[:8]}" in check(history)


def test_a_fork_that_one_node_knows_is_found() -> None:
    history = both(TRUCK)
    history.forked["dale"] = 1

    assert check(history) == ["fork: {'hill': 0, 'dale': 1}"]


def test_nodes_that_stay_different_are_found() -> None:
    history = both(TRUCK)
    history.final["dale"], history.roots["dale"] = [], "s"

    assert check(history) == [
        "unequal: 2 roots after the network was healed",
        "unequal: dale lacks 1 entries",
    ]


def test_scarce_capacity_is_given_out_whole() -> None:
    refused = shown(5, HILL, 3, "hold.refuse", f"{DALE}/2", hold="y", request=f"{DALE}/2")
    history = both(*HELD, refused)
    history.scarce = [Scarce(capacity=TRUCK.id, quantity=6)]

    assert check(history) == []


def test_too_few_granted_and_an_asker_without_an_answer_are_found() -> None:
    history = both(*HELD)
    history.scarce = [Scarce(capacity=TRUCK.id, quantity=5)]

    assert check(history)[:2] == [
        "hill: scarce: expected 2 of 2 granted, got 1",
        "hill: scarce: 1 of 2 were never answered",
    ]


def test_a_node_that_wrote_of_a_fault_is_found() -> None:
    history = both(TRUCK)
    history.outcries["dale"] = "Traceback"

    assert check(history) == ["dale: outcry: Traceback"]
