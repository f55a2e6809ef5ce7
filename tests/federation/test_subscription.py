"""Partial replicas: whole in headers, with the payloads that they subscribed to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sheaf_node.ingest import Draft
from sheaf_protocol.codec import encode
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.link.messages import (
    Entries,
    PayloadItem,
    Payloads,
    PayloadWant,
    RangeItem,
    Served,
    Subscribe,
    encode_message,
)
from sheaf_protocol.subscription import Filter
from sheaf_protocol.testing.author import LogAuthor

if TYPE_CHECKING:
    from tests.federation.conftest import EvilPeer, RunningNode, Scene, World

    from sheaf_node.store import StoredEntry

LEFT, RIGHT = "x.left", "x.right"
FEED, PAPER = encode({"category": "feed"}), encode({"item": {"category": "paper"}})
ONLY_LEFT = Filter(kinds=[LEFT])
ONLY_FEED = Filter(categories=["feed"])


async def publish(node: RunningNode, *drafts: tuple[str, bytes]) -> list[StoredEntry]:
    """Publish entries of these kinds and bodies."""
    made = [Draft(kind=kind, body=body) for kind, body in drafts]
    return await node.ingest.publish(node.certificate.fid, made)


def kept(node: RunningNode) -> list[str]:
    """Return the kinds of the entries that have their payloads, in order."""
    return sorted(e.kind for e in node.store.entries_after(0, 10_000) if e.envelope.payload)


def bodies(node: RunningNode) -> int:
    """Return how many payloads a node holds."""
    return len(kept(node))


async def test_partial_replica_has_all_headers_and_the_payloads_of_its_kinds(world: World) -> None:
    author = await world.start(0)
    await publish(author, (LEFT, FEED), (RIGHT, FEED), (LEFT, FEED), (RIGHT, FEED))

    partial = await world.start(1, dials=[author], subscription=ONLY_LEFT)

    await world.until_converged(author, partial, entries=4)
    await world.until(lambda: partial.is_in_sync_with(author) and author.is_in_sync_with(partial))
    assert kept(partial) == [LEFT, LEFT]
    assert kept(author) == [LEFT, LEFT, RIGHT, RIGHT]


async def test_pushes_to_a_partial_replica_leave_out_what_it_does_not_want(world: World) -> None:
    author = await world.start(0)
    partial = await world.start(1, dials=[author], subscription=ONLY_FEED)
    await world.until(lambda: partial.is_in_sync_with(author))

    await publish(author, (LEFT, PAPER), (LEFT, FEED), (RIGHT, encode({"text": "for all"})))

    await world.until_converged(author, partial, entries=3)
    assert kept(partial) == [LEFT, RIGHT]


async def test_author_gets_whole_what_a_partial_replica_writes(world: World) -> None:
    partial = await world.start(0, subscription=ONLY_LEFT)
    whole = await world.start(1, dials=[partial])
    await publish(partial, (RIGHT, FEED), (LEFT, FEED))

    await world.until_converged(partial, whole, entries=2)

    assert kept(partial) == kept(whole) == [LEFT, RIGHT]


async def test_joiner_behind_a_partial_replica_gets_headers_there_and_payloads_elsewhere(
    world: World,
) -> None:
    author = await world.start(0)
    partial = await world.start(1, dials=[author], subscription=ONLY_LEFT)
    await publish(author, (LEFT, FEED), (RIGHT, FEED), (RIGHT, FEED))
    await world.until_converged(author, partial, entries=3)

    joiner = await world.start(2, dials=[partial])
    await world.until_converged(partial, joiner, entries=3)
    before = kept(joiner)
    await joiner.stop()
    joiner = await world.start(2, dials=[partial, author])

    assert before == [LEFT]
    await world.until(lambda: kept(joiner) == [LEFT, RIGHT, RIGHT])


async def test_widening_brings_payloads_at_the_next_start_and_narrowing_keeps_them(
    world: World,
) -> None:
    author = await world.start(0)
    await publish(author, (LEFT, FEED), (RIGHT, FEED), (LEFT, PAPER))
    partial = await world.start(1, dials=[author], subscription=Filter(kinds=[RIGHT]))
    await world.until_converged(author, partial, entries=3)
    narrow = kept(partial)
    await partial.stop()

    partial = await world.start(1, dials=[author], subscription=Filter(kinds=[LEFT, RIGHT]))
    await world.until(lambda: bodies(partial) == 3)
    await partial.stop()
    partial = await world.start(1, dials=[author], subscription=Filter(kinds=["verdict"]))

    assert narrow == [RIGHT]
    await world.until(lambda: partial.is_in_sync_with(author))
    assert kept(partial) == [LEFT, LEFT, RIGHT]


async def test_payloads_of_a_large_log_come_in_several_answers(world: World) -> None:
    author = await world.start(0)
    for size, count in ((100, 700), (60_000, 50)):
        await publish(author, *[(RIGHT, encode({"text": bytes(size)}))] * count)
    partial = await world.start(1, dials=[author], subscription=ONLY_LEFT)
    await world.until_converged(author, partial, entries=750)
    await partial.stop()

    whole = await world.start(1, dials=[author])

    await world.until(lambda: bodies(whole) == 750)


async def test_payload_that_a_relay_leaves_out_wrongly_comes_from_whoever_holds_it(
    world: World,
) -> None:
    """By category nobody can tell from the header that it had to come."""
    author = await world.start(1)
    victim = await world.start(0, subscription=ONLY_FEED)
    [paper, feed] = await publish(author, (LEFT, PAPER), (LEFT, FEED))
    async with world.evil(victim) as evil:
        await evil.become_ready()
        await evil.push(*(bare(entry.envelope) for entry in (paper, feed)))
        await evil.hear(PayloadWant)
    assert bodies(victim) == 0

    await world.start(2, dials=[author])
    linked = await world.start(3, dials=[author])
    await world.until_converged(author, linked, entries=2)
    await linked.stop()
    await world.start(3, dials=[author, victim])

    await world.until(lambda: kept(victim) == [LEFT])
    found = victim.store.entry(feed.id)
    assert found is not None
    assert found.envelope.payload == feed.envelope.payload
    assert victim.store.voids == 1  # services passed it over, and fold again


async def test_node_says_what_it_wants_before_it_asks_for_anything(world: World) -> None:
    victim = await world.start(0, subscription=ONLY_LEFT)
    async with world.evil(victim) as evil:
        await evil.become_ready()
        await evil.tell(1, b"whatever")

        told = await evil.hear(Subscribe)

    assert isinstance(told, Subscribe)
    assert told.filter == ONLY_LEFT
    assert not any(isinstance(message, PayloadWant) for message in evil.heard)


async def test_node_that_wants_everything_says_nothing(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(PayloadWant(evil.scope, [RangeItem(log_of(scene.victim), 1, 9)]))
        await evil.hear(Served)

        assert not any(isinstance(message, Subscribe) for message in evil.heard)


async def test_payloads_asked_for_are_sent_as_far_as_the_filter_wants_them(world: World) -> None:
    victim = await world.start(0)
    entries = await publish(victim, (LEFT, PAPER), (RIGHT, FEED), (LEFT, FEED))
    log = log_of(victim)
    async with world.evil(victim) as evil:
        await evil.become_ready()
        await evil.send(Subscribe(evil.scope, Filter(categories=["feed"], kinds=[LEFT])))
        await evil.send(PayloadWant(evil.scope, [RangeItem(log, 1, 2), RangeItem(log, 3, 7)]))

        answer = await evil.hear(Payloads)
        await evil.hear(Served)

    wanted = entries[2].envelope.payload
    assert answer == Payloads(evil.scope_of_victim, [PayloadItem(log, 3, wanted)])


async def test_later_filter_takes_the_place_of_an_earlier_one(world: World) -> None:
    victim = await world.start(0)
    await publish(victim, (LEFT, PAPER), (RIGHT, FEED))
    async with world.evil(victim) as evil:
        await evil.become_ready()
        await evil.send(Subscribe(evil.scope, ONLY_LEFT))
        await evil.send(evil.want(log_of(victim), 1, 2))
        first = await evil.hear(Entries)
        await evil.send(Subscribe(evil.scope, Filter()))
        await evil.send(evil.want(log_of(victim), 1, 2))
        second = await evil.hear(Entries)

    assert isinstance(first, Entries)
    assert isinstance(second, Entries)
    assert [bool(e.payload) for e in first.envelopes] == [True, False]
    assert [bool(e.payload) for e in second.envelopes] == [True, True]


async def test_question_for_payloads_takes_the_place_of_one_for_ranges(world: World) -> None:
    """And the other way round: one `served` closes whichever was the last."""
    victim = await world.start(0)
    await victim.publish_large(30)
    log = log_of(victim)
    async with world.evil(victim) as evil:
        await evil.become_ready()
        await evil.send(evil.want(log, 1, 30))
        await evil.send(PayloadWant(evil.scope, [RangeItem(log, 1, 1)]))
        await evil.send(evil.want(log, 30, 30))

        await evil.hear(Served)
        await evil.send(evil.want(log, 1, 1))
        await evil.hear(Served)

    assert sum(isinstance(message, Served) for message in evil.heard) == 2


async def withheld(world: World) -> tuple[RunningNode, LogAuthor, Envelope]:
    """A node that will be brought the header of an entry without its payload."""
    victim = await world.start(0)
    author = LogAuthor(world.evil_coop, world.certificate.fid, now_ms=world.now_ms)
    return victim, author, author.append("x.note", FEED)


async def test_payload_that_comes_later_gives_the_entry_its_effect(world: World) -> None:
    victim, author, envelope = await withheld(world)
    async with world.evil(victim) as evil:
        await evil.become_ready()
        await evil.push(bare(envelope))
        await evil.hear(PayloadWant)
        before = victim.store.entry(envelope.id)
        await evil.send(payloads(evil, author, envelope.payload))
        await evil.send(Served(evil.scope))
        await world.until(lambda: bodies(victim) == 1)

    after = victim.store.entry(envelope.id)
    assert before is not None
    assert after is not None
    assert (before.no_effect, after.no_effect) == ("env.withheld", None)


async def test_payload_that_does_not_hash_ends_the_link(world: World) -> None:
    victim, author, envelope = await withheld(world)
    forged = envelope.payload[:-1] + bytes([envelope.payload[-1] ^ 1])
    async with world.evil(victim) as evil:
        await evil.become_ready()
        await evil.push(bare(envelope))
        await evil.hear(PayloadWant)
        await evil.send(payloads(evil, author, forged))

        assert await evil.ending() == "env.payload_hash"

    assert bodies(victim) == 0


async def test_payload_that_was_not_asked_for_ends_the_link(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        item = PayloadItem(log_of(scene.victim), 1, bytes(16))
        await evil.send(Payloads(evil.scope, [item]))

        assert await evil.ending() == "link.range"

    await scene.require_unharmed()


async def test_payload_that_came_by_another_way_meanwhile_is_passed_over(world: World) -> None:
    victim, author, envelope = await withheld(world)
    async with world.evil(victim) as evil:
        await evil.become_ready()
        await evil.push(bare(envelope))
        await evil.hear(PayloadWant)
        await victim.ingest.receive([envelope])
        await evil.send(payloads(evil, author, envelope.payload))
        await evil.send(Served(evil.scope))
        await evil.send(evil.want(author.log))
        await evil.hear(Served)

    assert bodies(victim) == 1


async def test_filter_of_10000_items_is_refused(scene: Scene) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        huge = Filter(categories=["feed"] * 10_000)
        await evil.send_plain(encode_message(Subscribe(evil.scope, huge)))

        assert (await evil.ending()).startswith(("link.message", "enc.items"))

    await scene.require_unharmed()


@pytest.mark.parametrize("is_wide", [True, False], ids=["wide questions", "many filters"])
async def test_flood_of_payload_questions_ends_the_link(scene: Scene, is_wide: bool) -> None:
    async with scene.evil() as evil:
        await evil.become_ready()
        wide = PayloadWant(evil.scope, [RangeItem(log_of(scene.victim), 1, 2_048)])
        message = wide if is_wide else Subscribe(evil.scope, ONLY_FEED)
        for _ in range(200 if is_wide else 1_500):
            await evil.send(message)

        assert await evil.ending() == "link.flood"

    await scene.require_unharmed()


async def test_payload_nobody_holds_is_asked_for_again_after_a_while(world: World) -> None:
    victim, author, envelope = await withheld(world)
    async with world.evil(victim) as evil:
        await evil.become_ready()
        await evil.push(bare(envelope))
        await evil.hear(PayloadWant)
        await evil.send(Served(evil.scope))

        again = await evil.hear(PayloadWant)

    assert again == PayloadWant(evil.scope_of_victim, [RangeItem(author.log, 1, 1)])


def bare(envelope: Envelope) -> Envelope:
    """Return an entry as one passes it on that leaves its payload out."""
    return Envelope(envelope.header, envelope.signature, b"")


def payloads(evil: EvilPeer, author: LogAuthor, payload: bytes) -> Payloads:
    """Return the answer about the author's first entry."""
    return Payloads(evil.scope, [PayloadItem(author.log, 1, payload)])


def log_of(node: RunningNode) -> bytes:
    [log] = (log for log, held in node.store.logs.items() if held.wid == node.coop.wid)
    return log
