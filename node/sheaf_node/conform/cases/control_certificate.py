"""Certificates on a link, and what follows from them there (chapters 06 and 09)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import structs

from sheaf_node.conform.cases.control import bring
from sheaf_node.conform.cases.entry import BODY, KIND, in_side
from sheaf_node.conform.kit import certify
from sheaf_node.conform.model import case
from sheaf_node.conform.peer import STORE_ID
from sheaf_protocol.charter import Certificate, Member, approve, genesis_body
from sheaf_protocol.link.messages import (
    ControlHave,
    ControlItems,
    ControlWant,
    Scope,
)
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.author import LogAuthor, make_federation
from sheaf_protocol.testing.link_pair import flipped

if TYPE_CHECKING:
    from sheaf_node.conform.scene import Scene


@case(
    "control-forged-certificate",
    ("SYN-9", "CHR-5"),
    "A genesis that not all members signed is refused",
    codes=("charter.signature",),
)
async def _forged(scene: Scene) -> None:
    peer = await scene.link()
    coop, node = scene.coops[0], scene.kit.node
    both = sorted([(coop.cid, coop.keys.head), (node.cid, node.head)])
    members = [
        Member(cid=cid, is_suspended=False, key_head=head, roles=["member"]) for cid, head in both
    ]
    body = genesis_body("Forged", members, os.urandom(16))
    forged = Certificate(approvals=[approve(body, coop.cid, coop.manager)], body=body)
    await bring(peer, certificates=[forged])

    await peer.ended("charter.signature")


@case(
    "control-founded-without-us",
    "SYN-92",
    "A federation that a stranger founded with our co-op in it is not taken up",
    codes=(),
)
async def _unasked(scene: Scene) -> None:
    peer = await scene.ready()
    made = make_federation([(scene.coops[0], ["member"])], "Unasked", os.urandom(16))
    await bring(peer, certificates=[made])
    await peer.send(Scope([peer.scope(), peer.scope(made.fid)], STORE_ID))
    await peer.still_open()
    offered = [message for message in peer.heard if isinstance(message, Scope)]

    scene.expect(False, any(peer.their_scope(made.fid) in m.scopes for m in offered), "offered")


@case(
    "control-too-few-approvals",
    "CHR-22",
    "An epoch that no quorum approved is refused",
    sides=1,
    codes=("charter.quorum",),
)
async def _few(scene: Scene) -> None:
    side = scene.sides[0]
    change = Change(action="suspend", cid=side.coops[1].cid)
    lines = [LogAuthor(side.coops[1], side.fid, now_ms=scene.now_ms)]
    good = certify(side.chain, change, side.coops, lines=lines)
    few = type(good)(approvals=good.approvals[:1], body=good.body, round=good.round)
    peer = await in_side(scene)
    await bring(peer, certificates=[few])

    await peer.ended("charter.quorum")


@case(
    "control-approval-bent",
    "CHR-22",
    "An epoch with an approval that is forged is refused",
    sides=1,
    codes=("charter.signature",),
)
async def _bent(scene: Scene) -> None:
    side = scene.sides[0]
    change = Change(action="suspend", cid=side.coops[1].cid)
    good = certify(side.chain, change, side.coops)
    first, *others = good.approvals
    wrong = structs.replace(first, signature=flipped(first.signature, 7))
    forged = type(good)(approvals=[wrong, *others], body=good.body, round=good.round)
    peer = await in_side(scene)
    await bring(peer, certificates=[forged])

    await peer.ended("charter.signature")


@case(
    "control-expelled-withdrawn",
    ("LNK-30", "SYN-91"),
    "Who is expelled is shown a scope without the federation",
    sides=1,
    once=True,
)
async def _expelled(scene: Scene) -> None:
    side = scene.sides[0]
    victim = await in_side(scene, 1)
    change = Change(action="expel", cid=side.coops[1].cid)
    made = certify(side.chain, change, side.coops)
    other = await in_side(scene, 0)
    await bring(other, certificates=[made])
    gone = victim.their_scope(side.fid)

    await victim.hear(Scope, lambda message: gone not in message.scopes)


@case(
    "control-data-after-withdrawal",
    "LNK-31",
    "Data that crossed a withdrawal is passed over",
    sides=1,
    once=True,
)
async def _crossed(scene: Scene) -> None:
    side = scene.sides[0]
    victim = await in_side(scene, 1)
    made = certify(side.chain, Change(action="expel", cid=side.coops[1].cid), side.coops)
    other = await in_side(scene, 0)
    await bring(other, certificates=[made])
    gone = victim.their_scope(side.fid)
    await victim.hear(Scope, lambda message: gone not in message.scopes)
    await victim.push(victim.author.append(KIND, BODY))
    await victim.send(ControlWant([], [], []))
    await victim.hear(ControlItems)

    await scene.require_not_held(scene.author(side.coops[1], side.fid))


@case(
    "control-epoch-passed-on",
    ("SYN-9", "SYN-88"),
    "A new certificate is told to the other members",
    sides=1,
    once=True,
)
async def _passed_on(scene: Scene) -> None:
    side = scene.sides[0]
    made = certify(side.chain, Change(action="suspend", cid=side.coops[1].cid), side.coops)
    watcher, bringer = await in_side(scene, 2), await in_side(scene, 0)
    await bring(bringer, certificates=[made])

    await watcher.hear(ControlHave, lambda message: made.id in message.certificates)
