"""Blobs between whole nodes, and with a peer that breaks one rule at a time."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest
from tests.federation.conftest import PATIENCE_S

from sheaf_node.blobs import Progress
from sheaf_node.clock import ManualClock
from sheaf_protocol.blob import BlobId, blob_id, piece_hashes, piece_path, split
from sheaf_protocol.digest import FederationId, digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import BLOB_PIECE, MAX_BLOB
from sheaf_protocol.link.blob_sync import MAX_ASKED, STRETCH
from sheaf_protocol.link.messages import BlobEnd, BlobPiece, BlobWant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.federation.conftest import EvilPeer, RunningNode, Scene, World

    from sheaf_protocol.link.messages import Message

LARGE = b"".join(n.to_bytes(8) for n in range(MAX_BLOB // 8))
SMALL = LARGE[: 2 * BLOB_PIECE + 5]
PIECES = split(SMALL)
HASHES = piece_hashes(PIECES)
SMALL_ID = blob_id(PIECES)
SOME = 20
"""Pieces after which a transfer is broken off: more than one stretch, far from all."""


async def added(node: RunningNode, data: bytes) -> BlobId:
    """Add a blob for the members of the world's federation."""
    ref = await node.fetching.add(data, node.certificate.fid)
    return ref.id


async def until_fetched(node: RunningNode, id_: BlobId) -> bytes:
    """Ask until the blob is here, or refused."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = await node.fetching.get(id_, node.certificate.fid)
            if not isinstance(found, Progress):
                return found
            await asyncio.sleep(0.01)


async def until_some(node: RunningNode, id_: BlobId) -> None:
    """Return when a transfer is under way and not over."""
    async with asyncio.timeout(PATIENCE_S):
        while len(node.blobs.drafts[id_].pieces) < SOME:  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(0)
    assert len(node.blobs.drafts[id_].pieces) < MAX_BLOB // BLOB_PIECE


async def until_linked(world: World, *nodes: RunningNode) -> None:
    for one, other in itertools.permutations(nodes, 2):
        await world.until(lambda one=one, other=other: one.is_in_sync_with(other))


# --- between honest nodes


async def test_largest_blob_is_fetched_from_a_peer(world: World) -> None:
    holder = await world.start(0)
    id_ = await added(holder, LARGE)
    fetcher = await world.start(1, dials=[holder])
    await until_linked(world, holder, fetcher)

    first = await fetcher.fetching.get(id_, world.certificate.fid, size=len(LARGE))

    assert first == Progress(size=len(LARGE), pieces=0, of=256)
    assert await until_fetched(fetcher, id_) == LARGE


async def test_blob_that_was_fetched_is_given_on(world: World) -> None:
    holder = await world.start(0)
    id_ = await added(holder, SMALL)
    middle = await world.start(1, dials=[holder])
    far = await world.start(2, dials=[middle])
    await until_linked(world, holder, middle)
    await until_linked(world, middle, far)

    with pytest.raises(Refusal, match=r"blob\.unknown"):
        await until_fetched(far, id_)
    await until_fetched(middle, id_)
    far.fetching.sync.retry()

    assert await until_fetched(far, id_) == SMALL


async def test_entries_travel_while_a_blob_does(world: World) -> None:
    holder = await world.start(0)
    id_ = await added(holder, LARGE)
    fetcher = await world.start(1, dials=[holder])
    await until_linked(world, holder, fetcher)
    await fetcher.fetching.get(id_, world.certificate.fid)
    await until_some(fetcher, id_)

    await holder.publish_large(10)
    await world.until_converged(holder, fetcher, entries=10)

    assert await until_fetched(fetcher, id_) == LARGE


async def test_rest_of_a_blob_comes_from_another_when_its_peer_dies(world: World) -> None:
    third = await world.start(2)
    await added(third, LARGE)
    await third.stop()
    fetcher = await world.start(0)
    dying = await world.start(1, dials=[fetcher])
    id_ = await added(dying, LARGE)
    await until_linked(world, fetcher, dying)
    await fetcher.fetching.get(id_, world.certificate.fid)
    await until_some(fetcher, id_)

    await dying.stop()
    came = len(fetcher.blobs.drafts[id_].pieces)
    await world.start(2, dials=[fetcher])

    assert await until_fetched(fetcher, id_) == LARGE
    assert SOME <= came < MAX_BLOB // BLOB_PIECE


async def test_fetcher_that_is_started_again_asks_for_the_rest_alone(world: World) -> None:
    holder = await world.start(0)
    id_ = await added(holder, LARGE)
    fetcher = await world.start(1, dials=[holder])
    await until_linked(world, holder, fetcher)
    await fetcher.fetching.get(id_, world.certificate.fid)
    await until_some(fetcher, id_)
    await fetcher.stop()
    await holder.stop()

    again = await world.start(1)
    held = again.blobs.drafts[id_].pieces
    async with world.evil(again) as peer:
        await peer.become_ready()
        want = await peer.hear(BlobWant)

    assert isinstance(want, BlobWant)
    assert len(held) >= SOME
    assert (want.id, want.first) == (id_, min(set(range(256)) - held))


async def test_fetch_goes_on_by_itself_after_a_restart(world: World) -> None:
    holder = await world.start(0)
    id_ = await added(holder, LARGE)
    fetcher = await world.start(1, dials=[holder])
    await until_linked(world, holder, fetcher)
    await fetcher.fetching.get(id_, world.certificate.fid)
    await until_some(fetcher, id_)
    await fetcher.stop()

    again = await world.start(1, dials=[holder])

    await world.until(lambda: again.blobs.size_of(id_) is not None)
    assert again.blobs.is_registered(id_, world.certificate.fid)


async def test_blob_that_nobody_holds_is_unknown_once_all_said_no(scene: Scene) -> None:
    node, fid = scene.victim, scene.world.certificate.fid
    await until_linked(scene.world, scene.victim, scene.honest)

    first = await node.fetching.get(SMALL_ID, fid)

    assert first == Progress(size=None, pieces=0, of=None)
    for _ in range(2):
        with pytest.raises(Refusal, match=r"blob\.unknown"):
            await until_fetched(node, SMALL_ID)


async def test_size_that_we_were_told_wrong_ends_no_link(world: World) -> None:
    holder = await world.start(0)
    id_ = await added(holder, SMALL)
    fetcher = await world.start(1, dials=[holder])
    await until_linked(world, holder, fetcher)

    await fetcher.fetching.get(id_, world.certificate.fid, size=len(SMALL) + 1)
    await world.until(lambda: not fetcher.fetching.sync.wants(id_))

    with pytest.raises(Refusal, match=r"blob\.size"):
        await fetcher.fetching.get(id_, world.certificate.fid)
    assert fetcher.is_in_sync_with(holder)
    assert await until_fetched(fetcher, id_) == SMALL


# --- who may have it


async def test_blob_of_another_federation_is_not_given(scene: Scene) -> None:
    other = FederationId(digest("test", b"another federation"))
    await scene.victim.fetching.add(SMALL, other)
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(BlobWant(evil.scope, SMALL_ID, 0, 0))

        answer = await evil.hear(BlobEnd)

        assert answer == BlobEnd(evil.scope_of_victim, SMALL_ID, "blob.unknown")


async def test_stranger_to_the_federation_gets_nothing(scene: Scene) -> None:
    other = FederationId(digest("test", b"another federation"))
    await scene.victim.fetching.add(SMALL, other)
    async with scene.evil() as evil:
        await evil.become_ready()
        scope = digest("scope-initiator", evil.session.secret, other)[:16]
        await evil.send(BlobWant(scope, SMALL_ID, 0, 0))

        assert await evil.ending() == "link.scope"

    assert not any(isinstance(message, BlobPiece) for message in evil.heard)
    await scene.require_unharmed()


async def test_member_is_sent_the_pieces_that_it_asks_for(scene: Scene) -> None:
    await added(scene.victim, SMALL)
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(BlobWant(evil.scope, SMALL_ID, 1, 255))

        await evil.hear(BlobEnd)

    scope = evil.scope_of_victim
    sent = [m for m in evil.heard if isinstance(m, BlobPiece | BlobEnd)]
    assert sent == [
        BlobPiece(scope, SMALL_ID, len(SMALL), 1, piece_path(HASHES, 1), PIECES[1]),
        BlobPiece(scope, SMALL_ID, len(SMALL), 2, piece_path(HASHES, 2), PIECES[2]),
        BlobEnd(scope, SMALL_ID, "ok"),
    ]


async def test_file_that_was_altered_is_not_passed_on(scene: Scene) -> None:
    await added(scene.victim, SMALL)
    folder = scene.world.folder / scene.victim.coop.name / "blobs"
    (folder / SMALL_ID.hex()).write_bytes(bytes(len(SMALL)))
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(BlobWant(evil.scope, SMALL_ID, 0, 2))

        answer = await evil.hear(BlobEnd)

    assert answer == BlobEnd(evil.scope_of_victim, SMALL_ID, "blob.unknown")


# --- a peer that breaks a rule


def piece(evil: EvilPeer, index: int = 0, *, data: bytes | None = None, size: int = 0) -> BlobPiece:
    given = PIECES[index] if data is None else data
    path = piece_path(HASHES, index)
    return BlobPiece(evil.scope, SMALL_ID, size or len(SMALL), index, path, given)


async def asked(scene: Scene, evil: EvilPeer) -> None:
    """Have the victim ask the evil peer for the blob."""
    await evil.become_ready()
    await scene.victim.fetching.get(SMALL_ID, scene.world.certificate.fid, size=len(SMALL))
    want = await evil.hear(BlobWant)
    assert want == BlobWant(evil.scope_of_victim, SMALL_ID, 0, 2)


def wrong_piece(evil: EvilPeer) -> list[Message]:
    return [piece(evil, data=bytes(BLOB_PIECE))]


def other_size(evil: EvilPeer) -> list[Message]:
    return [piece(evil, size=len(SMALL) + 1)]


def piece_left_out(evil: EvilPeer) -> list[Message]:
    return [piece(evil, 1)]


def endless_pieces(evil: EvilPeer) -> list[Message]:
    return [*(piece(evil, n) for n in range(3)), *(piece(evil, 0) for _ in range(50))]


def end_twice(evil: EvilPeer) -> list[Message]:
    return [BlobEnd(evil.scope, SMALL_ID, "blob.unknown")] * 2


@pytest.mark.parametrize(
    "sent", [wrong_piece, other_size, piece_left_out, endless_pieces, end_twice]
)
async def test_peer_that_was_asked_and_sends_something_else(
    scene: Scene, sent: Callable[[EvilPeer], list[Message]]
) -> None:
    async with scene.evil() as evil:
        await asked(scene, evil)
        for message in sent(evil):
            await evil.send(message)

        assert await evil.ending() == "blob.piece"

    await scene.require_unharmed()


async def test_piece_that_nobody_asked_for(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(piece(evil))

        assert await evil.ending() == "blob.piece"

    assert scene.victim.blobs.used == 0
    await scene.require_unharmed()


async def test_wrong_piece_costs_that_piece_alone(scene: Scene) -> None:
    """What came before it from the same peer was checked, and stays."""
    async with scene.evil() as evil:
        await asked(scene, evil)
        await evil.send(piece(evil, 0))
        await evil.send(piece(evil, 1, data=PIECES[0]))
        await evil.ending()
    await added(scene.honest, SMALL)

    scene.victim.fetching.sync.retry()

    assert scene.victim.blobs.drafts[SMALL_ID].pieces == {0}
    assert await until_fetched(scene.victim, SMALL_ID) == SMALL


async def test_more_questions_than_four_at_a_time(scene: Scene) -> None:
    await added(scene.victim, LARGE)
    id_ = blob_id(split(LARGE))
    async with scene.evil() as evil:
        await evil.become_ready()
        for _ in range(MAX_ASKED + 2):
            await evil.send(BlobWant(evil.scope, id_, 0, 255))

        assert await evil.ending() == "blob.wants"

    await scene.require_unharmed()


async def test_questions_about_nothing_without_end(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        with_answers = asyncio.ensure_future(evil.ending())
        while not with_answers.done():
            await evil.send(BlobWant(evil.scope, SMALL_ID, 0, 0))
            await asyncio.sleep(0)

        assert await with_answers in {"link.flood", "blob.wants"}

    await scene.require_unharmed()


async def test_peer_that_takes_nothing_is_sent_no_more_than_its_credit(scene: Scene) -> None:
    await added(scene.victim, LARGE)
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(BlobWant(evil.scope, blob_id(split(LARGE)), 0, 255))
        while sum(isinstance(message, BlobPiece) for message in evil.heard) <= STRETCH:
            await evil.hear(BlobPiece)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await evil.hear(BlobEnd)

    sent = sum(isinstance(message, BlobPiece) for message in evil.heard)
    assert STRETCH < sent < 2 * STRETCH


async def test_peer_that_was_asked_and_falls_silent_is_let_go(world: World) -> None:
    clock = ManualClock(world.now_ms)
    victim = await world.start(0, clock=clock)
    async with world.evil(victim) as evil:
        await evil.become_ready()
        await victim.fetching.get(SMALL_ID, world.certificate.fid)
        await evil.hear(BlobWant)

        ending = asyncio.ensure_future(evil.ending())
        while not ending.done():
            clock.advance(1_000)
            await asyncio.sleep(0.005)

        assert await ending == "link.stalled"
