"""Attacks by key logs, certificates and fork proofs, which anybody brings and all have to check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.config import Limits
from sheaf_node.peering.policy import BURST, MAX_BAD
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.fork import make_branch, make_fork_proof
from sheaf_protocol.identity import signing_key
from sheaf_protocol.link.messages import Compare, ControlHave, ControlItems, Have, KeyOps
from sheaf_protocol.testing.author import (
    LogAuthor,
    TestCoop,
    derived,
    make_coop,
    make_federation,
)

if TYPE_CHECKING:
    from tests.federation.conftest import EvilPeer, RunningNode, Scene, World

    from sheaf_protocol.charter import Certificate
    from sheaf_protocol.fork import ForkProof

BODY = b"\x80"


async def test_weaker_sides_of_a_key_log_end_the_link(scene: Scene) -> None:
    # Have one side after another of the own key log checked, each of which loses.
    async with scene.evil() as evil:
        coop = evil.coop
        twin = coop.twin()
        weak = [coop.twin() for _ in range(MAX_BAD)]
        coop.delegate(signing_key(derived(b"", "evil", "lost")), scene.world.now_ms)
        await evil.become_ready()
        await evil.send(key_ops(coop))
        twin.revoke()
        await evil.send(key_ops(twin))
        for number, side in enumerate(weak):
            side.delegate(signing_key(derived(bytes([number]), "evil", "weak")), scene.world.now_ms)
            await evil.send(key_ops(side))

        assert await evil.ending() == "link.bad_entries"

    assert scene.victim.store.key_logs[coop.cid].head == twin.keys.head
    await scene.require_unharmed()


async def test_known_operations_sent_again_are_no_offence(scene: Scene) -> None:
    # Nothing: a node that is asked for a whole key log repeats what we hold.
    async with scene.evil() as evil:
        await evil.become_ready()
        for _ in range(2 * MAX_BAD):
            await evil.send(key_ops(evil.coop))

        assert await is_alive(evil)


async def test_certificate_that_cannot_be_judged_is_not_judged_for_ever(scene: Scene) -> None:
    # Leave a certificate with thousands of signatures behind that is never complete.
    async with scene.evil() as evil:
        await evil.become_ready()
        certificate, *logs = unfinished(scene, evil)
        for _ in range(MAX_BAD):
            await evil.send(ControlItems(logs, [certificate], [], True))

        assert await evil.ending() == "link.bad_entries"

    assert certificate.fid not in scene.victim.store.chains
    await scene.require_unharmed()


async def test_certificate_waits_for_key_logs_that_come_later(scene: Scene) -> None:
    # Nothing: of a thousand members the last key logs come in a second answer.
    coop, friend = scene.victim.coop, make_coop("Friend", now_ms=scene.world.now_ms)
    async with scene.evil() as evil:
        await evil.become_ready()
        certificate = make_federation([(c, ["member"]) for c in (coop, evil.coop, friend)])
        await evil.send(ControlItems([], [certificate], [], True))
        await evil.send(key_ops(friend))

        await scene.world.until(lambda: certificate.fid in scene.victim.store.chains)
        assert await is_alive(evil)


async def test_control_items_without_content_are_bounded(scene: Scene) -> None:
    # Answer nobody's question with nothing, each time all that was told is looked through.
    async with scene.evil() as evil:
        await evil.become_ready()
        for _ in range(2 * BURST):
            await evil.send(ControlItems([], [], [], True))

        assert await evil.ending() == "link.flood"

    await scene.require_unharmed()


async def test_who_was_cut_off_for_a_flood_begins_where_it_ended(scene: Scene) -> None:
    # Dial again after a flood, for another burst.
    async with scene.evil() as evil:
        await evil.become_ready()
        for _ in range(2 * BURST):
            await evil.send(ControlItems([], [], [], True))
        await evil.ending()
    async with scene.evil() as again:
        await again.shake_hands()
        await again.send(ControlHave([], [], [], True))
        await again.send(ControlItems([], [], [], True))

        assert await again.ending() == "link.flood"

    await scene.require_unharmed()


async def test_honest_relay_of_a_log_closed_meanwhile_is_not_cut_off(scene: Scene) -> None:
    # Close a writer towards one node and feed its entries to another, which passes them on.
    closed = scene.world.coops[2]
    author = LogAuthor(closed, scene.victim.certificate.fid, now_ms=scene.world.now_ms)
    entries = [author.append("x.note", BODY) for _ in range(2 * MAX_BAD)]
    closed.close({})
    await scene.victim.ingest.receive_key_ops(closed.cid, closed.key_ops)
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.push(*entries)

        assert await is_alive(evil)

    assert scene.victim.store.arrival == 1


async def test_stranger_behind_a_dialled_address_leaves_nothing(world: World) -> None:
    # Answer at an address that a node dials, each time as another co-op.
    stranger = await world.start(1, knows=[], has_certificate=False)
    node = await world.start(0, knows=[], has_certificate=False, dials=[stranger])

    await world.until(lambda: node.peering.dials()[0].reason is not None)

    assert list(node.store.key_logs) == [node.coop.cid]


async def test_member_makes_nobody_hold_more_logs_than_a_bound(world: World) -> None:
    # Begin a log, or fork one, with each of a thousand writers, so that all tell of too many.
    node = await world.start(0, limits=Limits(author_logs=3))
    authors = [author_of(world, number) for number in range(5)]
    evil = world.evil_coop
    await node.ingest.receive_key_ops(evil.cid, evil.key_ops)
    batch = [author.twin().append("x.note", BODY) for author in authors[:4]]

    results = await node.ingest.receive(batch)
    fates = [await fate_of(node, forked(author)) for author in authors]

    assert [result.code for result in results] == [None, None, None, "quota.author"]
    assert fates == ["taken", "taken", "taken", "quota.author", "quota.author"]
    assert len(node.store.frontier(node.certificate.fid)) == 3


def author_of(world: World, number: int) -> LogAuthor:
    """Return another writer of the evil co-op."""
    key = signing_key(derived(bytes([number]), "evil", "writer"))
    world.evil_coop.delegate(key, world.now_ms + 10**9)
    return LogAuthor(world.evil_coop, world.certificate.fid, writer=key, now_ms=world.now_ms)


def forked(author: LogAuthor) -> ForkProof:
    """Return the proof that a log forks at its first place."""
    sides = (author.twin().append("x.note", BODY), author.twin().append("x.other", BODY))
    one, other = (make_branch([side.header], side.signature) for side in sides)
    return make_fork_proof(one, other)


async def fate_of(node: RunningNode, proof: ForkProof) -> str:
    """Return what became of a fork proof."""
    try:
        return "taken" if await node.ingest.receive_fork_proof(proof) else "known"
    except RemoteProtocolError as exc:
        return exc.code


def key_ops(coop: TestCoop) -> ControlItems:
    """Return a whole key log as it is sent."""
    return ControlItems([KeyOps(coop.cid, list(coop.key_ops))], [], [], True)


def unfinished(scene: Scene, evil: EvilPeer) -> tuple[Certificate, KeyOps]:
    """Return a certificate of ours and of a co-op with a gap in its key log, which comes, too."""
    ghost = make_coop("Ghost", now_ms=scene.world.now_ms)
    for _ in range(3):
        ghost.revoke()
    certificate = make_federation([(c, ["member"]) for c in (scene.victim.coop, evil.coop, ghost)])
    return certificate, KeyOps(ghost.cid, [ghost.key_ops[0], ghost.key_ops[-1]])


async def is_alive(evil: EvilPeer) -> bool:
    """Return once the victim has answered a question: it took all that came before."""
    await evil.send(Compare(evil.scope, evil.author.fid, 0))
    return isinstance(await evil.hear(Have), Have)
