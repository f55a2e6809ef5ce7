"""A federation of whole nodes in one process: real stores, ingest, keys and hosts; no socket.

    hill, dale = federation.join("Hill Farm", "member"), federation.join("Dale", "supplier")
    await federation.begin()
    await hill.command("pooled_purchasing", "import_purchases", b"item,quantity,...")
    await federation.settle()

A courier carries every entry that a node has and another lacks to that other's ingest, in an order
shuffled by the federation's seed, a few at a time. A node in `away` gets and gives nothing. Hosts
take turns when the federation settles; a clock of its own may be given to each node.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.carrying import bring_log
from tests.node.taking import make_keyring

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Draft, Ingest
from sheaf_node.plugins import Call, ServiceHost, with_room
from sheaf_node.plugins.host import Parts
from sheaf_node.plugins.reading import Reader
from sheaf_node.store import Store
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import digest, log_id
from sheaf_protocol.frontier import root
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import WRITER_LIFETIME_MS
from sheaf_protocol.log import Head
from sheaf_protocol.records import KINDS, kind_of
from sheaf_protocol.testing.author import START_MS, TestCoop, make_coop, make_federation
from sheaf_services.order_fulfilment.service import OrderFulfilment
from sheaf_services.pooled_purchasing.service import PooledPurchasing
from sheaf_services.private_demand.service import PrivateDemand
from sheaf_services.shipment_matching.planning import Budgets
from sheaf_services.shipment_matching.service import ShipmentMatching
from sheaf_services.shipment_matching.solve import Budget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from sheaf_node.plugins import SeenRecord
    from sheaf_node.store import StoredEntry
    from sheaf_protocol.charter import Certificate, Role
    from sheaf_protocol.digest import Digest, EntryId
    from sheaf_protocol.records import Record

BUYING, SHIPPING, HIDING = "pooled_purchasing", "shipment_matching", "private_demand"
FULFILLING = "order_fulfilment"
QUICK = Budget(starts=1, iterations_per_task=10, cpu_s=5)
"""Enough for a handful of requests; the search itself has tests of its own."""
PATIENCE = 400
"""Rounds of carrying and turns after which a federation that does not come to rest is a fault."""


def matching(context: Any, settings: Mapping[str, Any]) -> ShipmentMatching:
    return ShipmentMatching(context, settings, Budgets(pooled=QUICK, own=QUICK))


@dataclass(eq=False)
class Node:
    """One co-op's node."""

    federation: Federation
    coop: TestCoop
    roles: Sequence[Role]
    clock: ManualClock
    settings: Mapping[str, Mapping[str, Any]]
    hosts: dict[str, ServiceHost] = field(default_factory=dict)

    async def open(self) -> None:
        """Open the node on its folder, as its last run left it."""
        folder = self.federation.folder / self.coop.name
        self.store = Store.open(folder / "sheaf.db", random=self.federation.random)
        self.arrivals = Arrivals()
        self.keyring = make_keyring(self.coop)
        self.ingest = Ingest(
            store=self.store,
            arrivals=self.arrivals,
            clock=self.clock,
            random=self.federation.random,
            keyring=self.keyring,
        )
        for node in self.federation.nodes:
            await self.ingest.receive_key_ops(node.coop.cid, node.coop.key_ops)
        await self.ingest.receive_certificate(self.federation.certificate)
        self.start()

    def start(self) -> None:
        """Make the services anew, with nothing known but the store."""
        [charter] = self.ingest.federations.values()
        parts = Parts(
            store=self.store,
            ingest=self.ingest,
            arrivals=self.arrivals,
            keyring=self.keyring,
            clock=self.clock,
            random=self.federation.random,
        )
        factories = {BUYING: PooledPurchasing, SHIPPING: matching, HIDING: PrivateDemand}
        factories[FULFILLING] = OrderFulfilment
        self.hosts = {
            name: ServiceHost(
                name, factory, self.settings.get(name, {}), federation=charter, parts=parts
            )
            for name, factory in with_room(
                self.federation.folder / self.coop.name, factories
            ).items()
        }

    async def renew(self, without: int = 0) -> None:
        """Replace the writer by a new one, as a start in its last week does; all hear of it.

        The last `without` entries of its log are left beyond the cut, as in a restore from an old
        copy that knew nothing of them.
        """
        fid, former = self.federation.certificate.fid, self.coop.writer
        log = log_id(fid, self.coop.cid, self.coop.wid)
        seq = self.store.logs[log].head.seq - without
        last = self.store.planned_id(log, seq)
        assert last is not None
        cuts = {fid: Head(seq=seq, id=last, time_ms=0)}
        writer = signing_key(digest("next-writer", former.public))
        self.coop.delegate(writer, self.clock.now_ms() + WRITER_LIFETIME_MS)
        self.coop.close(cuts, former)
        self.coop.writer = writer
        await self.store.close()
        await self.open()
        for node in self.federation.nodes:
            await node.ingest.receive_key_ops(self.coop.cid, self.coop.key_ops)
        await self.ingest.hand_over(fid)

    async def turn(self) -> None:
        """Let each service take one turn, with whatever it computes."""
        for host in self.hosts.values():
            await host.take_turn()
            assert not host.is_stopped
            assert host.refused is None

    async def command(self, service: str, name: str, body: bytes = b"", **options: str) -> Any:
        return await self.hosts[service].command(name, Call(body=body, options=options))

    async def view(self, service: str, name: str = "report", **options: str) -> Any:
        return await self.hosts[service].view(name, Call(options=options))

    async def publish(self, record: Record, refs: Sequence[EntryId] = ()) -> StoredEntry:
        """Publish a record by hand, as the local API would."""
        draft = Draft(kind=kind_of(record), refs=list(refs), body=encode(record))
        [entry] = await self.ingest.publish(self.federation.certificate.fid, [draft])
        return entry

    def seen(self, kind: str = "", by: Node | None = None) -> list[SeenRecord]:
        """Return the records that this node can read, of one kind or by one author."""
        [charter] = self.ingest.federations.values()
        reader = Reader(self.store, self.keyring, charter)
        found = []
        while batch := reader.next_batch(512, frozenset(KINDS)):
            found += batch.records
        return [
            seen
            for seen in found
            if kind in {"", seen.kind} and (by is None or seen.cid == by.coop.cid)
        ]

    def count(self) -> Counter[str]:
        """Return how many entries of each kind this node's own log has."""
        return Counter(seen.kind for seen in self.seen(by=self))

    @property
    def root(self) -> Digest:
        return root(self.store.frontier(self.federation.certificate.fid))


class Federation:
    """Nodes, and the courier between them."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.folder = folder
        self.dice = random.Random(seed)  # noqa: S311  # a seed that repeats is the point
        self.random = self.dice.randbytes
        self.nodes: list[Node] = []
        self.away: set[Node] = set()
        self.clock = ManualClock(START_MS)
        self.certificate: Certificate

    def join(
        self,
        name: str,
        *roles: Role,
        clock: ManualClock | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Node:
        """Add a co-op before the federation begins."""
        coop = make_coop(name)
        self.nodes.append(Node(self, coop, roles, clock or self.clock, settings or {}))
        return self.nodes[-1]

    async def begin(self) -> None:
        """Found the federation and open all nodes."""
        self.certificate = make_federation([(node.coop, node.roles) for node in self.nodes])
        for node in self.nodes:
            await node.open()

    async def close(self) -> None:
        for node in self.nodes:
            await node.store.close()

    async def carry(self) -> None:
        """Carry a few entries of every log to every node that lacks them, in shuffled order."""
        here = [node for node in self.nodes if node not in self.away]
        pairs = [(a, b) for a in here for b in here if a is not b]
        self.dice.shuffle(pairs)
        for giver, taker in pairs:
            logs = list(giver.store.logs)
            self.dice.shuffle(logs)
            for log in logs:
                some = 1 + self.dice.randrange(8)
                await bring_log(log, giver.store, taker.store, taker.ingest, some)

    async def settle(self, each: Callable[[], None] | None = None) -> None:
        """Carry and take turns, nodes in shuffled order, until nothing is new anywhere."""
        for _ in range(PATIENCE):
            before = sum(node.store.arrival for node in self.nodes)
            here = [node for node in self.nodes if node not in self.away]
            self.dice.shuffle(here)
            for node in here:
                await node.turn()
            await self.carry()
            if each is not None:
                each()
            if before == sum(node.store.arrival for node in self.nodes):
                return
        raise AssertionError("the federation does not come to rest")

    def is_same(self) -> bool:
        """Return whether all nodes hold the same logs."""
        return len({node.root for node in self.nodes}) == 1


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[Federation]:
    made = Federation(tmp_path)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def make_federation_at() -> type[Federation]:
    return Federation
