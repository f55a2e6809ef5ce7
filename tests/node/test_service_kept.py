"""Services that a node runs in processes of their own: they work, and none harms the node.

Each fault is one class in a folder, added with `--inside` to a node that runs. The node is asked
all the while, over its API, and is to answer as if nothing was there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.service_apart import EXAMPLES, WATCH, demand, write_service
from tests.node.test_cli_serve import command, done, make_home, run
from tests.node.test_service_apart import SOON_S, asked, demands, offered, port_of, refused, until

from sheaf_node.cli.client import NodeClient
from sheaf_protocol.json_view import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

CLASS = """
import gc, os, socket, sys, threading, time

class {name}:
    follows = frozenset({{"demand.submit"}})
    commands = {{}}
    views = {{"seen": lambda call: 1}}

    def __init__(self, context, settings):
        open({mark!r}, "a").write(f"{{os.getpid()}}\\n")
        self.context = context

    def fold(self, seen):
        {fold}

    def decide(self):
        {decide}

    def finish(self, key, result):
        pass
"""
GARBAGE = """
        with socket.create_connection(("127.0.0.1", {port})) as held:
            try:
                for _ in range(200):
                    held.sendall(os.urandom(65_536))
            except OSError:
                pass
        while True:
            os.write(1, os.urandom(8_192) + b"\\x1b[2Jforged\\r\\n")
"""
FAULTS = {
    "raises": "raise ZeroDivisionError",
    "exits": "os._exit(7)",
    "eats": "self.held = [bytearray(1 << 24) for _ in range(1 << 12)]",
}


@contextmanager
def serving(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a node whose log goes to a file: services say a lot."""
    with (home.parent / "log").open("wb") as log:
        arguments = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": log}
        with subprocess.Popen(command(home), **arguments) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline().startswith(b"Serving")
                yield process
            finally:
                process.kill()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of a node that runs, of a co-op alone in its federation that buys and sells."""
    folder = tmp_path_factory.mktemp("kept")
    made = make_home(folder / "hill", "Hill")
    roles = ("--role", "coordinator", "--role", "member", "--role", "supplier")
    done("federation", "create", "Borders", *roles, "--home", made)
    with serving(made):
        yield made


def write(folder: Path, name: str, *, fold: str = "pass", decide: str = "pass") -> Path:
    """Return the folder of a service whose class does that."""
    write_service(folder, name=name, python=f"{name}:{name.title()}")
    mark = str(folder.parent / f"{name}.pids")
    text = CLASS.format(name=name.title(), mark=mark, fold=fold, decide=decide)
    (folder / f"{name}.py").write_text(text)
    return folder


def pids(folder: Path) -> list[int]:
    """Return the processes that a class was made in so far."""
    path = folder.parent / f"{folder.name}.pids"
    return list(map(int, path.read_text().split())) if path.exists() else []


def runs(pid: int) -> bool:
    with suppress(OSError):
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    return False


def stopped(home: Path) -> list[str]:
    return list(NodeClient(home).get("/api/v1/status")["stopped"])


def memory_kib(home: Path) -> int:
    pid = NodeClient(home).get("/api/v1/status")["process"]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def slowest_s(home: Path, tries: int = 5) -> float:
    """Return how long the slowest of some requests took, one of them a signed entry."""
    slowest = 0.0
    for number in range(tries):
        began_s = time.monotonic()
        NodeClient(home).get("/api/v1/status")
        if number == 0:
            offered(home, f"slow-{time.monotonic_ns()}")
        slowest = max(slowest, time.monotonic() - began_s)
    return slowest


def removed(home: Path, name: str) -> Any:
    return done("service", "remove", name, "--yes", "--home", home)


def test_a_service_that_the_node_runs_works_and_ends_with_its_grant(home: Path) -> None:
    said = done("service", "add", EXAMPLES / "price_alert", "--inside", "--yes", "--home", home)
    until(lambda: refused(home, "price_alert/alerts") is None)

    NodeClient(home).post("/api/v1/services/price_alert/watch", json.dumps(WATCH).encode())
    first = offered(home, "kept-1")
    until(lambda: f"alert-{first[:12]}" in demands(home))
    [row] = json.loads(done("service", "list", "--json", "--home", home))
    removed(home, "price_alert")
    until(lambda: refused(home, "price_alert/alerts") == "service.unknown")

    assert "It runs:       in a process that the node starts" in said
    assert (row["is_inside"], row["shares_process"]) == (True, False)
    assert not (home / "tokens" / "service-price_alert.json").exists()


def test_the_first_service_of_the_manual_counts_what_is_wanted(home: Path, tmp_path: Path) -> None:
    text = (EXAMPLES.parent / "writing-a-service.md").read_text().split("## A first service", 1)[1]
    folder = tmp_path / "tally"
    folder.mkdir()
    for name, language in (("sheaf-service.toml", "toml"), ("tally.py", "python")):
        (folder / name).write_text(text.split(f"```{language}\n", 1)[1].split("```", 1)[0])
    body = json.dumps({"record": {**to_json(demand("wish")), "quantity": 11}}).encode()
    NodeClient(home).post("/api/v1/records/demand.submit", body)

    done("service", "add", folder, "--inside", "--yes", "--home", home)
    until(lambda: refused(home, "tally/wanted") is None)
    wanted = asked(home, "tally/wanted")
    removed(home, "tally")

    assert wanted["feed"] >= 11


def test_services_that_break_are_started_again_and_the_node_goes_on(
    home: Path, tmp_path: Path
) -> None:
    before = memory_kib(home)
    folders = {name: write(tmp_path / name, name, decide=FAULTS[name]) for name in FAULTS}
    for folder in folders.values():
        done("service", "add", folder, "--inside", "--yes", "--home", home)

    until(lambda: all(len(pids(folder)) >= 2 for folder in folders.values()))
    took_s = slowest_s(home)
    until(lambda: set(FAULTS) <= set(stopped(home)))
    for name in FAULTS:
        removed(home, name)
    until(lambda: not set(FAULTS) & set(stopped(home)))
    until(lambda: not any(runs(pid) for folder in folders.values() for pid in pids(folder)))
    log = (home.parent / "log").read_text()

    assert took_s < SOON_S
    assert memory_kib(home) - before < 64 * 1_024
    assert [name for name in FAULTS if f"service {name} ended with status" not in log] == []
    assert 'raises:   File "raises/raises.py", line ' in log
    assert "raises: ZeroDivisionError" in log


def test_a_service_that_hangs_holds_up_nobody_and_ends_with_its_grant(
    home: Path, tmp_path: Path
) -> None:
    folder = write(tmp_path / "hangs", "hangs", decide="while True: pass")
    done("service", "add", folder, "--inside", "--yes", "--home", home)
    until(lambda: len(pids(folder)) >= 1)

    took_s = slowest_s(home)
    removed(home, "hangs")
    until(lambda: not any(map(runs, pids(folder))))

    assert took_s < SOON_S


def test_a_service_that_floods_its_output_and_the_port_with_garbage_is_not_heard(
    home: Path, tmp_path: Path
) -> None:
    before = memory_kib(home)
    garbage = GARBAGE.format(port=port_of(home))
    folder = write(tmp_path / "floods", "floods", decide=f"pass{garbage}")
    done("service", "add", folder, "--inside", "--yes", "--home", home)
    until(lambda: b"floods: " in (home.parent / "log").read_bytes())

    took_s = slowest_s(home, 20)
    removed(home, "floods")
    until(lambda: not any(map(runs, pids(folder))))
    said = (home.parent / "log").read_bytes()

    assert took_s < SOON_S
    assert memory_kib(home) - before < 64 * 1_024
    assert b"floods: " in said
    assert len(said) < 1_000_000
    assert b"\x1b" not in said


def test_its_process_sees_nothing_of_the_nodes_environment(home: Path, tmp_path: Path) -> None:
    said = tmp_path / "environment"
    look = f"open({str(said)!r}, 'w').write('\\n'.join(os.environ))"
    folder = write(tmp_path / "looks", "looks", decide=look)
    done("service", "add", folder, "--inside", "--yes", "--home", home)
    until(said.exists)
    until(lambda: bool(said.read_text()))
    removed(home, "looks")

    known = {"PATH", "PYTHONPATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"}
    assert set(said.read_text().split()) <= known


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_its_process_ends_with_the_node(tmp_path: Path, number: int) -> None:
    made = make_home(tmp_path / "mill", "Mill")
    done("federation", "create", "Borders", "--role", "member", "--home", made)
    folder = write(tmp_path / "hangs", "hangs", decide="while True: pass")
    done("service", "add", folder, "--inside", "--yes", "--home", made)
    with serving(made) as process:
        until(lambda: len(pids(folder)) >= 1)
        began_s = time.monotonic()
        process.send_signal(number)
        process.wait()
        took_s = time.monotonic() - began_s

    until(lambda: not any(map(runs, pids(folder))))
    assert took_s < 10


def test_a_grant_says_in_words_where_a_service_runs(tmp_path: Path) -> None:
    made = make_home(tmp_path / "mill", "Mill")
    add = ("service", "add", EXAMPLES / "price_alert", "--home", made)

    within = done(*add, "--inside", "--same-process", "--yes")
    misused = run(*add, "--same-process")
    apart = done(*add, "--yes", "--token-file", tmp_path / "token")

    assert "where it can do all that the node can" in within
    assert misused.exit_code == 2
    assert "as a program of its own" in apart
    assert os.stat(tmp_path / "token").st_size > 0
