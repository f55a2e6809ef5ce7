"""Planned trips pass the check, cost no more than the own trips, and can be had again."""

from __future__ import annotations

import itertools
import multiprocessing
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sheaf_protocol.errors import Refusal
from sheaf_services.shipment_matching.check import check_plan, check_trip, single_trip
from sheaf_services.shipment_matching.pdptw import parse
from sheaf_services.shipment_matching.problem import Fleet, Problem, Stop, Tariff, Task, Trip
from sheaf_services.shipment_matching.solve import (
    POOLED_BUDGET,
    Budget,
    cheapest_plan,
    solve,
    solve_matching,
    solve_parties,
)
from sheaf_services.shipment_matching.split import check_split, proportional_shares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHORT = Budget(starts=1, iterations_per_task=100, cpu_s=20)
NO_SEARCH = Budget(starts=0, iterations_per_task=100, cpu_s=20)
MINUTES = Tariff(amount_minor=1, base_s=60)


def with_fleet(problem: Problem, fleet: Fleet) -> Problem:
    return Problem(tasks=problem.tasks, fleet=fleet, travel=problem.travel)


def cost(problem: Problem, trips: tuple[Trip, ...]) -> int:
    return check_plan(problem, trips).cost_minor


def groupings(tasks: tuple[Task, ...]) -> Iterator[list[list[Task]]]:
    """Yield every way to put the tasks on trips."""
    if not tasks:
        yield []
        return
    for rest in groupings(tasks[1:]):
        yield [[tasks[0]], *rest]
        for at in range(len(rest)):
            yield [*rest[:at], [tasks[0], *rest[at]], *rest[at + 1 :]]


def cheapest_order(problem: Problem, tasks: list[Task]) -> int | None:
    """Return the cost of the best order of all ends of these tasks, tried one by one."""
    ends = [Stop(task=t.index, is_delivery=side) for t in tasks for side in (False, True)]
    costs = []
    for stops in itertools.permutations(ends):
        try:
            costs.append(check_trip(problem, Trip(stops=stops)).cost_minor)
        except Refusal:
            continue
    return min(costs, default=None)


def test_the_road_is_pooled_into_one_trip_of_eight_minutes(road: Problem) -> None:
    matching = solve_matching(road, SHORT, SHORT)

    assert cost(road, matching.pooled) == 8
    assert {p: cost(road.for_party(p), own) for p, own in matching.own.items()} == {"a": 6, "b": 8}
    assert matching.is_complete


@pytest.mark.parametrize("per_trip_minor", [0, 3])
def test_small_problems_are_planned_at_the_least_cost_there_is(
    road: Problem, per_trip_minor: int
) -> None:
    # Windows and capacity force two trips, so grouping and order both matter.
    narrow = replace(road.tasks[1], pickup=replace(road.tasks[1].pickup, latest_s=120))
    tariff = replace(MINUTES, per_trip_minor=per_trip_minor)
    fleet = replace(road.fleet, capacity=8, latest_s=700, tariff=tariff)
    problem = Problem(tasks=(road.tasks[0], narrow, road.tasks[2]), fleet=fleet, travel=road.travel)
    sums = (
        [cheapest_order(problem, group) for group in groups] for groups in groupings(problem.tasks)
    )
    least = min(sum(c for c in costs if c is not None) for costs in sums if None not in costs)

    assert cost(problem, solve(problem, SHORT)) == least


def test_the_same_seed_gives_the_same_trips(road: Problem) -> None:
    assert solve(road, SHORT) == solve(road, SHORT)


def test_a_plan_that_fails_the_check_loses_to_any_that_passes(road: Problem) -> None:
    wrong = [Trip(stops=(Stop(task=1, is_delivery=True), Stop(task=1, is_delivery=False)))]
    dear = [single_trip(task) for task in road.tasks]

    assert cheapest_plan(road, [wrong, dear]) == tuple(dear)


def test_own_trips_together_are_the_plan_when_the_search_finds_nothing(road: Problem) -> None:
    own = solve_parties(road, SHORT)

    trips = solve(road, NO_SEARCH, own)

    assert set(trips) == {*own["a"], *own["b"]}


def test_without_search_and_own_trips_each_task_gets_a_trip(road: Problem) -> None:
    assert solve(road, NO_SEARCH) == tuple(single_trip(task) for task in road.tasks)


def test_a_spent_cpu_ceiling_gives_a_right_plan_that_says_it_was_cut(road: Problem) -> None:
    matching = solve_matching(road, replace(SHORT, cpu_s=0), replace(SHORT, cpu_s=0))

    assert not matching.is_complete
    assert cost(road, matching.pooled) <= 20


def test_the_cpu_ceiling_ends_a_search_under_way(road: Problem) -> None:
    endless = Budget(starts=1, iterations_per_task=10**9, cpu_s=1)
    started = time.process_time()

    trips = solve(road, endless)

    assert cost(road, trips) == 8
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("fleet", "reason"),
    [
        # Task 3 alone is too heavy for any vehicle.
        ({"capacity": 5}, "match.overload"),
        # One vehicle cannot be in time for all three tasks.
        ({"vehicles": 1, "latest_s": 600}, "match.too_many_vehicles"),
        ({"vehicles": 0}, "match.too_many_vehicles"),
    ],
)
def test_a_problem_without_a_plan_is_refused_with_the_reason(
    road: Problem, fleet: dict[str, int], reason: str
) -> None:
    impossible = with_fleet(road, replace(road.fleet, **fleet))  # type: ignore[arg-type]  # counts and seconds only

    with pytest.raises(Refusal, match=reason) as refused:
        solve(impossible, SHORT)

    assert refused.value.code == "match.no_plan"


def test_nothing_to_carry_needs_no_trip(road: Problem) -> None:
    assert solve(road.for_party("nobody"), SHORT) == ()


@pytest.mark.parametrize(
    "tariff",
    [
        Tariff(amount_minor=0, base_s=60),
        Tariff(amount_minor=0, base_s=60, per_trip_minor=900),
        # Prices this far apart would overflow the solver's sums unless scaled.
        Tariff(amount_minor=2**53 - 1, base_s=60, per_trip_minor=2**53 - 2),
    ],
)
def test_odd_tariffs_still_give_one_short_trip(road: Problem, tariff: Tariff) -> None:
    problem = with_fleet(road, replace(road.fleet, tariff=tariff))

    assert check_plan(problem, solve(problem, SHORT)).travel_s == 480


def test_a_spawned_process_gives_the_same_matching(road: Problem) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        remote = pool.submit(solve_matching, road, SHORT, SHORT).result(timeout=60)

    assert remote == solve_matching(road, SHORT, SHORT)


def test_importing_the_service_functions_loads_no_solver() -> None:
    code = (
        "import sys, sheaf_services.shipment_matching.solve as s; sys.exit('numpy' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=30)

    assert done.returncode == 0


def test_real_addresses_in_barcelona_are_pooled_near_the_best_known(
    read_instance: Callable[[str], bytes],
) -> None:
    problem = parse(read_instance("bar-n100-1")).problem(lambda r: str(r % 6), MINUTES)
    one_start = replace(POOLED_BUDGET, starts=1, iterations_per_task=100)

    matching = solve_matching(problem, pooled=one_start)

    own = {p: cost(problem.for_party(p), trips) for p, trips in matching.own.items()}
    pooled = cost(problem, matching.pooled)
    check_split(pooled, own, proportional_shares(pooled, own))
    # 732 is the best known of the authors' table; 975 was found from every seed and length tried.
    assert pooled <= 732 * 105 // 100
    assert sum(own.values()) == 975
