"""How two nodes find out which logs differ (chapter 06, sections 2 and 3)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sheaf_node.conform.cases.entry import BODY, KIND, in_side
from sheaf_node.conform.cases.log import asked, tell
from sheaf_node.conform.model import case
from sheaf_protocol.digest import Digest, LogId, digest
from sheaf_protocol.frontier import FrontierItem, LogState, idle_digest, root
from sheaf_protocol.link.messages import Compare, Have, Idle, Tree, TreeNode, TreeWant, Want

if TYPE_CHECKING:
    from sheaf_node.conform.scene import Scene


@case(
    "compare-empty",
    ("SYN-21", "SYN-17"),
    "Of nothing held the root is that of no logs, without items",
    sides=1,
)
async def _empty(scene: Scene) -> None:
    peer = await in_side(scene)
    await peer.send(Compare(peer.scope(), Digest(os.urandom(32)), 0))
    have = await peer.hear(Have)

    scene.expect((root({}), []), (have.root, have.items), "root and items")


@case(
    "compare-one-log",
    ("SYN-1", "SYN-17", "SYN-21"),
    "The root is made of full heads as chapter 06 has it",
    sides=1,
)
async def _one(scene: Scene) -> None:
    peer = await in_side(scene)
    entry = peer.author.append(KIND, BODY)
    await peer.push(entry)
    await scene.await_held(peer.author)
    await peer.send(Compare(peer.scope(), Digest(os.urandom(32)), 0))
    have = await peer.hear(Have, lambda message: bool(message.items))
    state = LogState(seq=1, head=Digest(entry.id))

    scene.expect(root({peer.author.log: state}).hex(), have.root.hex(), "root")
    scene.expect([(peer.author.log, 1)], [(i.log, i.seq) for i in have.items], "items")


@case(
    "compare-equal-roots",
    "SYN-21",
    "A compare with the same root is answered without items",
    sides=1,
)
async def _equal(scene: Scene) -> None:
    peer = await in_side(scene)
    entry = peer.author.append(KIND, BODY)
    await peer.push(entry)
    await scene.await_held(peer.author)
    own = root({peer.author.log: LogState(seq=1, head=Digest(entry.id))})
    at = len(peer.heard)
    await peer.send(Compare(peer.scope(), own, 0))
    await peer.hear(Have, lambda message: message.root == own)
    await peer.sync()
    told = [i for m in peer.heard[at:] if isinstance(m, Have) for i in m.items]

    scene.expect([], told, "items")


@case(
    "compare-since",
    "SYN-21",
    "Since an arrival number, the logs that grew later are told and no others",
    sides=1,
)
async def _since(scene: Scene) -> None:
    first, second = await in_side(scene, 0), await in_side(scene, 1)
    await first.push(first.author.append(KIND, BODY))
    await scene.await_held(first.author)
    await second.send(Compare(second.scope(), Digest(os.urandom(32)), 0))
    before = await second.hear(Have, lambda m: m.arrival > 0)
    await second.push(second.author.append(KIND, BODY))
    await scene.await_held(second.author)
    await first.send(Compare(first.scope(), Digest(os.urandom(32)), before.arrival))
    have = await first.hear(Have, lambda m: m.arrival > before.arrival and bool(m.items))

    scene.expect([second.author.log], [item.log for item in have.items], "logs told")


@case(
    "compare-since-the-future",
    "SYN-21",
    "A since beyond the newest arrival number is answered with all",
    sides=1,
)
async def _future(scene: Scene) -> None:
    peer = await in_side(scene)
    await peer.push(peer.author.append(KIND, BODY))
    await scene.await_held(peer.author)
    await peer.send(Compare(peer.scope(), Digest(os.urandom(32)), 1_000_000_000))
    have = await peer.hear(Have, lambda message: bool(message.items))

    scene.expect([peer.author.log], [item.log for item in have.items], "logs told")


@case("tree-want-full-heads", "SYN-27", "A tree_want is answered with full heads", sides=1)
async def _full(scene: Scene) -> None:
    peer = await in_side(scene)
    entry = peer.author.append(KIND, BODY)
    await peer.push(entry)
    item = await scene.await_held(peer.author)

    scene.expect(entry.id.hex(), item.head.hex(), "head")


@case(
    "tree-want-prefix",
    "SYN-27",
    "A tree_want of a part without logs is answered with none",
    sides=1,
)
async def _part(scene: Scene) -> None:
    peer = await in_side(scene)
    await peer.push(peer.author.append(KIND, BODY))
    await scene.await_held(peer.author)
    other = f"{(peer.author.log[0] >> 4) ^ 1:x}"
    at = len(peer.heard)
    await peer.send(TreeWant(peer.scope(), [other]))
    await peer.hear(Have)
    await peer.sync()
    told = [i for m in peer.heard[at:] if isinstance(m, Have) for i in m.items]

    scene.expect([], told, "logs told")


@case(
    "tree-goes-on",
    "SYN-26",
    "A tree node with other digests is answered with the logs that differ",
    sides=1,
)
async def _tree(scene: Scene) -> None:
    peer = await in_side(scene)
    await peer.push(peer.author.append(KIND, BODY))
    await scene.await_held(peer.author)
    nothing = [Digest(os.urandom(32)) for _ in range(16)]
    await peer.send(Tree(peer.scope(), [TreeNode("", nothing)]))
    have = await peer.hear(Have, lambda message: bool(message.items))

    scene.expect([peer.author.log], [item.log for item in have.items], "logs told")


@case(
    "idle-other-digest", "SYN-20", "An idle with another digest is answered with a compare", sides=1
)
async def _idle(scene: Scene) -> None:
    peer = await in_side(scene)
    await peer.send(Idle(os.urandom(16)))

    await peer.hear(Compare, lambda message: message.scope == peer.their_scope())


@case(
    "idle-same-digest",
    "SYN-20",
    "An idle with the same digest is answered with no compare",
    sides=1,
)
async def _same(scene: Scene) -> None:
    peer = await in_side(scene)
    await peer.send(Compare(peer.scope(), Digest(os.urandom(32)), 0))
    have = await peer.hear(Have)
    at = len(peer.heard)
    await peer.send(Idle(idle_digest([have.root])))
    await peer.sync()
    compares = [m for m in peer.heard[at:] if isinstance(m, Compare)]

    scene.expect([], compares, "compares")


@case("news-announced", "SYN-14", "A member's new entry is announced to another by a have", sides=1)
async def _news(scene: Scene) -> None:
    writer, reader = await in_side(scene, 0), await in_side(scene, 1)
    await reader.send(Compare(reader.scope(), Digest(os.urandom(32)), 0))
    await reader.hear(Have)
    await writer.push(writer.author.append(KIND, BODY))
    log = writer.author.log

    await reader.hear(Have, lambda message: any(item.log == log for item in message.items))


@case("have-asked-for", "SYN-2", "What a peer tells of beyond what is held is asked for", sides=1)
async def _asked(scene: Scene) -> None:
    peer = await in_side(scene)
    peer.author.append(KIND, BODY)
    await tell(peer, peer.author, 1, peer.author.head.id)
    wanted = await asked(peer, peer.author.log)

    scene.expect((1, 1), (wanted.first, wanted.last), "range asked for")


@case("have-known", "SYN-2", "What is held already is not asked for", sides=1)
async def _known(scene: Scene) -> None:
    peer = await in_side(scene)
    await peer.push(peer.author.append(KIND, BODY))
    await scene.await_held(peer.author)
    at = len(peer.heard)
    await tell(peer, peer.author, 1, peer.author.head.id)
    await peer.still_open()

    scene.expect([], [m for m in peer.heard[at:] if isinstance(m, Want)], "questions")


@case(
    "have-too-many",
    "SYN-16",
    "A peer that tells of more than 16,384 logs is let go",
    codes=("link.frontier_size",),
)
async def _too_many(scene: Scene) -> None:
    peer = await scene.ready()
    for batch in range(18):
        items = [
            FrontierItem(LogId(digest("test", bytes([batch]), n.to_bytes(2, "big"))), 1, bytes(8))
            for n in range(1_000)
        ]
        await peer.send(Have(peer.scope(), Digest(os.urandom(32)), 1, items))

    await peer.ended("link.frontier_size", "link.flood")
