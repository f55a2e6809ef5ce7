"""One and the same service folder, in the node's process and in its own: nothing tells them apart.

Each service runs twice over the same log: by a host in the process of the node, and by `sheaf
service run` in a process of its own, over HTTP and events from a real port. What it published, what
it shows and what it keeps is compared. The clock stands still and nothing in an entry is random, so
that even ids are the same.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.service_apart import (
    EXAMPLES,
    HILL,
    MILL,
    PATIENCE_S,
    WATCH,
    Apart,
    apart,
    demand,
    offer,
    toml,
    until,
)

from sheaf_node.api.json_view import entry_json
from sheaf_node.plugins import Call, ServiceHost
from sheaf_node.plugins.inside import load_inside
from sheaf_node.plugins.installed import Installed
from sheaf_protocol.envelope import SEALED
from sheaf_protocol.testing.author import LogAuthor, make_federation
from sheaf_services.order_fulfilment.service import OrderFulfilment
from sheaf_services.pooled_purchasing.service import PooledPurchasing
from sheaf_services.shipment_matching.service import ShipmentMatching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from sheaf_node.store import StoredEntry

ROLES = ["coordinator", "member", "supplier"]
CERTIFICATE = make_federation([(MILL, ROLES), (HILL, ["member", "supplier"])])
NUTS = b"""item,unit,min_quantity,price,currency,valid_until,unit_weight_g
feed,kg,1,7.00,GBP,2027-03-01,1000
feed,kg,20,6.00,GBP,2027-03-01,1000
"""
WISH = b"""ref,item,quantity,unit,max_price,currency
own,feed,30,kg,9.50,GBP
"""


@dataclass(frozen=True, kw_only=True)
class Story:
    """A service and what its people do."""

    name: str
    commands: tuple[tuple[str, bytes, Mapping[str, str], int], ...]
    """In their order, with how many entries come of each; the next waits for them."""
    views: tuple[str, ...]


STORIES = [
    Story(
        name="price_alert",
        commands=(
            ("watch", json.dumps(WATCH).encode(), {}, 1),
            ("watch", json.dumps({**WATCH, "quantity": 7}).encode(), {}, 0),
            ("watch", b"{}", {}, 0),  # refused
        ),
        views=("alerts",),
    ),
    Story(
        name="purchasing",
        commands=(
            ("import_prices", NUTS, {}, 1),
            ("import_purchases", WISH, {}, 1),
            ("open_pools", b"", {"k_min": "1", "may_close_early": "1"}, 1),
            ("close_pools", b"", {}, 5),
            ("open_pools", b"", {"k_min": "none"}, 0),  # refused
        ),
        views=("report",),
    ),
]


def folder_of(name: str, parent: Path) -> Path:
    """Return the folder of a service; that of a reference service is made around its class."""
    if name == "price_alert":
        return EXAMPLES / name
    class_ = PooledPurchasing
    folder = parent / name
    folder.mkdir()
    follows = sorted(class_.follows)
    asked = {
        "name": name,
        "version": "1",
        "title": "A reference service in a folder",
        "follows": follows,
        "publishes": follows,
        "python": f"{name}:{class_.__name__}",
    }
    manifest = "\n".join(f"{key} = {toml(value)}" for key, value in asked.items())
    (folder / "sheaf-service.toml").write_text(manifest)
    line = f"from {class_.__module__} import {class_.__name__}\n"
    (folder / f"{name}.py").write_text(line)
    return folder


def test_the_reference_services_need_nothing_but_what_a_manifest_can_grant() -> None:
    """What they publish and follow is no kind that is kept from services."""
    from sheaf_node.plugins.manifest import RESERVED  # noqa: PLC0415

    assert not OrderFulfilment.follows & RESERVED
    assert not PooledPurchasing.follows & RESERVED
    assert not ShipmentMatching.follows & RESERVED


Ask = "Callable[[str, str, bytes, Mapping[str, str]], Awaitable[Any]]"


@asynccontextmanager
async def within(node: Apart, folder: Path) -> AsyncIterator[Any]:
    """Run a service in this process, as a node does that shares its own."""
    node.add(folder, shares_process=True)
    factory = load_inside(node.home)[folder.name]
    federation = node.parts.ingest.federations[CERTIFICATE.fid]
    host = ServiceHost(folder.name, factory, {}, federation=federation, parts=node.parts)
    task = asyncio.create_task(host.run())

    async def ask(what: str, name: str, body: bytes, options: Mapping[str, str]) -> Any:
        call = Call(body=body, options=options)
        asked = host.command(name, call) if what == "command" else host.view(name, call)
        try:
            return await asked
        except Exception as exc:
            return getattr(exc, "code", type(exc).__name__)

    try:
        yield ask
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def beside(node: Apart, folder: Path) -> AsyncIterator[Any]:
    """Run a service by `sheaf service run`, in a process of its own."""
    token = node.home.parent / "token"
    token.write_text(node.add(folder))
    arguments = ["service", "run", folder.name, "--node", node.url, "--token-file", str(token)]
    command = [sys.executable, "-m", "sheaf_node", *arguments, "--home", str(node.home)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)

    async def ask(what: str, name: str, body: bytes, options: Mapping[str, str]) -> Any:
        method = "POST" if what == "command" else "GET"
        path = f"services/{folder.name}/{name}"
        data = {"data": body} if what == "command" else {}
        status, said = await node.ask(method, path, params=dict(options), **data)
        return said if status == 200 else said["code"]

    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            assert (await process.stdout.readline()).startswith(b"Running")
        yield ask
    finally:
        process.kill()
        await process.wait()


async def outcome(home: Path, folder: Path, story: Story, running: Any) -> dict[str, Any]:
    """Return what came of a story: replies, entries, views and what is kept."""
    async with apart(home, CERTIFICATE, salts=bytes) as node, running(node, folder) as ask:
        theirs = LogAuthor(HILL, CERTIFICATE.fid)
        for record in (offer("o1"), offer("o2", 950), demand("d1")):
            await node.parts.ingest.receive([theirs.publish(record)])
        await settled(node, node.parts.store.arrival)
        replies = []
        for name, body, options, count in story.commands:
            entries_then = node.parts.store.arrival + count
            replies.append(await ask("command", name, body, options))
            await settled(node, entries_then)
        entries = node.parts.store.entries_after(0, 10_000)
        own = [entry for entry in entries if entry.header.cid == MILL.cid]
        return {
            "replies": replies,
            "views": [await ask("view", name, b"", {}) for name in story.views],
            "entries": [told(entry) for entry in own],
            "kept": kept(Installed(node.home).storage(folder.name)),
        }


def told(entry: StoredEntry) -> Any:
    """Return what is compared of an entry; no two sealed bodies are alike, whatever is inside."""
    is_sealed = entry.kind == SEALED
    return entry.kind, None if is_sealed else (entry.id.hex(), entry_json(entry).record)


async def settled(node: Apart, entries: int) -> None:
    """Return once so many entries are stored, and no more were for a while."""
    await until(lambda: node.parts.store.arrival >= entries)
    seen = -1
    while node.parts.store.arrival != seen:
        seen = node.parts.store.arrival
        await asyncio.sleep(0.3)


def kept(path: Path) -> list[Any]:
    """Return all that a service keeps, and its version."""
    if not path.exists():
        return []
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT key, value FROM kept ORDER BY key").fetchall()
        return [*rows, *connection.execute("SELECT version FROM state").fetchall()]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_the_same_folder_does_the_same_in_the_node_and_in_its_own_process(
    tmp_path: Path, story: Story
) -> None:
    folder = folder_of(story.name, tmp_path)

    for name in ("inside", "outside"):
        (tmp_path / name).mkdir()

    inside = await outcome(tmp_path / "inside", folder, story, within)
    outside = await outcome(tmp_path / "outside", folder, story, beside)

    assert len(inside["entries"]) == sum(count for *_, count in story.commands)
    assert all(inside["views"])
    assert inside == outside
