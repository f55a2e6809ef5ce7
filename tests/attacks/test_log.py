"""Attacks on logs: replays, forks, false times, withheld entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sheaf_node.ingest import Outcome
from sheaf_protocol.codec import check, encode
from sheaf_protocol.digest import EntryId, digest
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.limits import MAX_CLOCK_AHEAD_MS, MAX_INT
from sheaf_protocol.link.messages import Want
from sheaf_protocol.testing.author import LogAuthor, make_federation

if TYPE_CHECKING:
    from tests.federation.conftest import RunningNode, Scene, World

BODY = b"\x80"
YEAR_MS = 365 * 86_400_000


@pytest.fixture
async def node(world: World) -> RunningNode:
    return await world.start(0)


@pytest.fixture
def author(world: World) -> LogAuthor:
    """An author in good standing, on another node."""
    return LogAuthor(world.evil_coop, world.certificate.fid, now_ms=world.now_ms)


async def told(node: RunningNode, *envelopes: Envelope) -> list[tuple[str, str | None]]:
    """Return what a node makes of envelopes."""
    results = await node.ingest.receive(envelopes)
    return [(result.outcome.value, result.code) for result in results]


async def test_entry_sent_again_is_known_and_costs_its_author_nothing(
    node: RunningNode, author: LogAuthor
) -> None:
    # Replay an old entry, a hundred times.
    entry = author.append("x.note", BODY)
    await told(node, entry)

    outcomes = {(await told(node, entry))[0] for _ in range(100)}

    assert outcomes == {("known", None)}
    assert node.store.arrival == 1
    assert node.ingest.rejected == 0


async def test_entry_carried_into_another_federation_is_not_signed_for_it(
    world: World, node: RunningNode
) -> None:
    # Take an entry of one federation and write another's id over its own.
    other = make_federation([(world.evil_coop, ["member"])], nonce=bytes(15) + b"1")
    foreign = LogAuthor(world.evil_coop, other.fid, now_ms=world.now_ms).append("x.note", BODY)
    elements = check(foreign.header)
    elements[1] = world.certificate.fid
    forged = Envelope(encode(elements), foreign.signature, foreign.payload)

    [(outcome, code)] = await told(node, forged)

    assert (outcome, code) == ("rejected", "env.signature")


async def test_later_entries_wait_until_the_earlier_have_come(
    node: RunningNode, author: LogAuthor
) -> None:
    # Send a log backwards, so that it is applied out of order.
    entries = [author.append("x.note", BODY) for _ in range(5)]

    outcomes = [(await told(node, entry))[0] for entry in reversed(entries)]

    assert outcomes == [("held", "log.gap")] * 4 + [("new", None)]
    assert node.store.arrival == 1


async def test_thousand_branches_of_one_log_leave_one_proof(
    node: RunningNode, author: LogAuthor
) -> None:
    # Sign a thousand entries for one place, to fill the disks of all.
    twins = [author.twin() for _ in range(1_000)]
    branches = [twin.append("x.note", encode({"n": n})) for n, twin in enumerate(twins)]

    for at in range(0, len(branches), 100):
        await told(node, *branches[at : at + 100])

    assert node.store.arrival <= 2
    assert len(node.store.fork_proofs) == 1
    assert node.store.logs[author.log].forked_at == 1


async def test_entry_dated_before_its_predecessor_is_refused(
    node: RunningNode, author: LogAuthor
) -> None:
    # Date an entry back, so that it seems to have been in time.
    await told(node, author.append("x.note", BODY))

    [(outcome, code)] = await told(
        node, author.append("x.note", BODY, time_ms=author.now_ms - 60_000)
    )

    assert (outcome, code) == ("rejected", "log.bad_time")


@pytest.mark.parametrize(
    "ahead_ms", [MAX_CLOCK_AHEAD_MS + 60_000, YEAR_MS, MAX_INT], ids=["six minutes", "year", "end"]
)
async def test_entry_from_the_future_waits_and_moves_no_clock(
    node: RunningNode, author: LogAuthor, ahead_ms: int
) -> None:
    # Date an entry ahead, to drag everybody's clock along or to come last.
    time_ms = min(author.now_ms + ahead_ms, MAX_INT)

    [(outcome, _)] = await told(node, author.append("x.note", BODY, time_ms=time_ms))
    [own] = await node.publish()

    assert outcome in {Outcome.HELD.value, Outcome.REJECTED.value}  # its writer expires before
    assert own.header.time_ms < author.now_ms + MAX_CLOCK_AHEAD_MS


async def test_reference_to_nothing_holds_up_no_log(node: RunningNode, author: LogAuthor) -> None:
    # Refer to entries that do not exist and never will, sixteen times.
    nothing = [EntryId(digest("test", bytes([n]))) for n in range(16)]
    dangling = author.append("x.note", BODY, refs=nothing)

    outcomes = await told(node, dangling, author.append("x.note", BODY, refs=[dangling.id] * 2))

    assert outcomes == [("new", None)] * 2


async def test_peer_that_withholds_the_newest_entries_is_outdone_by_another(scene: Scene) -> None:
    # Serve a log without its newest entries, so that a deadline passes unseen.
    world, victim = scene.world, scene.victim
    author = LogAuthor(world.coops[2], world.certificate.fid, now_ms=world.now_ms)
    entries = [author.append("x.note", BODY) for _ in range(3)]
    async with scene.evil() as evil:
        await evil.become_ready()
        evil.author = author
        await evil.tell(2, entries[1].id)
        await evil.hear(Want)
        await evil.push(*entries[:2], is_live=False)
        await world.until(lambda: victim.store.arrival == 3)

        await scene.honest.ingest.receive(entries)

        await world.until(lambda: victim.store.arrival == 4)


async def test_node_on_an_old_copy_signs_no_more_once_it_is_proven(
    world: World, node: RunningNode
) -> None:
    # Start a node on an old backup: what it signs forks its own log, and peers prove it.
    before = LogAuthor(world.coops[0], world.certificate.fid, now_ms=world.now_ms)
    after_the_backup = before.append("x.note", encode({"n": 1}))
    await node.publish()
    keeper = await world.start(1, dials=[node])
    await world.until_converged(node, keeper, entries=1)

    await keeper.ingest.receive([after_the_backup])

    await world.until(lambda: bool(node.store.fork_proofs))
    with pytest.raises(Exception, match=r"log\.forked"):
        await node.publish()
