"""Erased payloads (chapter 04, section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.conform.cases.entry import BODY, KIND, in_side
from sheaf_node.conform.model import case
from sheaf_protocol.link.messages import PayloadWant
from sheaf_protocol.records.erasure import Erase, Restore

if TYPE_CHECKING:
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.envelope import Envelope


async def _erased(scene: Scene) -> tuple[KitPeer, Envelope]:
    """Push an entry and its erasure; return what the erasure is once both are held."""
    peer = await scene.ready()
    first = peer.author.append(KIND, b"\x81\xa1a\x01")
    erase = peer.author.publish(Erase(entry=first.id, reason="personal_data"))
    await peer.push(first, erase)
    await scene.await_held(peer.author)
    await peer.close()
    peer.ending = ""
    return peer, erase


async def _payload_bytes(scene: Scene, peer: KitPeer, seq: int) -> int:
    """Return how many bytes of payload another member is sent of an entry."""
    await scene.ready(scene.coops[1])
    [got] = await scene.entries(peer.author, seq, seq)
    scene.expect(True, bool(got.header), "header sent")
    return len(got.payload)


@case(
    "erased-not-passed-on",
    ("ENV-32", "ENV-35", "ENV-38"),
    "The payload of an erased entry is not passed on, its header is",
    coops=2,
)
async def _not_passed(scene: Scene) -> None:
    peer, _ = await _erased(scene)

    scene.expect(0, await _payload_bytes(scene, peer, 1), "bytes of payload sent")


@case("erase-itself-passed-on", "ENV-37", "The payload of the erasure itself is passed on", coops=2)
async def _itself(scene: Scene) -> None:
    peer, erase = await _erased(scene)

    scene.expect(len(erase.payload), await _payload_bytes(scene, peer, 2), "bytes of payload sent")


@case("erase-restored", "ENV-33", "A restored entry's payload is passed on again", coops=2)
async def _restored(scene: Scene) -> None:
    peer, erase = await _erased(scene)
    again = await scene.ready()
    await again.push(peer.author.publish(Restore(erase=erase.id)))
    await scene.await_held(peer.author)
    await again.close()
    again.ending = ""

    scene.expect(True, await _payload_bytes(scene, peer, 1) > 0, "payload sent")


@case("erase-of-another-coop", "ENV-32", "Nobody erases another co-op's entry", coops=2)
async def _anothers(scene: Scene) -> None:
    peer = await scene.ready()
    first = peer.author.append(KIND, BODY)
    await peer.push(first)
    await scene.await_held(peer.author)
    other = await scene.ready(scene.coops[1])
    await other.push(other.author.publish(Erase(entry=first.id, reason="personal_data")))
    await scene.await_held(other.author)
    [got] = await scene.entries(peer.author, 1, 1)

    scene.expect(len(first.payload), len(got.payload), "bytes of payload sent")


@case(
    "erase-before-its-entry",
    "ENV-34",
    "An entry that comes after its erasure is erased as well",
    sides=1,
)
async def _before(scene: Scene) -> None:
    first_peer = await in_side(scene)
    author = first_peer.author
    entry = author.append(KIND, BODY)
    erase = author.publish(Erase(entry=entry.id, reason="personal_data"))
    await first_peer.push(type(entry)(entry.header, entry.signature, b""), erase)
    await scene.await_held(author)
    wants = [m for m in first_peer.heard if isinstance(m, PayloadWant)]
    asked = [r for want in wants for r in want.ranges if (r.log, r.first) == (author.log, 1)]

    scene.say(f"the node asked {len(asked)} times for what was erased")
    [got] = await scene.entries(author, 1, 1)
    scene.expect(0, len(got.payload), "bytes of payload sent")
