"""A whole file is read in integers; every spoiled file is refused by name and line."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.errors import Refusal
from sheaf_services.shipment_matching.pdptw import MAX_BYTES, parse
from sheaf_services.shipment_matching.problem import Tariff

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = Path(__file__).with_name("small_pdptw.txt").read_text()


def spoil(old: str, new: str) -> bytes:
    assert SMALL.count(old) == 1
    return SMALL.replace(old, new).encode()


def test_a_file_becomes_requests_in_seconds() -> None:
    instance = parse(SMALL.encode())

    first = instance.requests[0]
    assert (instance.name, instance.capacity, len(instance.nodes)) == ("small", 300, 5)
    assert (first.index, first.load, first.pickup.place, first.delivery.place) == (1, 22, 1, 3)
    assert (first.pickup.earliest_s, first.pickup.latest_s) == (129 * 60, 240 * 60)
    assert instance.requests[1].delivery.service_s == 360
    assert instance.travel.between(2, 3) == 22 * 60


def test_coordinates_are_micro_degrees_without_floats() -> None:
    nodes = parse(SMALL.encode()).nodes

    assert (nodes[1].latitude_udeg, nodes[1].longitude_udeg) == (41_400_526, -2_117_134)
    assert nodes[2].latitude_udeg == -1


def test_the_problem_has_one_vehicle_a_request_unless_told() -> None:
    instance = parse(SMALL.encode())
    tariff = Tariff(amount_minor=1, base_s=60)

    problem = instance.problem(lambda r: f"coop{r}", tariff)

    assert problem.parties() == ("coop1", "coop2")
    assert (problem.fleet.vehicles, problem.fleet.latest_s) == (2, 240 * 60)
    assert instance.problem(str, tariff, vehicles=1).fleet.vehicles == 1


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_line_ends_of_either_kind_are_read(ending: str) -> None:
    content = SMALL.replace("\n", ending) + ending * 3

    assert parse(content.encode()) == parse(SMALL.encode())


@pytest.mark.parametrize(
    ("code", "content"),
    [
        ("pdptw.empty", b""),
        ("pdptw.empty", b" \n\n"),
        # A spreadsheet saved in Latin-1.
        ("pdptw.encoding", "NAME: Córdoba\n".encode("latin-1")),
        ("pdptw.too_large", b"x" * (MAX_BYTES + 1)),
        # Splitting 15 MB of cells would take half a gigabyte.
        ("pdptw.too_large", spoil("NAME: small", "NAME: " + "9 " * 7_000_000)),
        ("pdptw.too_large", spoil("SIZE: 5", "SIZE: 1003")),
        ("pdptw.header_missing", spoil("LOCATION: Nowhere\n", "")),
        ("pdptw.header_missing", spoil("CAPACITY: 300\n", "")),
        ("pdptw.header_missing", spoil("NAME: small", "NAME small")),
        ("pdptw.type", spoil("TYPE: PDPTW", "TYPE: CVRP")),
        ("pdptw.number", spoil("SIZE: 5", "SIZE: five")),
        ("pdptw.number", spoil("CAPACITY: 300", "CAPACITY: 3.5")),
        ("pdptw.number", spoil("CAPACITY: 300", "CAPACITY: 0")),
        # An even size leaves a node without its pair; 1 leaves nothing to carry.
        ("pdptw.size", spoil("SIZE: 5", "SIZE: 4")),
        ("pdptw.size", spoil("SIZE: 5", "SIZE: 1")),
        ("pdptw.size", spoil("SIZE: 5", "SIZE: -5")),
        ("pdptw.section", spoil("NODES\n", "")),
        ("pdptw.section", spoil("EDGES", "EDGE")),
        # More nodes than SIZE says.
        ("pdptw.section", spoil("SIZE: 5", "SIZE: 3")),
        ("pdptw.row_length", spoil("0 2 14 13 10\n", "0 2 14 13\n")),
        ("pdptw.row_length", spoil("0 2 14 13 10\n", "0 2 14 13 10 9\n")),
        # A row left out altogether: EOF comes where the row should be.
        ("pdptw.row_length", spoil("11 9 18 18 0\n", "")),
        ("pdptw.row_length", spoil("92 5 0 4", "92 5 0")),
        ("pdptw.number", spoil("0 2 14 13 10", "0 2 x 13 10")),
        ("pdptw.number", spoil("0 2 14 13 10", "0 2 1,4 13 10")),
        # Python's int() reads these, other languages do not.
        ("pdptw.number", spoil("0 2 14 13 10", "0 2 1_4 13 10")),
        ("pdptw.number", spoil("0 2 14 13 10", "0 2 ١٤ 13 10")),
        # Seven digits of minutes: no day is that long, and sums could overflow elsewhere.
        ("pdptw.number", spoil("0 2 14 13 10", "0 2 1000000 13 10")),
        ("pdptw.number", spoil("41.39753660", "91.0")),
        ("pdptw.number", spoil("41.39753660", "nan")),
        ("pdptw.travel", spoil("0 2 14 13 10", "0 -2 14 13 10")),
        ("pdptw.travel", spoil("0 2 14 13 10", "1 2 14 13 10")),
        ("pdptw.node_id", spoil("2 -0.0000006", "7 -0.0000006")),
        ("pdptw.window", spoil("22 129 240 5", "22 241 240 5")),
        ("pdptw.window", spoil("22 129 240 5", "22 129 240 -5")),
        # The depot carries nothing and belongs to nobody.
        ("pdptw.pairing", spoil("0 0 240 0 0 0", "5 0 240 0 0 0")),
        ("pdptw.pairing", spoil("0 0 240 0 0 0", "0 0 240 0 0 1")),
        # The delivery names another pickup, ...
        ("pdptw.pairing", spoil("5 1 0", "5 2 0")),
        # ... the pickup another delivery, ...
        ("pdptw.pairing", spoil("5 0 3", "5 0 4")),
        # ... a node outside the file, ...
        ("pdptw.pairing", spoil("5 0 3", "5 0 5")),
        # ... or a pickup; a node is both ends at once.
        ("pdptw.pairing", spoil("5 0 3", "5 0 2")),
        ("pdptw.pairing", spoil("5 0 3", "5 4 3")),
        ("pdptw.demand", spoil("-22", "-21")),
        ("pdptw.demand", spoil("2.19094860 20", "2.19094860 0")),
        ("pdptw.truncated", spoil("EOF\n", "")),
        ("pdptw.trailing", spoil("EOF\n", "EOF\n0 1 2\n")),
    ],
)
def test_a_spoiled_file_is_refused_by_name(code: str, content: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        parse(content)

    assert refused.value.code == code
    assert len(refused.value.detail) < 250


def test_a_refusal_names_the_line_what_was_expected_and_what_came() -> None:
    with pytest.raises(Refusal, match=re.escape("line 18: expected 5 columns")) as refused:
        parse(spoil("0 2 14 13 10\n", "0 2 14 13\n"))

    assert refused.value.detail.endswith("from node 0, got 4")


def test_a_pairing_fault_names_the_line_of_its_node() -> None:
    with pytest.raises(Refusal, match=r"line 15: expected .* got node 3 with links \(2, 0\)"):
        parse(spoil("5 1 0", "5 2 0"))


@given(st.integers(min_value=1, max_value=len(SMALL.rstrip()) - 1))
def test_a_file_cut_anywhere_is_never_read_as_whole(length: int) -> None:
    with pytest.raises(Refusal):
        parse(SMALL[:length].encode())


@pytest.mark.parametrize("cut", ["3 0 14 12 9\n14 13", "3 0 14 12 9\n", "3 0 14 12 9", "-22 157"])
def test_a_file_cut_after_the_headers_is_called_truncated(cut: str) -> None:
    end = SMALL.index(cut) + len(cut)

    with pytest.raises(Refusal) as refused:
        parse(SMALL[:end].encode())

    assert refused.value.code == "pdptw.truncated"


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_never_crashes(content: bytes) -> None:
    with pytest.raises(Refusal):
        parse(content)


@given(st.integers(min_value=0, max_value=len(SMALL) - 1), st.characters(codec="utf-8"))
def test_one_changed_character_is_read_or_refused_and_never_crashes(at: int, char: str) -> None:
    content = (SMALL[:at] + char + SMALL[at + 1 :]).encode()

    with suppress(Refusal):
        assert len(parse(content).requests) == 2


@pytest.mark.parametrize("name", ["bar-n100-1", "nyc-n200-3", "bar-n400-1"])
def test_a_published_instance_is_read_whole(
    read_instance: Callable[[str], bytes], name: str
) -> None:
    instance = parse(read_instance(name))

    requests = int(name.split("-")[1][1:]) // 2
    assert instance.name == name
    assert [request.index for request in instance.requests] == list(range(1, requests + 1))


def test_a_published_instance_cut_in_half_is_called_truncated(
    read_instance: Callable[[str], bytes],
) -> None:
    content = read_instance("bar-n100-1")

    with pytest.raises(Refusal) as refused:
        parse(content[: len(content) // 2])

    assert refused.value.code == "pdptw.truncated"
