"""Ranges proven by one signature, and ranges as a node serves them (chapters 05 and 06)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.conform.cases.entry import require_same
from sheaf_node.conform.cases.log import FEW, asked, offer, require_refused, tell, written
from sheaf_node.conform.model import Failed, case
from sheaf_protocol.limits import MAX_BATCH_ENTRIES, MAX_UNSIGNED
from sheaf_protocol.link.messages import (
    Entries,
    Served,
)
from sheaf_protocol.testing.author import unsigned
from sheaf_protocol.testing.chain import tail_over
from sheaf_protocol.testing.link_pair import flipped

if TYPE_CHECKING:
    from sheaf_node.conform.scene import Scene


@case("log-chain-of-64", "LOG-6", "64 entries under the signature of the last are taken")
async def _chain(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, MAX_UNSIGNED)
    await offer(peer, peer.author)
    await peer.push(*map(unsigned, entries[:-1]), entries[-1], is_live=False)

    await scene.require_held(peer.author, MAX_UNSIGNED)


@case(
    "log-chain-of-65",
    "LOG-6",
    "65 entries under one signature are refused",
    codes=("env.signature",),
)
async def _long_chain(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, MAX_UNSIGNED + 1)
    await offer(peer, peer.author)
    await peer.push(*map(unsigned, entries[:-1]), entries[-1], is_live=False)

    await require_refused(scene, peer, "env.signature", "log.tail")
    await scene.require_not_held(scene.author())


@case("log-tail", ("LOG-6", "LOG-20"), "A range whose end is proven by a tail is taken")
async def _tail(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, FEW)
    await tell(peer, peer.author, 2, entries[1].id)
    await asked(peer, peer.author.log)
    await peer.push(*map(unsigned, entries[:2]), is_live=False, tails=[tail_over(entries[2:])])

    await scene.require_held(peer.author, 2)


@case(
    "log-tail-bent",
    "LOG-6",
    "A tail whose signature is wrong proves nothing",
    codes=("env.signature",),
)
async def _tail_bent(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, FEW)
    await tell(peer, peer.author, 2, entries[1].id)
    await asked(peer, peer.author.log)
    tail = tail_over(entries[2:])
    bent = type(tail)(tail.headers, flipped(tail.signature, 3))
    await peer.push(*map(unsigned, entries[:2]), is_live=False, tails=[bent])

    await require_refused(scene, peer, "env.signature")
    await scene.require_not_held(scene.author())


@case(
    "log-tail-of-another-place",
    "LOG-20",
    "A tail that does not follow on the range proves nothing",
    codes=("log.bad_prev",),
)
async def _tail_elsewhere(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, FEW)
    await tell(peer, peer.author, 2, entries[1].id)
    await asked(peer, peer.author.log)
    await peer.push(*map(unsigned, entries[:2]), is_live=False, tails=[tail_over(entries[3:])])

    await require_refused(scene, peer, "log.bad_prev", "log.tail", "env.signature")
    await scene.require_not_held(scene.author())


@case(
    "log-tail-too-many",
    "LOG-19",
    "A tail beside a range that is signed is refused",
    codes=("log.tail",),
)
async def _tail_extra(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, FEW)
    await tell(peer, peer.author, 2, entries[1].id)
    await asked(peer, peer.author.log)
    await peer.push(*entries[:2], is_live=False, tails=[tail_over(entries[2:])])

    await require_refused(scene, peer, "log.tail")


@case(
    "log-served-in-order",
    ("SYN-10", "LNK-19"),
    "A range is served whole, in order, proven, and closed",
    coops=2,
)
async def _served(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, 10)
    await peer.push(*entries)
    await scene.await_held(peer.author)
    await peer.close()
    await scene.ready(scene.coops[1])

    require_same(scene, entries, await scene.entries(peer.author, 1, 10))


@case(
    "log-served-in-part",
    ("SYN-10", "LOG-6"),
    "A range that ends amid a chain comes with what proves its end",
    coops=2,
)
async def _part(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, FEW)
    await offer(peer, peer.author)
    await peer.push(*map(unsigned, entries[:-1]), entries[-1], is_live=False)
    await peer.send(Served(peer.scope()))
    await scene.await_held(peer.author)
    await peer.close()
    other = await scene.ready(scene.coops[1])
    got = await scene.entries(peer.author, 1, 3)
    batches = [each for each in other.heard if isinstance(each, Entries)]

    scene.expect([e.id.hex() for e in entries[:3]], [e.id.hex() for e in got], "entries")
    if not got[-1].signature and not any(batch.tails for batch in batches):
        raise Failed(expected="a signature or tail for entry 3", got="neither")


@case(
    "log-served-beyond-the-end",
    "SYN-10",
    "Of a range beyond the head what is there is served, then closed",
    coops=2,
)
async def _beyond(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, 3)
    await peer.push(*entries)
    await scene.await_held(peer.author)
    await peer.close()
    await scene.ready(scene.coops[1])

    require_same(scene, entries[1:], await scene.entries(peer.author, 2, 1_000))


@case(
    "log-served-unknown",
    "SYN-10",
    "A question about a log that nobody wrote is answered by served alone",
)
async def _unknown(scene: Scene) -> None:
    await scene.ready()

    scene.expect([], await scene.entries(scene.author(), 1, 5), "entries")


@case(
    "log-served-many",
    ("LNK-18", "SYN-10"),
    "300 entries come in batches within the bounds",
    coops=2,
)
async def _many(scene: Scene) -> None:
    peer = await scene.ready()
    entries = written(peer.author, 300)
    await peer.push(*entries[:150])
    await peer.push(*entries[150:])
    await scene.await_held(peer.author)
    await peer.close()
    other = await scene.ready(scene.coops[1])
    got = await scene.entries(peer.author, 1, 300)

    require_same(scene, entries, got)
    most = max(len(m.envelopes) for m in other.heard if isinstance(m, Entries))
    scene.expect(True, most <= MAX_BATCH_ENTRIES, f"at most {MAX_BATCH_ENTRIES} in a batch")
