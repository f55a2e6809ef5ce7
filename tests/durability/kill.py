"""kill -9 on real nodes: `sheaf serve` as a process, a client that publishes over the local API.

The client writes down what it was answered. The node dies at a random moment, while it starts or
while it answers, and is started again; then all that was ever acknowledged must be there, one
chain, and no number with two entries.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from click.testing import CliRunner
from tests.durability.workload import judge_chain, zeros

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.main import sheaf
from sheaf_node.store import DATABASE, Store
from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import Demand, Item, Price
from sheaf_services.demo.ports import free_ports

AS_IT_IS = ("-m", "sheaf_node")
ACKNOWLEDGES_FIRST = ("-m", "tests.durability.acknowledging_first")
"""A node with the fault that the test is to see."""
CLIENTS = 3
START_S = 30.0
WHILE_STARTING = 0.15
"""The part of kills that come before the node answers."""
BOOT_S, BUSY_S = 0.7, 0.25
"""The longest that a node lives, while it starts and afterwards."""
ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Tally:
    """What a run found."""

    kills: int = 0
    kills_while_starting: int = 0
    acknowledged: int = 0
    unanswered: int = 0
    """Requests that the kill cut off: their entries may be there or not."""
    lost: int = 0
    forked: int = 0
    faults: list[str] = field(default_factory=list)


class KillLoop:
    """One home, and what the client was told by the nodes that ran on it."""

    def __init__(self, folder: Path, seed: int, program: tuple[str, ...]) -> None:
        self.home, self.tally = folder / "home", Tally()
        self._random, self._program = Random(seed), program
        self._acknowledged: set[str] = set()
        self._by_seq: dict[int, str] = {}
        """Of the node's log, by number: what was ever shown."""
        self._arrival, self._ref = 0, 0
        ports = free_ports(2)
        _done("init", "Hill", "--peer-port", ports[0], "--local-port", ports[1], home=self.home)
        _done("federation", "create", "Vale", home=self.home)

    def once(self) -> None:
        """Start the node, see that everything is there, publish, kill."""
        with subprocess.Popen(
            [sys.executable, *self._program, "serve", "--home", str(self.home)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            is_early = self._random.random() < WHILE_STARTING
            if is_early:
                time.sleep(self._random.uniform(0, BOOT_S))
            elif self._is_answering(process):
                self.compare()
                self._publish_until_killed(process)
            process.kill()
        self.tally.kills += 1
        self.tally.kills_while_starting += is_early

    def compare(self) -> None:
        """Read what is new in the node's log, and compare with what was acknowledged."""
        client = NodeClient(self.home)
        while items := client.get("/api/v1/log", {"after": self._arrival, "limit": 1000})["items"]:
            self._arrival = items[-1]["arrival"]
            for item in items:
                before = self._by_seq.setdefault(item["seq"], item["id"])
                self.tally.forked += before != item["id"]
        lost = self._acknowledged - set(self._by_seq.values())
        self.tally.lost += len(lost)
        self._acknowledged -= lost
        if lost:
            self._begin_again()

    async def compare_all(self) -> None:
        """Open the store of the dead node and look at everything."""
        store = Store.open(self.home / DATABASE, random=zeros)
        for log in store.logs:
            entries = store.log_after(log, 1, 1_000_000)
            self.tally.faults += judge_chain(entries)
            self._compare_ids({entry.header.seq: entry.id.hex() for entry in entries})
        await store.close()

    def _compare_ids(self, held: dict[int, str]) -> None:
        self.tally.forked += sum(held.get(seq, id_) != id_ for seq, id_ in self._by_seq.items())
        self.tally.lost += len(self._acknowledged - set(held.values()))

    def _begin_again(self) -> None:
        """After a loss the numbers are another's; what comes is compared among itself."""
        self._by_seq.clear()
        self._acknowledged.clear()
        self._arrival = 0

    def _is_answering(self, process: subprocess.Popen[bytes]) -> bool:
        client, end = NodeClient(self.home), time.monotonic() + START_S
        while time.monotonic() < end and process.poll() is None:
            try:
                return client.get("/api/v1/status")["process"] == process.pid
            except Refusal:
                time.sleep(0.01)
        said = process.stderr.read().decode() if process.stderr and process.poll() else ""
        self.tally.faults.append(f"kill {self.tally.kills}: the node does not start: {said[-300:]}")
        return False

    def _publish_until_killed(self, process: subprocess.Popen[bytes]) -> None:
        clients = [threading.Thread(target=self._publish) for _ in range(CLIENTS)]
        enough = self.tally.acknowledged + CLIENTS
        for client in clients:
            client.start()
        # However slow the machine is, each life acknowledges something.
        while self.tally.acknowledged < enough and any(client.is_alive() for client in clients):
            time.sleep(0.005)
        time.sleep(self._random.uniform(0, BUSY_S))
        process.kill()
        for client in clients:
            client.join()

    def _publish(self) -> None:
        client = NodeClient(self.home)
        while True:
            self._ref += 1
            body = json.dumps({"record": to_json(demand(str(self._ref)))}).encode()
            try:
                answer = client.post("/api/v1/records/demand.submit", body)
            except Refusal:
                self.tally.unanswered += 1
                return
            self._acknowledged.add(answer["id"])
            self.tally.acknowledged += 1


def demand(ref: str) -> Demand:
    return Demand(
        is_firm=True,
        item=Item(code="feed", name="Feed", scale=0, unit="KGM"),
        max_price=Price(amount=10, base=1, currency="GBP"),
        min_quantity=1,
        quantity=5,
        ref=ref,
        zone="N",
    )


def _done(*args: object, home: Path) -> None:
    result = CliRunner().invoke(sheaf, [*map(str, args), "--home", str(home)])
    if result.exit_code != 0:
        raise RuntimeError(f"expected sheaf {args[0]} to work, got: {result.output}")


async def run(kills: int, seed: int, program: tuple[str, ...] = AS_IT_IS) -> Tally:
    """Kill a node so often and return what was lost."""
    with tempfile.TemporaryDirectory() as folder:
        loop = KillLoop(Path(folder), seed, program)
        while loop.tally.kills < kills and not loop.tally.faults:
            loop.once()
        await loop.compare_all()
        return loop.tally
