"""Every rule of the check refuses with its own code; a right plan gives its totals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sheaf_protocol.errors import Refusal
from sheaf_services.shipment_matching.check import (
    PlanTotals,
    check_cost,
    check_plan,
    check_trip,
    round_trip_cost,
    single_trip,
    unservable_tasks,
)
from sheaf_services.shipment_matching.problem import Fleet, Problem, Stop, Tariff, Trip

if TYPE_CHECKING:
    from typing import Any


def trip(*stops: str) -> Trip:
    """Write a trip as "p1 d1": p for pickup, d for delivery."""
    return Trip(stops=tuple(Stop(task=int(s[1:]), is_delivery=s[0] == "d") for s in stops))


ONE_TRIP = trip("p1", "p2", "d1", "d2", "p3", "d3")


def with_fleet(problem: Problem, **changes: Any) -> Problem:
    fleet: Fleet = replace(problem.fleet, **changes)
    return Problem(tasks=problem.tasks, fleet=fleet, travel=problem.travel)


def with_window(problem: Problem, index: int, **changes: int) -> Problem:
    tasks = tuple(
        replace(task, delivery=replace(task.delivery, **changes)) if task.index == index else task
        for task in problem.tasks
    )
    return Problem(tasks=tasks, fleet=problem.fleet, travel=problem.travel)


def test_a_right_plan_gives_travel_cost_peak_load_and_end(road: Problem) -> None:
    totals = check_plan(road, [ONE_TRIP])

    assert (totals.travel_s, totals.cost_minor) == (480, 8)
    assert totals.trips[0].peak_load == 9
    assert totals.trips[0].ends_s == 480 + 6 * 30


def test_an_early_vehicle_waits_and_waiting_costs_nothing(road: Problem) -> None:
    late = with_window(road, 2, earliest_s=2_000)

    totals = check_plan(late, [ONE_TRIP])

    assert totals.cost_minor == 8
    assert totals.trips[0].ends_s == 2_000 + 30 + 60 + 30 + 120 + 30 + 60


def test_loads_are_freed_before_the_next_pickup(road: Problem) -> None:
    assert check_trip(road, trip("p1", "d1", "p3", "d3")).peak_load == 6


@pytest.mark.parametrize(
    ("code", "trips"),
    [
        # Nothing may be left out, ...
        ("match.task_missing", [trip("p1", "d1"), trip("p2", "d2")]),
        # ... not even one end of a task, ...
        ("match.task_missing", [trip("p1", "d1", "p2", "d2", "p3")]),
        ("match.task_missing", []),
        # ... and nothing may be paid twice, on two trips or on one.
        ("match.task_twice", [ONE_TRIP, trip("p1", "d1")]),
        ("match.task_twice", [trip("p1", "d1", "p1", "d1", "p2", "d2", "p3", "d3")]),
        # A load does not change vehicles.
        ("match.task_split", [trip("p1", "p2", "d2", "p3", "d3"), trip("d1")]),
        ("match.delivery_before_pickup", [trip("d1", "p1", "p2", "d2", "p3", "d3")]),
        # Task 2 is still aboard with 5 when task 3 adds 6 to it.
        ("match.overload", [trip("p1", "p2", "d1", "p3", "d2", "d3")]),
        ("match.unknown_task", [ONE_TRIP, trip("p9", "d9")]),
        # An empty trip would be charged per trip for nothing.
        ("match.empty_trip", [ONE_TRIP, Trip(stops=())]),
        ("match.too_many_vehicles", [ONE_TRIP] * 4),
    ],
)
def test_a_broken_plan_is_refused_by_name(road: Problem, code: str, trips: list[Trip]) -> None:
    with pytest.raises(Refusal) as refused:
        check_plan(road, trips)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("code", "stops"),
    [
        # Alone, a trip must still deliver what it picks up ...
        ("match.task_split", ["p1", "p2", "d2"]),
        # ... and serve a task once, although the load would come out even.
        ("match.task_twice", ["p1", "d1", "p1", "d1"]),
        ("match.delivery_before_pickup", ["d1"]),
        ("match.unknown_task", ["p7"]),
    ],
)
def test_a_broken_single_trip_is_refused_by_name(
    road: Problem, code: str, stops: list[str]
) -> None:
    with pytest.raises(Refusal) as refused:
        check_trip(road, trip(*stops))

    assert refused.value.code == code


def test_arrival_one_second_after_the_window_is_refused(road: Problem) -> None:
    arrival_s = 60 + 30 + 60 + 30 + 60 + 30 + 60
    check_plan(with_window(road, 2, latest_s=arrival_s), [ONE_TRIP])

    with pytest.raises(Refusal, match=r"delivery of task 2 by 329 s, got 330 s") as refused:
        check_plan(with_window(road, 2, latest_s=arrival_s - 1), [ONE_TRIP])

    assert refused.value.code == "match.window_missed"


def test_return_one_second_after_the_depot_closes_is_refused(road: Problem) -> None:
    check_plan(with_fleet(road, latest_s=660), [ONE_TRIP])

    with pytest.raises(Refusal) as refused:
        check_plan(with_fleet(road, latest_s=659), [ONE_TRIP])

    assert refused.value.code == "match.trip_too_long"


def test_a_cost_wrong_by_one_minor_unit_is_refused(road: Problem) -> None:
    totals: PlanTotals = check_plan(road, [ONE_TRIP])
    check_cost(totals, 8)

    with pytest.raises(Refusal) as refused:
        check_cost(totals, 7)

    assert refused.value.code == "match.cost_wrong"


def test_the_tariff_rounds_each_trip_up_once_and_adds_the_trip_amount() -> None:
    tariff = Tariff(amount_minor=7, base_s=60, per_trip_minor=100)

    assert [tariff.cost(s) for s in (0, 1, 60, 61)] == [100, 101, 107, 108]


def test_round_trips_cost_each_task_alone(road: Problem) -> None:
    assert round_trip_cost(road) == 6 + 8 + 6


def test_round_trips_are_feasible_single_trips(road: Problem) -> None:
    trips = [single_trip(task) for task in road.tasks]

    assert check_plan(road, trips).cost_minor == round_trip_cost(road)


def test_a_task_that_no_trip_can_serve_is_named_with_its_reason(road: Problem) -> None:
    heavy = with_window(with_fleet(road, capacity=5), 2, latest_s=10)

    reasons = unservable_tasks(heavy)

    codes = {index: refusal.code for index, refusal in reasons.items()}
    assert codes == {2: "match.window_missed", 3: "match.overload"}
