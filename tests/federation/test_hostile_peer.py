"""A scripted peer that breaks one rule at a time, against a whole node over real sockets.

Each time: nothing is stored, the connection ends with the rule's code, and an honest peer of the
victim notices nothing.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import aiohttp
import pytest

from sheaf_node.clock import ManualClock
from sheaf_node.config import Limits
from sheaf_protocol.digest import FederationId, digest
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.fork import verify_fork_proof
from sheaf_protocol.limits import CREDIT_BYTES, HANDSHAKE_MS, MAX_FRAME
from sheaf_protocol.link import Fresh
from sheaf_protocol.link.handshake import Initiator
from sheaf_protocol.link.messages import (
    Compare,
    ControlHave,
    ControlItems,
    ControlWant,
    Have,
    KeyLogWant,
    KeyOps,
    Served,
    Want,
    encode_message,
)
from sheaf_protocol.testing.author import LogAuthor, make_coop, make_federation
from sheaf_protocol.testing.link_pair import flipped, identity_of

if TYPE_CHECKING:
    from tests.federation.conftest import Scene, World


BODY = b"\x80"


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        (b"\xc1\xc1\xc1", "enc.malformed"),
        (bytes(range(64)), "enc.trailing"),
        (b"\x80", "schema.invalid"),
        (bytes(70_000), "enc.size"),
    ],
    ids=["no MessagePack", "counting bytes", "no hello", "too long"],
)
async def test_garbage_in_place_of_a_hello(scene: Scene, hello: bytes, code: str) -> None:
    async with scene.evil() as evil:
        await evil.socket.send_bytes(hello)

        assert (await evil.ending()).startswith(code)

    await scene.require_unharmed()


async def test_text_in_place_of_bytes(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.socket.send_str("hello")

        assert await evil.ending() == "link.message"

    await scene.require_unharmed()


async def test_wrong_audience(scene: Scene) -> None:
    async with scene.evil() as evil:
        fresh = Fresh(seed=os.urandom(32), nonce=os.urandom(16))
        hello = Initiator(identity_of(evil.coop), "other.example", fresh).hello()
        await evil.socket.send_bytes(hello)

        assert await evil.ending() == "link.audience"

    await scene.require_unharmed()


async def test_altered_proof(scene: Scene) -> None:
    async with scene.evil() as evil:
        initiator = evil.initiator()
        await evil.socket.send_bytes(initiator.hello())
        reply = await evil.socket.receive_bytes()
        proof, _ = initiator.receive_reply(reply, evil.now_ms)
        await evil.socket.send_bytes(flipped(proof, len(proof) - 1))

        assert await evil.ending() == "link.box"

    await scene.require_unharmed()


async def test_half_a_handshake(world: World) -> None:
    clock = ManualClock(world.now_ms)
    victim = await world.start(0, clock=clock)
    evil = world.evil(victim)
    async with evil:
        await evil.socket.send_bytes(evil.initiator().hello())
        await evil.socket.receive_bytes()

        clock.advance(HANDSHAKE_MS)

        assert await evil.ending() == "link.timeout"
    assert victim.peering.peers() == []


async def test_too_many_half_handshakes_cost_the_oldest(world: World) -> None:
    victim = await world.start(0, limits=Limits(handshakes=2))
    first = world.evil(victim)
    async with first:
        for _ in range(2):
            other = world.evil(victim)
            await other.__aenter__()
            world.stack.push_async_exit(other)

        assert await first.ending() == "link.busy"


async def test_co_op_that_no_charter_names(scene: Scene) -> None:
    async with scene.evil(make_coop("Stranger", now_ms=scene.world.now_ms)) as evil:
        await evil.shake_hands()

        assert await evil.ending() == "link.not_member"
        assert evil.heard == []

    assert evil.coop.cid not in scene.victim.store.key_logs
    await scene.require_unharmed()


async def test_altered_frame(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        frame = evil.session.sealer.seal(encode_message(Served(evil.scope)))
        await evil.socket.send_bytes(flipped(frame, 3))

        assert await evil.ending() == "link.frame"

    await scene.require_unharmed()


@pytest.mark.parametrize("size", [MAX_FRAME + 1, 2 * MAX_FRAME])
async def test_oversized_frame(scene: Scene, size: int) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.socket.send_bytes(bytes(size))

        # What is far too large aiohttp cuts off while it comes, and says so by the close code.
        assert await evil.ending() in {"link.frame_size", ""}
        assert evil.socket.close_code in {aiohttp.WSCloseCode.MESSAGE_TOO_BIG, None}

    await scene.require_unharmed()


@pytest.mark.parametrize(
    ("plaintext", "code"),
    [
        (b"\xc1", "enc.malformed"),
        (b"\xdc\x00\x02\xa3bye\xa8link.bye", "enc.not_shortest"),
        (b"\x92\xa4sing\xa4song", "link.message"),
    ],
    ids=["garbage", "non-canonical", "unknown message"],
)
async def test_wrong_bytes_inside_a_frame(scene: Scene, plaintext: bytes, code: str) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send_plain(plaintext)

        assert await evil.ending() == code

    await scene.require_unharmed()


async def test_data_before_control(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.shake_hands()
        await evil.push(evil.author.append("x.note", BODY))

        assert await evil.ending() == "link.order"

    await scene.require_unharmed()


async def test_non_canonical_header(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        good = evil.author.append("x.note", BODY)
        longer = b"\xdc\x00\x0d" + good.header[1:]  # array16 in place of fixarray
        await evil.push(Envelope(longer, good.signature, good.payload))

        assert await evil.ending() == "enc.not_shortest"

    await scene.require_unharmed()


async def test_non_canonical_body(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.push(evil.author.append("x.note", b"\xde\x00\x00"))

        assert (await evil.ending()).startswith("enc.")

    await scene.require_unharmed()


async def test_forged_signature(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        good = evil.author.append("x.note", BODY)
        await evil.push(Envelope(good.header, flipped(good.signature, 5), good.payload))

        assert await evil.ending() == "env.signature"

    await scene.require_unharmed()


async def test_missing_signature_of_a_live_entry(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        good = evil.author.append("x.note", BODY)
        await evil.push(Envelope(good.header, b"", good.payload))

        assert await evil.ending() == "env.signature"

    await scene.require_unharmed()


async def test_swapped_payload(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        good = evil.author.append("x.note", BODY)
        await evil.push(Envelope(good.header, good.signature, flipped(good.payload, 0)))

        assert await evil.ending() == "env.payload_hash"

    await scene.require_unharmed()


async def test_gap_that_is_not_filled(scene: Scene) -> None:
    """The victim asks for what lies before; the answer skips it again."""
    async with scene.evil() as evil:
        await evil.become_ready()
        first, _, third = (evil.author.append("x.note", BODY) for _ in range(3))
        await evil.push(third)
        want = await evil.hear(Want)
        assert isinstance(want, Want)
        assert [(r.first, r.last) for r in want.ranges] == [(1, 3)]

        await evil.push(third, is_live=False)

        assert await evil.ending() == "link.range"
    assert first.id != third.id
    await scene.require_unharmed()


async def test_announced_entries_that_never_come(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        for seq in range(1, 21):
            await evil.tell(seq, b"announced")
            await evil.hear(Want)
            await evil.send(Served(evil.scope))

        assert await evil.ending() == "link.bad_entries"

    await scene.require_unharmed()


async def test_entry_of_another_federation(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        private = make_federation([(evil.coop, ["member"])], nonce=bytes(15) + b"1")
        foreign = LogAuthor(evil.coop, private.fid, now_ms=evil.now_ms)
        await evil.push(foreign.append("x.note", BODY))

        assert await evil.ending() == "link.scope"

    await scene.require_unharmed()


async def test_more_than_the_credit(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        whole = [Envelope(b"", b"", bytes(65_000))] * 4
        for _ in range(CREDIT_BYTES // (4 * 65_000) + 1):
            await evil.push(*whole)

        assert await evil.ending() in {"link.credit", "enc.malformed"}

    await scene.require_unharmed()


async def test_entries_nobody_asked_for(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.push(evil.author.append("x.note", BODY), is_live=False)

        assert await evil.ending() == "link.range"

    await scene.require_unharmed()


async def test_certificate_nobody_signed(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.shake_hands()
        forged = make_federation(
            [(coop, ["member"]) for coop in scene.world.coops], name="Mine", nonce=bytes(15) + b"2"
        )
        forged = type(forged)(approvals=forged.approvals[1:], body=forged.body)
        await evil.send(ControlHave([], [forged.fid], [], True))
        await evil.hear(ControlWant)
        await evil.send(ControlItems([], [forged], [], True))

        assert await evil.ending() == "charter.signature"

    assert forged.fid not in scene.victim.store.chains
    await scene.require_unharmed()


async def test_key_operation_that_nobody_signed(scene: Scene) -> None:
    async with scene.evil() as evil:
        before = scene.victim.store.key_logs[evil.coop.cid].size
        await evil.shake_hands()
        op = evil.coop.close({evil.author.fid: evil.author.head})
        forged = type(op)(body=op.body, signatures=evil.coop.key_ops[0].signatures)
        await evil.send(ControlHave([], [], [], True))
        await evil.send(ControlItems([KeyOps(evil.coop.cid, [forged])], [], [], True))

        assert await evil.ending() == "key.signature"

    assert scene.victim.store.key_logs[evil.coop.cid].size == before
    await scene.require_unharmed()


async def test_fork_becomes_a_proof_that_a_third_node_verifies(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        twin = evil.author.twin()
        one, other = evil.author.append("x.note", BODY), twin.append("x.other", BODY)
        await evil.push(one)
        await scene.world.until(lambda: scene.victim.store.arrival == 2)
        await evil.push(other)

        assert await evil.ending() == "log.forked"

    [proof] = scene.victim.store.fork_proofs.values()
    assert verify_fork_proof(proof).wid == evil.coop.wid
    assert {proof.first.id, proof.second.id} == {one.id, other.id}
    third = await scene.world.start(2, dials=[scene.victim])
    await scene.world.until(lambda: bool(third.store.fork_proofs))
    assert list(third.store.fork_proofs) == [proof.id]
    await scene.world.until(lambda: bool(scene.honest.store.fork_proofs))
    await scene.world.until(lambda: len({n.root for n in (scene.victim, scene.honest, third)}) == 1)
    assert third.store.logs[evil.author.log].forked_at == 1


async def test_two_faces_shown_to_two_nodes_meet_as_a_proof(world: World) -> None:
    """The evil peer gives each of two nodes another branch; then the two are linked."""
    first, second = await world.start(0), await world.start(1)
    author = LogAuthor(world.evil_coop, world.certificate.fid, now_ms=world.now_ms)
    base = [author.append("x.note", BODY) for _ in range(3)]
    branches = [author, author.twin()]
    for node, branch, kind in zip((first, second), branches, ("x.left", "x.right"), strict=True):
        own = [*base, *(branch.append(kind, BODY) for _ in range(5))]
        evil = world.evil(node)
        async with evil:
            await evil.become_ready()
            await evil.push(*own)
            await world.until(lambda node=node: node.store.arrival == 8)

    third = await world.start(2, dials=[first, second])

    await world.until(lambda: all(n.store.fork_proofs for n in (first, second, third)))
    await world.until(lambda: len({n.root for n in (first, second, third)}) == 1)
    assert first.store.logs[author.log].forked_at == 4


async def test_slow_peer_that_announces_and_falls_silent_is_let_go(world: World) -> None:
    clock = ManualClock(world.now_ms)
    victim = await world.start(0, clock=clock)
    evil = world.evil(victim)
    async with evil:
        await evil.become_ready()
        await evil.tell(5, b"announced")
        await evil.hear(Want)

        ending = asyncio.ensure_future(evil.ending())
        while not ending.done():
            clock.advance(1_000)
            await asyncio.sleep(0.005)

        assert await ending == "link.stalled"


async def test_compare_is_answered_with_the_whole_frontier(scene: Scene) -> None:
    """And a peer that only asks gets nothing but that."""
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(Compare(evil.scope, digest("test", b"other root"), 0))

        have = await evil.hear(Have)

        assert isinstance(have, Have)
        assert len(have.items) == 1


async def test_peer_that_asks_for_what_it_may_not_see_gets_nothing(scene: Scene) -> None:
    stranger = make_coop("Stranger", now_ms=scene.world.now_ms)
    await scene.victim.ingest.receive_key_ops(stranger.cid, stranger.key_ops)
    unknown = digest("test", b"no certificate, no proof")
    async with scene.evil() as evil:
        await evil.shake_hands()
        await evil.send(ControlHave([], [], [], True))
        await evil.send(
            ControlWant([KeyLogWant(stranger.cid, 0)], [FederationId(unknown)], [unknown])
        )

        answer = await evil.hear(ControlItems)

        assert answer == ControlItems([], [], [], True)


async def test_members_see_the_charter_and_the_key_logs_of_its_members(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.shake_hands()

        have = await evil.hear(ControlHave)

        assert isinstance(have, ControlHave)
        assert {item.cid for item in have.key_logs} == {coop.cid for coop in scene.world.coops}
        assert have.certificates == [scene.world.certificate.fid]
