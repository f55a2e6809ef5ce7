"""Nodes as processes, every link of them through a wire of its own.

async with Town.open(folder, count=8, dice=random.Random(1)) as town:
    await town.start()
    town.set_weather({(3, 0): {Trouble.DELAY}})
    town.nodes[3].kill()
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.chaos.api import Api, eventually, new_session
from tests.chaos.desk import install
from tests.chaos.storm import wires_between
from tests.chaos.wire import Trouble, Wire
from tests.federation.village import Node, done

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Collection, Mapping

    import aiohttp
    from tests.chaos.storm import Pair

ROOT: Final = Path(__file__).parents[2]
NAMES: Final = ("hill", "dale", "moor", "fell", "mill", "cove", "lake", "ford")
_OUTCRY: Final = re.compile(r"(Traceback |ended by itself).{0,1500}", re.DOTALL)
_PORTS: Final = range(20_000, 32_768)
"""Below those that Linux chooses itself."""
START_S: Final = 60.0
"""A node is up in two seconds; eight of them on one busy core take ten times as long."""


class TownNode(Node):
    """A process that is killed, stopped, continued and given another home behind its back."""

    def __init__(
        self, folder: Path, name: str, ports: tuple[int, int], session: aiohttp.ClientSession
    ) -> None:
        super().__init__(folder, name, ports)
        self._path = folder / "installed"
        self._is_stopped = self._is_killed = False
        self._deaths: list[str] = []
        self.api = Api(self.home, ports[1], session)
        self.cid, self.wid = "", ""

    def launch(self) -> None:
        """Start the process, and do not wait for it."""
        command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(self.home)]
        paths = [str(self._path), os.environ.get("PYTHONPATH", "")]
        env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self._is_killed = False
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=env)

    def pause(self) -> None:
        """Stop it where it stands: its sockets stay open and nobody answers."""
        self._signal(signal.SIGSTOP)
        self._is_stopped = True

    def resume(self) -> None:
        """Let it go on, as one for whom no time has passed."""
        self._signal(signal.SIGCONT)
        self._is_stopped = False

    def mend(self) -> None:
        """Let it run, whatever was done to it."""
        if self._is_stopped:
            self.resume()
        self._note_death()
        if self.process is None or self.process.poll() is not None:
            self.launch()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._note_death()
        self._is_killed = True
        super().kill()

    @property
    def outcry(self) -> str:
        """What it said when it ended unkilled, or the first fault it wrote of; else nothing."""
        found = _OUTCRY.search("".join(self._deaths) or self.log.read_text())
        return "" if found is None else found.group()

    async def is_up(self) -> bool:
        """Return whether it answers; note who it is. Raises RuntimeError where it has ended."""
        if self._has_died:
            raise RuntimeError(f"expected {self.name} to run, it ended: {self.tail}")
        status = await self.api.get("status")
        if status is not None:
            self.cid, self.wid = str(status["cid"]), str(status["wid"])
        return status is not None

    def copy_home(self, to: Path) -> None:
        """Copy the home of a node that is not running, as a careless backup would."""
        shutil.copytree(self.home, to)

    def put_back(self, copy: Path) -> None:
        """Put an old copy in the place of the home of a node that is not running."""
        shutil.rmtree(self.home)
        shutil.copytree(copy, self.home)

    @property
    def _has_died(self) -> bool:
        has_ended = self.process is not None and self.process.poll() is not None
        return has_ended and not self._is_killed

    def _note_death(self) -> None:
        if self._has_died:
            self._deaths.append(f"ended by itself: {self.tail}")

    def _signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


class Town:
    """Co-ops of one federation, founded by all of them, and the wires between their nodes."""

    def __init__(self, nodes: list[TownNode], wires: Mapping[Pair, Wire]) -> None:
        self.nodes, self.wires = nodes, wires

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: Path, *, count: int, dice: random.Random, has_desk: bool = True
    ) -> AsyncIterator[Town]:
        """Make homes, a federation and wires; end all processes afterwards.

        Without a desk (see `desk.py`) holds are granted as the node's own services have it.
        """
        if has_desk:
            install(folder / "installed")
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(new_session())
            ports = _lasting_ports(2 * count)
            nodes = [
                TownNode(folder, name, pair, session)
                for name, pair in zip(
                    NAMES[:count], zip(ports[::2], ports[1::2], strict=True), strict=True
                )
            ]
            wires: dict[Pair, Wire] = {}
            for near, far in wires_between(count):
                wire = Wire(nodes[far].peer_port, dice)
                wires[near, far] = await stack.enter_async_context(wire)
            town = cls(nodes, wires)
            town._found(folder)
            for node in nodes:
                stack.callback(node.kill)
            yield town

    def _found(self, folder: Path) -> None:
        for at, node in enumerate(self.nodes):
            dials = [self.wires[at, far].port for far in range(at)]
            reached = [wire.port for (_, far), wire in self.wires.items() if far == at]
            node.configure(dials, [node.peer_port, *reached])
        charter = folder / "charter"
        cards = [f"{node.card}=member,carrier,service" for node in self.nodes]
        done("federation", "draft", "Borders", *cards, "--out", charter)
        for verb in ("sign", "adopt"):
            for node in self.nodes:
                done("federation", verb, charter, "--home", node.home)

    async def start(self) -> None:
        """Start all, and wait until each answers and is linked to all others."""
        for node in self.nodes:
            node.launch()
        await self.wait_up()
        await eventually(self._is_linked, within_s=START_S, what="each node linked to all others")

    async def wait_up(self) -> None:
        """Wait until every node answers."""
        for node in self.nodes:
            await eventually(node.is_up, within_s=START_S, what=f"{node.name} up: {node.tail}")

    def set_weather(self, weather: Mapping[Pair, Collection[Trouble]]) -> None:
        """Let these wires have these troubles, and all others none."""
        for pair, wire in self.wires.items():
            wire.set(weather.get(pair, ()))

    async def is_equal(self) -> bool:
        """Return whether all nodes answer and have the same logs."""
        statuses = [await node.api.get("status") for node in self.nodes]
        roots = {status and status["federations"][0]["root"] for status in statuses}
        return len(roots) == 1 and None not in roots

    async def _is_linked(self) -> bool:
        for node in self.nodes:
            status = await node.api.get("status")
            if (
                status is None
                or len({peer["cid"] for peer in status["peers"]}) < len(self.nodes) - 1
            ):
                return False
        return True


def _lasting_ports(count: int) -> list[int]:
    """Return free ports that the system gives to no outgoing connection.

    A node that was killed must find its ports free again, whatever was dialled meanwhile.
    """
    ports: set[int] = set()
    while len(ports) < count:
        port = _PORTS[secrets.randbelow(len(_PORTS))]
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.add(port)
    return sorted(ports)
