"""What brings two nodes together again: cursors, lost stores, divided key logs, and what is told of
each on the wire.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from sheaf_node.config import Waits
from sheaf_protocol.digest import Digest, digest
from sheaf_protocol.frontier import idle_digest, items
from sheaf_protocol.identity import signing_key
from sheaf_protocol.link.messages import (
    Compare,
    ControlHave,
    Entries,
    Have,
    Idle,
    Lagged,
    Scope,
    Tree,
    TreeNode,
    TreeWant,
    Want,
)
from sheaf_protocol.testing.author import LogAuthor, make_coop
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from tests.federation.conftest import EvilPeer, RunningNode, Scene, World

    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.identity import KeyOp

OTHER = digest("test", b"other root")
OFTEN = Waits(redial_first_ms=20, announce_ms=20, recheck_ms=50)


async def in_sync_pair(world: World, count: int = 3) -> tuple[RunningNode, RunningNode]:
    """Two nodes that hold the same entries of both, and know so."""
    [port] = free_ports(1)  # for the first to come back to
    first = await world.start(0, port=port, waits=OFTEN)
    second = await world.start(1, dials=[first], waits=OFTEN)
    await first.publish(count)
    await second.publish(count)
    await world.until_converged(first, second, entries=2 * count)
    await world.until(lambda: first.is_in_sync_with(second) and second.is_in_sync_with(first))
    return first, second


async def test_last_moment_of_equal_roots_outlives_the_link(world: World) -> None:
    first, second = await in_sync_pair(world)
    fid = world.certificate.fid
    for node, peer in ((first, second), (second, first)):
        # An earlier moment may be known, from when they held fewer entries.
        known = node.peering._links[peer.coop.wid].cursors
        last = peer.store.arrival
        await world.until(
            lambda known=known, last=last: [each.theirs for each in known().values()] == [last]
        )

    await first.peering.stop()

    for node, peer in ((first, second), (second, first)):
        last = (peer.store.store_id, peer.store.arrival)
        await world.until(lambda n=node, p=peer, last=last: cursor_of(n, p, fid) == last)


def cursor_of(node: RunningNode, peer: RunningNode, fid: FederationId) -> object:
    """Return which store of a peer a node held all of, and up to where."""
    cursor = node.store.cursor(peer.coop.wid, fid)
    return None if cursor is None else (cursor.store_id, cursor.theirs)


async def test_peer_that_lost_its_store_is_synced_completely(world: World) -> None:
    """The same identity on an empty store, with an id of its own: old cursors say nothing of it."""
    first, second = await in_sync_pair(world)
    store_id = second.store.store_id
    await second.stop()
    shutil.rmtree(world.folder / second.coop.name)
    await first.publish(2)

    second = await world.start(1, dials=[first], waits=OFTEN)

    assert second.store.store_id != store_id
    await world.until_converged(first, second, entries=8)
    await second.publish()
    await world.until_converged(first, second, entries=9)


async def test_peer_whose_store_was_put_back_is_synced_completely(world: World) -> None:
    """The same store id, and less in it than the cursors say."""
    first, second = await in_sync_pair(world)
    folder, backup = world.folder / second.coop.name, world.folder / "backup"
    await second.stop()
    shutil.copytree(folder, backup)
    second = await world.start(1, dials=[first], waits=OFTEN)
    await first.publish(4)
    await world.until_converged(first, second, entries=10)
    await world.until(lambda: first.is_in_sync_with(second) and second.is_in_sync_with(first))
    await second.stop()
    shutil.rmtree(folder)
    shutil.move(backup, folder)

    second = await world.start(1, dials=[first], waits=OFTEN)

    await world.until_converged(first, second, entries=10)
    await world.until(lambda: first.is_in_sync_with(second) and second.is_in_sync_with(first))


async def test_store_put_back_at_the_side_that_is_dialled_is_synced_too(world: World) -> None:
    first, second = await in_sync_pair(world)
    folder, backup = world.folder / first.coop.name, world.folder / "backup"
    port = first.peering.port
    await first.stop()
    shutil.copytree(folder, backup)
    first = await world.start(0, port=port, waits=OFTEN)
    await second.publish(4)
    await world.until_converged(first, second, entries=10)
    await world.until(lambda: first.is_in_sync_with(second) and second.is_in_sync_with(first))
    await first.stop()
    shutil.rmtree(folder)
    shutil.move(backup, folder)

    first = await world.start(0, port=port, waits=OFTEN)

    await world.until_converged(first, second, entries=10)


def divided(world: World) -> tuple[list[KeyOp], list[KeyOp]]:
    """Two operations that follow on one, signed by the manager key at two places."""
    coop = world.evil_coop
    before = list(coop.key_ops)
    left = [coop.close({})]
    other = make_coop(coop.name, now_ms=world.now_ms)
    assert other.key_ops == before
    right = [other.delegate(signing_key(b"right".ljust(32)), world.now_ms)]
    return left, right


async def test_divided_key_log_does_not_divide_honest_nodes(world: World) -> None:
    """A close reaches one node and another operation of its number the other: both freeze it."""
    first, second = await world.start(0), await world.start(1)
    left, right = divided(world)
    cid = world.evil_coop.cid
    await first.ingest.receive_key_ops(cid, left)
    await second.ingest.receive_key_ops(cid, right)

    third = await world.start(2, dials=[first, second])

    nodes = (first, second, third)
    await world.until(lambda: all(n.store.key_logs[cid].is_frozen for n in nodes))
    await world.until(lambda: len({n.store.key_logs[cid].head for n in nodes}) == 1)
    await world.until(lambda: third.is_in_sync_with(first, second))
    assert {n.store.key_logs[cid].size for n in nodes} == {len(world.evil_coop.key_ops) - 1}


async def test_frozen_founder_does_not_keep_a_joiner_out(world: World) -> None:
    """Both sides of the division come before the certificate that makes sense of them."""
    first = await world.start(0)
    cid = world.evil_coop.cid
    for side in divided(world):
        await first.ingest.receive_key_ops(cid, side)

    joiner = await world.start(1, dials=[first], knows=[], has_certificate=False)

    await world.until(lambda: joiner.is_in_sync_with(first))
    assert joiner.store.key_logs[cid] == first.store.key_logs[cid]
    assert joiner.store.key_logs[cid].is_frozen


async def test_rotation_ends_a_division_everywhere(world: World) -> None:
    first, second = await world.start(0), await world.start(1)
    left, right = divided(world)
    coop = world.evil_coop
    await first.ingest.receive_key_ops(coop.cid, left)
    await second.ingest.receive_key_ops(coop.cid, right)
    third = await world.start(2, dials=[first, second])
    nodes = (first, second, third)
    await world.until(lambda: all(n.store.key_logs[coop.cid].is_frozen for n in nodes))

    rotation = coop.rotate()  # on the side of the close
    await second.ingest.receive_key_ops(coop.cid, [*coop.key_ops])

    await world.until(lambda: {n.store.key_logs[coop.cid].head for n in nodes} == {rotation.id})
    assert not any(n.store.key_logs[coop.cid].is_frozen for n in nodes)
    await world.until(lambda: third.is_in_sync_with(first, second))


async def test_entries_refused_for_a_cut_are_asked_for_once_it_holds_no_more(world: World) -> None:
    """A close cuts at the first entry; a revoke that overrides it names the third."""
    first, second = await world.start(0), await world.start(1)
    coop = world.evil_coop
    author, rival = LogAuthor(coop, world.certificate.fid, now_ms=world.now_ms), coop.twin()
    envelopes = [author.append("x.note", b"\x80")]
    close = coop.close({author.fid: author.head})
    envelopes += [author.append("x.note", b"\x80") for _ in range(2)]
    await first.ingest.receive(envelopes)
    await second.ingest.receive_key_ops(coop.cid, [close])
    results = await second.ingest.receive(envelopes)
    third = await world.start(2, dials=[first, second], waits=OFTEN)
    await world.until(lambda: first.store.key_logs[coop.cid].head == close.id)

    revoke = rival.revoke({rival.writer: {author.fid: author.head}})
    await second.ingest.receive_key_ops(coop.cid, [revoke])

    assert [result.code for result in results] == [None, "key.closed", "key.closed"]
    for node in (second, third):
        await world.until(lambda n=node: n.store.logs[author.log].head.seq == 3)
    await world.until(lambda: third.is_in_sync_with(first, second))


async def test_compare_with_a_cursor_is_answered_with_what_changed_since(scene: Scene) -> None:
    await scene.honest.publish()
    await scene.world.until_converged(scene.victim, scene.honest, entries=2)
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(Compare(evil.scope, OTHER, 1))

        have = await evil.hear(Have)

    assert isinstance(have, Have)
    assert [item.log for item in have.items] == [log_of(scene.honest)]
    assert have.arrival == 2


async def test_compare_of_equal_roots_is_answered_without_items(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(Compare(evil.scope, scene.victim.root, 0))

        have = await evil.hear(Have)

    assert have == Have(evil.scope_of_victim, scene.victim.root, 1, [])


async def test_node_that_is_known_beyond_its_last_entry_compares_itself(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(Compare(evil.scope, OTHER, 1_000))

        question = await evil.hear(Compare)

    assert isinstance(question, Compare)
    assert question.root == scene.victim.root


async def test_idle_of_equal_roots_is_not_answered(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(Idle(idle_digest([scene.victim.root])))
        await evil.send(Idle(bytes(16)))

        await evil.hear(Compare)

        assert [type(m) for m in evil.heard].count(Compare) == 1


async def test_node_tells_of_its_roots_in_one_digest_now_and_then(world: World) -> None:
    node = await world.start(0, waits=OFTEN)
    async with world.evil(node) as evil:
        await evil.become_ready()

        idle = await evil.hear(Idle)

    assert idle == Idle(idle_digest([node.root]))


async def test_digest_tree_is_walked_down_to_heads_in_full(scene: Scene) -> None:
    log = log_of(scene.victim)
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(Tree(evil.scope, [TreeNode("", [Digest(bytes(32))] * 16)]))

        have, want = await evil.hear(Have), await evil.hear(TreeWant)

    states = scene.victim.store.frontier(scene.world.certificate.fid)
    assert have == Have(evil.scope_of_victim, scene.victim.root, 1, items(states, is_full=True))
    assert want == TreeWant(evil.scope_of_victim, [log.hex()[0]])


async def test_logs_below_a_prefix_are_told_on_demand(scene: Scene) -> None:
    log = log_of(scene.victim)
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(TreeWant(evil.scope, [log.hex()[:4], log.hex()[:2]]))

        have = await evil.hear(Have)

    assert isinstance(have, Have)
    assert [(item.log, len(item.head)) for item in have.items] == [(log, 32)]


async def test_peer_without_credit_is_told_that_it_lags(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(Compare(evil.scope, scene.victim.root, 0))
        await evil.hear(Have)
        for _ in range(12):  # 2.9 MB, more than the credit that nothing is granted back to
            await scene.victim.publish_large(4)

        await evil.hear(Lagged)

        assert any(isinstance(m, Entries) and m.is_live for m in evil.heard)


async def test_node_that_is_told_it_lags_compares(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(Lagged(evil.scope))

        assert isinstance(await evil.hear(Compare), Compare)


@pytest.mark.parametrize(
    "kind", ["compare", "tree", "tree_want", "idle", "control_have", "scope", "lagged", "want"]
)
async def test_flood_of_what_no_credit_pays_for_ends_the_link(scene: Scene, kind: str) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        message = flooding(evil, kind)
        for _ in range(1_500):
            await evil.send(message)

        assert await evil.ending() == "link.flood"

    await scene.require_unharmed()


def flooding(evil: EvilPeer, kind: str) -> ControlHave | Compare | Tree | TreeWant | Want:
    """Return a message that costs its sender nothing."""
    scope, unknown = evil.scope, digest("test", b"log")
    made = {
        "compare": Compare(scope, OTHER, 0),
        "tree": Tree(scope, [TreeNode("", [Digest(bytes(32))] * 16)]),
        "tree_want": TreeWant(scope, [""]),
        "idle": Idle(bytes(16)),
        "control_have": ControlHave([], [], [unknown], True),
        "scope": Scope([scope], bytes(16)),
        "lagged": Lagged(scope),
        "want": evil.want(unknown),
    }
    return made[kind]


def log_of(node: RunningNode) -> bytes:
    [log] = (log for log, held in node.store.logs.items() if held.wid == node.coop.wid)
    return log
