"""A peer that repeats what was once right: frames, handshakes, and entries somewhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sheaf_node.conform.honest import (
    notes,
    require_no_log,
    require_place,
    require_unharmed,
)
from sheaf_node.conform.model import case
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.limits import MAX_HANDSHAKE
from sheaf_protocol.link.handshake import Proof, Reply
from sheaf_protocol.link.messages import ControlHave, Scope, Served, encode_message
from sheaf_protocol.testing.author import LogAuthor

if TYPE_CHECKING:
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene


def sealed(peer: KitPeer) -> bytes:
    """Return the next frame of a link: an answer that asks nothing of the node."""
    return peer.session.sealer.seal(encode_message(Served(peer.scope())))


@case(
    "evil-replay-frame",
    "LNK-14",
    "A frame that comes a second time ends the link",
    codes=("link.frame",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    frame = sealed(evil)
    await evil.send_frame(frame)
    await evil.send_frame(frame)
    await evil.ended("link.frame")
    await require_unharmed(scene)


@case(
    "evil-replay-frame-order",
    "LNK-14",
    "Two frames in the wrong order end the link",
    codes=("link.frame",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    frames = [sealed(evil), sealed(evil)]
    await evil.send_frame(frames[1])
    await evil.ended("link.frame")
    await require_unharmed(scene)


@case(
    "evil-replay-frame-of-another-link",
    ("LNK-14", "LNK-13"),
    "A frame of an earlier link opens on no later one",
    codes=("link.frame",),
    coops=2,
)
async def _(scene: Scene) -> None:
    first = await scene.ready()
    frames = [sealed(first) for _ in range(3)]
    second = await scene.ready()
    await second.send_frame(frames[-1])
    await second.ended("link.frame")
    await require_unharmed(scene)


@case(
    "evil-replay-handshake",
    ("LNK-13", "LNK-8"),
    "Whoever recorded a whole handshake and plays it again is nobody",
    codes=("link.box",),
    coops=2,
)
async def _(scene: Scene) -> None:
    recorded = await scene.dial()
    hello = recorded.shaking.hello()
    await recorded.send_frame(hello, "M1")
    await recorded.reply()
    proof = recorded.shaking.proof()
    await recorded.send_frame(proof, "M3")
    replayed = await scene.dial()
    await replayed.send_frame(hello)
    await replayed.receive()
    await replayed.send_frame(proof)
    await replayed.ended("link.box")
    await require_unharmed(scene)


@case(
    "evil-replay-nonces",
    "LNK-13",
    "To one hello that comes twice the node answers with other keys, nonces and boxes",
)
async def _(scene: Scene) -> None:
    hello = (await scene.dial()).shaking.hello()
    replies = []
    for _ in range(2):
        peer = await scene.dial()
        await peer.send_frame(hello)
        replies.append(decode(await peer.receive(), Reply, limit=MAX_HANDSHAKE))
    one, other = replies
    same = [name for name in ("eph", "nonce", "box") if getattr(one, name) == getattr(other, name)]
    scene.expect([], same)


@case(
    "evil-reflected-box",
    "LNK-8",
    "The node's own box sent back to it opens for nobody",
    codes=("link.box",),
)
async def _(scene: Scene) -> None:
    evil = await scene.dial()
    await evil.send_frame(evil.shaking.hello(), "M1")
    reply = decode(await evil.receive(), Reply, limit=MAX_HANDSHAKE)
    await evil.send_frame(encode(Proof(box=reply.box)))
    await evil.ended("link.box")


@case(
    "evil-stolen-identity",
    "LNK-9",
    "A member's id and key log without its writer's key are worth nothing",
    codes=("link.signature",),
    coops=2,
)
async def _(scene: Scene) -> None:
    thief, victim = scene.coops
    evil = await scene.dial(replace(victim, writer=thief.writer))
    await evil.send_frame(evil.shaking.hello(), "M1")
    await evil.reply()
    await evil.send_frame(evil.shaking.proof(wid=victim.writer.public), "M3")
    await evil.ended("link.signature")
    await require_unharmed(scene)


@case(
    "evil-reflected-scope",
    "LNK-17",
    "The node's own name for a federation sent back to it proves no knowledge of one",
    codes=("link.scope",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.link()
    await evil.send(ControlHave([], [], [], True))
    theirs = evil.their_scope()
    await evil.send(Scope([theirs], bytes(16)))
    await evil.send(Served(theirs))
    await evil.ended("link.scope")
    await require_unharmed(scene)


@case(
    "evil-replay-entry",
    "LOG-2",
    "An entry that is held already is passed over, however often it comes",
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    entries = notes(evil.author, 3)
    await evil.push(*entries)
    for _ in range(3):
        await evil.push(*entries)
        await evil.push(entries[0])
    await evil.still_open()
    honest = await require_unharmed(scene)
    await require_place(honest, evil.author, 3, entries[-1].id)


@case(
    "evil-replay-into-another-federation",
    ("LOG-1", "LNK-17"),
    "An entry of one federation sent in the name of another is stored in neither",
    codes=("link.scope",),
    sides=1,
)
async def _(scene: Scene) -> None:
    [side] = scene.sides
    member = side.coops[0]
    evil = await scene.ready(member, fid=side.fid)
    foreign = LogAuthor(member, scene.fid, now_ms=scene.now_ms)
    entries = notes(foreign, 1)
    await evil.push(*entries, fid=side.fid)
    await evil.ended("link.scope")
    honest = await require_unharmed(scene)
    await require_no_log(honest, foreign)
