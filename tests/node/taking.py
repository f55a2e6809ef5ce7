"""What tests of ingest share: a node of one co-op, and what is brought to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sheaf_node.clock import ManualClock
from sheaf_node.config import Limits
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Draft, Ingest, Result
from sheaf_node.keyring import Keyring
from sheaf_node.store import Store
from sheaf_protocol.charter import Certificate
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId, FederationId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.proof import Checks, Tail
from sheaf_protocol.records import Demand, Item, PoolLapse, Price
from sheaf_protocol.testing.author import LogAuthor, TestCoop

BODY = b"\x80"
OTHER_BODY = b"\x81\xa1n\x01"
DEMAND = Demand(
    is_firm=True,
    item=Item(code="feed", name="Feed", scale=0, unit="KGM"),
    max_price=Price(amount=10, base=1, currency="GBP"),
    min_quantity=1,
    quantity=5,
    ref="r1",
    zone="N",
)
SOME_ENTRY = EntryId(bytes(32))
LAPSE = encode(PoolLapse(close=SOME_ENTRY, pool=SOME_ENTRY, reason="too_few"))


@dataclass(frozen=True, slots=True)
class Bench:
    """A node of the co-op Mill in a federation with Hill, which buys, and Dale, which supplies."""

    ingest: Ingest
    store: Store
    arrivals: Arrivals
    clock: ManualClock
    mill: TestCoop
    hill: TestCoop
    dale: TestCoop
    certificate: Certificate

    @property
    def fid(self) -> FederationId:
        return self.certificate.fid

    def author(self, coop: TestCoop | None = None) -> LogAuthor:
        return LogAuthor(coop or self.hill, self.fid)

    async def receive(self, *envelopes: Envelope) -> list[Result]:
        return await self.ingest.receive(envelopes)

    async def told(
        self, *envelopes: Envelope, tails: Sequence[Tail] = (), is_live: bool = False
    ) -> list[tuple[str, str | None]]:
        """Return outcome and code for each."""
        results = await self.ingest.receive(envelopes, tails, is_live=is_live)
        return [(result.outcome.value, result.code) for result in results]

    def proofs(self) -> list[str]:
        """Return what proves each entry stored: `signed`, the headers of its tail, or nothing."""
        return [
            "signed"
            if entry.envelope.signature
            else f"tail {len(entry.tail.headers)}"
            if entry.tail is not None
            else ""
            for entry in self.store.entries_after(0)
        ]


def counted() -> Callable[[int], bytes]:
    calls = 0

    def random(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return calls.to_bytes(size, "big")

    return random


def make_keyring(coop: TestCoop) -> Keyring:
    return Keyring(
        cid=coop.cid,
        writer=coop.writer,
        manager=coop.manager,
        prekeys=[coop.prekey],
        key_ops=coop.key_ops,
    )


def make_ingest(
    store: Store,
    coop: TestCoop,
    clock: ManualClock,
    arrivals: Arrivals,
    checks: Checks = Checks.CHAIN,
) -> Ingest:
    return Ingest(
        store=store,
        arrivals=arrivals,
        clock=clock,
        random=counted(),
        keyring=make_keyring(coop),
        limits=Limits(key_logs=5, rejects_per_sender=2),
        checks=checks,
    )


def stored_ids(bench: Bench) -> list[bytes]:
    return [entry.id for entry in bench.store.entries_after(0)]


def note(body: bytes = BODY) -> Draft:
    return Draft(kind="x.note", body=body)


def chain(author: LogAuthor, count: int, body: bytes = BODY) -> list[Envelope]:
    """Return the next entries of an author."""
    return [author.append("x.note", body) for _ in range(count)]
