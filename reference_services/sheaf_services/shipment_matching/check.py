"""The arithmetic with which every node checks somebody else's trips: integers and one walk.

No solver and no trust is involved. A proposal is right when `check_plan` returns, and the totals
it returns are the only ones that count; a refusal names the one rule that was broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sheaf_protocol.errors import Refusal
from sheaf_services.shipment_matching.problem import Stop, Trip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_services.shipment_matching.problem import Problem, Task, Visit


@dataclass(frozen=True, kw_only=True, slots=True)
class TripTotals:
    """What one trip amounts to; `ends_s` is the earliest return to the depot."""

    travel_s: int
    cost_minor: int
    peak_load: int
    ends_s: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanTotals:
    """What all trips amount to, with the totals of each in the order of the trips."""

    travel_s: int
    cost_minor: int
    trips: tuple[TripTotals, ...]


def check_plan(problem: Problem, trips: Sequence[Trip]) -> PlanTotals:
    """Return the totals of trips that serve every task exactly once; refuse any others."""
    vehicles = problem.fleet.vehicles
    if len(trips) > vehicles:
        detail = f"expected at most {vehicles} trips, one for each vehicle, got {len(trips)}"
        raise Refusal("match.too_many_vehicles", detail)
    _check_coverage(problem, trips)
    totals = tuple(check_trip(problem, trip) for trip in trips)
    return PlanTotals(
        travel_s=sum(trip.travel_s for trip in totals),
        cost_minor=sum(trip.cost_minor for trip in totals),
        trips=totals,
    )


def check_trip(problem: Problem, trip: Trip) -> TripTotals:
    """Return the totals of one trip walked from the depot and back; refuse a broken rule.

    Order and loads are checked before the clock, so that a wrong order is called by its name.
    """
    if not trip.stops:
        raise Refusal("match.empty_trip", "expected a trip to have stops, got none")
    peak_load = _check_loads(problem, trip)
    travel_s, ends_s = _walk(problem, trip)
    return TripTotals(
        travel_s=travel_s,
        cost_minor=problem.fleet.tariff.cost(travel_s),
        peak_load=peak_load,
        ends_s=ends_s,
    )


def check_cost(totals: PlanTotals, claimed_minor: int) -> None:
    """Refuse a claimed cost that differs from the tariff's by even one minor unit."""
    if claimed_minor != totals.cost_minor:
        detail = f"expected a cost of {totals.cost_minor} by the tariff, got {claimed_minor}"
        raise Refusal("match.cost_wrong", detail)


def round_trip_cost(problem: Problem) -> int:
    """Return the cost if each task had a trip of its own, whether or not vehicles suffice."""
    fleet, travel = problem.fleet, problem.travel
    total_minor = 0
    for task in problem.tasks:
        route = (fleet.depot_place, task.pickup.place, task.delivery.place, fleet.depot_place)
        legs_s = (travel.between(origin, target) for origin, target in pairwise(route))
        total_minor += fleet.tariff.cost(sum(legs_s))
    return total_minor


def single_trip(task: Task) -> Trip:
    """Return the trip that serves this task and no other."""
    pickup = Stop(task=task.index, is_delivery=False)
    return Trip(stops=(pickup, Stop(task=task.index, is_delivery=True)))


def unservable_tasks(problem: Problem) -> dict[int, Refusal]:
    """Return the tasks that fail on a trip of their own, each with the reason.

    One such task would leave the whole problem without a plan, so callers set it aside first.
    """
    reasons: dict[int, Refusal] = {}
    for task in problem.tasks:
        try:
            check_trip(problem, single_trip(task))
        except Refusal as refusal:
            reasons[task.index] = refusal
    return reasons


def _check_coverage(problem: Problem, trips: Sequence[Trip]) -> None:
    """Refuse trips unless each task has one pickup and one delivery, both on the same trip."""
    trip_of: dict[Stop, int] = {}
    for number, trip in enumerate(trips):
        for stop in trip.stops:
            _task(problem, stop)
            if stop in trip_of:
                detail = f"expected the {_name(stop)} once, got it on trips"
                where = f"{detail} {trip_of[stop] + 1} and {number + 1}"
                raise Refusal("match.task_twice", where)
            trip_of[stop] = number
    for index in problem.by_index:
        _check_served(index, trip_of)


def _check_served(index: int, trip_of: dict[Stop, int]) -> None:
    pickup = Stop(task=index, is_delivery=False)
    delivery = Stop(task=index, is_delivery=True)
    for stop in (pickup, delivery):
        if stop not in trip_of:
            raise Refusal("match.task_missing", f"expected the {_name(stop)} on a trip, got none")
    if trip_of[pickup] != trip_of[delivery]:
        where = f"trips {trip_of[pickup] + 1} and {trip_of[delivery] + 1}"
        detail = f"expected both ends of task {index} on one trip, got them on {where}"
        raise Refusal("match.task_split", detail)


def _check_loads(problem: Problem, trip: Trip) -> int:
    """Return the highest load on any leg; refuse an overload or a pair out of order."""
    load = peak = 0
    aboard: set[int] = set()
    seen: set[Stop] = set()
    for stop in trip.stops:
        task = _task(problem, stop)
        _check_turn(stop, seen)
        seen.add(stop)
        if stop.is_delivery:
            aboard.remove(stop.task)
            load -= task.load
        else:
            aboard.add(stop.task)
            load += task.load
            _check_capacity(problem, stop, load)
        peak = max(peak, load)
    if aboard:
        detail = f"expected the trip to deliver all it picks up, got task {min(aboard)} left aboard"
        raise Refusal("match.task_split", detail)
    return peak


def _check_turn(stop: Stop, seen: set[Stop]) -> None:
    if stop in seen:
        raise Refusal("match.task_twice", f"expected the {_name(stop)} once, got it again")
    if stop.is_delivery and Stop(task=stop.task, is_delivery=False) not in seen:
        detail = f"expected the pickup of task {stop.task} before its delivery"
        raise Refusal("match.delivery_before_pickup", f"{detail}, got the delivery first")


def _check_capacity(problem: Problem, stop: Stop, load: int) -> None:
    if load > problem.fleet.capacity:
        detail = f"expected a load of at most {problem.fleet.capacity}, got {load}"
        raise Refusal("match.overload", f"{detail} after the {_name(stop)}")


def _walk(problem: Problem, trip: Trip) -> tuple[int, int]:
    """Return the travel seconds of the trip and the second of its return to the depot.

    The walk leaves as early as the depot allows and starts each service as early as it can. If
    that walk misses a window, every other timing of the same stops misses it too.
    """
    fleet, travel = problem.fleet, problem.travel
    place, now_s, travel_s = fleet.depot_place, fleet.earliest_s, 0
    for stop in trip.stops:
        visit = _visit(_task(problem, stop), stop)
        leg_s = travel.between(place, visit.place)
        arrives_s = now_s + leg_s
        if arrives_s > visit.latest_s:
            detail = f"expected arrival at the {_name(stop)} by {visit.latest_s} s"
            raise Refusal("match.window_missed", f"{detail}, got {arrives_s} s")
        now_s = max(arrives_s, visit.earliest_s) + visit.service_s
        place, travel_s = visit.place, travel_s + leg_s
    leg_s = travel.between(place, fleet.depot_place)
    if now_s + leg_s > fleet.latest_s:
        detail = f"expected a trip to end by {fleet.latest_s} s, got {now_s + leg_s} s"
        raise Refusal("match.trip_too_long", detail)
    return travel_s + leg_s, now_s + leg_s


def _task(problem: Problem, stop: Stop) -> Task:
    task = problem.by_index.get(stop.task)
    if task is None:
        raise Refusal("match.unknown_task", f"expected tasks of this problem, got {stop.task}")
    return task


def _visit(task: Task, stop: Stop) -> Visit:
    return task.delivery if stop.is_delivery else task.pickup


def _name(stop: Stop) -> str:
    return f"{'delivery' if stop.is_delivery else 'pickup'} of task {stop.task}"
