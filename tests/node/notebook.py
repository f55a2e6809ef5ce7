"""A service that keeps what it read, on a node without links: what tests of plug-ins stand on."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tests.node.taking import make_keyring

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest
from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext, ServiceHost
from sheaf_node.plugins.host import Parts
from sheaf_node.store import Store
from sheaf_protocol.digest import EntryId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import OK, Demand, DropLine, Item, Order, PoolLapse, Price, Verdict
from sheaf_protocol.testing.author import START_MS, TestCoop, make_coop, make_federation

PATIENCE_S = 60
SOME = EntryId(bytes(32))
FEED = Item(code="feed", name="Feed", scale=0, unit="KGM")
PRICE = Price(amount=10, base=1, currency="GBP")
LAPSE = PoolLapse(close=SOME, pool=SOME, reason="too_few")
"""What a buyer may not publish."""
MILL, HILL, DALE = (make_coop(name) for name in ("Mill", "Hill Farm", "Dale Supplies"))
CERTIFICATE = make_federation([(MILL, ["member"]), (HILL, ["member"]), (DALE, ["supplier"])])
OTHER = make_federation([(MILL, ["member"]), (HILL, ["member"])], "Other", b"\x01" * 16)


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
    keyring = make_keyring(coop)
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
