"""What is to be carried, by what, and how long each leg takes: the input of matching.

Everything is an integer: seconds from the start of the day, load units, minor units of money. A
node that checks somebody else's proposal builds the same `Problem` from signed records, so no
value here may depend on a platform's floating point.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Wire integers stay inside the range every language holds exactly (spec 03).
MAX_INTEGER = 2**53 - 1
# 1,001 places are the largest published instances; the table then takes 4 MB in each process.
MAX_PLACES = 1_001


def _require(ok: bool, what: str) -> None:
    if not ok:
        raise Refusal("match.problem_invalid", what)


def _require_natural(name: str, value: int) -> None:
    _require(0 <= value <= MAX_INTEGER, f"expected {name} from 0 to 2^53-1, got {value}")


def _require_window(name: str, earliest_s: int, latest_s: int) -> None:
    _require_natural(f"the start of {name}", earliest_s)
    _require_natural(f"the end of {name}", latest_s)
    order = f"expected {name} to end at or after its start {earliest_s} s, got {latest_s} s"
    _require(earliest_s <= latest_s, order)


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One end of a task: where, in which time window, and how long the vehicle stands there.

    The window bounds the start of service. A vehicle that comes early waits.
    """

    place: int
    earliest_s: int
    latest_s: int
    service_s: int

    def __post_init__(self) -> None:
        _require_natural("a place", self.place)
        _require_natural("a service time", self.service_s)
        _require_window("a visit's window", self.earliest_s, self.latest_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One load to be taken from its pickup to its delivery on one trip, for one party."""

    index: int
    party: str
    load: int
    pickup: Visit
    delivery: Visit

    def __post_init__(self) -> None:
        _require_natural("a task's index", self.index)
        _require(self.party != "", f"expected task {self.index} to name its party, got no text")
        loaded = f"expected task {self.index} to have a load of 1 or more, got {self.load}"
        _require(1 <= self.load <= MAX_INTEGER, loaded)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tariff:
    """A price for driving: an amount for each base time, plus an amount for each trip."""

    amount_minor: int
    base_s: int
    per_trip_minor: int = 0

    def __post_init__(self) -> None:
        _require_natural("a tariff's amount", self.amount_minor)
        _require_natural("a tariff's amount per trip", self.per_trip_minor)
        base = f"expected a tariff's base time of 1 s or more, got {self.base_s} s"
        _require(1 <= self.base_s <= MAX_INTEGER, base)

    def cost(self, travel_s: int) -> int:
        """Return the price of one trip in minor units, rounded up once."""
        return self.per_trip_minor - (-travel_s * self.amount_minor // self.base_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """Equal vehicles of one owner that leave one depot and return to it inside its window."""

    depot_place: int
    vehicles: int
    capacity: int
    earliest_s: int
    latest_s: int
    tariff: Tariff

    def __post_init__(self) -> None:
        _require_natural("the depot's place", self.depot_place)
        _require_natural("the number of vehicles", self.vehicles)
        _require_natural("a vehicle's capacity", self.capacity)
        _require_window("the depot's window", self.earliest_s, self.latest_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class TravelTable:
    """Travel seconds between every ordered pair of places, row by row in four bytes each.

    The array is shared, never copied: nobody writes to it after it is built.
    """

    size: int
    seconds: array[int]

    def __post_init__(self) -> None:
        places = f"expected a table of 1 to {MAX_PLACES} places, got {self.size}"
        _require(1 <= self.size <= MAX_PLACES, places)
        cells = f"expected {self.size**2} travel times, got {len(self.seconds)}"
        _require(len(self.seconds) == self.size**2, cells)
        # Solvers take the way from a place to itself as nothing, so the table may not differ.
        stays = "expected 0 s from a place to itself, got more"
        _require(not any(self.seconds[:: self.size + 1]), stays)

    @classmethod
    def from_cells(cls, size: int, cells: Iterable[int]) -> TravelTable:
        """Build the table from its cells, row by row; refuse negative or overlong travel."""
        try:
            return cls(size=size, seconds=array("I", cells))
        except OverflowError as exc:
            detail = f"expected travel times from 0 to 2^32-1 s, got one outside: {exc}"
            raise Refusal("match.problem_invalid", detail) from exc

    def between(self, origin: int, target: int) -> int:
        """Return the travel seconds from one place to another."""
        return self.seconds[origin * self.size + target]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """One visit of a trip: the pickup or the delivery of a task."""

    task: int
    is_delivery: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Trip:
    """The stops of one vehicle in order; it starts and ends at the depot, which is not listed."""

    stops: tuple[Stop, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Tasks of one or more parties, the fleet that may carry them, and the travel table."""

    tasks: tuple[Task, ...]
    fleet: Fleet
    travel: TravelTable
    by_index: dict[int, Task] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_index = {task.index: task for task in self.tasks}
        _require(len(by_index) == len(self.tasks), "expected every task to have its own index")
        _require_places(self.travel.size, self._places())
        # A frozen class has no other way to keep what it derives.
        object.__setattr__(self, "by_index", by_index)

    def parties(self) -> tuple[str, ...]:
        """Return the keys of the parties that have tasks, in ascending order."""
        return tuple(sorted({task.party for task in self.tasks}))

    def for_party(self, party: str) -> Problem:
        """Return the problem that one party has alone, with the whole fleet at its disposal."""
        own = tuple(task for task in self.tasks if task.party == party)
        return Problem(tasks=own, fleet=self.fleet, travel=self.travel)

    def _places(self) -> Sequence[int]:
        visits = [visit for task in self.tasks for visit in (task.pickup, task.delivery)]
        return [self.fleet.depot_place, *(visit.place for visit in visits)]


def _require_places(size: int, places: Sequence[int]) -> None:
    highest = max(places)
    _require(highest < size, f"expected places below the table's size {size}, got {highest}")
