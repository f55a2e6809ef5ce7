"""Runs the nodes as operating-system processes, restarts one that dies, and ends them all.

A node may be killed at any moment of the demo. It is started again on the same folder, catches up,
and whatever was asked of it is asked again; every command is safe to repeat.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from sheaf_node.cli.client import NodeClient, new_key
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_services.demo.homes import Home

MAX_RESTARTS = 5
"""More deaths than this of one node are a fault to be shown and not to be papered over."""
POLL_S = 0.2
STOP_S = 15


class NodeProcess:
    """One node's process, started again when it dies."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.restarts = 0
        self._log = (home.path / "node.log").open("ab")
        self._process = self._start()

    @property
    def pid(self) -> int:
        """The process now running."""
        return self._process.pid

    def revive(self) -> None:
        """Start the node again if it died. Raises Refusal `demo.node_died` after too many."""
        if self._process.poll() is None:
            return
        if self.restarts >= MAX_RESTARTS:
            tail = (self.home.path / "node.log").read_text(errors="replace")[-400:]
            detail = f"expected {self.home.player.name} to keep running; its last words: {tail}"
            raise Refusal("demo.node_died", detail)
        self.restarts += 1
        self._close_input()
        self._process = self._start()

    def stop(self) -> None:
        """Ask the node to stop; `wait` sees to it that it did."""
        if self._process.poll() is None:
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Return when the process has ended; end it by force at the deadline."""
        try:
            self._process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        self._close_input()

    def _close_input(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "sheaf_node", "serve", "--stop-on-eof"]
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*command, "--home", str(self.home.path)],
            # The pipe is held open by us alone: should we die, the node sees its end and stops.
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            # Ctrl-C in the terminal reaches us only; we end the nodes in order.
            start_new_session=True,
        )


class Fleet:
    """All nodes of the demo. Leave the `with` block and they have ended."""

    def __init__(self, homes: Sequence[Home], deadline_s: float) -> None:
        self._deadline = time.monotonic() + deadline_s
        self._homes = homes
        self.nodes: dict[str, NodeProcess] = {}
        self._clients = {home.player.key: NodeClient(home.path) for home in homes}

    def __enter__(self) -> Fleet:
        self.nodes = {home.player.key: NodeProcess(home) for home in self._homes}
        return self

    def __exit__(self, *exc: object) -> None:
        deadline = time.monotonic() + STOP_S
        for node in self.nodes.values():
            node.stop()
        for node in self.nodes.values():
            node.wait(deadline)

    def get(self, key: str, path: str, query: Mapping[str, object] | None = None) -> Any:
        """Return a node's answer, waiting for the node where it is down."""
        return self._patiently(lambda: self._clients[key].get(path, query))

    def post(
        self, key: str, path: str, body: bytes = b"", query: Mapping[str, object] | None = None
    ) -> Any:
        """Return a node's answer to a command, asked again where the node went down meanwhile."""
        once = new_key()
        return self._patiently(lambda: self._clients[key].post(path, body, query, once))

    def until(self, what: str, is_done: Callable[[], bool]) -> None:
        """Return once the condition holds. Raises Refusal `demo.stuck` at the demo's deadline."""
        while not is_done():
            self.tend(what)

    def tend(self, what: str) -> None:
        """Revive whoever died and wait a moment."""
        if time.monotonic() > self._deadline:
            raise Refusal(
                "demo.stuck", f"expected {what} by now; the nodes' logs are in their homes"
            )
        self.look_after()

    def look_after(self) -> None:
        """Revive whoever died, then wait a moment."""
        for node in self.nodes.values():
            node.revive()
        time.sleep(POLL_S)

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        while True:
            try:
                return ask()
            except Refusal as refusal:
                if refusal.code not in {"node.unreachable", "api.no_token", "api.unauthorized"}:
                    raise
                self.tend("an answer from every node")
