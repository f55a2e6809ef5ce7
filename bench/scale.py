"""What a node costs that holds a large federation: memory, and the time from start to serving.

A home is made that holds a million entries of a thousand co-ops, by the node's own road in. Then,
in a process of its own each time, `sheaf serve` as it is: from the call until peers are listened
for, and its memory once its services have read all. Beside it, in turn, a process that opens the
same file with the sqlite3 module alone and reads the thousand heads. Imports count for neither.
Lower is better.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sheaf_node.app import Node, open_node
from sheaf_node.charter_file import FOLDER, CharterFile
from sheaf_node.clock import SystemClock
from sheaf_node.config import CONFIG_FILE, initial_config
from sheaf_node.ingest import Outcome
from sheaf_node.keyring import create_keyring
from sheaf_node.plugins import Call, load_services
from sheaf_node.serving import serve
from sheaf_node.store import DATABASE
from sheaf_protocol.charter import Certificate, Member, approve, genesis_body
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.limits import MAX_UNSIGNED
from sheaf_protocol.testing.author import LogAuthor, make_coop, unsigned

RSS_LIMIT_MB = 400
START_LIMIT = 5
BODY = encode({"text": "A note of the length that most records have. " * 10})
ROUNDS = 5
LIMIT_S = 900


def main() -> int:
    """Print the figures; return 1 where a limit was passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--authors", type=int, default=1_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--heads", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        print(json.dumps(asyncio.run(serve_once(args.serve, args.entries))))
        return 0
    if args.heads is not None:
        print(json.dumps(read_heads(args.heads)))
        return 0
    figures = measure(args.authors, args.entries)
    lines = [f"{key}: {value}" for key, value in figures.items()]
    print(json.dumps(figures) if args.json else "\n".join(lines))
    is_within = figures["rss_mb"] <= RSS_LIMIT_MB and figures["start_ratio"] <= START_LIMIT
    return 0 if is_within else 1


def measure(authors: int, entries: int) -> dict[str, float]:
    """Return the figures of one home."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        asyncio.run(fill(home, authors, entries))
        size = (home / DATABASE).stat().st_size
        starts, heads, memory = [], [], []
        for _ in range(ROUNDS):
            heads.append(run("--heads", home, entries)["wall_s"])
            served = run("--serve", home, entries)
            starts.append(served["wall_s"])
            memory.append(served["rss_mb"])
    return {
        "rss_mb": round(max(memory), 1),
        "start_ratio": round(statistics.median(starts) / statistics.median(heads), 2),
        "start_ms": round(1e3 * statistics.median(starts), 1),
        "heads_ms": round(1e3 * statistics.median(heads), 1),
        "file_mb": round(size / 2**20),
        "authors": authors,
        "entries": entries,
    }


def run(mode: str, home: Path, entries: int) -> dict[str, float]:
    """Return what this file prints in a process of its own."""
    command = [sys.executable, __file__, mode, str(home), "--entries", str(entries)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=LIMIT_S)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


async def fill(home: Path, authors: int, entries: int) -> None:
    """Make a home whose node holds the entries."""
    clock = SystemClock()
    now_ms = clock.now_ms()
    keyring = create_keyring(home, name="Bench", country="GB", random=os.urandom, now_ms=now_ms)
    (home / CONFIG_FILE).write_text(initial_config(name="Bench", peer_port=0, local_port=0))
    coops = [make_coop(f"co-op {number}", now_ms=now_ms) for number in range(authors)]
    own = fold_key_log(keyring.key_ops)
    members = [
        Member(cid=c.cid, is_suspended=False, key_head=c.keys.head, roles=["member"]) for c in coops
    ]
    members.append(Member(cid=own.cid, is_suspended=False, key_head=own.head, roles=["member"]))
    body = genesis_body("Bench", members, bytes(16))
    approvals = [approve(body, c.cid, c.manager) for c in coops]
    approvals.append(approve(body, own.cid, keyring.require_manager()))
    certificate = Certificate(approvals=approvals, body=body)
    key_logs = [list(keyring.key_ops), *(list(c.key_ops) for c in coops)]
    charter = home / FOLDER / f"{certificate.fid.hex()}.charter"
    charter.parent.mkdir()
    charter.write_bytes(encode(CharterFile(certificate=certificate, key_logs=key_logs)))
    async with open_node(home, clock=clock, random=os.urandom) as node:
        for coop in coops:
            author = LogAuthor(coop, certificate.fid, now_ms=now_ms)
            await take_log(node, author, entries // authors)


async def take_log(node: Node, author: LogAuthor, count: int) -> None:
    """Take in one author's log as a relay serves it."""
    batch = []
    for number in range(1, count + 1):
        envelope = author.append("x.note", BODY)
        is_signed = number % MAX_UNSIGNED == 0 or number == count
        batch.append(envelope if is_signed else unsigned(envelope))
    results = await node.parts.ingest.receive(batch)
    assert all(result.outcome is Outcome.NEW for result in results), results[0]


async def serve_once(home: Path, entries: int) -> dict[str, float]:
    """Return how long the node took to serve, and its memory once its services are idle."""
    ready: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
    load_services()
    began = time.monotonic()
    serving = asyncio.create_task(
        serve(home, clock=SystemClock(), random=os.urandom, on_ready=ready.set_result)
    )
    either: list[asyncio.Future[Any]] = [serving, ready]
    done, _ = await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if serving in done:
        serving.result()
    wall_s = time.monotonic() - began
    node = ready.result()
    assert node.parts.store.arrival == entries
    for host in node.hosts:
        with suppress(Refusal):  # there is no such view, but all that arrived is read first
            await host.view("", Call())
    rss_mb = resident_mb()
    serving.cancel()
    await asyncio.wait([serving])
    return {"wall_s": wall_s, "rss_mb": rss_mb}


def read_heads(home: Path) -> dict[str, float]:
    """Return how long SQLite alone takes to open the file and read the head of each log."""
    began = time.monotonic()
    connection = sqlite3.connect(f"file:{home / DATABASE}?mode=ro", uri=True)
    numbers = [number for (number,) in connection.execute("SELECT number FROM logs")]
    sql = "SELECT id, header FROM entries WHERE log = ? ORDER BY seq DESC LIMIT 1"
    heads = [connection.execute(sql, (number,)).fetchone() for number in numbers]
    spent = time.monotonic() - began
    assert all(heads)
    connection.close()
    return {"wall_s": spent}


def resident_mb() -> float:
    """Return the memory that this process has in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    sys.exit(main())
