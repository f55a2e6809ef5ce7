"""Attacks on the restoring of writers: losses forged, promises forged, members that lie."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from tests.federation.restoring import NAMES, Hamlet
from tests.node.taking import Bench, make_keyring

from sheaf_node.housekeeping import Housekeeping
from sheaf_node.ingest import Draft, Outcome
from sheaf_node.ingest.fence import Fences
from sheaf_node.plugins.host import Parts, ServiceHost
from sheaf_node.recovery import Standing, name_absent, recovery_host
from sheaf_protocol.charter import federation_of
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import ZERO, Digest, EntryId, LogId, WriterId
from sheaf_protocol.identity import SigningKey, signing_key
from sheaf_protocol.limits import MAX_INT, WRITER_LIFETIME_MS
from sheaf_protocol.records import Erase, WriterLost, WriterOverride, WriterPromise, WriterSucceed
from sheaf_protocol.recovering import MAX_PROMISES
from sheaf_protocol.testing.author import START_MS, LogAuthor, TestCoop

if TYPE_CHECKING:
    from pathlib import Path

NEWER = signing_key(b"2" * 32)
FOUR_DAYS_MS = 4 * 86_400_000


@pytest.fixture
def host(bench: Bench, tmp_path: Path) -> ServiceHost:
    """The recovery service of Mill's node."""
    keyring = make_keyring(bench.mill)
    parts = Parts(
        store=bench.store,
        ingest=bench.ingest,
        arrivals=bench.arrivals,
        keyring=keyring,
        clock=bench.clock,
        random=bytes,
    )
    standing = Standing(tmp_path, cid=keyring.cid, own=keyring.wid)
    return recovery_host(parts, federation_of(bench.certificate), standing=standing)


async def delegate(bench: Bench, *keys: SigningKey, coop: TestCoop | None = None) -> None:
    """Delegate writers of Hill, or of another co-op."""
    coop = coop or bench.hill
    for key in keys:
        coop.delegate(key, START_MS + WRITER_LIFETIME_MS)
    await bench.ingest.receive_key_ops(coop.cid, coop.key_ops)


def author(bench: Bench, key: SigningKey | None = None, coop: TestCoop | None = None) -> LogAuthor:
    return LogAuthor(coop or bench.hill, bench.fid, writer=key)


def lost(wid: WriterId) -> WriterLost:
    return WriterLost(head=Digest(ZERO), seq=0, wid=wid)


def promise(log: LogId, on: EntryId, seq: int = 0) -> WriterPromise:
    return WriterPromise(head=Digest(ZERO), log=log, lost=on, seq=seq)


def promised(bench: Bench) -> int:
    """Return how many promises the node of Mill made."""
    return sum(entry.header.cid == bench.mill.cid for entry in bench.store.promises())


async def is_taken(bench: Bench, by: LogAuthor) -> bool:
    """Return whether the next entry of an author is stored."""
    [result] = await bench.receive(by.append("x.note", b"\x80"))
    return result.outcome is Outcome.NEW


async def test_writer_of_another_coop_that_is_called_lost_goes_on(
    bench: Bench, host: ServiceHost
) -> None:
    # Hill says, by a writer delegated today, that the writer of Dale is lost.
    await delegate(bench, NEWER)
    await bench.receive(author(bench, NEWER).publish(lost(bench.dale.wid)))

    await host.take_turn()

    assert promised(bench) == 0
    assert await is_taken(bench, author(bench, coop=bench.dale))


async def test_thief_of_a_writer_ends_neither_that_one_nor_a_newer_one(
    bench: Bench, host: ServiceHost
) -> None:
    # The stolen key calls itself lost, and the one that the co-op made in its place.
    await delegate(bench, NEWER)
    thief = author(bench)
    await bench.receive(thief.publish(lost(bench.hill.wid)))
    await bench.receive(thief.publish(lost(WriterId(NEWER.public))))

    await host.take_turn()

    assert promised(bench) == 0
    assert await is_taken(bench, author(bench, NEWER))


async def test_flood_of_words_that_one_writer_is_lost_costs_members_one_promise(
    bench: Bench, host: ServiceHost
) -> None:
    # Hill says two hundred times that its first writer is lost.
    await delegate(bench, NEWER)
    flood = author(bench, NEWER)
    for _ in range(200):
        await bench.receive(flood.publish(lost(bench.hill.wid)))

    await host.take_turn()
    await host.take_turn()

    assert promised(bench) == 1


async def test_new_writers_made_to_call_one_lost_cost_members_sixteen_promises(
    bench: Bench, host: ServiceHost
) -> None:
    # Hill delegates twenty writers, and each of them says it of the first.
    keys = [signing_key(bytes([number]) * 32) for number in range(100, 120)]
    await delegate(bench, *keys)
    for key in keys:
        await bench.receive(author(bench, key).publish(lost(bench.hill.wid)))
        await host.take_turn()

    await host.take_turn()

    assert promised(bench) == MAX_PROMISES


@pytest.mark.parametrize("named", ["nothing", "a loss of Hill", "a word without a form"])
async def test_forged_promise_of_ours_keeps_us_from_no_log_whose_writer_is_not_lost(
    bench: Bench, named: str
) -> None:
    # A thief of Mill's key promises to take nothing of Dale, on no word or on another one.
    await delegate(bench, NEWER)
    hill = author(bench, NEWER)
    word, broken = hill.publish(lost(bench.hill.wid)), hill.append("writer.lost", b"\x80")
    await bench.receive(word, broken)
    on = {"a loss of Hill": word.id, "a word without a form": broken.id}
    dale, thief = author(bench, coop=bench.dale), author(bench, coop=bench.mill)
    forged = promise(dale.log, on.get(named, EntryId(b"x" * 32)))

    await bench.receive(thief.publish(forged))

    assert promised(bench) == 1
    assert await is_taken(bench, dale)
    assert Fences(bench.store, bench.mill.cid).seq_of(dale.log) is None


async def test_promise_that_came_before_the_word_it_names_holds_once_that_is_here(
    bench: Bench,
) -> None:
    # A peer brings our own promise first, after our disk was put back.
    await delegate(bench, NEWER)
    hill, ours = author(bench), author(bench, coop=bench.mill)
    word = author(bench, NEWER).publish(lost(bench.hill.wid))
    await bench.receive(ours.publish(promise(hill.log, word.id)))
    before = await is_taken(bench, hill)

    await bench.receive(word)

    assert before
    assert not await is_taken(bench, hill)


async def test_coop_that_vanished_after_it_called_a_writer_lost_holds_back_that_one_alone(
    bench: Bench, host: ServiceHost
) -> None:
    # Hill never closes its lost writer.
    await delegate(bench, NEWER)
    newer = author(bench, NEWER)
    await bench.receive(newer.publish(lost(bench.hill.wid)))

    await host.take_turn()

    assert not await is_taken(bench, author(bench))
    assert await is_taken(bench, newer)
    assert await is_taken(bench, author(bench, coop=bench.dale))


async def test_erase_of_what_a_line_rests_on_deletes_nothing(bench: Bench) -> None:
    # A thief of the new writer's key erases the word by which it goes on for the old one.
    first = author(bench)
    await bench.receive(first.append("x.note", b"\x80"))
    await delegate(bench, NEWER)
    bench.hill.close({bench.fid: first.head})
    await bench.ingest.receive_key_ops(bench.hill.cid, bench.hill.key_ops)
    newer, head = author(bench, NEWER), first.head
    said = newer.publish(WriterSucceed(head=Digest(head.id), seq=1, wid=bench.hill.wid))
    await bench.receive(said, newer.publish(Erase(entry=said.id)))

    bench.clock.advance(FOUR_DAYS_MS)
    await Housekeeping(
        store=bench.store,
        arrivals=bench.arrivals,
        clock=bench.clock,
        keeps=lambda _: False,
        retention_days=0,
    ).tidy()

    held = bench.store.entry(said.id)
    assert held is not None
    assert held.envelope.payload == said.payload


def told_by_hill(hamlet: Hamlet) -> list[str]:
    node = hamlet.sites["hill"].node
    return [] if node is None else node.standing.waits_for.get(hamlet.fid, [])


async def restored_without_moor(hamlet: Hamlet) -> None:
    """Put Hill's home back while Moor is away, and return once Moor is all that is missing."""
    await hamlet.start(*NAMES)
    await hamlet.publish("hill", 2)
    await hamlet.publish("moor")
    await hamlet.until(lambda: hamlet.agree(*NAMES))
    copy = await hamlet.copy("hill")
    await hamlet.stop("moor")
    await hamlet.put_back("hill", copy)
    name_absent(hamlet.sites["hill"].home, ["ws://moor:8440"])
    await hamlet.start("hill")
    await hamlet.until(lambda: [text[:4] for text in told_by_hill(hamlet)] == ["Moor"])


async def override_by_dale(hamlet: Hamlet) -> None:
    """Let Dale say that Moor need not promise on Hill's loss, and Hill hear it."""
    [word] = hamlet.entries("hill", "writer.lost")
    said = encode(WriterOverride(absent=[hamlet.sites["moor"].keyring.cid], lost=word.id))
    drafts = [Draft(kind="writer.override", refs=[word.id], body=said)]
    await hamlet.sites["dale"].running.parts.ingest.publish(hamlet.fid, drafts)
    await hamlet.until(lambda: len(hamlet.entries("hill", "writer.override")) == 1)


async def test_promise_of_what_is_nowhere_ends_to_count_once_its_member_is_named(
    tmp_path: Path,
) -> None:
    # Moor promises an entry of Hill's that Hill never signed.
    async with Hamlet(tmp_path) as hamlet:
        await restored_without_moor(hamlet)
        moor, dale = hamlet.sites["moor"].keyring, hamlet.sites["dale"].running.parts
        [word] = hamlet.entries("hill", "writer.lost")
        liar = LogAuthor(SimpleNamespace(cid=moor.cid), hamlet.fid, writer=moor.writer)
        liar.now_ms, liar.head = hamlet.clock.now_ms(), dale.store.logs[liar.log].head
        old = hamlet.sites["hill"].keyring
        log = LogAuthor(SimpleNamespace(cid=old.cid), hamlet.fid, writer=old.writer).log
        await dale.ingest.receive([liar.publish(promise(log, word.id, MAX_INT))])
        await hamlet.until(lambda: str(MAX_INT) in "".join(told_by_hill(hamlet)))

        name_absent(hamlet.sites["hill"].home, [moor.cid.hex()])
        await hamlet.until(lambda: hamlet.is_free("hill"))

        [override] = hamlet.entries("hill", "writer.override")
        assert moor.cid in override.envelope.payload
        assert await hamlet.refusal("hill") is None


async def test_override_by_another_coop_does_without_nobody(tmp_path: Path) -> None:
    # Dale says that Moor need not promise on Hill's loss.
    async with Hamlet(tmp_path) as hamlet:
        await restored_without_moor(hamlet)

        await override_by_dale(hamlet)
        await hamlet.pass_ms(20_000)

        assert not hamlet.is_free("hill")
        assert [text[:4] for text in told_by_hill(hamlet)] == ["Moor"]


async def test_override_by_another_coop_stands_for_none_of_our_own(tmp_path: Path) -> None:
    # Dale says first what Hill's operator says then, so that Hill need not sign it.
    async with Hamlet(tmp_path) as hamlet:
        await restored_without_moor(hamlet)
        await override_by_dale(hamlet)

        name_absent(hamlet.sites["hill"].home, [hamlet.sites["moor"].keyring.cid.hex()])
        await hamlet.until(lambda: hamlet.is_free("hill"))

        said = [entry.header.cid for entry in hamlet.entries("hill", "writer.override")]
        assert said == [hamlet.sites[name].keyring.cid for name in ("dale", "hill")]
