"""A peer that signs two entries for one place, shows them in every way, or blames others for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.conform.honest import (
    EMPTY_MAP,
    NOTE,
    notes,
    require_place,
    require_refused,
    require_unharmed,
)
from sheaf_node.conform.model import case
from sheaf_protocol.digest import ZERO, EntryId
from sheaf_protocol.fork import ForkProof, fork_leaf, make_fork_proof, verify_fork_proof
from sheaf_protocol.link.messages import (
    ControlHave,
    ControlItems,
    ControlWant,
    Want,
)
from sheaf_protocol.testing.chain import branch_over, prove_fork

if TYPE_CHECKING:
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.testing.author import LogAuthor

OTHER = "x.other"


def branches(author: LogAuthor, below: int = 0) -> tuple[list[Envelope], Envelope, Envelope]:
    """Return entries below a fork, and the two that stand at its place."""
    before = notes(author, below)
    twin = author.twin()
    return before, author.append(NOTE, EMPTY_MAP), twin.append(OTHER, EMPTY_MAP)


async def require_forked(
    scene: Scene, author: LogAuthor, seq: int, before: bytes = ZERO
) -> KitPeer:
    """Return the honest peer's link once the node shows the log as forked at a place (LOG-14)."""
    honest = await require_unharmed(scene)
    leaf = fork_leaf(author.log, seq, EntryId(before))
    await require_place(honest, author, seq, leaf)
    return honest


@case(
    "evil-fork-on-one-link",
    ("LOG-9", "LOG-14", "ENV-9"),
    "A writer that shows both of its entries for one place is cut off, and its log shown as forked",
    codes=("log.forked",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    below, one, other = branches(evil.author, 2)
    await evil.push(*below, one)
    await evil.push(other)
    await evil.ended("log.forked")
    await require_forked(scene, evil.author, 3, below[-1].id)


@case(
    "evil-fork-on-two-links",
    ("LOG-9", "LOG-14", "SYN-9"),
    "Who passes on the other side of somebody's fork keeps its link, and the proof is given out",
    coops=3,
)
async def _(scene: Scene) -> None:
    author = scene.author()
    _, one, other = branches(author)
    first = await scene.ready()
    await first.push(one)
    relay = await scene.ready(scene.coops[1])
    await require_place(relay, author, 1, one.id)
    await relay.push(other)
    await relay.still_open()
    await require_forked(scene, author, 1)
    await require_proof(scene, await scene.link(scene.coops[-1]), one, other)


async def require_proof(scene: Scene, peer: KitPeer, one: Envelope, other: Envelope) -> None:
    """Return once the node told of the proof of a fork and gave it, over entries that it names."""
    wanted = prove_fork(one, other)
    await peer.send(ControlHave([], [], [], True))
    await peer.hear(ControlHave, lambda have: wanted.id in have.proofs)
    await peer.send(ControlWant([], [], [wanted.id]))
    answer = await peer.hear(ControlItems, lambda items: bool(items.proofs))
    [proof] = answer.proofs
    verify_fork_proof(proof)
    scene.expect(wanted.id, proof.id)


@case(
    "evil-fork-told-by-its-proof",
    ("LOG-9", "LOG-11", "LOG-14"),
    "A proof alone makes a log forked, at its place, and what lies below stays",
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    below, one, other = branches(evil.author, 2)
    await evil.push(*below, one)
    await require_place(evil, evil.author, 3, one.id)
    await evil.send(ControlItems([], [], [prove_fork(one, other)], True))
    await require_forked(scene, evil.author, 3, below[-1].id)
    served = await scene.entries(evil.author, 1, 2)
    scene.expect([entry.id for entry in below], [entry.id for entry in served])


@case(
    "evil-fork-lower-than-known",
    "LOG-14",
    "A proof of a lower fork takes the place of that of a higher one, and not the other way",
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    [below] = notes(evil.author, 1)
    low = evil.author.twin()
    [one] = notes(evil.author, 1)
    high = evil.author.twin()
    [above] = notes(evil.author, 1)
    await evil.push(below, one, above)
    await require_place(evil, evil.author, 3, above.id)
    higher = prove_fork(above, high.append(OTHER, EMPTY_MAP))
    lower = prove_fork(one, low.append(OTHER, EMPTY_MAP))
    for proof in (higher, lower, higher):
        await evil.send(ControlItems([], [], [proof], True))
    await require_forked(scene, evil.author, 2, below.id)


@case(
    "evil-fork-goes-on",
    ("LOG-9", "LOG-17"),
    "Nothing of a forked log is taken from the fork on, whoever brings it",
    codes=("log.forked",),
    coops=3,
)
async def _(scene: Scene) -> None:
    author = scene.author()
    evil = await scene.ready()
    _, one, other = branches(author)
    await evil.push(one)
    await evil.send(ControlItems([], [], [prove_fork(one, other)], True))
    await require_forked(scene, author, 1)
    relay = await scene.ready(scene.coops[1])
    await relay.push(*notes(author, 1))
    await require_refused(relay, "log.forked")
    await require_forked(scene, author, 1)


@case(
    "evil-fork-proof-forged",
    ("LOG-12", "SYN-9", "ENV-9"),
    "A proof with a branch that its writer did not sign ends the link and proves nothing",
    codes=("env.signature",),
    coops=3,
)
async def _(scene: Scene) -> None:
    victim = await scene.ready(scene.coops[1])
    [one] = notes(victim.author, 1)
    await victim.push(one)
    await require_place(victim, victim.author, 1, one.id)
    other = scene.author(scene.coops[1]).append(OTHER, EMPTY_MAP)
    forged = _mis_signed(one, other)
    evil = await scene.ready()
    await evil.send(ControlItems([], [], [forged], True))
    await evil.ended("env.signature")
    honest = await require_unharmed(scene)
    await require_place(honest, victim.author, 1, one.id)


def _mis_signed(one: Envelope, other: Envelope) -> ForkProof:
    """Return the proof over two entries with a signature of the second turned over by a bit."""
    proof = make_fork_proof(branch_over([one]), branch_over([other]))
    second = proof.second
    wrong = bytes([second.signature[0] ^ 1]) + second.signature[1:]
    return ForkProof(proof.first, type(second)(second.headers, wrong))


@case(
    "evil-fork-proof-of-one-entry",
    "LOG-11",
    "Two branches over one entry are no proof, and whoever sends them is cut off",
    codes=("fork.same_entry",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    [one] = notes(evil.author, 1)
    await evil.push(one)
    await evil.send(ControlItems([], [], [ForkProof(branch_over([one]), branch_over([one]))], True))
    await evil.ended("fork.same_entry")
    honest = await require_unharmed(scene)
    await require_place(honest, evil.author, 1, one.id)


@case(
    "evil-fork-proof-of-two-places",
    "LOG-10",
    "Two branches that begin at different numbers are no proof",
    codes=("fork.other_place",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    one, two = notes(evil.author, 2)
    await evil.push(one, two)
    await evil.send(ControlItems([], [], [ForkProof(branch_over([one]), branch_over([two]))], True))
    await evil.ended("fork.other_place")
    honest = await require_unharmed(scene)
    await require_place(honest, evil.author, 2, two.id)


@case(
    "evil-fork-hidden-below",
    ("LOG-4", "SYN-3"),
    "An entry that follows on another one than the head has the node search below for the fork",
    codes=("log.bad_prev",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    _, one, other = branches(evil.author)
    twin = scene.author()
    twin.append(OTHER, EMPTY_MAP)
    scene.expect(other.id, twin.head.id)
    await evil.push(one)
    await require_place(evil, evil.author, 1, one.id)
    await evil.push(twin.append(OTHER, EMPTY_MAP))
    await require_refused(evil, "log.bad_prev")
    want = await evil.hear(Want)
    scene.expect([(evil.author.log, 1)], [(r.log, r.first) for r in want.ranges])
    await evil.push(other, is_live=False)
    await evil.ended("log.forked")
    await require_forked(scene, evil.author, 1)
