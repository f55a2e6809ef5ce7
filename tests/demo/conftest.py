"""Runs `sheaf demo` as a user does: a process of its own, real sockets, real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"
LIMIT_S = 300


class Demo:
    """One run of the demo in a folder that is kept until the test has looked at it."""

    def __init__(self, folder: Path, *args: str) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "sheaf_node", "demo", "--once", "--json"]
        # Where the tests run in the background, a shell has them ignore Ctrl-C, and so would it.
        noted = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            self.process = subprocess.Popen(
                [*command, "--keep", str(folder), *args],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        finally:
            signal.signal(signal.SIGINT, noted)

    def outcome(self) -> dict:
        """Wait for the end and return the JSON object."""
        out, err = self.process.communicate(timeout=LIMIT_S)
        assert self.process.returncode == 0, err + self.logs()
        return json.loads(out)

    def refusal(self) -> tuple[int, str]:
        """Wait for the end and return exit status and the one line on standard error."""
        out, err = self.process.communicate(timeout=LIMIT_S)
        assert out == ""
        return self.process.returncode, err.strip()

    def logs(self) -> str:
        """Return what the nodes printed, for a failing test's message."""
        paths = sorted(self.folder.glob("*/node.log"))
        return "".join(f"--- {path.parent.name}\n{path.read_text()[-2000:]}" for path in paths)

    def pid_of(self, player: str) -> int | None:
        """Return the process that serves a player's home now, or None."""
        home = str(self.folder / player)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"serve" in words and home.encode() in words:
                return int(path.parent.name)
        return None

    def kill(self, player: str) -> None:
        """kill -9 a player's node as soon as it runs."""
        deadline = time.monotonic() + 60
        while (pid := self.pid_of(player)) is None:
            assert time.monotonic() < deadline, f"{player} never started"
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """End what a failing test left running."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.communicate(timeout=60)


@pytest.fixture
def start_demo(tmp_path):
    """Start demos that end with the test."""
    started = []

    def start(*args: str) -> Demo:
        demo = Demo(tmp_path / f"demo{len(started)}", *args)
        started.append(demo)
        return demo

    yield start
    for demo in started:
        demo.end()


@pytest.fixture
def week() -> Path:
    """The folder of the real week's sales lines."""
    return _given(DATA / "online-retail")


@pytest.fixture
def transport() -> Path:
    """The file of real transport requests."""
    return _given(DATA / "pdptw" / "bar-n100-1.txt")


def _given(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"the real data is not on this machine: expected {path}")
    return path
