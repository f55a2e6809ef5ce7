"""Frames, messages and turns of an open link (chapter 07, sections 3 to 6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from sheaf_node.conform.model import case
from sheaf_node.conform.peer import STORE_ID
from sheaf_protocol.digest import Digest, EntryId, digest
from sheaf_protocol.limits import CREDIT_BYTES, MAX_FRAME
from sheaf_protocol.link.messages import (
    Bye,
    Compare,
    Credit,
    Idle,
    Reject,
    Scope,
    encode_message,
)
from sheaf_protocol.testing.link_pair import flipped

if TYPE_CHECKING:
    from sheaf_node.conform.scene import Scene


def _entry() -> EntryId:
    return EntryId(digest("test", b"nobody's entry"))


@case(
    "frame-altered",
    "LNK-14",
    "A frame with one bit turned over ends the link",
    codes=("link.frame",),
)
async def _altered(scene: Scene) -> None:
    peer = await scene.ready()
    frame = peer.session.sealer.seal(encode_message(Idle(bytes(16))))
    await peer.send_frame(flipped(frame, 3), "an idle, altered")

    await peer.ended("link.frame")


@case("frame-repeated", "LNK-14", "A frame that comes twice ends the link", codes=("link.frame",))
async def _repeated(scene: Scene) -> None:
    peer = await scene.ready()
    frame = peer.session.sealer.seal(encode_message(Reject(_entry(), "x.test")))
    await peer.send_frame(frame, "a reject")
    await peer.send_frame(frame, "the same frame")

    await peer.ended("link.frame")


@case(
    "frame-left-out",
    "LNK-14",
    "A frame behind one that never came ends the link",
    codes=("link.frame",),
)
async def _left_out(scene: Scene) -> None:
    peer = await scene.ready()
    peer.session.sealer.seal(encode_message(Reject(_entry(), "x.test")))
    await peer.send(Reject(_entry(), "x.test"))

    await peer.ended("link.frame")


@case(
    "frame-swapped",
    "LNK-14",
    "Two frames in each other's place end the link",
    codes=("link.frame",),
)
async def _swapped(scene: Scene) -> None:
    peer = await scene.ready()
    frames = [peer.session.sealer.seal(encode_message(Reject(_entry(), "x.a"))) for _ in range(2)]
    await peer.send_frame(frames[1], "the second frame")
    await peer.send_frame(frames[0], "the first frame")

    await peer.ended("link.frame")


@case(
    "frame-reflected",
    "LNK-14",
    "The node's own frame sent back ends the link",
    codes=("link.frame",),
)
async def _reflected(scene: Scene) -> None:
    peer = await scene.link()
    frame = await peer.receive("the node's first frame")
    peer.opened(frame)
    await peer.send_frame(frame, "the node's own first frame")

    await peer.ended("link.frame")


@case(
    "frame-of-another-link",
    "LNK-14",
    "A frame of another link ends the link",
    coops=2,
    codes=("link.frame",),
)
async def _elsewhere(scene: Scene) -> None:
    first, second = await scene.ready(), await scene.ready(scene.coops[1])
    frame = first.session.sealer.seal(encode_message(Idle(bytes(16))))
    await second.send_frame(frame, "a frame of the other link")

    await second.ended("link.frame")


@case("frame-empty", "LNK-14", "An empty frame ends the link", codes=("link.frame",))
async def _empty(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.send_frame(b"", "nothing")

    await peer.ended("link.frame")


@case(
    "frame-too-large",
    "LNK-15",
    "A frame of more than MAX_FRAME ends the link",
    codes=("link.frame_size",),
)
async def _large(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.send_frame(bytes(MAX_FRAME + 1), "a frame too large")

    await peer.ended("link.frame_size", is_coded=False)


@case("frame-far-too-large", "LNK-15", "A frame of eight times MAX_FRAME ends the link unread")
async def _huge(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.send_frame(bytes(8 * MAX_FRAME), "a frame far too large")

    await peer.ended("link.frame_size", is_coded=False)


_H: Final = bytes(32)


@case(
    "scope-unknown",
    "LNK-17",
    "A data message of a federation that nobody offered ends the link",
    codes=("link.scope",),
)
async def _unknown(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.send(Compare(os.urandom(16), Digest(_H), 0))

    await peer.ended("link.scope")


@case(
    "scope-sent-back",
    "LNK-17",
    "The node's own name of a federation is no name of ours",
    codes=("link.scope",),
)
async def _sent_back(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.send(Compare(peer.their_scope(), Digest(_H), 0))

    await peer.ended("link.scope")


@case(
    "scope-not-offered",
    "LNK-17",
    "A federation that our side did not offer has no data",
    sides=1,
    codes=("link.scope",),
)
async def _not_offered(scene: Scene) -> None:
    side = scene.sides[0]
    peer = await scene.ready(side.coops[0], side.fid)
    await peer.send(Scope([], STORE_ID))
    await peer.send(Compare(peer.scope(side.fid), Digest(_H), 0))

    await peer.ended("link.scope")


@case(
    "scope-of-a-foreign-member",
    "SYN-91",
    "The node offers no federation of which the peer is no member",
    sides=1,
)
async def _foreign(scene: Scene) -> None:
    peer = await scene.ready()
    hidden = peer.their_scope(scene.sides[0].fid)
    told = [each for each in peer.heard if isinstance(each, Scope)]

    scene.expect(False, any(hidden in each.scopes for each in told), "the other federation offered")


@case("scope-per-link", "LNK-17", "A federation has another name on each link", coops=2)
async def _per_link(scene: Scene) -> None:
    peers = [await scene.ready(coop) for coop in scene.coops]
    told = [
        scope
        for peer in peers
        for each in peer.heard
        if isinstance(each, Scope)
        for scope in each.scopes
    ]

    scene.expect(len(told), len(set(told)), "different names")


@case("bye-ends", "LNK-20", "After a bye the node sends nothing and ends the connection")
async def _bye(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.send(Bye("link.bye"))

    await peer.ended(is_coded=False)


@case("bye-unknown-code", "ERR-4", "A bye of a code that nobody knows is an end as well")
async def _bye_unknown(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.send(Bye("x.never_heard_of"))

    await peer.ended(is_coded=False)


@case("reject-unknown-code", "ERR-4", "A reject of a code that nobody knows ends nothing")
async def _reject_unknown(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.send(Reject(_entry(), "x.never_heard_of"))

    await peer.still_open()


@case(
    "credit-not-spent",
    "LNK-24",
    "A grant of what was not spent ends the link",
    codes=("link.credit",),
)
async def _unspent(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.send(Credit(CREDIT_BYTES))

    await peer.ended("link.credit")


@case(
    "flood-of-questions", "SYN-33", "A peer that asks without end is let go", codes=("link.flood",)
)
async def _flood(scene: Scene) -> None:
    peer = await scene.ready()
    for _ in range(_MANY):
        await peer.send(Compare(peer.scope(), Digest(os.urandom(32)), 0))

    await peer.ended("link.flood")


_MANY: Final = 4_000
"""Questions in one go: eight times what this implementation lets pass."""
