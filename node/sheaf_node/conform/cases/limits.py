"""What a node keeps of others at most, and how long it bears with a peer (chapter 06)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.conform.cases.entry import KIND, in_side
from sheaf_node.conform.cases.log import asked, tell
from sheaf_node.conform.model import case
from sheaf_node.conform.peer import Ended, rejected
from sheaf_protocol.codec import encode
from sheaf_protocol.link.messages import Credit, Served

if TYPE_CHECKING:
    from sheaf_node.conform.scene import Scene

MANY: Final = 450
"""Entries of one co-op: more than the throw-away node of `sheaf conform own` keeps."""
_PATIENCE: Final = 40
"""Promises broken in a row: twice what this implementation bears with."""


@case(
    "quota-of-an-author",
    ("SYN-60", "SYN-61", "SYN-63"),
    "A node that keeps no more of a co-op says so, and keeps the link",
    codes=("quota.author",),
)
async def _quota(scene: Scene) -> None:
    peer = await scene.ready()
    entries = [peer.author.append(KIND, encode({"n": n})) for n in range(MANY)]
    for first in range(0, MANY, 150):
        await peer.push(*entries[first : first + 150])
    await peer.still_open()
    item = await scene.held(peer.author)
    held = 0 if item is None else item.seq
    codes = set(rejected(peer.heard))

    scene.say(f"{held} of {MANY} entries are held")
    scene.expect(set(), codes - {"quota.author", "quota.disk"}, "other refusals")
    if held < MANY:
        scene.expect(True, bool(codes), "a reject that says why")
    await peer.still_open()


@case(
    "quota-of-one-holds-up-no-other",
    "SYN-61",
    "What one co-op fills is its own quota alone",
    coops=2,
)
async def _others(scene: Scene) -> None:
    peer = await scene.ready()
    entries = [peer.author.append(KIND, encode({"n": n})) for n in range(MANY)]
    for first in range(0, MANY, 150):
        await peer.push(*entries[first : first + 150])
    await peer.still_open()
    other = await scene.ready(scene.coops[1])
    await other.push(other.author.append(KIND, b"\x80"))

    await scene.require_held(other.author, 1)


@case(
    "promises-broken",
    "SYN-13",
    "A peer that announces again and again what it does not bring is let go",
    sides=1,
    codes=("link.bad_entries",),
)
async def _broken(scene: Scene) -> None:
    peer = await in_side(scene)
    for seq in range(1, _PATIENCE):
        await tell(peer, peer.author, seq, bytes(8))
        try:
            await asked(peer, peer.author.log)
        except Ended:
            break
        await peer.send(Served(peer.scope()))

    await peer.ended("link.bad_entries")


@case("credit-granted-back", ("LNK-22", "LNK-23"), "Credit comes back once what was sent is stored")
async def _credit(scene: Scene) -> None:
    peer = await scene.ready()
    size = 0
    for _ in range(3):
        batch = [peer.author.append(KIND, encode([bytes(60_000)])) for _ in range(4)]
        size += sum(entry.size for entry in batch)
        await peer.push(*batch)
    granted = 0
    while granted < size // 2:
        grant = await peer.hear(Credit)
        granted += grant.size

    scene.expect(True, granted <= size, "no more granted than was spent")
