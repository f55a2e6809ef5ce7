"""Reads the pickup-and-delivery files of Sartori and Buriol (2020): bytes in, an instance out.

A file is ten header lines, `NODES`, one line for each node, `EDGES`, a square matrix of travel
minutes, `EOF`. Node 0 is the depot; the first half of the other nodes are pickups, and request r
is the pickup of node r with the delivery it names. Minutes become seconds here.

Nothing half-read ever leaves: a file is accepted whole or refused with the line that is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from sheaf_protocol.errors import Refusal
from sheaf_services.shipment_matching.problem import (
    MAX_PLACES,
    Fleet,
    Problem,
    Task,
    TravelTable,
    Visit,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_services.shipment_matching.problem import Tariff

# 16 MiB: a matrix of 1,001 nodes is 3 MB. Callers read at most one byte more than this.
MAX_BYTES = 16 * 1024 * 1024
# 16 KiB: 1,001 cells of six digits take half of it. Splitting a longer line would cost memory.
MAX_LINE_CHARS = 16 * 1024

HEADERS = (
    "NAME",
    "LOCATION",
    "COMMENT",
    "TYPE",
    "SIZE",
    "DISTRIBUTION",
    "DEPOT",
    "ROUTE-TIME",
    "TIME-WINDOW",
    "CAPACITY",
)
_NODE_COLUMNS = 9
# Six digits of minutes are almost two years; more is a mistake and could overflow later sums.
_WHOLE = re.compile(r"-?[0-9]{1,6}")
_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,12})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One line of the `NODES` section; coordinates are in micro-degrees."""

    latitude_udeg: int
    longitude_udeg: int
    demand: int
    visit: Visit
    pickup: int
    delivery: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One pickup with its delivery; `index` is the id of the pickup's node."""

    index: int
    load: int
    pickup: Visit
    delivery: Visit


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """A whole file. The depot's window is the time limit of a route."""

    name: str
    capacity: int
    nodes: tuple[Node, ...]
    requests: tuple[Request, ...]
    travel: TravelTable

    def fleet(self, tariff: Tariff, vehicles: int | None = None) -> Fleet:
        """Return the depot's fleet; the files name no limit, so by default one for each request."""
        depot = self.nodes[0].visit
        return Fleet(
            depot_place=depot.place,
            vehicles=len(self.requests) if vehicles is None else vehicles,
            capacity=self.capacity,
            earliest_s=depot.earliest_s,
            latest_s=depot.latest_s,
            tariff=tariff,
        )

    def problem(
        self, party_of: Callable[[int], str], tariff: Tariff, vehicles: int | None = None
    ) -> Problem:
        """Return the matching problem in which request r belongs to `party_of(r)`."""
        tasks = tuple(
            Task(
                index=request.index,
                party=party_of(request.index),
                load=request.load,
                pickup=request.pickup,
                delivery=request.delivery,
            )
            for request in self.requests
        )
        return Problem(tasks=tasks, fleet=self.fleet(tariff, vehicles), travel=self.travel)


def parse(content: bytes) -> Instance:
    """Return the instance that a whole file describes; refuse any other content."""
    lines = _Lines(_decode(content))
    headers = _read_headers(lines)
    size = lines.whole(headers["SIZE"], "SIZE", at=HEADERS.index("SIZE") + 1)
    capacity = lines.whole(headers["CAPACITY"], "CAPACITY", at=len(HEADERS))
    _check_size(size)
    if capacity < 1:
        raise Refusal("pdptw.number", f"line 10: expected a CAPACITY of 1 or more, got {capacity}")
    lines.expect("NODES")
    nodes = tuple(_read_node(lines, place) for place in range(size))
    lines.expect("EDGES")
    travel = TravelTable.from_cells(size, _read_cells(lines, size))
    lines.expect("EOF")
    lines.expect_end()
    return Instance(
        name=headers["NAME"],
        capacity=capacity,
        nodes=nodes,
        requests=_pair_requests(nodes),
        travel=travel,
    )


class _Lines:
    """A cursor over the lines of the file that knows its place when something is wrong."""

    def __init__(self, text: str) -> None:
        self._lines = text.rstrip().split("\n")
        self.number = 0

    def next(self, expected: str) -> str:
        """Return the next line; refuse a file that has ended before `expected`."""
        if self.number == len(self._lines):
            detail = f"expected {expected} after line {self.number}, got the end of the file"
            raise Refusal("pdptw.truncated", detail)
        line = self._lines[self.number].rstrip("\r")
        self.number += 1
        if len(line) > MAX_LINE_CHARS:
            detail = f"expected lines of at most {MAX_LINE_CHARS} characters, got {len(line)}"
            raise self.refusal("pdptw.too_large", detail)
        return line

    def expect(self, marker: str) -> None:
        """Pass the line that opens or closes a section."""
        line = self.next(marker).strip()
        if line != marker:
            raise self.refusal("pdptw.section", f"expected {marker}, got {_shown(line)}")

    def columns(self, count: int, what: str) -> list[str]:
        """Return the columns of the next line, of which there must be exactly `count`."""
        columns = self.next(what).split()
        if len(columns) != count:
            detail = f"expected {count} columns in {what}, got {len(columns)}"
            raise self.refusal("pdptw.row_length", detail)
        return columns

    def expect_end(self) -> None:
        """Refuse anything but blank lines after the end marker."""
        if self.number < len(self._lines):
            rest = _shown(self._lines[self.number])
            detail = f"line {self.number + 1}: expected nothing after EOF, got {rest}"
            raise Refusal("pdptw.trailing", detail)

    def whole(self, text: str, what: str, at: int | None = None) -> int:
        """Return the text as a whole number of at most six digits."""
        if not _WHOLE.fullmatch(text):
            detail = f"expected {what} as a whole number of at most six digits, got {_shown(text)}"
            raise self.refusal("pdptw.number", detail, at)
        return int(text)

    def refusal(self, code: str, detail: str, at: int | None = None) -> Refusal:
        """Return the refusal of this line; a fault in a last line other than EOF is a cut file."""
        number = self.number if at is None else at
        if number == len(self._lines) and self._lines[-1].strip() != "EOF":
            return Refusal("pdptw.truncated", f"line {number}, the last before EOF: {detail}")
        return Refusal(code, f"line {number}: {detail}")


def _decode(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        detail = f"expected a file of at most {MAX_BYTES} bytes, got {len(content)} or more"
        raise Refusal("pdptw.too_large", detail)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        detail = f"line {line}: expected UTF-8 text, got byte 0x{content[exc.start]:02x}"
        raise Refusal("pdptw.encoding", detail) from exc
    if not text.strip():
        raise Refusal("pdptw.empty", "expected ten header lines, got an empty file")
    return text


def _read_headers(lines: _Lines) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name in HEADERS:
        line = lines.next(f"the header {name}")
        found, colon, value = line.partition(":")
        if found.strip() != name or not colon:
            detail = f"expected the header {name}, got {_shown(line)}"
            raise lines.refusal("pdptw.header_missing", detail)
        headers[name] = value.strip()
        if name == "TYPE" and headers[name] != "PDPTW":
            detail = f"expected the type PDPTW, got {_shown(headers[name])}"
            raise lines.refusal("pdptw.type", detail)
    return headers


def _check_size(size: int) -> None:
    if size > MAX_PLACES:
        detail = f"line 5: expected a SIZE of at most {MAX_PLACES} nodes, got {size}"
        raise Refusal("pdptw.too_large", detail)
    if size < 3 or size % 2 == 0:
        detail = f"line 5: expected a SIZE of a depot and pairs of nodes (3, 5, ...), got {size}"
        raise Refusal("pdptw.size", detail)


def _read_node(lines: _Lines, place: int) -> Node:
    columns = lines.columns(_NODE_COLUMNS, f"node {place}")
    number, _, _, demand, earliest, latest, service, pickup, delivery = columns
    if lines.whole(number, "a node's id") != place:
        raise lines.refusal("pdptw.node_id", f"expected node {place}, got {_shown(number)}")
    return Node(
        latitude_udeg=_micro_degrees(lines, columns[1], "a latitude", 90),
        longitude_udeg=_micro_degrees(lines, columns[2], "a longitude", 180),
        demand=lines.whole(demand, "a demand"),
        visit=_read_visit(lines, place, (earliest, latest, service)),
        pickup=lines.whole(pickup, "a pickup's node"),
        delivery=lines.whole(delivery, "a delivery's node"),
    )


def _read_visit(lines: _Lines, place: int, minutes: tuple[str, str, str]) -> Visit:
    earliest, latest, service = (lines.whole(text, "a number of minutes") for text in minutes)
    if not 0 <= earliest <= latest or service < 0:
        detail = "expected 0 <= earliest <= latest and a service time of 0 or more"
        came = f"got {earliest}, {latest} and {service}"
        raise lines.refusal("pdptw.window", f"{detail}, {came}")
    return Visit(
        place=place, earliest_s=earliest * 60, latest_s=latest * 60, service_s=service * 60
    )


def _micro_degrees(lines: _Lines, text: str, what: str, limit: int) -> int:
    # Decimal, not float: every platform must read the same micro-degree.
    if not _DEGREES.fullmatch(text) or abs(Decimal(text)) > limit:
        detail = f"expected {what} from -{limit} to {limit} degrees, got {_shown(text)}"
        raise lines.refusal("pdptw.number", detail)
    return round(Decimal(text) * 1_000_000)


def _read_cells(lines: _Lines, size: int) -> list[int]:
    seconds: list[int] = []
    for place in range(size):
        row = lines.columns(size, f"the travel minutes from node {place}")
        minutes = [lines.whole(cell, "travel minutes") for cell in row]
        if min(minutes) < 0:
            detail = f"expected travel minutes of 0 or more, got {min(minutes)}"
            raise lines.refusal("pdptw.travel", detail)
        if minutes[place]:
            detail = f"expected 0 minutes from node {place} to itself, got {minutes[place]}"
            raise lines.refusal("pdptw.travel", detail)
        seconds.extend(cell * 60 for cell in minutes)
    return seconds


def _pair_requests(nodes: tuple[Node, ...]) -> tuple[Request, ...]:
    _check_links(0, nodes[0], (0, 0), nodes[0].demand == 0)
    half = len(nodes) // 2
    requests = tuple(_pair_request(nodes, index) for index in range(1, half + 1))
    for place in range(half + 1, len(nodes)):
        # A delivery that names a pickup which does not name it back belongs to no request.
        source = nodes[place].pickup
        named_back = 1 <= source <= half and nodes[source].delivery == place
        _check_links(place, nodes[place], (source, 0), named_back)
    return requests


def _pair_request(nodes: tuple[Node, ...], index: int) -> Request:
    pickup = nodes[index]
    target = pickup.delivery
    _check_links(index, pickup, (0, target), len(nodes) // 2 < target < len(nodes))
    delivery = nodes[target]
    _check_links(target, delivery, (index, 0), True)
    if pickup.demand < 1 or delivery.demand != -pickup.demand:
        detail = f"expected a demand above 0 at node {index} and its negative at node {target}"
        came = f"got {pickup.demand} and {delivery.demand}"
        raise Refusal("pdptw.demand", f"line {_line(target)}: {detail}, {came}")
    return Request(index=index, load=pickup.demand, pickup=pickup.visit, delivery=delivery.visit)


def _check_links(place: int, node: Node, expected: tuple[int, int], consistent: bool) -> None:
    came = (node.pickup, node.delivery)
    if came != expected or not consistent:
        detail = "expected an empty depot, pickups in the first half of the nodes, deliveries in"
        rest = f"the second, each naming the other; got node {place} with links {came}"
        raise Refusal("pdptw.pairing", f"line {_line(place)}: {detail} {rest}")


def _line(place: int) -> int:
    """Return the number of a node's line: the headers and `NODES` come before it."""
    return len(HEADERS) + 2 + place


def _shown(text: str) -> str:
    """Return a short printable form of what a file holds, safe to show to a person."""
    return repr(text if len(text) <= 40 else text[:40] + "...")
