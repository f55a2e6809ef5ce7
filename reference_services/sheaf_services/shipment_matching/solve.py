"""Plans trips with PyVRP: plain picklable functions to be run in a spawned process.

The solver is an adviser. Every plan it returns goes through `check_plan`, and the cheapest that
passes wins; behind it stand the parties' own pooled trips together, then one trip for each task.
So a pooled plan never costs more than the own trips whenever the fleet can drive those.

The same problem and budget give the same trips on the same build of the solver, unless the CPU
ceiling cuts the search short; `Matching.is_complete` tells. PyVRP is imported inside the search
only: the node's own process never loads it, nor numpy and matplotlib behind it.
"""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_protocol.errors import Refusal
from sheaf_services.shipment_matching.check import check_plan, single_trip
from sheaf_services.shipment_matching.problem import Stop, Trip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyvrp import ProblemData, Route, Shipment

    from sheaf_services.shipment_matching.problem import Problem, Tariff, Task

# 2^20: a price per second that, times the longest trips and the solver's penalties, stays inside
# the solver's 64-bit sums. Dearer tariffs are scaled down for the search and not for the check.
_MAX_UNIT_COST = 1 << 20

# 2^32 s: longer than any plan, so a trip that costs this much is never worth any saving of time.
_MANY_SECONDS = 1 << 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """How long to search: independent starts of so many iterations for each task.

    `cpu_s` is a ceiling for safety, in CPU seconds of the process, not the usual end.
    """

    seed: int = 1
    starts: int
    iterations_per_task: int
    cpu_s: int


# On published instances of 50 tasks one start ends up to 4 % above the best known cost, by seed;
# the best of four stayed within 2.3 %. Longer memory or larger neighbourhoods did no better in the
# same time.
POOLED_BUDGET = Budget(starts=4, iterations_per_task=200, cpu_s=45)
# A weak baseline would flatter the pooled plan. A party's eight tasks are at their least cost after
# 25 iterations a task from every seed tried, so this is eight times enough, three times over.
OWN_BUDGET = Budget(starts=3, iterations_per_task=200, cpu_s=15)


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    """The own pooled trips of each party, and the pooled trips of all.

    Not `is_complete`: the CPU ceiling came first; the trips are right but another run may differ.
    """

    own: dict[str, tuple[Trip, ...]]
    pooled: tuple[Trip, ...]
    is_complete: bool


class _Meter:
    """Counts CPU seconds against a ceiling and remembers whether it was reached."""

    def __init__(self, cpu_s: int) -> None:
        self._deadline_s = time.process_time() + cpu_s
        self.was_cut = False

    def is_spent(self) -> bool:
        """Say whether the ceiling is reached."""
        self.was_cut = self.was_cut or time.process_time() >= self._deadline_s
        return self.was_cut


def solve_matching(
    problem: Problem, pooled: Budget = POOLED_BUDGET, own: Budget = OWN_BUDGET
) -> Matching:
    """Return the own trips of each party and the pooled trips of all; one job for one process."""
    own_meter = _Meter(own.cpu_s)
    own_trips = _solve_parties(problem, own, own_meter)
    meter = _Meter(pooled.cpu_s)
    trips = _solve(problem, pooled, own_trips, meter)
    is_complete = not (own_meter.was_cut or meter.was_cut)
    return Matching(own=own_trips, pooled=trips, is_complete=is_complete)


def solve(
    problem: Problem, budget: Budget, own: Mapping[str, tuple[Trip, ...]] | None = None
) -> tuple[Trip, ...]:
    """Return trips for all tasks, no dearer than the own trips if the fleet can drive those.

    Refuses `match.no_plan` when neither the search nor the fallbacks serve every task.
    """
    return _solve(problem, budget, own or {}, _Meter(budget.cpu_s))


def solve_parties(problem: Problem, budget: Budget) -> dict[str, tuple[Trip, ...]]:
    """Return each party's own pooled trips: its tasks only, the whole fleet at its disposal."""
    return _solve_parties(problem, budget, _Meter(budget.cpu_s))


def _solve_parties(problem: Problem, budget: Budget, meter: _Meter) -> dict[str, tuple[Trip, ...]]:
    parties = problem.parties()
    return {party: _solve(problem.for_party(party), budget, {}, meter) for party in parties}


def _solve(
    problem: Problem, budget: Budget, own: Mapping[str, tuple[Trip, ...]], meter: _Meter
) -> tuple[Trip, ...]:
    plans = list(_search(problem, budget, meter))
    if own:
        plans.append([trip for party in sorted(own) for trip in own[party]])
    plans.append([single_trip(task) for task in problem.tasks])
    return cheapest_plan(problem, plans)


def cheapest_plan(problem: Problem, plans: Iterable[list[Trip]]) -> tuple[Trip, ...]:
    """Return the cheapest plan that passes the check, then the shortest, then the first."""
    ranked: list[tuple[int, int, int]] = []
    ordered = [sorted(plan, key=_stop_order) for plan in plans]
    reason = "no plan"
    for number, plan in enumerate(ordered):
        try:
            totals = check_plan(problem, plan)
        except Refusal as refusal:
            reason = str(refusal)
        else:
            ranked.append((totals.cost_minor, totals.travel_s, number))
    if not ranked:
        # The last plan is one trip for each task, whose refusal names the task or the fleet.
        raise Refusal("match.no_plan", f"expected trips for every task, got {reason}")
    return tuple(ordered[min(ranked)[2]])


def _stop_order(trip: Trip) -> list[tuple[int, bool]]:
    return [(stop.task, stop.is_delivery) for stop in trip.stops]


def _search(problem: Problem, budget: Budget, meter: _Meter) -> Iterator[list[Trip]]:
    """Yield one plan from each start; what it breaks, if anything, is for the check to say."""
    if len(problem.tasks) < 2 or not problem.fleet.vehicles:
        return  # One task has one plan, and without vehicles there is none.
    import pyvrp  # noqa: PLC0415  # loaded by the spawned process only
    from pyvrp.exceptions import PenaltyBoundWarning  # noqa: PLC0415
    from pyvrp.search import PerturbationParams  # noqa: PLC0415
    from pyvrp.stop import MaxIterations, MultipleCriteria  # noqa: PLC0415

    data = _solver_data(problem)
    params = pyvrp.SolveParams(
        # The solver's 25 tears half of a small problem apart at each iteration; 10 reaches the
        # same cost in half the time.
        perturbation=PerturbationParams(max_perturbations=10),
    )
    iterations = budget.iterations_per_task * len(problem.tasks)
    for start in range(budget.starts):
        if meter.is_spent():
            return
        # Neighbouring budget seeds share no start; the solver takes 32 bits.
        seed = (budget.seed * budget.starts + start) % 2**32
        stop = MultipleCriteria([MaxIterations(iterations), lambda _: meter.is_spent()])
        with warnings.catch_warnings():
            # The check judges whether a plan is feasible; a warning to a log would reach nobody.
            warnings.simplefilter("ignore", PenaltyBoundWarning)
            result = pyvrp.solve(data, stop, seed=seed, collect_stats=False, params=params)
        yield [_trip(problem, route) for route in result.best.routes()]


def _solver_data(problem: Problem) -> ProblemData:
    """Return the problem in the solver's words: its shipment is our task."""
    import numpy as np  # noqa: PLC0415  # loaded by the spawned process only
    import pyvrp  # noqa: PLC0415

    fleet, size = problem.fleet, problem.travel.size
    seconds = np.array(problem.travel.seconds, dtype=np.int64).reshape(size, size)
    unit_cost, trip_cost = _unit_costs(fleet.tariff)
    vehicles = pyvrp.VehicleType(
        num_available=min(fleet.vehicles, len(problem.tasks)),
        capacity=[fleet.capacity],
        fixed_cost=trip_cost,
        tw_early=fleet.earliest_s,
        tw_late=fleet.latest_s,
        unit_distance_cost=unit_cost,
    )
    depot = pyvrp.Depot(
        location=fleet.depot_place, tw_early=fleet.earliest_s, tw_late=fleet.latest_s
    )
    places = [pyvrp.Location(x=0, y=0) for _ in range(size)]
    return pyvrp.ProblemData(
        locations=places,
        clients=[],
        depots=[depot],
        vehicle_types=[vehicles],
        distance_matrices=[seconds],  # type: ignore[list-item]  # the stub names no real array type
        duration_matrices=[seconds],  # type: ignore[list-item]  # the same
        shipments=[_solver_task(task) for task in problem.tasks],
    )


def _solver_task(task: Task) -> Shipment:
    import pyvrp  # noqa: PLC0415  # loaded by the spawned process only

    return pyvrp.Shipment(
        pickup_location=task.pickup.place,
        delivery_location=task.delivery.place,
        pickup_tw_early=task.pickup.earliest_s,
        pickup_tw_late=task.pickup.latest_s,
        pickup_service_duration=task.pickup.service_s,
        delivery_tw_early=task.delivery.earliest_s,
        delivery_tw_late=task.delivery.latest_s,
        delivery_service_duration=task.delivery.service_s,
        amount=[task.load],
    )


def _unit_costs(tariff: Tariff) -> tuple[int, int]:
    """Return the cost of a second and of a trip in one common integer unit, as small as it goes."""
    second, trip = tariff.amount_minor, tariff.per_trip_minor * tariff.base_s
    if not second:
        # Time is free: fewest trips if those cost, and short ones among equals.
        return 1, _MANY_SECONDS if trip else 0
    divisor = math.gcd(second, trip)
    second, trip = second // divisor, trip // divisor
    while second > _MAX_UNIT_COST or trip > second * _MANY_SECONDS:
        second, trip = max(second >> 1, 1), trip >> 1
    return second, trip


def _trip(problem: Problem, route: Route) -> Trip:
    stops = (
        Stop(task=problem.tasks[activity.idx].index, is_delivery=activity.is_delivery())
        for activity in route
        if activity.is_shipment()
    )
    return Trip(stops=tuple(stops))
