"""M3: who the dialler proves to be, and what a stranger is told (chapter 07, section 2)."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.conform.handshake import op_map
from sheaf_node.conform.model import case
from sheaf_node.conform.peer import NOTHING, Ended
from sheaf_protocol.codec import encode
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import HANDSHAKE_MS, MAX_HANDSHAKE
from sheaf_protocol.link.messages import Bye, ControlHave, Scope
from sheaf_protocol.testing.author import make_coop
from sheaf_protocol.testing.link_pair import flipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.conform.model import Steps
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.testing.author import TestCoop


async def _greeted(scene: Scene, coop: TestCoop | None = None) -> KitPeer:
    peer = await scene.dial(coop)
    await peer.send_frame(peer.shaking.hello(), "M1")
    await peer.reply()
    return peer


_INSIDES: Final[Sequence[tuple[str, str, str, dict[str, Any], str]]] = (
    ("sig-none", "LNK-9", "a signature of zero bytes", {"sig": bytes(64)}, "link.signature"),
    ("sig-short", "LNK-27", "a signature of 63 bytes", {"sig": bytes(63)}, "schema.invalid"),
    (
        "wid-other",
        "LNK-9",
        "the id of another writer",
        {"wid": bytes(31) + b"\x02"},
        "link.signature",
    ),
    ("key-log-empty", "LNK-27", "no operations", {"key_log": []}, "schema.invalid"),
    ("cid-short", "LNK-27", "a co-op's id of 31 bytes", {"cid": bytes(31)}, "schema.invalid"),
)


def _inside(fields: dict[str, Any], code: str) -> Steps:
    async def steps(scene: Scene) -> None:
        peer = await _greeted(scene)
        await peer.send_frame(peer.shaking.proof(**fields), "M3")
        peer.agree()

        await peer.ended(code, is_coded=False)

    return steps


for _id, _clause, _words, _fields, _code in _INSIDES:
    case(f"proof-{_id}", _clause, f"An M3 that shows {_words} is refused", codes=(_code,))(
        _inside(_fields, _code)
    )

_BYTES: Final = (
    ("garbage", "ENC-1", "a byte that MessagePack does not use", b"\xc1", "enc.malformed"),
    ("no-box", "LNK-27", "a map without a box", b"\x80", "schema.invalid"),
    ("box-text", "LNK-27", "a box that is text", encode({"box": "b"}), "schema.invalid"),
    ("box-empty", "LNK-8", "an empty box", encode({"box": b""}), "link.box"),
    ("box-random", "LNK-8", "a box of nothing", encode({"box": bytes(400)}), "link.box"),
    ("too-long", "LNK-26", "too many bytes", bytes(MAX_HANDSHAKE + 1), "enc.size"),
)


def _bytes(data: bytes, code: str) -> Steps:
    async def steps(scene: Scene) -> None:
        peer = await _greeted(scene)
        await peer.send_frame(data, "M3")

        await peer.ended(code)

    return steps


for _id, _clause, _words, _data, _code in _BYTES:
    case(f"proof-{_id}", _clause, f"As M3, {_words} is refused", codes=(_code,))(
        _bytes(_data, _code)
    )


@case("proof-altered", "LNK-8", "An M3 with one bit turned over is refused", codes=("link.box",))
async def _altered(scene: Scene) -> None:
    peer = await _greeted(scene)
    proof = peer.shaking.proof()
    await peer.send_frame(flipped(proof, len(proof) - 1), "M3, altered")

    await peer.ended("link.box")


@case("proof-wrong-key", "LNK-8", "A box under another key is refused", codes=("link.box",))
async def _wrong_key(scene: Scene) -> None:
    peer = await _greeted(scene)
    await peer.send_frame(peer.shaking.proof(box_key=os.urandom(32)), "M3")

    await peer.ended("link.box")


@case(
    "proof-responder-purpose",
    "LNK-9",
    "A signature made for the responder's part is refused",
    codes=("link.signature",),
)
async def _purpose(scene: Scene) -> None:
    peer = await _greeted(scene)
    await peer.send_frame(peer.shaking.proof(purpose="handshake-responder"), "M3")

    await peer.ended("link.signature")


@case(
    "proof-wrong-transcript",
    "LNK-9",
    "A signature over another transcript is refused",
    codes=("link.signature",),
)
async def _transcript(scene: Scene) -> None:
    peer = await _greeted(scene)
    await peer.send_frame(peer.shaking.proof(transcript=os.urandom(32)), "M3")

    await peer.ended("link.signature")


@case("proof-replayed", "LNK-8", "An M3 of an earlier handshake is refused", codes=("link.box",))
async def _replayed(scene: Scene) -> None:
    first = await _greeted(scene)
    proof = first.shaking.proof()
    await first.send_frame(proof, "M3")
    first.agree()
    await first.close()
    second = await scene.dial()
    await second.send_frame(first.shaking.hello(eph=first.shaking.public), "M1 with the same key")
    await second.receive("M2")
    await second.send_frame(proof, "M3 of the first link")

    await second.ended("link.box")


@case(
    "proof-downgraded",
    "LNK-8",
    "An M1 whose versions were changed under way ends the link",
    codes=("link.box",),
)
async def _downgraded(scene: Scene) -> None:
    peer = await scene.dial()
    said = peer.shaking.hello(versions=[1, 2])
    carried = peer.shaking.hello(versions=[1], nonce=peer.shaking.nonce)
    await peer.send_frame(carried, "M1 with version 2 taken out by somebody between")
    data = await peer.receive()
    scene.expect(
        False, peer.shaking.opens(data, hello=said), "M2 opens under what the dialler said"
    )
    await peer.send_frame(peer.shaking.proof_over(data, said), "M3")

    await peer.ended("link.box")


@case("proof-unknown-key", "ENC-16", "A key in the box that nobody knows is ignored")
async def _unknown_key(scene: Scene) -> None:
    peer = await _greeted(scene)
    await peer.send_frame(peer.shaking.proof(zeal=1), "M3")
    peer.agree()

    await peer.send(NOTHING)
    await peer.open_scope()


@case(
    "proof-stranger",
    "LNK-28",
    "A co-op that no certificate names is refused",
    codes=("link.not_member",),
)
async def _stranger(scene: Scene) -> None:
    peer = await _greeted(scene, make_coop("Stranger", now_ms=scene.now_ms))
    await peer.send_frame(peer.shaking.proof(), "M3")
    peer.agree()

    await peer.ended("link.not_member", is_coded=False)
    scene.expect([], [m for m in peer.heard if not isinstance(m, Bye)], "messages to a stranger")


@case(
    "proof-stranger-with-a-bad-key-log",
    ("LNK-28", "LNK-29"),
    "A stranger whose key log does not fold hears no more than a stranger",
    codes=("link.not_member",),
)
async def _stranger_bad(scene: Scene) -> None:
    stranger = make_coop("Stranger", now_ms=scene.now_ms)
    peer = await _greeted(scene, stranger)
    ops = [op_map(op) for op in stranger.key_ops[1:]]
    await peer.send_frame(peer.shaking.proof(key_log=ops), "M3 without the inception")
    peer.agree()

    await peer.ended("link.not_member", is_coded=False)


@case(
    "proof-member-with-a-bad-key-log",
    ("LNK-10", "LNK-29"),
    "A member's key log that does not fold is refused, and says nothing of membership",
    codes=("link.not_member",),
)
async def _member_bad(scene: Scene) -> None:
    peer = await _greeted(scene)
    ops = [op_map(op) for op in peer.coop.key_ops[1:]]
    await peer.send_frame(peer.shaking.proof(key_log=ops), "M3 without the inception")
    peer.agree()

    await peer.ended("link.not_member", "key.no_inception", "key.gap", is_coded=False)


@case(
    "proof-key-log-of-another",
    ("LNK-10", "LNK-29"),
    "A member's id beside a stranger's key log is refused",
    codes=("link.not_member",),
)
async def _other_log(scene: Scene) -> None:
    peer = await _greeted(scene)
    other = make_coop("Stranger", now_ms=scene.now_ms)
    ops = [op_map(op) for op in other.key_ops]
    await peer.send_frame(peer.shaking.proof(key_log=ops), "M3")
    peer.agree()

    await peer.ended("link.not_member", "link.coop", is_coded=False)


@case(
    "proof-not-delegated",
    ("LNK-11", "LNK-29"),
    "A writer that its co-op never delegated is refused",
    codes=("link.not_member",),
)
async def _not_delegated(scene: Scene) -> None:
    coop = scene.coops[0]
    own, coop.writer = coop.writer, signing_key(bytes(31) + b"\x07")
    peer = await _greeted(scene)
    await peer.send_frame(peer.shaking.proof(), "M3")
    coop.writer = own
    peer.agree()

    await peer.ended("link.not_member", "link.not_delegated", is_coded=False)


@case(
    "proof-expired-writer",
    "LNK-11",
    "A writer whose delegation has expired is refused",
    codes=("link.expired",),
    once=True,
)
async def _expired(scene: Scene) -> None:
    coop = scene.coops[0]
    coop.writer = signing_key(os.urandom(32))
    coop.delegate(coop.writer, scene.now_ms - 1)
    peer = await _greeted(scene)
    await peer.send_frame(peer.shaking.proof(), "M3")
    peer.agree()

    await peer.ended("link.expired", is_coded=False)


@case(
    "proof-closed-writer",
    "LNK-11",
    "A writer that its key log closed is refused",
    codes=("link.writer_closed",),
    once=True,
)
async def _closed(scene: Scene) -> None:
    scene.coops[0].close({})
    peer = await _greeted(scene)
    await peer.send_frame(peer.shaking.proof(), "M3")
    peer.agree()

    await peer.ended("link.writer_closed", is_coded=False)


@case(
    "proof-closed-elsewhere",
    "LNK-32",
    "A writer whose close the node heard of on another link is told that, and offered nothing",
    once=True,
)
async def _closed_elsewhere(scene: Scene) -> None:
    coop = scene.coops[0]
    stale = coop.twin()
    other = signing_key(os.urandom(32))
    coop.delegate(other, scene.now_ms + 86_400_000)
    coop.close({})
    coop.writer = other
    await scene.ready()
    peer = await scene.link(stale)
    await peer.send(NOTHING)

    told = await peer.hear(ControlHave)
    key_logs = [(item.cid, item.size) for item in told.key_logs]
    scene.expect([(coop.cid, coop.keys.size)], key_logs, "key logs told")
    scene.expect([], [*told.certificates, *told.proofs], "what else is told")
    offer = await peer.hear(Scope)
    scene.expect([], offer.scopes, "federations offered")


@case(
    "handshake-timeout",
    "LNK-12",
    "A handshake that stops after M1 is ended in time",
    codes=("link.timeout",),
)
async def _timeout(scene: Scene) -> None:
    peer = await _greeted(scene)
    began = asyncio.get_running_loop().time()

    await peer.ended("link.timeout")
    took = asyncio.get_running_loop().time() - began
    scene.expect(
        True,
        took <= HANDSHAKE_MS / 1000 + 3,
        f"an end within {HANDSHAKE_MS} ms, after {took:.1f} s",
    )


@case("handshake-never-begun", "LNK-12", "A WebSocket on which nothing comes is ended in time")
async def _never(scene: Scene) -> None:
    peer = await scene.dial()

    await peer.ended("link.timeout")


@case(
    "link-twice",
    "LNK-28",
    "Of two links of one writer one goes, and the other works",
    codes=("link.duplicate",),
)
async def _twice(scene: Scene) -> None:
    first = await scene.ready()
    second = await scene.dial()
    await second.shake_hands()
    await second.send(NOTHING)
    try:
        await second.open_scope()
        await first.ended("link.duplicate")
        await second.still_open()
    except Ended:
        scene.expect("link.duplicate", second.ending, "the end of the second link")
        await first.still_open()


@case(
    "link-as-the-node-itself",
    "DSC-1",
    "Nobody gets in under the co-op id of the node itself",
    codes=("link.not_member",),
)
async def _itself(scene: Scene) -> None:
    peer = await _greeted(scene)
    fields: dict[str, Any] = {
        "cid": scene.node,
        "key_log": [op_map(op) for op in peer.shaking.shown.key_log],
    }
    await peer.send_frame(peer.shaking.proof(**fields), "M3 with the node's own key log")
    peer.agree()

    await peer.ended("link.not_member", "link.not_delegated", "link.self", is_coded=False)
