"""Attacks on memory, disk, time and files: floods, large questions, hostile text."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

import pytest

from sheaf_node.charter_file import adopt_charter, draft_charter, read_charter_file, sign_charter
from sheaf_node.clock import SystemClock
from sheaf_node.ingest import Draft
from sheaf_node.keyring import create_keyring
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import LogId, digest, log_id
from sheaf_protocol.envelope import body_of
from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.link.messages import Entries, RangeItem, Served, Want
from sheaf_protocol.records import Demand, Item, Price
from sheaf_protocol.testing.author import derived

if TYPE_CHECKING:
    from pathlib import Path

    from tests.federation.conftest import Scene, World

BODY = b"\x80"


async def test_question_for_everything_is_answered_with_what_there_is(scene: Scene) -> None:
    # Ask for 2^53 entries of a log of one, and of a thousand logs that nobody has.
    log = log_id(scene.victim.certificate.fid, scene.victim.coop.cid, scene.victim.coop.wid)
    nobodys = [RangeItem(LogId(digest("test", bytes([n]))), 1, MAX_INT) for n in range(200)]
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(Want(evil.scope, [RangeItem(log, 1, MAX_INT), *nobodys]))
        await evil.hear(Served)

        sent = [message for message in evil.heard if isinstance(message, Entries)]

    assert [len(batch.envelopes) for batch in sent] == [1]
    await scene.require_unharmed()


async def test_endless_questions_for_nothing_keep_nobody_else_waiting(scene: Scene) -> None:
    # Ask for what is not there, over and over, so that the node does nothing else.
    nothing = [RangeItem(LogId(digest("test", b"no log")), 1, MAX_INT)] * 100
    async with scene.evil() as evil:
        await evil.become_ready()
        for _ in range(300):
            await evil.send(Want(evil.scope, nothing))

        await scene.victim.publish()
        await scene.world.until(lambda: scene.honest.store.arrival == 2)


async def test_flood_by_a_member_keeps_nobody_else_waiting(scene: Scene) -> None:
    # Push thousands of right entries as fast as the link takes them.
    async with scene.evil() as evil:
        await evil.become_ready()
        made = [evil.author.append("x.note", BODY) for _ in range(4_000)]

        async def flood() -> None:
            for at in range(0, len(made), 250):
                await evil.push(*made[at : at + 250])

        flooding = asyncio.ensure_future(flood())
        [entry] = await scene.honest.publish()
        await scene.world.until(lambda: scene.victim.store.entry(entry.id) is not None)
        held = scene.victim.store.arrival
        await flooding

    assert held < len(made)


@pytest.mark.parametrize(
    "name",
    [
        "'; DROP TABLE entries; --",
        "%",
        '"',
        "\\",
        "a' OR '1'='1",
        "\u202eevil",
        "\x1b[2J",
        "x\r\ny",
    ],
)
async def test_name_made_of_commands_is_a_name(world: World, name: str) -> None:
    # Call an item what a database, a terminal or a text direction would obey.
    node = await world.start(0)
    body = encode(demand(name))

    [entry] = await node.ingest.publish(
        node.certificate.fid, [Draft(kind="demand.submit", body=body)]
    )

    stored = node.store.entry(entry.id)
    assert stored is not None
    assert decode(body_of(stored.envelope.payload), Demand).item.name == name
    assert node.store.arrival == 1


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "CON", "a/b", "..", "\\\\evil\\c"])
def test_name_made_of_a_path_leads_to_no_file(tmp_path: Path, name: str) -> None:
    # Call a federation what a file system would follow.
    home = tmp_path / "home"
    home.mkdir()
    keyring = create_keyring(
        home, name="Hill", country="GB", random=os.urandom, now_ms=SystemClock().now_ms()
    )
    before = files_of(tmp_path)
    draft = draft_charter(name, [(keyring.key_ops, ["member"])], bytes(16))
    charter = read_charter_file(sign_charter(read_charter_file(draft), keyring))

    adopt_charter(charter, home)

    [made] = files_of(tmp_path) - before
    assert made.parent == home / "federations"
    assert made.stem == charter.certificate.fid.hex()


async def test_peer_that_lost_its_store_is_caught_up(world: World) -> None:
    # Come back under the same identity with an empty disk, like one whose memory was wiped.
    keeper = await world.start(0)
    loser = await world.start(1, dials=[keeper])
    await keeper.publish(3)
    await loser.publish(2)
    await world.until_converged(keeper, loser, entries=5)
    await loser.stop()
    wipe(world.folder / loser.coop.name)

    again = await world.start(1, dials=[keeper])

    await world.until_converged(keeper, again, entries=5)


async def test_no_secret_reaches_the_log_or_the_disk(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    # Read what a node leaves behind: its log at the lowest level and its database.
    caplog.set_level(logging.DEBUG)
    node, peer = await world.start(0), await world.start(1)
    dialling = await world.start(2, dials=[node, peer])
    await node.publish(2)
    await world.until_converged(node, dialling, entries=2)
    async with world.evil(node) as evil:
        await evil.become_ready()
        await evil.send_plain(b"\xc1")
        await evil.ending()

    left = caplog.text.encode() + b"".join(
        path.read_bytes() for path in world.folder.rglob("*") if path.is_file()
    )
    for coop in world.coops:
        for use in ("writer", "manager", "rotation", "next", "prekey"):
            secret = derived(b"", coop.name, use)
            assert secret not in left
            assert secret.hex().encode() not in left


def demand(name: str) -> Demand:
    """Return a demand for an item of a name."""
    return Demand(
        is_firm=True,
        item=Item(code="c1", name=name, scale=0, unit="KGM"),
        max_price=Price(amount=10, base=1, currency="GBP"),
        min_quantity=1,
        quantity=5,
        ref="r1",
        zone="N",
    )


def files_of(folder: Path) -> set[Path]:
    """Return all files below a folder."""
    return {path for path in folder.rglob("*") if path.is_file()}


def wipe(folder: Path) -> None:
    """Remove a store's files."""
    for path in files_of(folder):
        path.unlink()
