"""Seven real nodes, each a process, and relays between groups of them that a test cuts.

village = Village(folder, stack)
village.wire(("hill", "dale", "moor", "fell", "mill"), ("cove", "lake"))
village.admit_all()
village.part()
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.main import sheaf
from sheaf_protocol.errors import Refusal
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

NAMES = ("hill", "dale", "moor", "fell", "mill", "cove", "lake")
POLICY = {"round_ms": 1_000, "ballot_ms": 15_000, "anchor_ms": 1_000}
"""A ballot lasts until those at hand have voted, on a busy machine too; where others do not vote
one has to wait for its end."""
WAITS = "[waits]\nredial_first_ms = 50\nredial_most_ms = 400\nannounce_ms = 50\nidle_ms = 5000\n"
PATIENCE_S = 120.0


def done(*args: object) -> str:
    result = CliRunner().invoke(sheaf, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return str(result.stdout)


class Relay:
    """A way to the port of a node, which the test may cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._is_cut = True
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        """Carry what either side sends until one of them or the test ends it."""
        with near, suppress(OSError):
            if self._is_cut:
                return
            with socket.create_connection(("127.0.0.1", self._target)) as far:
                self._open |= {near, far}
                if self._is_cut:  # while we connected
                    return
                back = threading.Thread(target=_pump, args=(far, near), daemon=True)
                back.start()
                _pump(near, far)
                back.join()
                self._open -= {near, far}


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    for each in (one, other):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


class Node:
    """The home of a co-op and the process that serves it."""

    def __init__(self, folder: Path, name: str, ports: tuple[int, int]) -> None:
        self.name, self.home, self.peer_port = name, folder / name, ports[0]
        self.card, self.invitation = folder / f"{name}.card", folder / f"{name}.charter"
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        numbers = ("--peer-port", ports[0], "--local-port", ports[1])
        done("init", name.title(), "--home", self.home, *numbers)
        done("federation", "card", "--out", self.card, "--home", self.home)

    def configure(self, dials: Sequence[int], reached_at: Sequence[int]) -> None:
        """Name the ports to dial, and those under which others reach this node."""
        path = self.home / "sheaf.toml"
        peers = ", ".join(f'{{ url = "ws://127.0.0.1:{port}" }}' for port in dials)
        names = ", ".join(f'"127.0.0.1:{port}"' for port in reached_at)
        text = re.sub(r"(?ms)^peers = \[.*?^\]", f"peers = [{peers}]", path.read_text())
        text = text.replace('public_names = ["127.0.0.1"]', f"public_names = [{names}]")
        path.write_text(text + WAITS)

    def start(self) -> None:
        command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(self.home)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self, lambda: self.get("/api/v1/status") is not None)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def get(self, path: str) -> Any:
        """Return what the local API answers; None while the node cannot say."""
        try:
            return NodeClient(self.home).get(path)
        except Refusal as refusal:
            if refusal.code in {"node.unreachable", "api.no_token", "node.no_federation"}:
                return None
            raise

    @property
    def charter(self) -> dict[str, Any]:
        return self.get("/api/v1/services/governance/charter") or {}

    @property
    def chain(self) -> tuple[str, ...]:
        return tuple(each["id"] for each in self.charter.get("certificates", []))

    @property
    def tail(self) -> str:
        """What the process said last, for a failing test's message."""
        return self.log.read_text()[-1_000:] if self.log.exists() else ""

    @property
    def forked(self) -> int:
        """How many logs it knows to be forked."""
        status = self.get("/api/v1/status") or {"federations": []}
        return sum(each["forked"] for each in status["federations"])

    def state(self, ballot: str) -> str:
        shown = self.get(f"/api/v1/services/governance/ballots?proposal={ballot}") or {}
        return next((str(each["state"]) for each in shown.get("ballots", [])), "unknown")

    def federation(self, *args: object) -> str:
        return done("federation", *args, "--home", self.home)

    def vote(self, ballot: str) -> None:
        """Vote yes, unless the votes of others decided it before."""
        until(self, lambda: self.state(ballot) != "unknown")
        words = ["federation", "vote", ballot, "yes", "--home", str(self.home)]
        result = CliRunner().invoke(sheaf, words)
        assert result.exit_code == 0 or self.state(ballot) == "certified", result.output


def _settings(policy: Mapping[str, int]) -> list[str]:
    return [f"--policy={key}={value}" for key, value in policy.items()]


def until(node: Node, is_true: Callable[[], bool], *others: Node) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        if time.monotonic() > deadline:
            said = [(each.name, len(each.chain), each.tail) for each in (node, *others)]
            raise AssertionError(said)
        time.sleep(0.05)


class Village:
    """The seven, and the relays. `wire` comes before any of them starts."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        ports = free_ports(2 * len(NAMES))
        pairs = zip(ports[::2], ports[1::2], strict=True)
        self.nodes = {
            name: Node(folder, name, pair) for name, pair in zip(NAMES, pairs, strict=True)
        }
        self.relays: list[Relay] = []
        self._stack = stack

    def wire(self, *groups: Sequence[str]) -> None:
        """Let each node dial those before it, and through a relay those of another group."""
        dials: dict[str, list[int]] = {name: [] for name in NAMES}
        reached = {name: [node.peer_port] for name, node in self.nodes.items()}
        group_of = {name: group for group in groups for name in group}
        for at, name in enumerate(NAMES):
            for other in NAMES[:at]:
                port = self.nodes[other].peer_port
                if group_of[name] != group_of[other]:
                    port = self._relay(port)
                    reached[other].append(port)
                dials[name].append(port)
        for name, node in self.nodes.items():
            node.configure(dials[name], reached[name])
            self._stack.callback(node.kill)

    def part(self) -> None:
        for relay in self.relays:
            relay.cut()

    def join(self) -> None:
        for relay in self.relays:
            relay.mend()

    def agree(self, *names: str, length: int = 0) -> int:
        """Wait until these nodes hold one chain of certificates; return how many there are."""
        nodes = [self.nodes[name] for name in names]

        def is_one() -> bool:
            chains = {node.chain for node in nodes}
            return len(chains) == 1 and len(next(iter(chains))) >= max(length, 1)

        until(nodes[0], is_one, *nodes[1:])
        return len(nodes[0].chain)

    def propose(self, by: str, *args: object) -> str:
        """Let a node propose; return the ballot's id."""
        return str(json.loads(self.nodes[by].federation(*args, "--json"))["id"])

    def decide(self, by: str, *args: object, voters: Sequence[str]) -> None:
        """Let a node propose and others vote; return once it is certified there."""
        ballot = self.propose(by, *args)
        for name in voters:
            self.nodes[name].vote(ballot)
        proposer = self.nodes[by]
        until(proposer, lambda: proposer.state(ballot) == "certified")

    def admit_all(self) -> None:
        """Let the first found the federation alone, and all in it admit one after another."""
        first = self.nodes[NAMES[0]]
        first.federation("create", "Borders", *_settings(POLICY))
        first.start()
        for at, name in enumerate(NAMES[1:], start=1):
            self.admit(name, NAMES[:at])

    def found(self, policy: Mapping[str, int]) -> dict[str, Any]:
        """Let all seven found the federation; return what the charter says."""
        first, *others = self.nodes.values()
        cards = [f"{node.card}=member" for node in self.nodes.values()]
        file = first.invitation
        done("federation", "draft", "Borders", *_settings(policy), "--out", file, *cards)
        for command in ("sign", "adopt"):
            for node in (first, *others):
                node.federation(command, file)
        return dict(json.loads(done("federation", "show", file, "--json")))

    def start_all(self) -> None:
        with ThreadPoolExecutor(len(NAMES)) as pool:
            list(pool.map(Node.start, self.nodes.values()))

    def admit(self, name: str, members: Sequence[str]) -> None:
        candidate = self.nodes[name]
        roles = ("--role", "member", "--role", "coordinator")
        file = ("--out", candidate.invitation)
        ballot = self.propose(NAMES[0], "admit", candidate.card, *roles, "--yes", *file)
        for voter in members:
            self.nodes[voter].vote(ballot)
        candidate.federation("join", candidate.invitation)
        candidate.start()
        self.agree(*members, name, length=len(members) + 1)

    def _relay(self, target: int) -> int:
        relay = Relay(target)
        self._stack.callback(relay.close)
        self.relays.append(relay)
        return relay.port
