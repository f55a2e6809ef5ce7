"""The README's commands, run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def _block(heading: str) -> list[str]:
    """Return the commands of the first indented block under a heading, continuations joined."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = re.findall(r"^    (.*)$", section, flags=re.MULTILINE)
    joined = "\n".join(lines).replace("\\\n", " ")
    return [line.split("#", 1)[0].strip() for line in joined.splitlines()]


@pytest.fixture
def shell(tmp_path):
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
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


def test_a_federation_by_hand_works_as_written(shell, tmp_path):
    (tmp_path / "list.csv").write_text(
        "item,quantity,unit,max_price,currency\nEWE-NUTS-25,40,bag,9.50,GBP\n"
    )
    peer_port, local_port = free_ports(2)
    ports = f" --peer-port {peer_port} --local-port {local_port}"
    server = None
    try:
        for command in _block("A federation by hand"):
            if command == "sheaf serve":
                server = _serve(tmp_path / "home")
            elif command.startswith("sheaf init") and "--home" not in command:
                shell(command + ports)
            else:
                told = shell(command)
            if command.startswith("sheaf needs import"):
                assert "published 1 of 1 lines" in told
            if command == "sheaf pools show":
                assert "EWE-NUTS-25  waiting  40 XBG" in told
            if command == "sheaf status":
                assert "2 members, 1 entries" in told
    finally:
        if server is not None:
            server.terminate()
            server.communicate(timeout=120)

    assert server is not None
    assert server.returncode == 0


def test_two_co_ops_meet_by_six_commands_as_written(shell, tmp_path):
    (tmp_path / "list.csv").write_text(
        "item,quantity,unit,max_price,currency\nEWE-NUTS-25,40,bag,9.50,GBP\n"
    )
    commands = [command for command in _block("Two co-ops, six commands") if command]
    ports = iter(free_ports(4))
    servers, link = [], ""
    try:
        for command in commands:
            typed = command.replace("LINK", link)
            for default in ("8450", "8451"):
                typed = typed.replace(default, str(next(ports)) if default in typed else default)
            if typed.startswith("sheaf serve"):
                servers.append(_serve(tmp_path / ("mill" if "mill" in typed else "home")))
            elif typed.startswith("sheaf init"):
                shell(f"{typed} --peer-port {next(ports)} --local-port {next(ports)}")
            else:
                more = " --name Mill --yes" if typed.startswith("sheaf join") else ""
                told = shell(typed + more)
                link = next(iter(re.findall(r"http://\S+#\S{66}", told)), link)
        _until(lambda: "2 members, 6 entries" in shell("sheaf status"))
    finally:
        for server in servers:
            server.terminate()
            server.communicate(timeout=120)

    assert len(commands) == 6
    assert len(servers) == 2


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_the_readme_is_short():
    assert len(README.splitlines()) < 120


def _serve(home: Path) -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)],
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
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
