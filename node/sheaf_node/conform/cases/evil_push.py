"""A peer that sends what nobody asked for, too much, too fast or unproven, or reads nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sheaf_node.conform.honest import (
    NOTE,
    announce,
    asked,
    notes,
    require_no_log,
    require_place,
    require_unharmed,
)
from sheaf_node.conform.model import Failed, case
from sheaf_node.conform.peer import Ended
from sheaf_protocol.blob import BlobId, blob_id
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import digest
from sheaf_protocol.limits import CREDIT_BYTES, MAX_BATCH_BYTES
from sheaf_protocol.link.messages import (
    BlobEnd,
    BlobPiece,
    BlobWant,
    Compare,
    ControlHave,
    ControlWant,
    Credit,
    Entries,
    Have,
    PayloadItem,
    Payloads,
    TreeWant,
    cost,
)

if TYPE_CHECKING:
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.testing.author import LogAuthor

LARGE = 60_000
"""Bytes of a note that fills a quarter of a batch."""
QUARTERS = 4
HALF_OPEN = 40
ASKED_AGAIN = 10
FLOOD = 1_000
"""Comparisons that no node answers in a row; each is a look through all logs."""


def large(author: LogAuthor, count: int) -> list[Envelope]:
    """Return notes of random bytes, four of which are a batch."""
    bodies = (encode({"text": os.urandom(LARGE)}) for _ in range(count))
    return [author.append(NOTE, body) for body in bodies]


async def told(peer: KitPeer, entries: list[Envelope], author: LogAuthor) -> None:
    """Announce entries and wait until the node asks for them."""
    await announce(peer, author, len(entries), entries[-1].id)
    await asked(peer, author)


@case(
    "evil-entries-nobody-asked-for",
    ("LNK-19", "SYN-10"),
    "An answer to no question ends the link, and nothing of it is stored",
    codes=("link.range",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    await evil.push(*notes(evil.author, 1), is_live=False)
    await evil.ended("link.range")
    await require_no_log(await require_unharmed(scene), evil.author)


@case(
    "evil-answer-out-of-order",
    ("SYN-10", "LNK-19"),
    "An answer that begins behind what was asked for ends the link",
    codes=("link.range",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    entries = notes(evil.author, 3)
    await told(evil, entries, evil.author)
    await evil.push(entries[2], is_live=False)
    await evil.ended("link.range")
    await require_no_log(await require_unharmed(scene), evil.author)


@case(
    "evil-payloads-nobody-asked-for",
    "SYN-80",
    "Payloads that answer no question end the link",
    codes=("link.range",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    [entry] = notes(evil.author, 1)
    await evil.push(entry)
    await require_place(evil, evil.author, 1, entry.id)
    await evil.send(Payloads(evil.scope(), [PayloadItem(evil.author.log, 1, entry.payload)]))
    await evil.ended("link.range")
    await require_unharmed(scene)


@case(
    "evil-blob-nobody-asked-for",
    ("SYN-46", "SYN-49"),
    "A piece of a blob that the node did not ask for ends the link and fills no disk",
    codes=("blob.piece",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    id_ = blob_id([b"sheaf"])
    await evil.send(BlobPiece(evil.scope(), id_, 5, 0, [], b"sheaf"))
    await evil.ended("blob.piece")
    honest = await require_unharmed(scene)
    await honest.send(BlobWant(honest.scope(), id_, 0, 0))
    end = await honest.hear(BlobEnd)
    scene.expect("blob.unknown", end.code, "the end of the answer")


@case(
    "evil-blob-end-of-nothing",
    "SYN-46",
    "The end of an answer that nobody waits for ends the link",
    codes=("blob.piece",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    await evil.send(BlobEnd(evil.scope(), BlobId(digest("blob", bytes(32))), "ok"))
    await evil.ended("blob.piece")
    await require_unharmed(scene)


@case(
    "evil-batch-of-too-many-bytes",
    "LNK-18",
    "A batch of more bytes than a batch may have ends the link",
    codes=("link.batch",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    await evil.push(*large(evil.author, QUARTERS + 1))
    await evil.ended("link.batch")
    await require_no_log(await require_unharmed(scene), evil.author)


@case(
    "evil-more-than-its-credit",
    "LNK-22",
    "Who sends on without waiting for credit is cut off, or was granted all that it sent",
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    entries = large(evil.author, 12 * QUARTERS)
    for at in range(0, len(entries), QUARTERS):
        await evil.push(*entries[at : at + QUARTERS])
    sent = sum(entry.size for entry in entries)
    try:
        await require_place(evil, evil.author, len(entries), entries[-1].id)
    except Ended:
        scene.expect("link.credit", evil.ending, "why the link ended")
    else:
        granted = sum(message.size for message in evil.heard if isinstance(message, Credit))
        scene.expect(True, sent <= CREDIT_BYTES + granted, "all that was taken is granted")
    await require_unharmed(scene)


@case(
    "evil-credit-beyond-the-limit",
    "LNK-24",
    "A grant that lifts the credit above its limit ends the link",
    codes=("link.credit",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    await evil.send(Credit(1))
    await evil.ended("link.credit")
    await require_unharmed(scene)


@case(
    "evil-reader-that-grants-nothing",
    ("LNK-22", "LNK-23"),
    "The node grants credit for what it stored, and sends no more than it was granted itself",
    coops=3,
)
async def _(scene: Scene) -> None:
    author = scene.author()
    writer, entries = await scene.ready(), large(author, CREDIT_BYTES // LARGE + 2 * QUARTERS)
    credit = CREDIT_BYTES
    for at in range(0, len(entries), QUARTERS):
        batch = Entries(writer.scope(), True, entries[at : at + QUARTERS], [])
        while credit < cost(batch):
            credit += (await writer.hear(Credit)).size
        await writer.send(batch)
        credit -= cost(batch)
    slow = await scene.ready(scene.coops[1])
    await require_place(slow, author, len(entries), entries[-1].id)
    await slow.want(author.log, 1, len(entries))
    await require_unharmed(scene)
    got = await _bytes_of(slow, author)
    if got > CREDIT_BYTES:
        raise Failed(expected=f"at most {CREDIT_BYTES} bytes without a grant", got=str(got))
    await slow.send(Credit(got))
    await slow.hear(Entries)


async def _bytes_of(peer: KitPeer, author: LogAuthor) -> int:
    """Return the bytes of entries that the node sends on a link that grants it nothing.

    Once not even a batch is left of the credit, whoever goes on sends one at least for each
    question that is asked behind the first.
    """
    while _bytes_heard(peer) <= CREDIT_BYTES - MAX_BATCH_BYTES:
        await peer.hear(Entries)
    for _ in range(ASKED_AGAIN):
        # No `want`, which would take the place of the one that is being answered.
        await peer.send(TreeWant(peer.scope(), [author.log.hex()[:8]]))
        await peer.hear(Have, lambda have: any(item.log == author.log for item in have.items))
    return _bytes_heard(peer)


def _bytes_heard(peer: KitPeer) -> int:
    return sum(cost(message) for message in peer.heard if isinstance(message, Entries))


@case(
    "evil-flood-of-questions",
    "SYN-33",
    "A peer that asks without end is cut off, and is again as soon as it is back",
    codes=("link.flood",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    await _flood(evil)
    await evil.ended("link.flood")
    again = await scene.link()
    await again.send(ControlHave([], [], [], True))
    for _ in range(FLOOD):
        await again.send(ControlWant([], [], []))
    await again.ended("link.flood")
    await require_unharmed(scene)


async def _flood(evil: KitPeer) -> None:
    for turn in range(FLOOD):
        root = digest("conform-root", turn.to_bytes(4, "big"))
        await evil.send(Compare(evil.scope(), root, 0))


@case(
    "evil-half-handshakes",
    ("LNK-12", "LNK-13"),
    "Handshakes that stop half way keep no honest peer out",
    coops=1,
)
async def _(scene: Scene) -> None:
    for _ in range(HALF_OPEN):
        half = await scene.dial()
        await half.send_frame(half.shaking.hello(), "M1")
    await require_unharmed(scene)


@case(
    "evil-data-out-of-turn",
    "LNK-20",
    "Entries of a peer that has not said that it is ready for data end the link",
    codes=("link.order",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.link()
    await evil.send(ControlHave([], [], [], True))
    await evil.push(*notes(evil.author, 1))
    await evil.ended("link.order")
    await require_no_log(await require_unharmed(scene), evil.author)
