"""kill -9 on real nodes whose clients ask again: each request is carried out once, for good.

A client draws an Idempotency-Key for each record, and sends it again under that key until it is
answered, twice at once, over as many lives of the node as it takes. Now and then it also repeats
what was answered long ago. In the end each record that was answered is there once, and every answer
to one key was the same, byte by byte.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from click.testing import CliRunner
from tests.durability.kill import BOOT_S, WHILE_STARTING, demand
from tests.durability.workload import zeros

from sheaf_node.api import read_token
from sheaf_node.cli.main import sheaf
from sheaf_node.store import DATABASE, Store
from sheaf_protocol.envelope import body_of
from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import Demand, decode_record
from sheaf_services.demo.ports import free_ports

_LATER: Final = frozenset({http.client.CONFLICT, http.client.TOO_MANY_REQUESTS})
AS_IT_IS: Final = ("-m", "sheaf_node")
RECEIPTS_APART: Final = ("-m", "tests.durability.receipts_apart")
"""A node with the fault that the test is to see."""
CLIENTS = 3
START_S, BUSY_S, PATIENCE_S = 60.0, 0.25, 60.0
AGAIN = 0.2
"""The part of requests that repeat one which was answered before."""
PATH: Final = "/api/v1/records/demand.submit"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request under its key."""

    key: str
    ref: str
    body: bytes


@dataclass(slots=True)
class Tally:
    """What a run found."""

    kills: int = 0
    kills_while_starting: int = 0
    answered: int = 0
    cut_off: int = 0
    """Requests that a kill cut off: nobody knew what became of them."""
    was_published: int = 0
    """Those of them that had been published, as the first answer afterwards said."""
    busy: int = 0
    twice: int = 0
    lost: int = 0
    other_answers: int = 0
    faults: list[str] = field(default_factory=list)


class RepeatLoop:
    """One home, and what the clients were told by the nodes that ran on it."""

    def __init__(self, folder: Path, seed: int, program: tuple[str, ...]) -> None:
        self.home, self.tally = folder / "home", Tally()
        self._random, self._program = Random(seed), program
        self._answers: dict[Asked, bytes] = {}
        self._open: list[Asked] = []
        self._lock = threading.Lock()
        peer_port, self._port = free_ports(2)
        ports = ("--peer-port", str(peer_port), "--local-port", str(self._port))
        _done("init", "Hill", *ports, home=self.home)
        _done("federation", "create", "Vale", home=self.home)

    def once(self, *, is_last: bool = False) -> None:
        """Start the node, settle what was cut off, publish more, kill."""
        with subprocess.Popen(
            [sys.executable, *self._program, "serve", "--home", str(self.home)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            is_early = not is_last and self._random.random() < WHILE_STARTING
            if is_early:
                time.sleep(self._random.uniform(0, BOOT_S))
            elif self._is_answering(process):
                if is_last:
                    self._settle()
                else:
                    self._ask_until_killed(process)
            process.kill()
        self.tally.kills += 1
        self.tally.kills_while_starting += is_early

    async def judge(self) -> None:
        """Open the store of the dead node, and count what was published of each request."""
        store = Store.open(self.home / DATABASE, random=zeros)
        found: Counter[str] = Counter()
        for entry in store.entries_after(0, 1_000_000):
            if entry.kind == "demand.submit":
                record = decode_record(entry.kind, body_of(entry.envelope.payload))
                assert isinstance(record, Demand)
                found[record.ref] += 1
        await store.close()
        self.tally.twice = sum(count > 1 for count in found.values())
        self.tally.lost = sum(not found[asked.ref] for asked in self._answers)
        self.tally.answered = len(self._answers)

    def _is_answering(self, process: subprocess.Popen[bytes]) -> bool:
        end = time.monotonic() + START_S
        while time.monotonic() < end and process.poll() is None:
            try:
                return self._ask("GET", "/api/v1/status", b"", {})[0] == http.client.OK
            except (OSError, http.client.HTTPException, Refusal):
                time.sleep(0.01)
        said = process.stderr.read().decode() if process.stderr and process.poll() else ""
        self.tally.faults.append(f"kill {self.tally.kills}: the node does not start: {said[-300:]}")
        return False

    def _ask_until_killed(self, process: subprocess.Popen[bytes]) -> None:
        clients = [threading.Thread(target=self._work) for _ in range(CLIENTS)]
        enough = len(self._answers) + CLIENTS + 1
        for client in clients:
            client.start()
        # However slow the machine is, more is answered in each life than its end cuts off.
        while len(self._answers) < enough and any(client.is_alive() for client in clients):
            time.sleep(0.005)
        time.sleep(self._random.uniform(0, BUSY_S))
        process.kill()
        for client in clients:
            client.join()

    def _work(self) -> None:
        while True:
            with self._lock:
                asked = self._next()
            try:
                self._twice_at_once(asked)
            except _Gone:
                with self._lock:
                    self._open.append(asked)
                    self.tally.cut_off += 1
                return

    def _settle(self) -> None:
        while self._open:
            self._twice_at_once(self._open.pop())

    def _next(self) -> Asked:
        if self._open:
            return self._open.pop()
        if self._answers and self._random.random() < AGAIN:
            return self._random.choice(list(self._answers))
        key = os.urandom(16).hex()
        record = to_json(demand(key))
        return Asked(key=key, ref=key, body=json.dumps({"record": record}).encode())

    def _twice_at_once(self, asked: Asked) -> None:
        """Ask in two threads until both are answered. Raises _Gone where the node died."""
        outcomes: list[bool] = []
        twin = threading.Thread(target=lambda: outcomes.append(self._is_answered(asked)))
        twin.start()
        outcomes.append(self._is_answered(asked))
        twin.join()
        if not all(outcomes):
            raise _Gone

    def _is_answered(self, asked: Asked) -> bool:
        headers = {"Idempotency-Key": asked.key}
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                status, answer, was_given = self._ask("POST", PATH, asked.body, headers)
            except (OSError, http.client.HTTPException, Refusal):
                return False
            if status == http.client.CREATED:
                self._note(asked, answer, was_given=was_given)
                return True
            if status not in _LATER:
                self.tally.faults.append(f"{status}: {answer[:200]!r}")
                return True
            with self._lock:
                self.tally.busy += 1
            time.sleep(0.005)
        self.tally.faults.append(f"{asked.key} was never answered")
        return True

    def _note(self, asked: Asked, answer: bytes, *, was_given: bool) -> None:
        with self._lock:
            self.tally.was_published += was_given and asked not in self._answers
            before = self._answers.setdefault(asked, answer)
            self.tally.other_answers += before != answer

    def _ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes, bool]:
        sent = {"Authorization": f"Bearer {read_token(self.home)}"} | headers
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            was_given = response.headers.get("Idempotency-Replayed") == "true"
            return response.status, response.read(), was_given
        finally:
            connection.close()


class _Gone(Exception):
    """The node died while it was asked."""


def _done(*args: object, home: Path) -> None:
    result = CliRunner().invoke(sheaf, [*map(str, args), "--home", str(home)])
    if result.exit_code != 0:
        raise RuntimeError(f"expected sheaf {args[0]} to work, got: {result.output}")


async def run(kills: int, seed: int, program: tuple[str, ...] = AS_IT_IS) -> Tally:
    """Kill a node so often and return what became of the requests."""
    with tempfile.TemporaryDirectory() as folder:
        loop = RepeatLoop(Path(folder), seed, program)
        while loop.tally.kills < kills and not loop.tally.faults:
            loop.once(is_last=loop.tally.kills == kills - 1)
        await loop.judge()
        return loop.tally
