import asyncio
import multiprocessing
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.node.notebook import (
    CERTIFICATE,
    HILL,
    LAPSE,
    MILL,
    OTHER,
    Bench,
    Notebook,
    demand,
    judge,
    notebook,
    opened,
    quiet,
    until,
)

from sheaf_node.ingest import Draft
from sheaf_node.plugins import Call, ServiceHost
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import CoopId, EntryId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.records import Demand
from sheaf_protocol.testing.author import START_MS, LogAuthor


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(tmp_path, MILL) as mill:
        yield mill


async def test_records_of_a_log_are_folded_in_its_order(bench: Bench) -> None:
    author = LogAuthor(HILL, CERTIFICATE.fid)
    host = bench.start()

    for number in range(5):
        await bench.receive(author.publish(demand(f"r{number}")))
    await until(lambda: len(notebook(host).seen) == 5)

    assert notebook(host).refs == ["r0", "r1", "r2", "r3", "r4"]
    assert [seen.seq for seen in notebook(host).seen] == [1, 2, 3, 4, 5]
    first = notebook(host).seen[0]
    assert (first.cid, first.kind, first.time_ms) == (HILL.cid, "demand.submit", START_MS)


async def test_what_was_there_before_the_start_is_folded(bench: Bench) -> None:
    author = LogAuthor(HILL, CERTIFICATE.fid)
    await bench.receive(*(author.publish(demand(f"r{n}")) for n in range(700)))

    refs = await bench.host().view("refs", Call())

    assert refs == [f"r{n}" for n in range(700)]


async def test_only_what_counts_and_is_followed_is_folded(bench: Bench) -> None:
    await bench.parts.ingest.receive_certificate(OTHER)
    author, elsewhere = LogAuthor(HILL, CERTIFICATE.fid), LogAuthor(HILL, OTHER.fid)
    await bench.receive(
        author.append("x.note", b"\x80"),  # a kind that nobody follows
        author.publish(LAPSE),  # no effect: a buyer may not
        author.append("demand.submit", b"\x80"),  # no effect: not a demand
        elsewhere.publish(demand("elsewhere")),
        author.publish(demand("counts")),
    )

    assert await bench.host().view("refs", Call()) == ["counts"]


async def test_heads_are_what_was_folded(bench: Bench) -> None:
    author = LogAuthor(HILL, CERTIFICATE.fid)
    host = bench.host()
    await bench.receive(author.publish(demand("one")))
    await host.view("refs", Call())
    folded = author.head

    await bench.receive(author.publish(demand("two")))

    assert notebook(host).context.heads() == [(HILL.cid, HILL.wid, folded)]


def test_a_context_knows_its_node(bench: Bench) -> None:
    context = notebook(bench.host()).context

    assert (context.cid, context.wid) == (MILL.cid, MILL.wid)
    assert context.federation.charter.name == "Test Federation"
    assert context.now_ms() == START_MS
    assert context.name_of(HILL.cid) == "Hill Farm"
    assert context.can_seal_to(HILL.cid)
    assert not context.can_seal_to(CoopId(bytes(32)))


async def test_a_service_reads_its_own_publications_before_it_decides_again(bench: Bench) -> None:
    host = bench.start(decide=judge)

    await bench.receive(LogAuthor(HILL, CERTIFICATE.fid).publish(demand("r")))
    await until(lambda: len(notebook(host).seen) == 2)
    await quiet()

    assert bench.kinds() == ["demand.submit", "verdict"]
    assert notebook(host).seen[1].refs == (notebook(host).seen[0].id,)
    assert notebook(host).seen[1].wid == MILL.wid


async def test_a_killed_service_decides_again_and_publishes_once(bench: Bench) -> None:
    await bench.receive(LogAuthor(HILL, CERTIFICATE.fid).publish(demand("r")))
    first = bench.start(decide=judge)
    await until(lambda: len(notebook(first).seen) == 2)
    await bench.stop()

    second = bench.start(decide=judge)
    await until(lambda: notebook(second).decisions > 0)
    await quiet()

    assert bench.kinds() == ["demand.submit", "verdict"]


async def test_a_turn_is_published_whole_or_not_at_all(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def overreach(service: Notebook) -> None:
        service.context.publish(demand("allowed"))
        service.context.publish(LAPSE)

    host = bench.start(decide=overreach)
    await until(lambda: host.refused is not None)

    assert (host.refused, host.is_stopped) == ("policy.role", False)
    assert bench.kinds() == []
    assert "policy.role" in caplog.text


async def test_what_is_overdue_and_refused_is_tried_once_a_second(bench: Bench) -> None:
    def overreach(service: Notebook) -> None:
        service.context.publish(LAPSE)
        service.context.wake_at(0)

    host = bench.start(decide=overreach)
    await until(lambda: host.refused is not None)
    await quiet()
    before = notebook(host).decisions
    bench.clock.advance(1_000)
    await until(lambda: notebook(host).decisions > before)
    await quiet()

    assert (before, notebook(host).decisions) == (1, 2)


async def test_a_refused_decision_is_taken_again(bench: Bench) -> None:
    may_publish = False

    def decide(service: Notebook) -> None:
        if not service.refs:
            service.context.publish(demand("late") if may_publish else LAPSE)

    host = bench.start(decide=decide)
    await until(lambda: host.refused == "policy.role")
    may_publish = True
    await host.command("add", Call())
    await until(lambda: bench.kinds() == ["demand.submit"])
    await until(lambda: host.refused is None)

    assert not host.is_stopped


async def test_a_wake_up_fires_by_the_nodes_clock(bench: Bench) -> None:
    def at_noon(service: Notebook) -> None:
        if service.context.now_ms() < START_MS + 5_000:
            service.context.wake_at(START_MS + 9_000)
            service.context.wake_at(START_MS + 5_000)
        elif not service.refs:
            service.context.publish(demand("noon"))

    bench.start(decide=at_noon)
    await quiet()
    bench.clock.advance(4_999)
    await quiet()
    assert bench.kinds() == []

    bench.clock.advance(1)
    await until(lambda: bench.kinds() == ["demand.submit"])


async def test_without_a_reason_a_service_decides_once_a_minute(bench: Bench) -> None:
    host = bench.start()
    await until(lambda: notebook(host).decisions == 1)
    await quiet()

    bench.clock.advance(60_000)

    await until(lambda: notebook(host).decisions == 2)


async def test_a_commands_entries_are_durable_when_it_returns(bench: Bench) -> None:
    host = bench.host()

    reply = await host.command("add", Call(body=b"one two three"))

    assert reply == "added"
    assert bench.kinds() == ["demand.submit"] * 3  # read by a connection of its own
    assert notebook(host).refs == ["one", "two", "three"]


async def test_a_command_leads_to_a_decision(bench: Bench) -> None:
    host = bench.start(decide=judge)
    await until(lambda: notebook(host).decisions == 1)

    await host.command("add", Call(body=b"one"))

    await until(lambda: bench.kinds() == ["demand.submit", "verdict"])


async def test_a_refused_command_publishes_nothing(bench: Bench) -> None:
    host = bench.start()
    await until(lambda: notebook(host).decisions == 1)

    with pytest.raises(Refusal, match=r"demand\.unknown"):
        await host.command("refuse", Call())
    await host.command("add", Call())
    await until(lambda: notebook(host).decisions == 2)
    await quiet()

    assert bench.kinds() == []
    assert multiprocessing.active_children() == []


async def test_a_command_that_may_not_publish_is_refused_with_the_rule(bench: Bench) -> None:
    with pytest.raises(LocalProtocolError) as refusal:
        await bench.host().command("lapse", Call())

    assert refusal.value.code == "policy.role"
    assert bench.kinds() == []


@pytest.mark.parametrize(("ask", "code"), [("command", "no_command"), ("view", "no_view")])
async def test_an_unknown_name_is_refused(bench: Bench, ask: str, code: str) -> None:
    with pytest.raises(Refusal) as refusal:
        await getattr(bench.host(), ask)("nonsense", Call())

    assert refusal.value.code == f"service.{code}"
    assert "nonsense" in refusal.value.detail


async def test_a_computation_runs_in_a_process_of_its_own(bench: Bench) -> None:
    def ask(service: Notebook) -> None:
        if not service.refs:
            service.context.run("pid", os.getpid)

    host = bench.start(decide=ask)
    await until(lambda: bench.kinds() == ["demand.submit"])  # published by `finish`

    [(key, result)] = notebook(host).results
    assert key == "pid"
    assert result != os.getpid()
    await until(lambda: not multiprocessing.active_children())


async def test_a_key_that_is_running_is_not_started_again(bench: Bench, tmp_path: Path) -> None:
    def ask(service: Notebook) -> None:
        if not service.results:  # a second start would find the folder and fail
            service.context.run("key", os.mkdir, tmp_path / "made")

    host = bench.start(decide=ask)
    author = LogAuthor(HILL, CERTIFICATE.fid)
    while not notebook(host).results and not host.is_stopped:
        await bench.receive(author.publish(demand(f"r{author.head.seq}")))
        await asyncio.sleep(0.02)

    assert notebook(host).results == [("key", None)]
    assert notebook(host).decisions > 2


async def test_what_a_computation_leads_to_survives_a_refused_command(bench: Bench) -> None:
    def ask(service: Notebook) -> None:
        if not service.results:
            service.context.run("key", os.getpid)

    host = bench.start(decide=ask)
    while not notebook(host).results:
        with pytest.raises(Refusal, match=r"demand\.unknown"):
            await host.command("refuse", Call())
        await asyncio.sleep(0)

    await until(lambda: bench.kinds() == ["demand.submit"])


async def test_computations_end_with_their_service(bench: Bench) -> None:
    bench.start(decide=lambda service: service.context.run("long", time.sleep, 600))
    await until(lambda: bool(multiprocessing.active_children()))

    await bench.stop()

    await until(lambda: not multiprocessing.active_children())


async def test_a_computation_that_fails_stops_its_service(bench: Bench) -> None:
    host = bench.start(decide=lambda service: service.context.run("bad", os.listdir, "/nowhere"))

    await until(lambda: host.is_stopped)


def forked() -> tuple[list[Envelope], Envelope]:
    """Return a log of two demands, and another second one by the same writer."""
    author = LogAuthor(HILL, CERTIFICATE.fid)
    first = author.publish(demand("one"))
    twin = author.twin()
    return [first, author.publish(demand("two"))], twin.publish(demand("other"))


async def test_after_a_fork_a_service_folds_again_without_what_lost_its_effect(
    bench: Bench,
) -> None:
    log, other = forked()
    host = bench.start()
    await bench.receive(*log)
    await until(lambda: notebook(host).refs == ["one", "two"])
    before = notebook(host)

    await bench.receive(other)
    await until(lambda: host.service is not before)
    await until(lambda: notebook(host).refs == ["one"])

    [(_, _, head)] = notebook(host).context.heads()
    assert head.seq == 1
    assert before.refs == ["one", "two"]


async def test_a_fork_ends_what_the_service_before_had_running(bench: Bench) -> None:
    def ask(service: Notebook) -> None:
        is_forked = service.refs == ["one"]
        if "key" not in service.refs:
            service.context.run("key", *((os.getpid,) if is_forked else (time.sleep, 600)))

    log, other = forked()
    await bench.receive(*log)
    host = bench.start(decide=ask)
    await until(lambda: bool(multiprocessing.active_children()))

    await bench.receive(other)

    await until(lambda: notebook(host).refs == ["one", "key"])
    await until(lambda: not multiprocessing.active_children())


async def test_our_own_drafts_are_read_like_everybodys(bench: Bench) -> None:
    await bench.parts.ingest.publish(
        CERTIFICATE.fid, [Draft(kind="demand.submit", body=encode(demand("posted")))]
    )

    assert await bench.host().view("refs", Call()) == ["posted"]


class Tenacious(Notebook):
    """Needs what it read of one reference."""

    def keeps(self, id_: EntryId) -> bool:
        kept = (seen for seen in self.seen if isinstance(seen.record, Demand))
        return any(seen.id == id_ and seen.record.ref == "kept" for seen in kept)


async def test_service_keeps_what_it_needs_once_it_has_read_all(bench: Bench) -> None:
    author = LogAuthor(HILL, CERTIFICATE.fid)
    kept, other = (author.publish(demand(ref)) for ref in ("kept", "other"))
    federation = bench.parts.ingest.federations[CERTIFICATE.fid]
    host = ServiceHost("notebook", Tenacious, {}, federation=federation, parts=bench.parts)
    await bench.receive(kept, other)
    before = [host.keeps(each.id) for each in (kept, other)]

    await host.view("refs", Call())

    assert before == [True, True]
    assert [host.keeps(each.id) for each in (kept, other)] == [True, False]


async def test_service_without_a_word_on_it_keeps_nothing(bench: Bench) -> None:
    entry = LogAuthor(HILL, CERTIFICATE.fid).publish(demand("r"))
    await bench.receive(entry)

    assert not bench.host().keeps(entry.id)


async def test_service_that_a_fault_stopped_keeps_everything(bench: Bench) -> None:
    entry = LogAuthor(HILL, CERTIFICATE.fid).publish(demand("r"))

    def fail(service: Notebook) -> None:
        raise ZeroDivisionError

    host = bench.start(fold=fail)
    await bench.receive(entry)
    await until(lambda: host.is_stopped)

    assert host.keeps(entry.id)
