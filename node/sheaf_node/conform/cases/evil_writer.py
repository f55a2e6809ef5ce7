"""A writer whose time is over, or that nobody delegated, and who relays it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.conform.honest import (
    EMPTY_MAP,
    NOTE,
    notes,
    require_no_log,
    require_place,
    require_refused,
    require_unharmed,
)
from sheaf_node.conform.model import case
from sheaf_protocol.identity import signing_key
from sheaf_protocol.link.messages import ControlHave, ControlItems, KeyOps
from sheaf_protocol.testing.author import LogAuthor, derived, make_coop

if TYPE_CHECKING:
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.testing.author import TestCoop

HOUR_MS = 3_600_000


def second_writer(scene: Scene, coop: TestCoop, expires_ms: int | None = None) -> LogAuthor:
    """Return the log of one more writer, delegated where a time is given."""
    key = signing_key(derived(coop.cid, "conform", f"second writer {scene.now_ms}"))
    if expires_ms is not None:
        coop.delegate(key, expires_ms)
    return LogAuthor(coop, scene.fid, writer=key, now_ms=scene.now_ms)


async def tell_key_log(peer: KitPeer, coop: TestCoop) -> None:
    """Give the node a co-op's key log as it is."""
    await peer.send(ControlItems([KeyOps(coop.cid, list(coop.key_ops))], [], [], True))


@case(
    "evil-writer-unknown",
    ("LOG-1", "ENV-9"),
    "An entry of a writer that its co-op never delegated is not stored, and the link goes on",
    coops=2,
)
async def _(scene: Scene) -> None:
    author = second_writer(scene, scene.coops[0])
    evil = await scene.ready()
    await evil.push(*notes(author, 1))
    await evil.still_open()
    await require_no_log(await require_unharmed(scene), author)


@case(
    "evil-writer-expired",
    ("IDN-20", "LOG-7"),
    "An entry of a time after its writer's delegation is not stored; one before it is",
    codes=("key.expired",),
    coops=2,
    once=True,
)
async def _(scene: Scene) -> None:
    coop = scene.coops[0]
    author = second_writer(scene, coop, expires_ms=scene.now_ms - HOUR_MS)
    evil = await scene.ready()
    await tell_key_log(evil, coop)
    in_time = author.append(NOTE, EMPTY_MAP, time_ms=scene.now_ms - 2 * HOUR_MS)
    late = author.append(NOTE, EMPTY_MAP, time_ms=scene.now_ms)
    await evil.push(in_time, late)
    await require_refused(evil, "key.expired")
    await require_place(await require_unharmed(scene), author, 1, in_time.id)


@case(
    "evil-writer-closed",
    ("IDN-21", "LOG-16"),
    "Beyond the cut of a closed writer nothing is stored, and the log is shown at the cut",
    codes=("key.closed",),
    coops=3,
    once=True,
)
async def _(scene: Scene) -> None:
    coop, relay = scene.coops[0], scene.coops[1]
    author = scene.author(coop)
    first, second = notes(author, 2)
    evil = await scene.ready(coop)
    await evil.push(first, second)
    await require_place(evil, author, 2, second.id)
    coop.close({scene.fid: author.head})
    beyond = notes(author, 1)
    other = await scene.ready(relay)
    await tell_key_log(other, coop)
    await other.push(*beyond)
    await require_refused(other, "key.closed")
    await require_place(await require_unharmed(scene), author, 2, second.id)


@case(
    "evil-writer-cut-back",
    ("IDN-21", "LOG-16"),
    "A close that cuts a log below its head has the log shown at the cut, with what came before",
    coops=3,
    once=True,
)
async def _(scene: Scene) -> None:
    coop, relay = scene.coops[0], scene.coops[1]
    author = scene.author(coop)
    [first] = notes(author, 1)
    cut = author.head
    stolen = notes(author, 3)
    evil = await scene.ready(coop)
    await evil.push(first, *stolen)
    await require_place(evil, author, 4, stolen[-1].id)
    coop.close({scene.fid: cut})
    other = await scene.ready(relay)
    await tell_key_log(other, coop)
    await require_place(await require_unharmed(scene), author, 1, first.id)


@case(
    "evil-writer-revoked",
    ("IDN-21", "LOG-16", "LNK-32"),
    "A writer that the rotation key ended is cut where that says, and told of its key log alone",
    coops=3,
    once=True,
)
async def _(scene: Scene) -> None:
    coop, relay = scene.coops[0], scene.coops[1]
    author = scene.author(coop)
    [first] = notes(author, 1)
    cut = author.head
    stolen = notes(author, 2)
    evil = await scene.ready(coop)
    await evil.push(first, *stolen)
    await require_place(evil, author, 3, stolen[-1].id)
    shown = coop.twin()
    coop.revoke({coop.writer: {scene.fid: cut}})
    other = await scene.ready(relay)
    await tell_key_log(other, coop)
    await require_place(await require_unharmed(scene), author, 1, first.id)
    again = await scene.link(shown)
    told = await again.hear(ControlHave)
    scene.expect([(coop.cid, coop.keys.size)], [(i.cid, i.size) for i in told.key_logs])
    scene.expect([], told.certificates, "certificates told")


@case(
    "evil-writer-without-a-key-log",
    ("SYN-7", "SYN-8"),
    "The key log of a co-op that no charter names is not kept, and its entries are not stored",
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    stranger = LogAuthor(_stranger(scene), scene.fid, now_ms=scene.now_ms)
    await tell_key_log(evil, _stranger(scene))
    await evil.push(*notes(stranger, 1))
    await evil.still_open()
    await require_no_log(await require_unharmed(scene), stranger)


def _stranger(scene: Scene) -> TestCoop:
    return make_coop("Stranger to the kit", now_ms=scene.now_ms)


@case(
    "evil-key-operation-forged",
    ("SYN-9", "IDN-12"),
    "A delegation that the manager did not sign ends the link of whoever sends it",
    codes=("key.signature",),
    coops=3,
)
async def _(scene: Scene) -> None:
    victim = scene.coops[1].twin()
    author = second_writer(scene, victim, expires_ms=scene.now_ms + HOUR_MS)
    forged = type(victim.key_ops[-1])(
        body=victim.key_ops[-1].body, signatures=victim.key_ops[0].signatures
    )
    evil = await scene.ready()
    await evil.send(
        ControlItems([KeyOps(victim.cid, [*victim.key_ops[:-1], forged])], [], [], True)
    )
    await evil.ended("key.signature")
    honest = await require_unharmed(scene)
    await honest.push(*notes(author, 1))
    await honest.still_open()
    await require_no_log(honest, author)
