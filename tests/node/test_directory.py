"""The directory: what a node tells of its addresses, takes back, and reads of others."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from sheaf_node.app import open_node
from sheaf_node.clock import SystemClock
from sheaf_node.config import CONFIG_FILE
from sheaf_node.directory import REST_MS, Directory, directory_hints
from sheaf_node.joining import Shelf, Wish
from sheaf_node.keyring import create_keyring
from sheaf_node.linking import make_inviting
from sheaf_node.peering.hints import Source
from sheaf_node.plugins import Call
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import CoopId, WriterId
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.records import AddressList, decode_record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sheaf_node.app import Node

HILL, DALE = CoopId(b"h" * 32), CoopId(b"d" * 32)
ONE, OTHER = WriterId(b"1" * 32), WriterId(b"2" * 32)


class Context:
    """What a directory asks of its node."""

    cid, line = HILL, ONE

    def __init__(self, *members: CoopId) -> None:
        self.federation = SimpleNamespace(is_member=lambda cid: cid in members)
        self.published: list[AddressList] = []
        self.woken_ms: list[int] = []
        self.clock_ms = 10 * REST_MS

    def now_ms(self) -> int:
        return self.clock_ms

    def name_of(self, cid: CoopId) -> str:
        return cid[:1].decode()

    def wake_at(self, time_ms: int) -> None:
        self.woken_ms.append(time_ms)

    def publish(self, record: AddressList) -> None:
        self.published.append(record)


def seen(
    *urls: str, cid: CoopId = DALE, line: WriterId = ONE, place: int = 1, time_ms: int = 0
) -> Any:
    return SimpleNamespace(
        cid=cid, line=line, place=place, time_ms=time_ms, record=AddressList(urls=list(urls))
    )


def made(*told: str, members: tuple[CoopId, ...] = (HILL, DALE)) -> tuple[Directory, Context]:
    context = Context(*members)
    return Directory(context, list(told)), context  # type: ignore[arg-type]


def shown(directory: Directory) -> dict[str, list[str]]:
    view: Any = directory.views["addresses"](Call())
    return {row["name"]: row["urls"] for row in view["members"]}


def test_the_newest_list_of_a_line_counts_in_whatever_order_they_come() -> None:
    directory, _ = made()

    directory.fold(seen("wss://new.example", place=2))
    directory.fold(seen("wss://old.example", place=1))

    assert shown(directory) == {"d": ["wss://new.example"]}


def test_an_empty_list_takes_all_back() -> None:
    directory, _ = made()

    directory.fold(seen("wss://dale.example", place=1))
    directory.fold(seen(place=2))

    assert shown(directory) == {}


def test_two_installations_of_a_co_op_are_told_together_eight_at_most() -> None:
    directory, _ = made()

    directory.fold(seen(*(f"wss://a{n}.example" for n in range(6)), line=ONE))
    directory.fold(seen(*(f"wss://b{n}.example" for n in range(6)), line=OTHER))

    assert len(shown(directory)["d"]) == 8


def test_a_co_op_that_is_no_member_is_not_shown() -> None:
    directory, _ = made(members=(HILL,))

    directory.fold(seen("wss://dale.example"))

    assert shown(directory) == {}


def test_an_address_is_of_the_co_op_whose_log_it_stands_in() -> None:
    directory, _ = made()

    directory.fold(seen("wss://hill.example", cid=DALE))

    assert shown(directory) == {"d": ["wss://hill.example"]}


def test_what_was_said_already_is_not_said_again() -> None:
    directory, context = made("wss://hill.example")

    directory.decide()
    directory.fold(seen("wss://hill.example", cid=HILL))
    directory.decide()

    assert context.published == [AddressList(urls=["wss://hill.example"])]


def test_a_node_that_is_to_tell_nothing_and_never_did_says_nothing() -> None:
    directory, context = made()

    directory.decide()

    assert context.published == []


def test_settings_that_go_to_and_fro_fill_no_log() -> None:
    directory, context = made("wss://hill.example")
    directory.fold(seen("wss://old.example", cid=HILL, time_ms=context.clock_ms - 1))

    directory.decide()

    assert (context.published, context.woken_ms) == ([], [context.clock_ms - 1 + REST_MS])


def test_who_was_expelled_says_nothing() -> None:
    directory, context = made("wss://hill.example", members=(DALE,))

    directory.decide()

    assert context.published == []


@pytest.mark.parametrize(
    "urls",
    [["http://a.example"], ["wss://a b"], ["wss://" + "a" * 191], ["wss://a.example"] * 9, ["a"]],
)
def test_what_is_no_list_of_addresses_has_no_effect(urls: list[str]) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        decode_record("address.list", encode({"urls": urls}))

    assert refused.value.code == "schema.invalid"


SETTINGS = """name = "Hill"
peer_port = 8440
local_port = 8441
public_names = {names}

[discovery]
directory = {is_told}
"""


@asynccontextmanager
async def running(home: Path, *, names: str, is_told: str) -> AsyncIterator[Node]:
    (home / CONFIG_FILE).write_text(SETTINGS.format(names=names, is_told=is_told))
    async with open_node(home, clock=SystemClock(), random=os.urandom) as node:
        task = asyncio.create_task(node.hosts.run())
        try:
            yield node
        finally:
            task.cancel()
            await asyncio.wait([task])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - a store has no event for one entry
            await asyncio.sleep(0.02)


async def urls_told(node: Node) -> list[str]:
    return [hint.url for hint in await directory_hints(node.hosts.by_federation)]


async def test_a_node_tells_its_public_names_and_nothing_of_its_own_network(
    tmp_path: Path,
) -> None:
    home = tmp_path / "hill"
    create_keyring(
        home, name="Hill", country="GB", random=os.urandom, now_ms=SystemClock().now_ms()
    )
    names = '["hill.example", "192.168.1.5", "localhost"]'
    async with running(home, names=names, is_told="true") as node:
        await make_inviting(node, home, Shelf(home)).create(Wish())
        store = node.parts.store
        await until(lambda: store.arrival >= 1)

        [hint] = await directory_hints(node.hosts.by_federation)

        assert (hint.url, hint.source) == ("wss://hill.example", Source.DIRECTORY)
        assert hint.cid == node.parts.keyring.cid

    async with running(home, names=names, is_told="true") as node:
        assert await urls_told(node) == ["wss://hill.example"]
        assert node.parts.store.arrival == 1  # said once, over restarts
