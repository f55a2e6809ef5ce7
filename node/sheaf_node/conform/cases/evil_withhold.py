"""A peer that announces, and does not deliver: entries, payloads, or what its root promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.conform.honest import (
    announce,
    asked,
    asked_payload,
    notes,
    require_no_log,
    require_place,
    require_unharmed,
    signed_by,
)
from sheaf_node.conform.model import Failed, case
from sheaf_protocol.digest import digest
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.link.messages import (
    PayloadItem,
    Payloads,
    Served,
    Tree,
    TreeNode,
)

if TYPE_CHECKING:
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene

MOST_ANNOUNCED = 40
"""Empty announcements that no node hears out: it counts each one it asked about in vain."""


def bare(entry: Envelope) -> Envelope:
    """Return an entry without its payload."""
    return Envelope(entry.header, entry.signature, b"")


@case(
    "evil-withheld-entries",
    ("SYN-13", "SYN-85"),
    "A peer that announces entries again and again and delivers none is let go",
    codes=("link.bad_entries",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    for seq in range(1, MOST_ANNOUNCED):
        await announce(evil, evil.author, seq)
        if not await _was_asked(evil):
            break
        await evil.send(Served(evil.scope()))
    await evil.ended("link.bad_entries", "link.withheld")
    honest = await require_unharmed(scene)
    await require_no_log(honest, evil.author)


async def _was_asked(evil: KitPeer) -> bool:
    try:
        await asked(evil, evil.author)
    except Failed:
        return False
    return True


@case(
    "evil-frontier-of-a-huge-number",
    ("SYN-2", "SYN-13"),
    "An item with the largest number there is costs a question, and nothing else",
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    await announce(evil, evil.author, MAX_INT)
    wanted = await asked(evil, evil.author)
    scene.expect(1, wanted.first, "the first entry asked for")
    await evil.send(Served(evil.scope()))
    entries = notes(evil.author, 2)
    await evil.push(*entries)
    honest = await require_unharmed(scene)
    await require_place(honest, evil.author, 2, entries[-1].id)


@case(
    "evil-frontier-of-others",
    ("SYN-2", "SYN-13", "LOG-7"),
    "What one peer claims of another's log does not keep that one from being heard",
    coops=3,
)
async def _(scene: Scene) -> None:
    evil, author = await scene.ready(), scene.author(scene.coops[1])
    await announce(evil, author, 1_000_000)
    await asked(evil, author)
    await evil.send(Served(evil.scope()))
    victim = await scene.ready(scene.coops[1])
    entries = notes(author, 1)
    await victim.push(*entries)
    honest = await require_unharmed(scene)
    await require_place(honest, author, 1, entries[0].id)


@case(
    "evil-roots-that-lie",
    ("SYN-25", "SYN-26"),
    "A tree of digests that are nobody's is walked down to its end, and the link goes on",
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    digests = [digest("conform-part", bytes([part])) for part in range(16)]
    for prefix in ("", "0", "00", "0000000", "00000000"):
        await evil.send(Tree(evil.scope(), [TreeNode(prefix, digests)]))
    await evil.still_open()
    await require_unharmed(scene)


@case(
    "evil-endless-gaps",
    ("LOG-3", "SYN-10"),
    "Entries behind a gap are not stored before the gap is filled, and then they are",
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    entries = notes(evil.author, 9)
    for entry in entries[2::2]:
        await evil.push(entry)
    wanted = await asked(evil, evil.author)
    scene.expect(1, wanted.first, "the first entry asked for")
    await evil.send(Served(evil.scope()))
    honest = await require_unharmed(scene)
    await require_no_log(honest, evil.author)
    await evil.push(*entries)
    await require_place(honest, evil.author, 9, entries[-1].id)


@case(
    "evil-half-an-answer",
    ("SYN-13", "LNK-19"),
    "Of an answer that breaks off the node keeps what came",
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    entries = notes(evil.author, 3)
    await announce(evil, evil.author, 3, entries[-1].id)
    await asked(evil, evil.author)
    await evil.push(entries[0], is_live=False)
    await evil.send(Served(evil.scope()))
    honest = await require_unharmed(scene)
    await require_place(honest, evil.author, 1, entries[0].id)


@case(
    "evil-payload-left-out",
    ("ENV-16", "ENV-41", "SYN-77"),
    "An entry without its payload is stored, and the payload taken from whoever has it",
    coops=3,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    author = evil.author
    [entry] = notes(author, 1)
    await evil.push(bare(entry))
    await asked_payload(evil, evil.author)
    await evil.send(Served(evil.scope()))
    relay = await scene.ready(scene.coops[1])
    await relay.push(entry)
    honest = await require_unharmed(scene)
    await require_place(honest, author, 1, entry.id)
    [served] = await scene.entries(author, 1, 1)
    scene.expect(entry.payload, served.payload, "the payload given out")


@case(
    "evil-payload-of-another-entry",
    "ENV-41",
    "A payload that comes later and is not the one of the header ends the link",
    codes=("env.payload_hash",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    [entry] = notes(evil.author, 1)
    await evil.push(bare(entry))
    await asked_payload(evil, evil.author)
    other = bytes(len(entry.payload))
    await evil.send(Payloads(evil.scope(), [PayloadItem(evil.author.log, 1, other)]))
    await evil.ended("env.payload_hash")
    honest = await require_unharmed(scene)
    await require_place(honest, evil.author, 1, entry.id)
    [served] = await scene.entries(evil.author, 1, 1)
    scene.expect(b"", served.payload, "the payload given out")
    await honest.push(entry)  # or the node would ask every later case for it


@case(
    "evil-stolen-prefix",
    ("LOG-7", "ENV-5", "LOG-1"),
    "Who puts an entry of its own behind another's log is cut off, and the log goes on as its own",
    codes=("env.signature",),
    coops=3,
)
async def _(scene: Scene) -> None:
    thief, victim = scene.coops[0], scene.coops[1]
    author = scene.author(victim)
    entries = notes(author, 3)
    evil = await scene.ready(thief)
    await evil.push(*entries)
    await require_place(evil, author, 3, entries[-1].id)
    [stolen] = notes(author.twin(), 1, "x.stolen")
    await evil.push(signed_by(stolen, thief.writer))
    await evil.ended("env.signature")
    own = await scene.ready(victim)
    [fourth] = notes(author, 1)
    await own.push(fourth)
    honest = await require_unharmed(scene)
    await require_place(honest, author, 4, fourth.id)
