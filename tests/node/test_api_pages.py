"""Pages of the log: each entry once, whatever arrives in between, and never from another store."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.local_port import FIRST, SECOND, Port, local_port

from sheaf_node.api.log import entries_for_page
from sheaf_node.api.page import Place, read_cursor, write_cursor
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

STORE = bytes(range(16))
PLACE = Place(7, FIRST.fid)


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    async with local_port(tmp_path) as each:
        yield each


async def page(port: Port, query: str) -> Any:
    answer = await port.get(f"/api/v1/log?{query}")
    assert answer.status == 200, answer.body
    return answer.body


def arrivals(page: Any) -> list[int]:
    return [item["arrival"] for item in page["items"]]


async def test_cursors_show_each_entry_once_while_others_arrive(port: Port) -> None:
    for _ in range(3):
        await port.post_demand()
    first = await page(port, "limit=2")
    await port.post_demand()
    second = await page(port, f"limit=2&cursor={first['cursor']}")

    third = await page(port, f"cursor={second['cursor']}")

    assert [arrivals(each) for each in (first, second, third)] == [[1, 2], [3, 4], []]


async def test_the_cursor_of_an_empty_page_goes_on_once_more_has_arrived(port: Port) -> None:
    empty = await page(port, "limit=2")
    await port.post_demand()

    more = await page(port, f"cursor={empty['cursor']}")

    assert (empty["next"], arrivals(more)) == (None, [1])


async def test_a_cursor_keeps_the_federation_that_was_named(port: Port) -> None:
    await port.post_demand()
    await port.post_demand(f"?federation={SECOND.fid.hex()}")
    first = await page(port, f"limit=1&federation={SECOND.fid.hex()[:8]}")

    rest = await page(port, f"cursor={first['cursor']}")

    assert first["items"] == []
    assert [item["fid"] for item in rest["items"]] == [SECOND.fid.hex()]


async def test_a_page_ends_early_where_its_entries_are_large(port: Port) -> None:
    for _ in range(40):
        await port.post_demand()

    all_of_them = entries_for_page(port.store, 0, 1_000)
    few = entries_for_page(port.store, 0, 1_000, max_bytes=1)
    rest = entries_for_page(port.store, few[-1].arrival, 1_000)

    assert [entry.arrival for entry in all_of_them] == list(range(1, 41))
    assert 0 < len(few) < 40
    assert [*few, *rest] == all_of_them
    assert entries_for_page(port.store, 40, 1_000) == []


async def test_since_begins_behind_an_arrival_number_and_after_is_the_same(port: Port) -> None:
    for _ in range(3):
        await port.post_demand()

    since, after = await page(port, "since=1"), await page(port, "after=1")

    assert arrivals(since) == [2, 3]
    assert since == after


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("cursor=nonsense", "api.cursor"),  # of the right letters
        ("cursor=", "api.cursor"),  # nothing
        ("cursor=%C3%A9", "api.cursor"),  # not ASCII
        (f"cursor={'A' * 201}", "api.query"),  # longer than any
        (f"cursor={write_cursor(PLACE, STORE)}", "api.cursor"),  # of another store
        ("cursor=AAAA&since=1", "api.query"),  # two beginnings
        ("since=1&after=1", "api.query"),
        ("since=1&since=2", "api.query"),  # one of them twice
        ("sinse=1", "api.query"),  # a typo
        ("since=1e2", "api.query"),  # a number in another spelling
        ("since=5.0", "api.query"),
        ("since=null", "api.query"),
        ("federation=ab%0A", "api.query"),  # a line end behind what would do
    ],
)
async def test_a_page_that_begins_nowhere_is_refused(port: Port, query: str, code: str) -> None:
    answer = await port.get(f"/api/v1/log?{query}")

    assert (answer.status, answer.code) == (422, code)


async def test_a_cursor_of_another_federations_page_is_refused(port: Port) -> None:
    first = await page(port, f"federation={FIRST.fid.hex()}")

    answer = await port.get(f"/api/v1/log?cursor={first['cursor']}&federation={SECOND.fid.hex()}")

    assert (answer.status, answer.code) == (422, "api.cursor")


@pytest.mark.parametrize("place", [Place(0, None), Place(2**53 - 1, None), PLACE])
def test_a_cursor_is_read_as_it_was_written(place: Place) -> None:
    assert read_cursor(write_cursor(place, STORE), STORE) == place


def test_no_other_bytes_are_a_cursor() -> None:
    data = base64.urlsafe_b64decode(write_cursor(Place(7, None), STORE) + "==")
    wrong = [data[:size] for size in range(len(data))]
    wrong += [b"\x02" + data[1:], data + b"\x00", data[:9] + b"\xff" * 8]
    wrong += [os.urandom(len(data)) for _ in range(200)]

    for each in wrong:
        with pytest.raises(Refusal) as caught:
            read_cursor(base64.urlsafe_b64encode(each).decode().rstrip("="), STORE)
        assert caught.value.code == "api.cursor"
