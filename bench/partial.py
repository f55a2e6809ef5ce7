"""What a replica of some payloads costs on the wire, against one of all.

Whole nodes on a network in memory: one holds the entries of twelve co-ops, each signed, one in
twenty of them an offer and the others demands. Another joins with an empty store, twice: it
subscribes to offers alone, and to everything. Counted is every frame in both directions, handshake
included, until the roots agree and the payloads wanted are there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.clock import SystemClock
from sheaf_node.config import Config, PeerAddress
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest
from sheaf_node.keyring import Keyring
from sheaf_node.peering import Peering
from sheaf_node.peering.memory import MemoryNetwork
from sheaf_node.store import Store
from sheaf_protocol.codec import encode
from sheaf_protocol.records import Demand, Item, Offer, Price, Tier
from sheaf_protocol.subscription import Filter
from sheaf_protocol.testing.author import LogAuthor, make_coop, make_federation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.peering.memory import MemoryHost, MemoryListener
    from sheaf_node.peering.network import Front, Socket
    from sheaf_protocol.charter import Certificate
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.testing.author import TestCoop

AUTHORS: Final = 12
OFFER_IN: Final = 20
BATCH: Final = 1_000
LIMIT_S: Final = 300
KIND: Final = "offer.submit"
VARIANTS: Final = {"partial": Filter(kinds=[KIND]), "whole": Filter()}
LIMITS: Final = {"partial_ratio": 0.8}


class CountingSocket:
    """A socket that counts what goes through it."""

    def __init__(self, inner: Socket, count: list[int]) -> None:
        self._inner, self._count = inner, count

    async def receive(self) -> bytes:
        """Return the next frame."""
        frame = await self._inner.receive()
        self._count.append(len(frame))
        return frame

    async def send(self, frame: bytes) -> None:
        """Send a frame."""
        self._count.append(len(frame))
        await self._inner.send(frame)

    async def close(self, code: str, *, is_fault: bool) -> None:
        """Close the socket."""
        await self._inner.close(code, is_fault=is_fault)


class CountingHost:
    """A host whose dialled links are counted."""

    def __init__(self, inner: MemoryHost) -> None:
        self._inner = inner
        self.sizes: list[int] = []

    async def listen(self, host: str, port: int, front: Front) -> MemoryListener:
        """Listen."""
        return await self._inner.listen(host, port, front)

    async def dial(self, url: str, timeout_ms: int) -> CountingSocket:
        """Connect."""
        return CountingSocket(await self._inner.dial(url, timeout_ms), self.sizes)

    async def dial_hint(
        self, url: str, timeout_ms: int, *, is_near: bool = False
    ) -> CountingSocket:
        """Connect to an address that others chose."""
        inner = await self._inner.dial_hint(url, timeout_ms, is_near=is_near)
        return CountingSocket(inner, self.sizes)


@dataclass(frozen=True)
class World:
    """The federation of a run, and where its nodes keep their stores."""

    folder: Path
    coops: Sequence[TestCoop]
    certificate: Certificate


@dataclass(frozen=True)
class Node:
    """A node without services."""

    store: Store
    ingest: Ingest
    peering: Peering


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, default=12_000, help="a multiple of 12")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    args = parser.parse_args()
    figures = asyncio.run(measure(args.entries))
    print(json.dumps(figures) if args.json else "\n".join(f"{k}: {v}" for k, v in figures.items()))
    sys.exit(any(figures[name] > most for name, most in LIMITS.items()))


async def measure(entries: int) -> dict[str, float]:
    """Return the bytes on the wire of both replicas, and the part that one is of the other."""
    now_ms = SystemClock().now_ms()
    coops = [make_coop(f"co-op {n}", now_ms=now_ms) for n in range(AUTHORS + 3)]
    certificate = make_federation([(coop, ["member", "supplier"]) for coop in coops])
    signed = make_entries(coops[:AUTHORS], certificate, entries, now_ms)
    network = MemoryNetwork()
    sizes = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        world = World(folder, coops, certificate)
        host = CountingHost(network.host("holder"))
        holder = await opened(stack, world, AUTHORS, host, Config(name="Bench", peer_host="holder"))
        for at in range(0, entries, BATCH):
            await holder.ingest.receive(signed[at : at + BATCH])
        for at, (name, wanted) in enumerate(VARIANTS.items(), AUTHORS + 1):
            host = CountingHost(network.host(name))
            peers = [PeerAddress(url="ws://holder:8440")]
            config = Config(name="Bench", peer_host=name, peers=peers, subscription=wanted)
            node = await opened(stack, world, at, host, config)
            async with asyncio.timeout(LIMIT_S):
                while not any(p.in_sync for p in node.peering.peers()):  # noqa: ASYNC110  # no event
                    await asyncio.sleep(0.05)
            assert node.store.arrival == entries, node.store.arrival
            sizes[name] = sum(host.sizes)
            await node.peering.stop()
    return {
        "partial_bytes": sizes["partial"],
        "whole_bytes": sizes["whole"],
        "partial_bytes_per_entry": round(sizes["partial"] / entries, 1),
        "whole_bytes_per_entry": round(sizes["whole"] / entries, 1),
        "partial_ratio": round(sizes["partial"] / sizes["whole"], 3),
        "entries": entries,
    }


def make_entries(
    coops: Sequence[TestCoop], certificate: Certificate, count: int, now_ms: int
) -> list[Envelope]:
    """Return signed entries of all co-ops in turn."""
    authors = [LogAuthor(coop, certificate.fid, now_ms=now_ms) for coop in coops]
    bodies = {"demand.submit": encode(demand()), KIND: encode(offer())}
    kinds = [KIND if n % OFFER_IN == 0 else "demand.submit" for n in range(count // len(coops))]
    return [author.append(kind, bodies[kind]) for kind in kinds for author in authors]


async def opened(
    stack: AsyncExitStack, world: World, own: int, host: CountingHost, config: Config
) -> Node:
    """Open a co-op's node and let it serve; it ends with the stack."""
    coop, arrivals, clock = world.coops[own], Arrivals(), SystemClock()
    folder = world.folder / config.peer_host
    folder.mkdir()
    store = Store.open(folder / "sheaf.db", random=os.urandom)
    stack.push_async_callback(store.close)
    keyring = Keyring(
        cid=coop.cid,
        writer=coop.writer,
        manager=coop.manager,
        prekeys=[coop.prekey],
        key_ops=coop.key_ops,
    )
    ingest = Ingest(
        store=store,
        arrivals=arrivals,
        clock=clock,
        random=os.urandom,
        keyring=keyring,
        subscription=config.subscription,
    )
    for each in world.coops:
        await ingest.receive_key_ops(each.cid, each.key_ops)
    await ingest.receive_certificate(world.certificate)
    blobs = Blobs(folder)
    stack.push_async_callback(blobs.close)
    peering = Peering(
        ingest=ingest,
        store=store,
        arrivals=arrivals,
        keyring=keyring,
        network=host,
        clock=clock,
        random=os.urandom,
        config=config,
        blobs=Fetching(blobs, clock),
    )
    await peering.start()
    stack.push_async_callback(peering.stop)
    return Node(store, ingest, peering)


ITEM: Final = Item(category="feed", code="ewe-nuts-18", name="Ewe nuts 18 %", scale=0, unit="XBG")


def demand() -> Demand:
    """Return a demand of the usual size."""
    return Demand(
        is_firm=True,
        item=ITEM,
        max_price=Price(amount=745, base=1, currency="GBP"),
        min_quantity=1,
        quantity=120,
        ref="2025-17",
        zone="NORTH",
    )


def offer() -> Offer:
    """Return an offer of three tiers."""
    return Offer(
        base=1,
        currency="GBP",
        item=ITEM,
        max_quantity=5_000,
        ref="2025-17",
        tier_basis="all_units",
        tiers=[Tier(amount=a, from_quantity=q) for a, q in ((745, 1), (710, 500), (690, 2_000))],
        valid_until_ms=2_000_000_000_000,
    )


if __name__ == "__main__":
    main()
