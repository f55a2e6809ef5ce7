"""A co-op whose writer was lost, and others who say so of what is not theirs (chapter 18).

The effect shows on the wire: the promises of the node under test, which stand in its own log, and
what it takes of a lost one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.conform.cases.evil_writer import HOUR_MS, second_writer, tell_key_log
from sheaf_node.conform.cases.sequence_pool import verdict_on
from sheaf_node.conform.honest import notes, require_place, require_refused, require_unharmed
from sheaf_node.conform.model import case
from sheaf_node.conform.pooling import Story
from sheaf_node.conform.reading import read_until
from sheaf_protocol.digest import ZERO, Digest, WriterId
from sheaf_protocol.log import EMPTY, Head
from sheaf_protocol.records import WriterLost, WriterPromise, WriterSucceed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.records import Record
    from sheaf_protocol.testing.author import LogAuthor


def lost(of: LogAuthor, head: Head = EMPTY) -> WriterLost:
    """Return the word that a writer is lost, of which its co-op holds this much."""
    return WriterLost(head=Digest(head.id), seq=head.seq, wid=WriterId(of.key.public))


def succeed(of: LogAuthor) -> WriterSucceed:
    """Return the word that its author goes on where a log was cut, at its head."""
    return WriterSucceed(head=Digest(of.head.id), seq=of.head.seq, wid=WriterId(of.key.public))


async def promises(peer: KitPeer, upto: Envelope) -> Sequence[WriterPromise]:
    """Return what the node promised, from its first promise to the one on this `writer.lost`."""
    found: list[WriterPromise] = []

    def is_enough(record: Record) -> bool:
        if isinstance(record, WriterPromise):
            found.append(record)
        return isinstance(record, WriterPromise) and record.lost == upto.id

    await read_until(peer, {"writer.promise"}, is_enough)
    return found


async def put_back(scene: Scene, held: int) -> tuple[KitPeer, LogAuthor, LogAuthor]:
    """Return a link of the case's first co-op, its lost log, held so far, and its new one."""
    coop = scene.coops[0]
    author = scene.author(coop)
    peer = await scene.ready(coop)
    if held:
        await peer.push(*notes(author, held))
        await require_place(peer, author, held, author.head.id)
    new = second_writer(scene, coop, scene.now_ms + HOUR_MS)
    await tell_key_log(peer, coop)
    return peer, author, new


@case(
    "restoring-promise",
    ("RST-4", "RST-5"),
    "Whoever says that its writer is lost is promised what the node holds of it, and once",
    coops=2,
    once=True,
)
async def _(scene: Scene) -> None:
    peer, old, new = await put_back(scene, 3)
    told = new.publish(lost(old))
    await peer.push(told, new.publish(lost(old)))
    first = (await promises(peer, told))[-1]
    named = WriterPromise(head=Digest(old.head.id), log=old.log, lost=told.id, seq=3)
    scene.expect(named, first, "the promise")
    other = scene.author(scene.coops[1])
    later = second_writer(scene, scene.coops[1], scene.now_ms + HOUR_MS)
    relay = await scene.ready(scene.coops[1])
    await tell_key_log(relay, scene.coops[1])
    last = later.publish(lost(other))
    await relay.push(last)
    all_ = await promises(relay, last)
    scene.expect([told.id], [p.lost for p in all_ if p.log == old.log], "promises on that log")


@case(
    "restoring-promise-of-nothing",
    "RST-5",
    "Of a lost log of which the node holds nothing it promises number 0 and zeros",
    once=True,
)
async def _(scene: Scene) -> None:
    peer, old, new = await put_back(scene, 0)
    told = new.publish(lost(old))
    await peer.push(told)
    promise = (await promises(peer, told))[-1]
    scene.expect((0, ZERO), (promise.seq, bytes(promise.head)), "the place promised")


@case(
    "restoring-held-back",
    "RST-6",
    "What was promised not to be taken is not, and is once the close leaves it standing",
    coops=3,
    once=True,
)
async def _(scene: Scene) -> None:
    peer, old, new = await put_back(scene, 2)
    place = old.head
    told = new.publish(lost(old))
    await peer.push(told)
    await promises(peer, told)
    beyond = notes(old, 1)
    relay = await scene.ready(scene.coops[1])
    await relay.push(*beyond)
    await require_place(await require_unharmed(scene), old, place.seq, place.id)
    scene.coops[0].close({scene.fid: old.head}, old.key)
    await tell_key_log(relay, scene.coops[0])
    await relay.push(*beyond)
    await require_place(relay, old, old.head.seq, old.head.id)


@case(
    "restoring-void-beyond-the-cut",
    ("RST-6", "RST-9", "IDN-21"),
    "What was held back and lies beyond the cut is refused from the close on",
    codes=("key.closed",),
    coops=3,
    once=True,
)
async def _(scene: Scene) -> None:
    peer, old, new = await put_back(scene, 2)
    place = old.head
    told = new.publish(lost(old))
    await peer.push(told)
    await promises(peer, told)
    beyond = notes(old, 1)
    relay = await scene.ready(scene.coops[1])
    await relay.push(*beyond)
    scene.coops[0].close({scene.fid: place}, old.key)
    await tell_key_log(relay, scene.coops[0])
    await relay.push(*beyond)
    await require_refused(relay, "key.closed")
    await require_place(await require_unharmed(scene), old, place.seq, place.id)


@case(
    "restoring-lost-by-another-co-op",
    "RST-4",
    "That another co-op's writer is lost is nobody's to say: nothing is promised or held back",
    coops=2,
    once=True,
)
async def _(scene: Scene) -> None:
    victim = scene.author(scene.coops[1])
    honest = await scene.ready(scene.coops[1])
    await honest.push(*notes(victim, 1))
    evil, old, new = await put_back(scene, 0)
    lie, told = new.publish(lost(victim)), new.publish(lost(old))
    await evil.push(lie, told)
    given = await promises(evil, told)
    scene.expect([], [p for p in given if p.log == victim.log], "promises on the other's log")
    await honest.push(*notes(victim, 1))
    await require_place(honest, victim, 2, victim.head.id)


@case(
    "restoring-lost-by-an-older-writer",
    "RST-4",
    "That a writer is lost which was delegated after the author has no effect",
    coops=2,
    once=True,
)
async def _(scene: Scene) -> None:
    thief, old, new = await put_back(scene, 0)
    await thief.push(old.publish(lost(new)))
    told = new.publish(lost(old))
    await thief.push(told)
    given = await promises(thief, told)
    scene.expect([], [p for p in given if p.log == new.log], "promises on the newer log")
    await thief.push(*notes(new, 1))
    await require_place(await require_unharmed(scene), new, 2, new.head.id)


@case(
    "restoring-succeed",
    ("RST-12", "RST-17", "RST-18", "RST-19"),
    "A pool that a closed writer opened is closed and awarded by the one that succeeds it",
    coops=2,
    once=True,
)
async def _(scene: Scene) -> None:
    peer, old, new = await put_back(scene, 0)
    story = Story(old)
    await peer.push(*story.lines(), story.offer(), story.open())
    await require_place(peer, old, old.head.seq, old.head.id)
    scene.coops[0].close({scene.fid: old.head}, old.key)
    await tell_key_log(peer, scene.coops[0])
    taken = new.publish(succeed(old))
    story.author = new
    closing, decision = story.close(), story.award()
    relay = await scene.ready(scene.coops[1])
    await relay.push(taken, closing, decision)
    scene.expect("ok", await verdict_on(relay, decision.id), "the verdict")


@case(
    "restoring-succeed-of-a-stranger",
    ("RST-12", "LIF-2"),
    "Another co-op that says that it succeeds a closed writer owns nothing of it",
    codes=("award.not_owner",),
    coops=2,
    once=True,
)
async def _(scene: Scene) -> None:
    peer, old, _ = await put_back(scene, 0)
    story = Story(old)
    await peer.push(*story.lines(), story.offer(), story.open(), story.close())
    await require_place(peer, old, old.head.seq, old.head.id)
    scene.coops[0].close({scene.fid: old.head}, old.key)
    await tell_key_log(peer, scene.coops[0])
    evil = await scene.ready(scene.coops[1])
    taken = evil.author.publish(succeed(old))
    decision = story.award(by=evil.author)
    await evil.push(taken, decision)
    found = await verdict_on(evil, decision.id)
    scene.saw(found)
    scene.expect("award.not_owner", found, "the verdict")
