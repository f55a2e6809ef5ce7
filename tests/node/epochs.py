"""What tests of epochs share: a federation that changes, and what its co-ops publish meanwhile.

Mill (our node), Hill, Dale and Cove found it, and Lake is admitted later. Each certificate is made
on the chain so far, with lines at the heads of the logs named.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import structs

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest
from sheaf_node.keyring import Keyring
from sheaf_node.store import Store
from sheaf_protocol.charter import DEFAULT_POLICY, Certificate, Chain, Role
from sheaf_protocol.digest import CoopId, EntryId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.identity import KeyLog, SigningKey
from sheaf_protocol.records import Demand, Item, PoolOpen, Price
from sheaf_protocol.records.curve import CurveOpen
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.author import START_MS, LogAuthor, TestCoop, make_coop, make_federation
from sheaf_protocol.testing.epoch import keys_of, make_epoch, make_refounding

FEED = Item(code="feed", name="Feed", scale=0, unit="KGM")
FOUNDERS: Sequence[tuple[str, Sequence[Role]]] = (
    ("Mill", ["coordinator", "member"]),
    ("Hill Farm", ["coordinator", "member"]),
    ("Dale Supplies", ["supplier"]),
    ("Cove", ["coordinator"]),
)
DEMAND = Demand(
    is_firm=True,
    item=FEED,
    max_price=Price(amount=10, base=1, currency="GBP"),
    min_quantity=1,
    quantity=5,
    ref="r1",
    zone="N",
)


class Growing:
    """A federation with the keys of all its co-ops, and the certificates made so far."""

    def __init__(self) -> None:
        self.coops = [make_coop(name) for name, _ in FOUNDERS]
        self.mill, self.hill, self.dale, self.cove = self.coops
        self.lake = make_coop("Lake")
        roles = [roles for _, roles in FOUNDERS]
        self.genesis = make_federation(list(zip(self.coops, roles, strict=True)), "Growing")
        self.fid = self.genesis.fid
        self.chain = Chain.found(self.genesis, self.keys)

    @property
    def everyone(self) -> Sequence[TestCoop]:
        return [*self.coops, self.lake]

    @property
    def keys(self) -> Mapping[CoopId, KeyLog]:
        return keys_of(self.everyone)

    def author(self, coop: TestCoop, writer: SigningKey | None = None) -> LogAuthor:
        return LogAuthor(coop, self.fid, writer=writer)

    def on(
        self,
        chain: Chain,
        change: Change,
        *lines: LogAuthor,
        signers: Iterable[TestCoop] | None = None,
        heads: Iterable[TestCoop] = (),
    ) -> tuple[Certificate, Chain]:
        """Return the certificate of a change on a chain, and the chain with it."""
        made = make_epoch(chain.federation, change, signers or self.coops, lines=lines, heads=heads)
        return made, chain.add(made, self.keys)

    def next(
        self, change: Change, *lines: LogAuthor, heads: Iterable[TestCoop] = ()
    ) -> Certificate:
        """Return the certificate of a change, now part of the chain."""
        made, self.chain = self.on(self.chain, change, *lines, heads=heads)
        return made

    def fork(
        self, one: Change, other: Change, *lines: LogAuthor
    ) -> tuple[Certificate, Certificate]:
        """Return two certificates on the newest, both now part of the chain."""
        before = self.chain
        first, _ = self.on(before, one, *lines)
        second, _ = self.on(before, other, *lines)
        self.chain = before.add(first, self.keys).add(second, self.keys)
        return first, second

    def refound(self, *lines: LogAuthor, without: TestCoop) -> Certificate:
        """Return the re-foundation of the forked chain without one co-op, now part of it."""
        kept = [m for m in self.chain.federation.charter.members if m.cid != without.cid]
        made = make_refounding(self.chain, self.coops, members=kept, lines=lines)
        self.chain = self.chain.add(made, self.keys)
        return made


def policy(version: int, **fields: object) -> Change:
    """Return the change to a policy that differs from the default one in these fields."""
    changed = structs.replace(DEFAULT_POLICY, version=version, **fields)
    return Change(action="policy", policy=changed)


def roles(coop: TestCoop, *given: Role) -> Change:
    return Change(action="roles", cid=coop.cid, roles=sorted(given))


def open_ingest(store: Store, coop: TestCoop, arrivals: Arrivals | None = None) -> Ingest:
    keyring = Keyring(
        cid=coop.cid, writer=coop.writer, manager=coop.manager, prekeys=[], key_ops=[]
    )
    return Ingest(
        store=store,
        arrivals=arrivals or Arrivals(),
        clock=ManualClock(START_MS),
        random=bytes,
        keyring=keyring,
    )


class Site:
    """The node of one co-op, which holds the key logs of all and the genesis."""

    def __init__(self, growing: Growing, coop: TestCoop, folder: Path) -> None:
        self.growing, self.coop, self.folder = growing, coop, folder
        self.arrivals = Arrivals()
        self.store = Store.open(folder / "sheaf.db", random=bytes)
        self.ingest = open_ingest(self.store, coop, self.arrivals)

    async def begin(self) -> None:
        for coop in self.growing.everyone:
            await self.ingest.receive_key_ops(coop.cid, coop.key_ops)
        self.ingest.known.adopt(self.growing.fid)
        await self.ingest.receive_certificate(self.growing.genesis)

    async def take(self, *certificates: Certificate) -> None:
        for certificate in certificates:
            await self.ingest.receive_certificate(certificate)

    async def told(self, *envelopes: Envelope) -> list[tuple[str, str | None]]:
        """Return outcome and code for each."""
        results = await self.ingest.receive(envelopes)
        return [(result.outcome.value, result.code) for result in results]

    def effects(self) -> list[str | None]:
        """Return why each entry does not count, in the order of arrival."""
        return [entry.no_effect for entry in self.store.entries_after(0)]

    def faults(self) -> dict[EntryId, str | None]:
        """Return of all entries that are not void the faults of their authors."""
        return {e.id: e.fault for e in self.store.entries_after(0, 10_000) if e.void is None}

    async def reopen(self) -> None:
        await self.store.close()
        self.store = Store.open(self.folder / "sheaf.db", random=bytes)
        self.ingest = open_ingest(self.store, self.coop, self.arrivals)
        self.ingest.known.adopt(self.growing.fid)


def open_pool(author: LogAuthor, fee_bps: int = 500) -> Envelope:
    pool = PoolOpen(
        closes_at_ms=START_MS,
        fee_bps=fee_bps,
        item=FEED,
        k_min=1,
        may_close_early=False,
        mode="open",
        objective="least_cost/1",
        owner=author.key.public,
        ration="pro_rata/1",
        reference=Price(amount=10, base=1, currency="GBP"),
        title="Feed",
        zone="N",
    )
    return author.publish(pool)


def open_curve(author: LogAuthor, *, k_min: int = 5, dominance_bps: int = 7_000) -> Envelope:
    curve = CurveOpen(
        base=1,
        cap=100,
        closes_at_ms=START_MS,
        currency="GBP",
        dominance_bps=dominance_bps,
        item=FEED,
        k_min=k_min,
        levels=[1, 2, 3],
        owner=author.key.public,
        title="Feed",
        zone="N",
    )
    return author.publish(curve)
