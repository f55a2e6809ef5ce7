"""What it costs a node to catch up with another over a real WebSocket, between two processes.

One process holds the entries of twelve authors, each signed; another joins with an empty store and
dials it. Counted is the CPU time of the joining process over all its threads, from its first dial
until it holds every entry and both roots agree: socket, link, decoding, checks and SQLite with
synchronous=FULL. It is divided by libsodium's bare verification of the same signed bytes, taken in
the same run. The joiner runs twice: once it checks each signature, once one of each stretch.
Lower is better.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest import make_entries, verify_all

from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.clock import SystemClock
from sheaf_node.config import Config, PeerAddress
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest
from sheaf_node.keyring import Keyring
from sheaf_node.peering import Peering
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_node.store import Store
from sheaf_protocol.proof import Checks
from sheaf_protocol.testing.author import LogAuthor, TestCoop, make_coop, make_federation

if TYPE_CHECKING:
    from sheaf_protocol.charter import Certificate

AUTHORS = 12
BATCH = 1_000
LIMIT_S = 300
"""Far beyond what a catch-up takes, so that a fault ends the run."""


@dataclass(frozen=True)
class World:
    """The federation of a run; both processes derive it from the time it began."""

    began_ms: int

    @property
    def coops(self) -> list[TestCoop]:
        """The authors, then the one that holds their entries, then the one that joins."""
        return [make_coop(f"co-op {n}", now_ms=self.began_ms) for n in range(AUTHORS + 2)]


def main() -> None:
    """Print the ratios, or be one of the two processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_008, help="a multiple of 12")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--hold", nargs=2, metavar=("FOLDER", "BEGAN_MS"), help=argparse.SUPPRESS)
    parser.add_argument(
        "--join", nargs=4, metavar=("FOLDER", "BEGAN_MS", "PORT", "CHECKS"), help=argparse.SUPPRESS
    )
    args = parser.parse_args()
    if args.hold:
        asyncio.run(hold(Path(args.hold[0]), World(int(args.hold[1])), args.entries))
    elif args.join:
        folder, began_ms, port, checks = args.join
        spent = asyncio.run(
            join(Path(folder), World(int(began_ms)), int(port), Checks(checks), args.entries)
        )
        print(json.dumps(spent))
    else:
        figures = measure(args.entries)
        lines = [f"{key}: {value}" for key, value in figures.items()]
        print(json.dumps(figures) if args.json else "\n".join(lines))


def measure(entries: int) -> dict[str, float]:
    """Return both ratios, and what they are made of."""
    began_ms = time.time_ns() // 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        common = [sys.executable, __file__, "--entries", str(entries)]
        holder = subprocess.Popen(
            [*common, "--hold", f"{folder}/holder", str(began_ms)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            held = json.loads(holder.stdout.readline())
            spent = {
                checks: json.loads(
                    subprocess.run(
                        [
                            *common,
                            *("--join", f"{folder}/{checks.value}", str(began_ms)),
                            *(str(held["port"]), checks.value),
                        ],
                        check=True,
                        stdout=subprocess.PIPE,
                        timeout=2 * LIMIT_S,
                    ).stdout
                )
                for checks in (Checks.EACH, Checks.CHAIN)
            }
        finally:
            holder.stdin.close()
            holder.wait(LIMIT_S)
    raw_s = held["raw_s"]
    return {
        "network_full_ratio": round(spent[Checks.EACH]["cpu_s"] / raw_s, 3),
        "network_chain_ratio": round(spent[Checks.CHAIN]["cpu_s"] / raw_s, 3),
        "network_full_wall_s": round(spent[Checks.EACH]["wall_s"], 2),
        "network_chain_wall_s": round(spent[Checks.CHAIN]["wall_s"], 2),
        "network_raw_verify_us": round(1e6 * raw_s / entries, 1),
        "network_entries": entries,
    }


async def hold(folder: Path, world: World, entries: int) -> None:
    """Hold all entries and serve them until standard input ends; print the port."""
    coops = world.coops
    async with AsyncExitStack() as stack:
        node = await Node.open(stack, folder, coops, AUTHORS, Checks.EACH)
        authors = [
            LogAuthor(coop, node.certificate.fid, now_ms=world.began_ms) for coop in coops[:AUTHORS]
        ]
        signed = make_entries(authors, "known", entries)
        raw_s = verify_all(signed)
        # As an author's own peers have it: a signature on each.
        for at in range(0, entries, BATCH):
            await node.ingest.receive(signed[at : at + BATCH])
        peering = await node.serve(stack, [])
        print(json.dumps({"port": peering.port, "raw_s": raw_s}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def join(
    folder: Path, world: World, port: int, checks: Checks, entries: int
) -> dict[str, float]:
    """Return the CPU and wall seconds that catching up took."""
    async with AsyncExitStack() as stack:
        node = await Node.open(stack, folder, world.coops, AUTHORS + 1, checks)
        began_s, began_wall_s = time.process_time(), time.monotonic()
        peering = await node.serve(stack, [PeerAddress(url=f"ws://127.0.0.1:{port}")])
        async with asyncio.timeout(LIMIT_S):
            while node.store.arrival < entries:
                await node.arrivals.wait_beyond(node.store.arrival)
            while not any(peer.in_sync for peer in peering.peers()):  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.01)
        spent = time.process_time() - began_s
        return {"cpu_s": spent, "wall_s": time.monotonic() - began_wall_s}


@dataclass(frozen=True)
class Node:
    """A node without services."""

    certificate: Certificate
    blobs: Blobs
    store: Store
    ingest: Ingest
    arrivals: Arrivals
    keyring: Keyring

    @classmethod
    async def open(
        cls, stack: AsyncExitStack, folder: Path, coops: list[TestCoop], own: int, checks: Checks
    ) -> Node:
        """Open a co-op's node on a folder; it ends with the stack."""
        coop, arrivals = coops[own], Arrivals()
        folder.mkdir()  # noqa: ASYNC240  # nothing else runs yet
        store = Store.open(folder / "sheaf.db", random=os.urandom, own=coop.wid)
        stack.push_async_callback(store.close)
        blobs = Blobs(folder)
        stack.push_async_callback(blobs.close)
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
            clock=SystemClock(),
            random=os.urandom,
            keyring=keyring,
            checks=checks,
        )
        for other in coops:
            await ingest.receive_key_ops(other.cid, other.key_ops)
        certificate = make_federation([(each, ["member"]) for each in coops])
        await ingest.receive_certificate(certificate)
        return cls(certificate, blobs, store, ingest, arrivals, keyring)

    async def serve(self, stack: AsyncExitStack, peers: list[PeerAddress]) -> Peering:
        """Let it listen, and dial these peers."""
        config = Config(name="Bench", peer_port=0, peers=peers)
        network = await stack.enter_async_context(
            AiohttpNetwork.open(limits=config.limits, waits=config.waits)
        )
        peering = Peering(
            ingest=self.ingest,
            store=self.store,
            arrivals=self.arrivals,
            keyring=self.keyring,
            network=network,
            clock=SystemClock(),
            random=os.urandom,
            config=config,
            blobs=Fetching(self.blobs, SystemClock()),
        )
        stack.push_async_callback(peering.stop)
        await peering.start()
        return peering


if __name__ == "__main__":
    main()
