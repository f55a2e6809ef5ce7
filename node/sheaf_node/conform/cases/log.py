"""The append rule, proofs of ranges, forks, and how ranges are served (chapters 05 and 06)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.conform.cases.entry import BODY, KIND, fields_of, payload_of, signed
from sheaf_node.conform.model import case
from sheaf_node.conform.peer import NOTHING, Ended
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, LogId, digest
from sheaf_protocol.fork import verify_fork_proof
from sheaf_protocol.frontier import FrontierItem
from sheaf_protocol.link.messages import (
    ControlHave,
    ControlItems,
    ControlWant,
    Have,
    RangeItem,
    Reject,
    Served,
    Want,
)

if TYPE_CHECKING:
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.testing.author import LogAuthor, TestCoop

FEW: Final = 5


def written(author: LogAuthor, count: int) -> list[Envelope]:
    """Return the next entries of a log, each with a body of its own."""
    return [author.append(KIND, encode({"n": n})) for n in range(count)]


async def tell(peer: KitPeer, author: LogAuthor, seq: int, head: bytes) -> None:
    """Say that we hold a log up to a place."""
    item = FrontierItem(author.log, seq, head)
    await peer.send(Have(peer.scope(author.fid), Digest(digest("test", head)), 1, [item]))


async def asked(peer: KitPeer, log: LogId) -> RangeItem:
    """Return the range of a log that the node asks for."""
    want = await peer.hear(Want, lambda want: any(each.log == log for each in want.ranges))
    return next(each for each in want.ranges if each.log == log)


@case(
    "log-gap", ("LOG-3", "SYN-2"), "Behind a gap the node asks for what is missing and takes it all"
)
async def _gap(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, 3)
    await peer.push(entries[2])
    wanted = await asked(peer, peer.author.log)
    scene.expect((1, 3), (wanted.first, wanted.last), "range asked for")
    await peer.push(*entries, is_live=False)
    await peer.send(Served(peer.scope()))

    await scene.require_held(peer.author, 3)


@case("log-gap-stays", "LOG-3", "An entry behind a gap is not stored while the gap is there")
async def _gap_stays(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, 3)
    await peer.push(entries[0])
    await peer.push(entries[2])
    await asked(peer, peer.author.log)

    await scene.require_held(peer.author, 1)


@case(
    "log-answer-with-a-gap", "SYN-10", "An answer with a gap ends the link", codes=("link.range",)
)
async def _gapped(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, 3)
    await peer.push(entries[2])
    await asked(peer, peer.author.log)
    await peer.push(entries[0], entries[2], is_live=False)

    await peer.ended("link.range")


@case(
    "log-answer-unasked",
    "LNK-19",
    "Entries that answer no question end the link",
    codes=("link.range",),
)
async def _unasked(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.push(peer.author.append(KIND, BODY), is_live=False)

    await peer.ended("link.range")
    await scene.require_not_held(scene.author())


@case(
    "log-answer-of-another",
    "LNK-19",
    "Entries of another log than asked for end the link",
    coops=2,
    codes=("link.range",),
)
async def _another(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, 2)
    await peer.push(entries[1])
    await asked(peer, peer.author.log)
    await peer.push(scene.author(scene.coops[1]).append(KIND, BODY), is_live=False)

    await peer.ended("link.range")


@case(
    "log-answer-out-of-order",
    "SYN-10",
    "An answer in the wrong order ends the link",
    codes=("link.range",),
)
async def _disorder(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, 3)
    await peer.push(entries[2])
    await asked(peer, peer.author.log)
    await peer.push(*reversed(entries), is_live=False)

    await peer.ended("link.range")


@case(
    "log-bad-prev",
    "LOG-4",
    "An entry that names another one before it is refused",
    codes=("log.bad_prev",),
)
async def _bad_prev(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.push(peer.author.append(KIND, BODY))
    payload = payload_of(b"\x81\xa1a\x01")
    fields = fields_of(peer.author, payload, prev=digest("test", b"another"))
    await peer.push(signed(peer.author, fields, payload))

    await require_refused(scene, peer, "log.bad_prev", "log.forked")
    await scene.require_held(peer.author, 1)


@case(
    "log-first-with-prev",
    "LOG-4",
    "A first entry that names one before it is refused",
    codes=("log.bad_prev",),
)
async def _first_prev(scene: Scene) -> None:
    peer = await scene.ready()
    payload = payload_of()
    fields = fields_of(peer.author, payload, prev=digest("test", b"another"))
    await peer.push(signed(peer.author, fields, payload))

    await require_refused(scene, peer, "log.bad_prev", "env.header")
    await scene.require_not_held(scene.author())


@case(
    "log-time-backwards",
    "LOG-5",
    "An entry older than the one before it is refused",
    codes=("log.bad_time",),
)
async def _backwards(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.push(peer.author.append(KIND, BODY))
    await peer.push(peer.author.append(KIND, BODY, time_ms=scene.now_ms - 1))

    await require_refused(scene, peer, "log.bad_time")
    await scene.require_held(scene.author(), 1)


@case("log-time-the-same", "LOG-5", "Two entries of one millisecond are taken")
async def _same_time(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.push(*written(peer.author, 2))

    await scene.require_held(peer.author, 2)


async def require_refused(scene: Scene, peer: KitPeer, *codes: str) -> None:
    """Raise Failed unless the node refuses with one of these codes: by a reject or a bye."""
    while peer.ending is None:
        try:
            await peer.hear(Reject, lambda message: message.code in codes)
        except Ended:
            break
        return
    scene.expect(
        True, peer.ending in codes, f"{' or '.join(codes)}, got {peer.ending or 'no code'}"
    )


async def offer(peer: KitPeer, author: LogAuthor) -> None:
    """Tell of a log up to its author's head, and wait until the node asks for it."""
    await tell(peer, author, author.head.seq, author.head.id)
    await asked(peer, author.log)


@case(
    "fork-proven",
    ("LOG-2", "LOG-9", "SYN-3"),
    "Two entries of one place are found and proven to others",
    coops=2,
    codes=("log.forked",),
)
async def _fork(scene: Scene) -> None:
    peer = await scene.ready()
    twin = peer.author.twin()
    one, other = peer.author.append(KIND, BODY), twin.append("x.other", BODY)
    await peer.push(one)
    await scene.await_held(peer.author)
    await peer.push(other)
    await peer.ended("log.forked")

    await require_proof(scene, scene.coops[1], one, other)


async def require_proof(scene: Scene, coop: TestCoop, one: Envelope, other: Envelope) -> None:
    """Raise Failed unless the node shows a co-op a proof over two entries of one place."""
    witness = await scene.link(coop)
    await witness.send(NOTHING)
    while True:
        have = await witness.hear(ControlHave, lambda message: bool(message.proofs))
        await witness.send(ControlWant([], [], have.proofs))
        items = await witness.hear(ControlItems, lambda message: message.is_last)
        for proof in items.proofs:
            if {proof.first.id, proof.second.id} == {one.id, other.id}:
                verify_fork_proof(proof)
                return
