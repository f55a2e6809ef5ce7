"""What a node answers its own people while fifty peers bring it the entries of a thousand co-ops.

`sheaf serve` as it is, in a process of its own; fifty scripted peers in another (`load_peers.py`),
which bring 1,500 entries a second, each signed, most of them announced, asked for and served; and
here a client of the local API that publishes fifty records a second, each answered once it is on
the disk. Beside it, in turn and within the same run, single commits of the same rows by SQLite
alone, synchronous=FULL, on the same disk: under the same load (`ratio`), and with nothing else at
work (`ratio_quiet`). Latencies count from when a request was due, so that waiting for a turn
counts.

What is published is a record of an extension's kind, which the services of the node do not keep,
so that what grows is the node. With `--kind demand.submit` they take in each, and `rss_growth` has
the 90,000 demands that are open in the end: 0.4 kB of memory each.

Then one of the peers sends whatever it has credit for, a hundred times its quota and more, in turn
with windows in which it does not: what that costs the client and the other peers. Then silence.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
from load_commands import READING, RECORDS, Callers, commit_bare
from load_home import counting, end, free_port, kill, make_home, until_listening
from load_peers import World

from sheaf_node.api.token import read_token

HERE: Final = Path(__file__).parent
RATIO_LIMIT: Final = 3.0
SYNCS_LIMIT: Final = 1.0
FLOOD_LIMIT: Final = 0.10
SHED_LIMIT_MS: Final = 1_000
IDLE_LIMIT: Final = 1_000
"""Bytes a second for each peer."""
GROWTH_LIMIT: Final = 0.10
SETTLE_S: Final = 8


def main() -> int:
    """Print the figures; return 1 where a limit was passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--authors", type=int, default=1_000)
    parser.add_argument("--peers", type=int, default=50)
    parser.add_argument("--rate", type=int, default=1_500, help="foreign entries a second")
    parser.add_argument("--commands", type=int, default=50, help="local commands a second")
    parser.add_argument("--kind", choices=RECORDS, default=READING, help="what commands publish")
    parser.add_argument("--window", type=float, default=10.0, help="seconds of one window")
    parser.add_argument("--minutes", type=float, default=2.0, help="of load, the flood aside")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds of silence")
    parser.add_argument("--folder", type=Path, help="where the home is made; the disk under test")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        figures = asyncio.run(measure(Path(folder), args))
    lines = [f"{key}: {value}" for key, value in figures.items()]
    print(json.dumps(figures) if args.json else "\n".join(lines))
    return 1 if broken(figures) else 0


def broken(figures: dict[str, Any]) -> list[str]:
    """Return the names of figures beyond their limits."""
    limits = {
        "ratio": RATIO_LIMIT,
        "syncs_per_change": SYNCS_LIMIT,
        "flood_cost": FLOOD_LIMIT,
        "idle_bytes_per_s": IDLE_LIMIT,
        "shed_most_ms": SHED_LIMIT_MS,
        "rss_growth": GROWTH_LIMIT,
    }
    return [name for name, most in limits.items() if (figures[name] or 0) > most]


@dataclass
class Bench:
    """What a run has open, and what it has counted."""

    folder: Path
    url: str
    client: aiohttp.ClientSession
    callers: Callers
    node: subprocess.Popen[bytes]
    swarm: asyncio.subprocess.Process
    syncs: mmap.mmap | None
    commands: int
    window_s: float
    rss_mb: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    shed: list[float] = field(default_factory=list)
    """How long those waited that were told to ask again, in seconds."""
    dropped: int = 0
    """Requests whose connection the node ended."""

    async def order(self, **what: Any) -> dict[str, Any]:
        """Tell the peers something; return what they counted."""
        assert self.swarm.stdin is not None
        assert self.swarm.stdout is not None
        self.swarm.stdin.write(json.dumps(what).encode() + b"\n")
        found: dict[str, Any] = json.loads(await self.swarm.stdout.readline())
        return found

    def synced(self) -> int:
        """Return how often the node has asked for a sync; 0 where nobody counts."""
        return 0 if self.syncs is None else int.from_bytes(self.syncs[:8], sys.byteorder)

    async def changes(self) -> int:
        """Return how many changes the node made durable."""
        async with self.client.get(f"{self.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        [line] = [each for each in lines if each.startswith("sheaf_commit_seconds_count")]
        return int(float(line.split()[-1]))

    async def held(self) -> int:
        """Return how many entries the node holds."""
        async with self.client.get(f"{self.url}/api/v1/status") as answer:
            found: int = (await answer.json())["arrival"]
            return found

    def look(self) -> None:
        """Note the node's memory and descriptors."""
        proc = Path(f"/proc/{self.node.pid}")
        pages = int((proc / "statm").read_text().split()[1])
        self.rss_mb.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        self.files.append(len(list((proc / "fd").iterdir())))

    async def publish(self) -> list[float]:
        """Return the latencies, in seconds, of one window of commands."""
        done = await asyncio.to_thread(self.callers.publish, self.window_s, self.commands)
        self.shed += done.shed
        self.dropped += done.dropped
        return done.waits

    async def commit_bare(self) -> list[float]:
        """Return the latencies of as many commits of SQLite alone."""
        path = self.folder / "bare.db"
        return await asyncio.to_thread(commit_bare, path, self.window_s, self.commands)


async def measure(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one run."""
    async with AsyncExitStack() as stack:
        bench = await opened(stack, folder, args)
        figures = await under_load(bench, args.rate, args.minutes)
        print(figures, file=sys.stderr)
        figures |= await under_flood(bench, args.rate)
        figures |= await in_silence(bench, args.idle, args.peers)
        report = await bench.order(do="figures")
    assert report["open"] == args.peers, f"expected all links to last, got {report}"
    return figures | {
        "peers": args.peers,
        "authors": args.authors,
        "rate": args.rate,
        "commands": args.commands,
        "kind": args.kind,
        "minutes": args.minutes,
    }


async def under_load(bench: Bench, rate: int, minutes: float) -> dict[str, Any]:
    """Return the latencies of commands and of bare commits, in alternating windows."""
    loaded: list[float] = []
    bare: list[float] = []
    quiet: list[float] = []
    syncs = changes = 0
    await bench.order(do="rate", to=rate)
    await bench.publish()  # the first window warms up
    until_s = time.monotonic() + 60 * minutes
    before, began_s = await bench.held(), time.monotonic()
    first = await bench.order(do="figures")
    rates = []
    while time.monotonic() < until_s or not loaded:
        sync, change = bench.synced(), await bench.changes()
        before, began_s = await bench.held(), time.monotonic()
        loaded += await bench.publish()
        rates.append((await bench.held() - before) / (time.monotonic() - began_s))
        syncs += bench.synced() - sync
        changes += await bench.changes() - change
        bare += await bench.commit_bare()
        await bench.order(do="rate", to=0)
        await asyncio.sleep(1.0)
        quiet += await bench.commit_bare()
        await bench.order(do="rate", to=rate)
        bench.look()
        await asyncio.sleep(1.0)
    last = await bench.order(do="figures")
    half, quarter = statistics.median, max(1, len(bench.rss_mb) // 4)
    started, ended = half(bench.rss_mb[:quarter]), half(bench.rss_mb[-quarter:])
    return {
        "ratio": round(half(loaded) / half(bare), 2),
        "ratio_quiet": round(half(loaded) / half(quiet), 2),
        **spread("command", loaded),
        **spread("bare", bare),
        **spread("bare_quiet", quiet),
        "shed": len(bench.shed),
        "dropped": bench.dropped,
        "shed_most_ms": round(1e3 * max(bench.shed, default=0.0), 1),
        "stored_per_s": round(half(rates)),
        "asked_after_ms": last["ask_ms"],
        "syncs_per_change": round(syncs / changes, 3) if syncs else None,
        "rss_mb": [round(each, 1) for each in (started, ended)],
        "rss_growth": round(ended / started - 1, 3),
        "files": max(bench.files),
        "files_growth": bench.files[-1] - bench.files[0],
        "made": last["made"] - first["made"],
    }


async def under_flood(bench: Bench, rate: int) -> dict[str, Any]:
    """Return what a peer costs the others that sends whatever it can, in alternating windows."""
    await bench.order(do="rate", to=0)
    await asyncio.sleep(1.0)  # until the last entry made is told: what is signed next follows on it
    await bench.order(do="prepare")
    await bench.order(do="rate", to=rate)
    await asyncio.sleep(SETTLE_S)
    waits: dict[bool, list[float]] = {False: [], True: []}
    asked: dict[bool, list[float]] = {False: [], True: []}
    flooded, flood_s = 0, 0.0
    for turn in range(6):
        is_on = turn % 2 == 1
        before = await bench.order(do="flood", on=is_on)
        began_s = time.monotonic()
        await asyncio.sleep(1.0)  # what its credit lets it send at once is gone by then
        await bench.order(do="figures")
        waits[is_on] += await bench.publish()
        after = await bench.order(do="flood", on=False)
        asked[is_on] += [] if after["ask_ms"] is None else [after["ask_ms"]]
        if is_on:
            flooded += after["flooded"] - before["flooded"]
            flood_s += time.monotonic() - began_s
    assert all(asked.values()), "expected the node to ask for what peers announce"
    usual, flooding = (statistics.median(waits[on]) for on in (False, True))
    quick, slow = (statistics.median(asked[on]) for on in (False, True))
    return {
        "flood_cost": round(max(flooding / usual, slow / quick) - 1, 3),
        "flood_command_ms": [round(1e3 * usual, 2), round(1e3 * flooding, 2)],
        "flood_asked_after_ms": [quick, slow],
        "flood_taken_per_s": round(flooded / flood_s),
    }


async def in_silence(bench: Bench, idle_s: float, peers: int) -> dict[str, Any]:
    """Return the bytes a second that each peer's link carries while nothing is said."""
    await bench.order(do="rate", to=0)
    await asyncio.sleep(SETTLE_S)
    before, began_s = await bench.order(do="figures"), time.monotonic()
    await asyncio.sleep(idle_s)
    carried = (await bench.order(do="figures"))["bytes"] - before["bytes"]
    return {"idle_bytes_per_s": round(carried / (time.monotonic() - began_s) / peers, 1)}


def spread(name: str, waits: list[float]) -> dict[str, float]:
    """Return the median and the 99th percentile of latencies."""
    ordered = sorted(waits)
    return {
        f"{name}_p50_ms": round(1e3 * statistics.median(ordered), 2),
        f"{name}_p99_ms": round(1e3 * ordered[len(ordered) * 99 // 100], 2),
    }


async def opened(stack: AsyncExitStack, folder: Path, args: argparse.Namespace) -> Bench:
    """Return a run with its node and its peers started; they end with the stack."""
    home, began_ms = folder / "home", time.time_ns() // 1_000_000
    ports = free_port(), free_port()
    home.mkdir()
    fid = make_home(home, World(began_ms, args.authors), ports, args.peers)
    count = folder / "syncs"
    count.write_bytes(bytes(8))
    library = await asyncio.to_thread(counting, folder)
    node = subprocess.Popen(  # noqa: ASYNC220  # nothing else runs yet
        [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)],
        env=os.environ | library | {"SYNCS_FILE": str(count)},
        stdout=subprocess.DEVNULL,
    )
    stack.callback(end, node)
    await until_listening(ports[0], node)
    swarm = await asyncio.create_subprocess_exec(
        *(sys.executable, str(HERE / "load_peers.py"), fid.hex(), str(began_ms)),
        *(str(args.authors), str(args.peers), str(ports[0])),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    stack.callback(kill, swarm)
    assert swarm.stdout is not None
    ready = await swarm.stdout.readline()
    assert ready == b"ready\n", f"expected the peers to be linked, got {ready!r}"
    token = read_token(home)
    headers = {"Authorization": f"Bearer {token}"}
    client = await stack.enter_async_context(
        aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0))
    )
    with count.open("r+b") as file:
        shown = mmap.mmap(file.fileno(), 8) if library else None
    url = f"http://127.0.0.1:{ports[1]}"
    callers = Callers(ports[1], token, args.kind)
    return Bench(folder, url, client, callers, node, swarm, shown, args.commands, args.window)


if __name__ == "__main__":
    sys.exit(main())
