"""A hand-written problem small enough to be checked with a pencil, and the real instances."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.services.shipment_matching.roads import Roads

from sheaf_node.plugins import host as host_module
from sheaf_services.shipment_matching.problem import (
    Fleet,
    Problem,
    Tariff,
    Task,
    TravelTable,
    Visit,
)

if TYPE_CHECKING:
    from collections.abc import Callable

INSTANCES = Path(__file__).resolve().parents[4] / "shared" / "data" / "pdptw"


@pytest.fixture
def road() -> Problem:
    """Five places on one road, one minute apart, the depot at its end; a minute costs 1.

    Task 1 goes 1 -> 3 and task 3 goes 3 -> 1, both of party a; task 2 of party b goes 2 -> 4.
    One trip does it all in 8 minutes; a alone needs 6, b alone 8, three round trips 20.
    """

    def visit(place: int) -> Visit:
        return Visit(place=place, earliest_s=0, latest_s=3_000, service_s=30)

    def task(index: int, party: str, load: int, places: tuple[int, int]) -> Task:
        ends = (visit(places[0]), visit(places[1]))
        return Task(index=index, party=party, load=load, pickup=ends[0], delivery=ends[1])

    tariff = Tariff(amount_minor=1, base_s=60)
    fleet = Fleet(
        depot_place=0, vehicles=3, capacity=10, earliest_s=0, latest_s=3_600, tariff=tariff
    )
    cells = [60 * abs(origin - target) for origin in range(5) for target in range(5)]
    tasks = (task(1, "a", 4, (1, 3)), task(2, "b", 5, (2, 4)), task(3, "a", 6, (3, 1)))
    return Problem(tasks=tasks, fleet=fleet, travel=TravelTable.from_cells(5, cells))


@pytest.fixture
def read_instance() -> Callable[[str], bytes]:
    """Return a reader of the published instances that skips loudly where they are absent."""

    def read(name: str) -> bytes:
        path = INSTANCES / f"{name}.txt"
        if not path.is_file():
            pytest.skip(f"published instance absent: expected {path}")
        return path.read_bytes()

    return read


@pytest.fixture
def small_pdptw() -> bytes:
    """Return a file with two requests among five places."""
    return Path(__file__).with_name("small_pdptw.txt").read_bytes()


@pytest.fixture
def jobs_here(monkeypatch):
    """Run what belongs into a process of its own here: a start costs a second, a plan nothing."""

    async def run(function, *args):
        return function(*args)

    monkeypatch.setattr(host_module, "run_apart", run)


@pytest.fixture
async def roads(federation, jobs_here):
    made = Roads(federation)
    await federation.begin()
    return made
