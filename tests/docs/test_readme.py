"""The README's commands, run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def _block(heading: str) -> list[str]:
    """Return the commands of the first indented block under a heading, continuations joined."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = re.findall(r"^    (.*)$", section, flags=re.MULTILINE)
    joined = "\n".join(lines).replace("\\\n", " ")
    return [line.split("#", 1)[0].strip() for line in joined.splitlines()]


@pytest.fixture
def shell(tmp_path, free_ports):
    """Run a command in an empty folder with a home of its own."""
    environment = os.environ | {
        "SHEAF_HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def run(command: str) -> str:
        done = subprocess.run(
            shlex.split(command),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def free_ports() -> list[str]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]), str(other.getsockname()[1])]


def test_a_node_of_your_own_works_as_written(shell, tmp_path, free_ports):
    (tmp_path / "list.csv").write_text(
        "item,quantity,unit,max_price,currency\nEWE-NUTS-25,40,bag,9.50,GBP\n"
    )
    ports = f" --peer-port {free_ports[0]} --local-port {free_ports[1]}"
    server = None
    try:
        for command in _block("A node of your own"):
            if command == "sheaf serve":
                server = _serve(tmp_path)
            elif command.startswith("sheaf init") and "--home" not in command:
                shell(command + ports)
            else:
                told = shell(command)
            if command.startswith("sheaf import"):
                assert "published 1 of 1 lines" in told
            if command == "sheaf pool show":
                assert "EWE-NUTS-25  waiting  40 XBG" in told
            if command == "sheaf status":
                assert "2 members, 1 entries" in told
    finally:
        if server is not None:
            server.terminate()
            server.communicate(timeout=30)

    assert server is not None
    assert server.returncode == 0


def _serve(folder: Path) -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "sheaf_node", "serve", "--home", str(folder / "home")],
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    line = server.stdout.readline() if server.stdout else ""
    assert line.startswith("Serving"), line
    assert time.monotonic() < deadline
    return server


def test_continuous_integration_runs_the_readmes_test_command():
    steps = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [s for s in steps if s and not s.startswith(("#", "set ", "cd "))]

    assert commands == ["make test"]
    assert "    make test" in README
    assert "    make demo" in README


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:docs|spec|bench)/[^`]*)`", README))))
def test_what_the_readme_points_at_exists(path):
    assert (ROOT / path).exists()
