"""One round of private demand over five real nodes, each a process that `sheaf serve` started."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.main import sheaf
from sheaf_protocol.errors import Refusal
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

LINES = {
    "Hill": [60, 40, 0],
    "Dale": [30, 30, 30],
    "Moor": [50, 20, 10],
    "Fell": [40, 40, 20],
    "Beck": [20, 20, 10],
}
COORDINATOR = "Moor"
SERVICE = "/api/v1/services/private_demand"
OATS = {"item": "oats", "unit": "KGM", "currency": "GBP", "levels": "900,1000,1100"}
OATS |= {"cap": "100", "closes_in_s": "12"}
SETTINGS = """
[services.private_demand]
cover = false
[waits]
redial_first_ms = 50
redial_most_ms = 400
announce_ms = 50
"""
PATIENCE_S = 120.0


def done(*args: object) -> str:
    result = CliRunner().invoke(sheaf, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return str(result.stdout)


class Node:
    """The home of a co-op and the process that serves it."""

    def __init__(self, folder: Path, name: str, ports: tuple[int, int]) -> None:
        self.name, self.home, self.peer_port = name, folder / name, ports[0]
        self.card, self.log = folder / f"{name}.card", folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        numbers = ("--peer-port", ports[0], "--local-port", ports[1])
        done("init", name, "--home", self.home, *numbers)
        done("federation", "card", "--out", self.card, "--home", self.home)

    @property
    def role(self) -> str:
        return "member,coordinator" if self.name == COORDINATOR else "member"

    def dial(self, ports: Sequence[int]) -> None:
        path = self.home / "sheaf.toml"
        peers = ", ".join(f'{{ url = "ws://127.0.0.1:{port}" }}' for port in ports)
        text = re.sub(r"(?ms)^peers = \[.*?^\]", f"peers = [{peers}]", path.read_text())
        name = f'public_names = ["127.0.0.1:{self.peer_port}"]'
        path.write_text(text.replace('public_names = ["127.0.0.1"]', name) + SETTINGS)

    def start(self) -> None:
        command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(self.home)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def round(self) -> dict[str, Any]:
        """The newest round as the node shows it; nothing while there is none, or no answer."""
        try:
            rounds = NodeClient(self.home).get(f"{SERVICE}/rounds")["rounds"]
        except Refusal as refusal:
            if refusal.code in {"node.unreachable", "api.no_token", "node.no_federation"}:
                return {}
            raise
        return rounds[0] if rounds else {}

    @property
    def alerts(self) -> Any:
        return NodeClient(self.home).get(f"{SERVICE}/alerts")["alerts"]

    def is_ready(self) -> bool:
        """Return whether the node answers and is linked to the others."""
        try:
            peers = NodeClient(self.home).get("/api/v1/status")["peers"]
        except Refusal:
            return False
        return len(peers) == len(LINES) - 1


class Village:
    """Five co-ops that founded a federation out of cards."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        ports = free_ports(2 * len(LINES))
        pairs = zip(ports[::2], ports[1::2], strict=True)
        self.nodes = [Node(folder, *each) for each in zip(LINES, pairs, strict=True)]
        for at, node in enumerate(self.nodes):
            node.dial([other.peer_port for other in self.nodes[:at]])
            stack.callback(node.kill)
        charter = folder / "charter"
        cards = [f"{node.card}={node.role}" for node in self.nodes]
        done("federation", "draft", "Borders", *cards, "--out", charter)
        for verb in ("sign", "adopt"):
            for node in self.nodes:
                done("federation", verb, charter, "--home", node.home)

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        self.until(lambda node: node.is_ready())

    def until(self, is_true: Callable[[Node], bool]) -> None:
        """Wait until something is true of every node."""
        deadline = time.monotonic() + PATIENCE_S
        while not all(map(is_true, self.nodes)):
            if time.monotonic() > deadline:
                said = [(node.name, node.round, node.log.read_text()[-500:]) for node in self.nodes]
                raise AssertionError(said)
            time.sleep(0.1)


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    with ExitStack() as stack:
        yield Village(tmp_path, stack)


def test_five_processes_find_one_curve_of_hidden_lines_right(village: Village) -> None:
    village.start()
    coordinator = next(node for node in village.nodes if node.name == COORDINATOR)

    NodeClient(coordinator.home).post(f"{SERVICE}/open", b"", OATS)
    village.until(lambda node: bool(node.round))
    for node in village.nodes:
        body = json.dumps({"quantities": LINES[node.name]}).encode()
        NodeClient(node.home).post(f"{SERVICE}/bid", body)

    village.until(lambda node: node.round["state"] == "verified")
    for node in village.nodes:
        shown = node.round
        assert (shown["counted"], shown["totals"]) == (len(LINES), [200, 150, 70])
        assert shown["own"]["quantities"] == LINES[node.name]
        assert node.alerts == []
