"""A problem is valid or does not exist."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sheaf_protocol.errors import Refusal
from sheaf_services.shipment_matching.problem import Problem, Tariff, TravelTable, Visit

if TYPE_CHECKING:
    from collections.abc import Callable


def _twice(road: Problem) -> object:
    return replace(road, tasks=(*road.tasks, road.tasks[0]))


def _far_depot(road: Problem) -> object:
    return replace(road, fleet=replace(road.fleet, depot_place=5))


@pytest.mark.parametrize(
    "build",
    [
        # A window that ends before it starts can never be met.
        lambda _: Visit(place=0, earliest_s=10, latest_s=9, service_s=0),
        lambda _: Visit(place=-1, earliest_s=0, latest_s=9, service_s=0),
        lambda _: Visit(place=0, earliest_s=0, latest_s=9, service_s=-1),
        # Other languages lose digits above 2^53-1.
        lambda _: Visit(place=0, earliest_s=0, latest_s=2**53, service_s=0),
        lambda road: replace(road.tasks[0], load=0),
        lambda road: replace(road.tasks[0], party=""),
        lambda road: replace(road.fleet, vehicles=-1),
        lambda road: replace(road.fleet, latest_s=-1),
        # A base of nothing would divide by zero.
        lambda _: Tariff(amount_minor=1, base_s=0),
        lambda _: TravelTable.from_cells(2, [0, 1, 1]),
        lambda _: TravelTable.from_cells(2, [0, -1, 1, 0]),
        lambda _: TravelTable.from_cells(2, [0, 2**32, 1, 0]),
        # Solvers take the way from a place to itself as nothing.
        lambda _: TravelTable.from_cells(2, [0, 1, 1, 5]),
        lambda _: TravelTable.from_cells(0, []),
        lambda _: TravelTable.from_cells(1_002, []),
        _twice,
        _far_depot,
    ],
)
def test_an_impossible_value_is_refused(road: Problem, build: Callable[[Problem], object]) -> None:
    with pytest.raises(Refusal) as refused:
        build(road)

    assert refused.value.code == "match.problem_invalid"


def test_a_party_alone_keeps_the_fleet_and_its_own_tasks(road: Problem) -> None:
    alone = road.for_party("a")

    assert road.parties() == ("a", "b")
    assert [task.index for task in alone.tasks] == [1, 3]
    assert alone.fleet == road.fleet


def test_a_problem_crosses_a_process_border_unchanged(road: Problem) -> None:
    assert pickle.loads(pickle.dumps(road)) == road  # noqa: S301  # our own bytes


def test_the_travel_table_takes_four_bytes_a_cell(road: Problem) -> None:
    assert road.travel.seconds.itemsize == 4
    assert road.travel.between(4, 1) == 180
