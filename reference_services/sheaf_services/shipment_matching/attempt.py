"""The solver's work as jobs for a process of their own, which always come back with an answer.

What is planned on was written by others, so a fault of the solver on their numbers must end as a
word about that plan and never as the end of the service.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from sheaf_protocol.errors import Refusal
from sheaf_services.shipment_matching.check import check_plan
from sheaf_services.shipment_matching.solve import Matching, solve, solve_matching, solve_parties

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_services.shipment_matching.problem import Problem
    from sheaf_services.shipment_matching.solve import Budget

T = TypeVar("T")

SOLVER_FAILED = "match.solver_failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """Why there is no plan: a code, and a sentence."""

    code: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnCost:
    """What one party's requests cost in the cheapest trips that its own node found."""

    minor: int


def attempt_matching(
    problem: Problem, vehicles: int, pooled: Budget, own: Budget
) -> Matching | Failed:
    """Return trips for all tasks on so many vehicles, and each party's own trips on the fleet."""
    return _attempt(lambda: _match(problem, vehicles, pooled, own))


def attempt_own(problem: Problem, budget: Budget) -> OwnCost | Failed:
    """Return the cost of the own trips of a problem's one party."""
    return _attempt(lambda: _own_cost(problem, budget))


def _match(problem: Problem, vehicles: int, pooled: Budget, own: Budget) -> Matching:
    if vehicles >= problem.fleet.vehicles:
        return solve_matching(problem, pooled, own)
    # A baseline has the whole fleet, whatever is free just now: so each party will reckon it.
    own_trips = solve_parties(problem, own)
    rest = replace(problem, fleet=replace(problem.fleet, vehicles=vehicles))
    return Matching(own=own_trips, pooled=solve(rest, pooled, own_trips), is_complete=True)


def _own_cost(problem: Problem, budget: Budget) -> OwnCost:
    [(_, trips)] = solve_parties(problem, budget).items()
    return OwnCost(minor=check_plan(problem, trips).cost_minor)


def _attempt(work: Callable[[], T]) -> T | Failed:
    try:
        return work()
    except Refusal as refusal:
        return Failed(code=refusal.code, detail=refusal.detail)
    except Exception as exc:  # whatever a native library raises on such numbers
        return Failed(code=SOLVER_FAILED, detail=f"expected trips, got {type(exc).__name__}")
