"""Attacks on a node by a member of its federation, and by strangers at its peer port.

The form of every message is right here; `test_hostile_peer.py` breaks that. Each once worked.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from sheaf_node.config import Limits
from sheaf_node.peering.aiohttp_socket import MAX_PINGS
from sheaf_node.peering.policy import MAX_BAD
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.identity import append_op, signing_key
from sheaf_protocol.limits import HANDSHAKE_MS
from sheaf_protocol.link.messages import (
    ControlHave,
    ControlItems,
    ControlWant,
    KeyOps,
    PayloadWant,
    Want,
)
from sheaf_protocol.testing.author import LogAuthor, make_coop, unsigned
from sheaf_protocol.testing.chain import prove_fork

if TYPE_CHECKING:
    from tests.federation.conftest import RunningNode, Scene, World

BODY = b"\x80"
BELOW, BEYOND = 3, 5
"""Entries below a fork and beyond it."""


def counting(node: RunningNode) -> frozenset[bytes]:
    """Return the entries that have an effect on a node."""
    return frozenset(e.id for e in node.store.entries_after(0) if e.no_effect is None)


def two_faces(world: World) -> tuple[LogAuthor, list[Envelope], list[Envelope]]:
    """Return the evil co-op's author, and two whole logs of it that share their beginning."""
    left = LogAuthor(world.evil_coop, world.certificate.fid, now_ms=world.now_ms)
    below = [left.append("x.note", BODY) for _ in range(BELOW)]
    right = left.twin()
    return (
        left,
        [*below, *(left.append("x.left", BODY) for _ in range(BEYOND))],
        [*below, *(right.append("x.right", BODY) for _ in range(BEYOND))],
    )


async def require_agreement(world: World, author: LogAuthor, *nodes: RunningNode) -> None:
    """Return once all nodes hold the same to count, below the true fork."""
    await world.until(lambda: len({n.root for n in nodes}) == 1)
    await world.until(lambda: len({counting(n) for n in nodes}) == 1)
    assert {n.store.logs[author.log].forked_at for n in nodes} == {BELOW + 1}


async def test_relay_that_strips_payloads_hides_nothing(world: World) -> None:
    author = await world.start(1)
    victim = await world.start(0)
    [entry] = await author.publish()
    bare = Envelope(entry.envelope.header, entry.envelope.signature, b"")
    async with world.evil(victim) as evil:
        await evil.become_ready()
        await evil.push(bare)
        await evil.hear(PayloadWant)

    await world.start(2, dials=[author, victim])

    await world.until(lambda: entry.id in counting(victim))


async def test_proof_above_the_true_fork_hides_no_difference(world: World) -> None:
    """Two nodes on two branches are handed a proof of the branches' ends, so both are "forked"."""
    first, second = await world.start(0), await world.start(1)
    author, lefts, rights = two_faces(world)
    proof = prove_fork(lefts[-1], rights[-1])
    for node, branch in ((first, lefts), (second, rights)):
        async with world.evil(node) as evil:
            await evil.become_ready()
            await evil.push(*branch)
            await evil.send(ControlItems([], [], [proof], True))
            await world.until(lambda node=node: bool(node.store.fork_proofs))

    third = await world.start(2, dials=[first, second])

    await require_agreement(world, author, first, second, third)


async def test_branches_signed_at_their_ends_only_are_proven_where_they_part(world: World) -> None:
    """Else both would count below the fork that their ends alone would prove."""
    first, second = await world.start(0), await world.start(1)
    author, lefts, rights = two_faces(world)
    for node, branch in ((first, lefts), (second, rights)):
        async with world.evil(node) as evil:
            await evil.become_ready()
            await evil.tell(len(branch), branch[-1].id)
            await evil.hear(Want)
            await evil.push(*(unsigned(e) for e in branch[:-1]), branch[-1], is_live=False)
            await world.until(lambda node=node: node.store.arrival == len(lefts))

    third = await world.start(2, dials=[first, second])

    await require_agreement(world, author, first, second, third)


async def test_key_logs_of_made_up_co_ops_are_not_stored(scene: Scene) -> None:
    known = set(scene.victim.store.key_logs)
    async with scene.evil() as evil:
        await evil.shake_hands()
        await evil.send(ControlHave([], [], [], True))
        made = [make_coop(f"Made up {n}", now_ms=evil.now_ms) for n in range(20)]
        await evil.send(ControlItems([KeyOps(c.cid, c.key_ops) for c in made], [], [], True))
        await evil.send(ControlWant([], [], []))
        await evil.hear(ControlItems)  # so ours were taken

        assert set(scene.victim.store.key_logs) == known

    await scene.require_unharmed()


async def test_relay_of_a_two_faced_key_log_is_not_to_blame(scene: Scene) -> None:
    """Else a co-op that signs two key operations for one place parts honest nodes."""
    liar = scene.world.coops[2]
    left = liar.delegate(signing_key(b"left".ljust(32)), scene.world.now_ms)
    await scene.victim.ingest.receive_key_ops(liar.cid, [left])
    other = make_coop(liar.name, now_ms=scene.world.now_ms)  # the same keys, of an earlier state
    right = other.delegate(signing_key(b"right".ljust(32)), scene.world.now_ms)
    assert append_op(make_coop(liar.name, now_ms=scene.world.now_ms).keys, right).cid == liar.cid
    async with scene.evil() as evil:
        await evil.shake_hands()
        await evil.send(ControlHave([], [], [], True))
        for _ in range(MAX_BAD + 1):
            await evil.send(ControlItems([KeyOps(liar.cid, [right])], [], [], True))
        await evil.send(ControlWant([], [], []))

        await evil.hear(ControlItems)

    await scene.require_unharmed()


async def test_idle_connections_do_not_lock_peers_out(world: World) -> None:
    limits = Limits(links=4)
    victim = await world.start(0, limits=limits)
    for _ in range(3 * limits.links):
        held = socket.create_connection((victim.host, victim.peering.port))
        world.stack.callback(held.close)

    honest = await world.start(1, dials=[victim])

    async with asyncio.timeout(HANDSHAKE_MS / 1000 - 1):  # when idle ones are ended anyway
        await world.until(lambda: victim.is_in_sync_with(honest))


async def test_flood_of_pings_ends_the_link(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        for _ in range(MAX_PINGS):
            await evil.socket.ping()

        assert await evil.ending() == "link.message"

    await scene.require_unharmed()
