import asyncio
import logging
import multiprocessing
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Draft, Ingest
from sheaf_node.keyring import Keyring
from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext, ServiceHost
from sheaf_node.plugins.host import Parts
from sheaf_node.store import Store
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, EntryId
from sheaf_protocol.envelope import SEALED, Envelope, body_of
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.identity import Delegate, PublicKey, sign_op
from sheaf_protocol.limits import PREKEY_LIFETIME_MS
from sheaf_protocol.records import (
    OK,
    Demand,
    DropLine,
    Item,
    Order,
    PoolLapse,
    Price,
    Record,
    Verdict,
)
from sheaf_protocol.sealing import Author, Sealed, seal_private
from sheaf_protocol.testing.author import (
    START_MS,
    LogAuthor,
    TestCoop,
    make_coop,
    make_federation,
)

PATIENCE_S = 20
SOME = EntryId(bytes(32))
FEED = Item(code="feed", name="Feed", scale=0, unit="KGM")
PRICE = Price(amount=10, base=1, currency="GBP")
LAPSE = PoolLapse(close=SOME, pool=SOME, reason="too_few")
"""What a buyer may not publish."""
MILL, HILL, DALE = (make_coop(name) for name in ("Mill", "Hill Farm", "Dale Supplies"))
CERTIFICATE = make_federation([(MILL, ["buyer"]), (HILL, ["buyer"]), (DALE, ["supplier"])])
OTHER = make_federation([(MILL, ["buyer"]), (HILL, ["buyer"])], "Other", b"\x01" * 16)


def demand(ref: str) -> Demand:
    return Demand(
        is_firm=True, item=FEED, max_price=PRICE, min_quantity=1, quantity=5, ref=ref, zone="N"
    )


def order() -> Order:
    return Order(
        award=SOME,
        item=FEED,
        lines=[DropLine(amount=50, demand=SOME, quantity=5)],
        offer=SOME,
        price=PRICE,
        supplier=DALE.cid,
    )


def nothing(service: "Notebook") -> None:
    """Decide nothing."""


def judge(service: "Notebook") -> None:
    """Sign what was found of each demand, once."""
    judged = {seen.record.subject for seen in service.seen if isinstance(seen.record, Verdict)}
    for seen in service.seen:
        if isinstance(seen.record, Demand) and seen.id not in judged:
            verdict = Verdict(code=OK, level="full", subject=seen.id)
            service.context.publish(verdict, refs=[seen.id])


class Notebook:
    """Keeps what it read in the order in which it came, and decides as the test tells it to."""

    follows: ClassVar[frozenset[str]] = frozenset({"demand.submit", "verdict", "order.place"})

    def __init__(self, context: ServiceContext, settings: Mapping[str, Any]) -> None:
        self.context = context
        self.seen: list[SeenRecord] = []
        self.results: list[tuple[str, object]] = []
        self.decisions = 0
        self._decide: Callable[[Notebook], None] = settings.get("decide", nothing)
        self._fold: Callable[[Notebook], None] = settings.get("fold", nothing)

    @property
    def refs(self) -> list[str]:
        return [seen.record.ref for seen in self.seen if isinstance(seen.record, Demand)]

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        return {
            "add": self._add,
            "refuse": self._refuse,
            "order": self._order,
            "lapse": self._lapse,
        }

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        return {"refs": lambda call: self.refs}

    def fold(self, seen: SeenRecord) -> None:
        self.seen.append(seen)
        self._fold(self)

    def decide(self) -> None:
        self.decisions += 1
        self._decide(self)

    def finish(self, key: str, result: object) -> None:
        self.results.append((key, result))
        self.context.publish(demand(key))

    def _add(self, call: Call) -> Json:
        for ref in call.body.decode().split():
            self.context.publish(demand(ref))
        return "added"

    def _refuse(self, call: Call) -> Json:
        self.context.publish(demand("never"))
        self.context.run("never", os.getpid)
        raise Refusal("demand.unknown", "expected another call")

    def _order(self, call: Call) -> Json:
        self.context.publish(order(), refs=[SOME], to=[DALE.cid])
        return "ordered"

    def _lapse(self, call: Call) -> Json:
        self.context.publish(demand("before"))
        self.context.publish(LAPSE)
        return "published"


@dataclass(kw_only=True)
class Bench:
    """One co-op's node without links, and the services that a test starts on it."""

    parts: Parts
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def clock(self) -> ManualClock:
        assert isinstance(self.parts.clock, ManualClock)
        return self.parts.clock

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.parts.store.entries_after(0)]

    def host(self, **settings: Callable[[Notebook], None]) -> ServiceHost:
        federation = self.parts.ingest.federations[CERTIFICATE.fid]
        return ServiceHost("notebook", Notebook, settings, federation=federation, parts=self.parts)

    def start(self, **settings: Callable[[Notebook], None]) -> ServiceHost:
        host = self.host(**settings)
        self.tasks.append(asyncio.create_task(host.run()))
        return host

    async def receive(self, *envelopes: Envelope) -> None:
        await self.parts.ingest.receive(envelopes)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def opened(folder: Path, coop: TestCoop) -> AsyncIterator[Bench]:
    keyring = Keyring(
        cid=coop.cid,
        writer=coop.writer,
        manager=coop.manager,
        prekeys=[coop.prekey],
        key_ops=coop.key_ops,
    )
    store = Store.open(folder / coop.name / "sheaf.db", random=os.urandom)
    arrivals, clock = Arrivals(), ManualClock(START_MS)
    ingest = Ingest(store=store, arrivals=arrivals, clock=clock, random=os.urandom, keyring=keyring)
    for other in (MILL, HILL, DALE):
        await ingest.receive_key_ops(other.cid, other.key_ops)
    await ingest.receive_certificate(CERTIFICATE)
    parts = Parts(
        store=store,
        ingest=ingest,
        arrivals=arrivals,
        keyring=keyring,
        clock=clock,
        random=os.urandom,
    )
    bench = Bench(parts=parts)
    try:
        yield bench
    finally:
        await bench.stop()
        await store.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(tmp_path, MILL) as mill:
        yield mill


def notebook(host: ServiceHost) -> Notebook:
    assert isinstance(host.service, Notebook)
    return host.service


async def until(is_true: Callable[[], bool]) -> None:
    """Return once something holds, which it does long before our patience ends."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_true():  # noqa: ASYNC110 - what is awaited are plain values
            await asyncio.sleep(0.002)


async def quiet() -> None:
    """Give everything that is due the time to happen."""
    for _ in range(20):
        await asyncio.sleep(0.002)


# --- folding


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


# --- deciding and publishing


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


# --- commands and views


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


# --- computations


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


# --- forks


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


# --- private records


async def test_a_private_record_is_read_by_those_it_is_for_and_nobody_else(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        hill, dale, mill = [
            await stack.enter_async_context(opened(tmp_path, coop)) for coop in (HILL, DALE, MILL)
        ]
        host = hill.host()
        await host.command("order", Call())
        [entry] = hill.parts.store.entries_after(0)
        for other in (dale, mill):
            await other.receive(entry.envelope)

        async def orders(host: ServiceHost) -> list[Record]:
            await host.view("refs", Call())
            return [seen.record for seen in notebook(host).seen]

        assert (entry.kind, entry.header.refs) == (SEALED, [])
        assert await orders(dale.host()) == [order()]
        assert await orders(host) == [order()]  # its author reads it again
        assert await orders(mill.host()) == []
        assert mill.kinds() == [SEALED]
        assert notebook(host).seen[0].refs == (SOME,)


def sealed(kind: str, body: bytes, to: TestCoop, author: LogAuthor, coop: TestCoop) -> bytes:
    by = Author(author.fid, coop.cid, coop.wid)
    return seal_private(kind, [], body, [to.prekey[0]], author=by, random=bytes(56))


def altered(body: bytes) -> bytes:
    whole = decode(body, Sealed)
    return encode(msgspec.structs.replace(whole, box=whole.box[:-1] + b"\x00"))


@pytest.mark.parametrize(
    ("by", "kind", "record", "change"),
    [
        (DALE, "order.place", order(), bytes),  # a supplier orders nothing
        (HILL, "demand.submit", demand("r"), bytes),  # a public kind, hidden
        (HILL, "order.response", LAPSE, bytes),  # not followed
        (HILL, "order.place", LAPSE, bytes),  # not an order
        (HILL, "order.place", order(), altered),  # for us, and does not open
    ],
)
async def test_a_sealed_record_that_its_author_may_not_publish_is_passed_over(
    bench: Bench, by: TestCoop, kind: str, record: Record, change: Callable[[bytes], bytes]
) -> None:
    author = LogAuthor(by, CERTIFICATE.fid)
    body = change(sealed(kind, encode(record), MILL, author, by))
    await bench.receive(author.append(SEALED, body))
    host = bench.host()

    await host.view("refs", Call())

    assert bench.kinds() == [SEALED]
    assert notebook(host).seen == []


async def test_what_was_sealed_to_two_has_two_slots(bench: Bench) -> None:
    await bench.host().command("order", Call())

    [entry] = bench.parts.store.entries_after(0)
    assert len(decode(body_of(entry.envelope.payload), Sealed).slots) == 2


async def test_ordering_from_a_coop_without_a_valid_prekey_is_refused(bench: Bench) -> None:
    bench.clock.advance(PREKEY_LIFETIME_MS + 1)

    host = bench.host()
    with pytest.raises(LocalProtocolError) as refusal:
        await host.command("order", Call())

    assert not notebook(host).context.can_seal_to(DALE.cid)
    assert refusal.value.code == "seal.recipient"
    assert bench.kinds() == []


async def test_a_peers_old_prekey_holds_up_nothing_else(bench: Bench) -> None:
    def decide(service: Notebook) -> None:
        service.context.publish(order(), to=[DALE.cid])
        if not service.refs:
            service.context.publish(demand("r"))

    bench.clock.advance(PREKEY_LIFETIME_MS + 1)
    host = bench.start(decide=decide)
    await until(lambda: bench.kinds() == ["demand.submit"])
    await until(lambda: notebook(host).decisions == 2)
    await quiet()

    assert (host.refused, host.is_stopped) == ("seal.recipient", False)
    assert bench.kinds() == ["demand.submit"]
    assert notebook(host).decisions == 2  # not again and again


async def test_a_peers_prekey_of_small_order_holds_up_nothing_else(bench: Bench) -> None:
    unusable = Delegate(
        cid=DALE.cid,
        expires_ms=START_MS + PREKEY_LIFETIME_MS,
        key=PublicKey(bytes(32)),
        op="delegate",
        prev=DALE.keys.head,
        role="prekey",
        seq=DALE.keys.size,
    )

    def decide(service: Notebook) -> None:
        service.context.publish(order(), to=[DALE.cid])
        if not service.refs:
            service.context.publish(demand("r"))

    await bench.parts.ingest.receive_key_ops(DALE.cid, [sign_op(unusable, [DALE.manager])])
    host = bench.start(decide=decide)
    await until(lambda: notebook(host).decisions == 2)

    assert (host.refused, host.is_stopped) == ("seal.recipient", False)
    assert bench.kinds() == ["demand.submit"]


# --- faults in services


def broken(service: Notebook) -> None:
    if service.refs:
        raise ZeroDivisionError("a fault of the service")


@pytest.mark.parametrize("where", ["fold", "decide"])
async def test_a_service_that_raises_is_stopped_and_others_go_on(
    bench: Bench, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    faulty, sound = bench.start(**{where: broken}), bench.start(decide=judge)

    await bench.receive(LogAuthor(HILL, CERTIFICATE.fid).publish(demand("r")))
    await until(lambda: faulty.is_stopped and bench.kinds() == ["demand.submit", "verdict"])
    await until(bench.tasks[0].done)

    assert not sound.is_stopped
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR] == [
        "service notebook stopped"
    ]
    assert "a fault of the service" in caplog.text


@pytest.mark.parametrize("ask", ["command", "view"])
async def test_a_stopped_service_answers_nothing(bench: Bench, ask: str) -> None:
    host = bench.start(fold=broken)
    await bench.receive(LogAuthor(HILL, CERTIFICATE.fid).publish(demand("r")))
    await until(lambda: host.is_stopped)

    with pytest.raises(Refusal) as refusal:
        await getattr(host, ask)("refs" if ask == "view" else "add", Call(body=b"more"))

    assert refusal.value.code == "service.stopped"
    assert bench.kinds() == ["demand.submit"]


async def test_a_fault_met_by_a_view_stops_the_service(bench: Bench) -> None:
    host = bench.host(fold=broken)
    await bench.receive(LogAuthor(HILL, CERTIFICATE.fid).publish(demand("r")))

    with pytest.raises(Refusal, match=r"service\.stopped"):
        await host.view("refs", Call())

    assert host.is_stopped
    async with asyncio.timeout(PATIENCE_S):
        await host.run()


async def test_a_service_that_cannot_be_made_is_stopped_and_others_go_on(bench: Bench) -> None:
    def factory(context: ServiceContext, settings: Mapping[str, Any]) -> Notebook:
        raise ZeroDivisionError("a fault of the service")

    federation = bench.parts.ingest.federations[CERTIFICATE.fid]
    host = ServiceHost("faulty", factory, {}, federation=federation, parts=bench.parts)
    await host.run()

    assert host.is_stopped
    with pytest.raises(Refusal, match=r"service\.stopped"):
        await host.view("refs", Call())


def test_a_service_that_refuses_its_settings_is_not_made(bench: Bench) -> None:
    def factory(context: ServiceContext, settings: Mapping[str, Any]) -> Notebook:
        raise Refusal("config.invalid", "expected a place")

    federation = bench.parts.ingest.federations[CERTIFICATE.fid]
    with pytest.raises(Refusal, match=r"config\.invalid"):
        ServiceHost("faulty", factory, {}, federation=federation, parts=bench.parts)


async def test_a_command_with_a_fault_is_undone_and_the_service_goes_on(bench: Bench) -> None:
    host = bench.host()

    with pytest.raises(UnicodeDecodeError):
        await host.command("add", Call(body=b"\xff"))
    await host.command("add", Call(body=b"good"))

    assert notebook(host).refs == ["good"]
    assert not host.is_stopped


async def test_our_own_drafts_are_read_like_everybodys(bench: Bench) -> None:
    await bench.parts.ingest.publish(
        CERTIFICATE.fid, [Draft(kind="demand.submit", body=encode(demand("posted")))]
    )

    assert await bench.host().view("refs", Call()) == ["posted"]
