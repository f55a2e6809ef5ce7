"""A node that is told to stop under load ends within ten seconds and keeps what it acknowledged."""

import asyncio
import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

import pytest
from tests.node.test_cli_serve import PATIENCE_S, command, done, make_home, make_member, serving
from tests.node.test_probes import ask, base, publish, scraped

from sheaf_node.api import read_token
from sheaf_node.store import Store

STOP_S = 10.0
START_S = 120.0
"""For a node to serve on a machine that has much else to do."""


@pytest.fixture
def member(tmp_path: Path) -> Path:
    return make_member(tmp_path)


def port_of(home: Path, key: str) -> int:
    found = re.search(rf"{key} = (\d+)", (home / "sheaf.toml").read_text())
    assert found is not None
    return int(found[1])


def half_asked(port: int, head: bytes) -> socket.socket:
    """Return a connection whose request never ends."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    connection.sendall(head)
    return connection


class Load:
    """Programs that publish without end."""

    def __init__(self, home: Path, programs: int) -> None:
        self._home = home
        self.acknowledged: list[str] = []
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._publish) for _ in range(programs)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _publish(self) -> None:
        while not self._is_over.is_set():
            try:
                self.acknowledged.append(publish(self._home))
            except HTTPError:
                time.sleep(0.05)  # too many at a time, or not any more
            except (OSError, HTTPException):
                return  # it is gone


def test_a_node_under_load_stops_within_ten_seconds_and_loses_nothing(member: Path) -> None:
    with ExitStack() as stack, serving(member) as process:
        token = read_token(member)
        local, peer = port_of(member, "local_port"), port_of(member, "peer_port")
        head = f"Host: 127.0.0.1:{local}\r\nAuthorization: Bearer {token}\r\n"
        posted = f"PUT /api/v1/blobs HTTP/1.1\r\n{head}Content-Length: 99999\r\n\r\nhalf"
        stream = f"GET /api/v1/events/stream HTTP/1.1\r\n{head}\r\n"
        for port, text in ((local, posted), (local, stream), (local, "GET /"), (peer, "GET /")):
            stack.enter_context(half_asked(port, text.encode()))
        upgrade = (
            f"GET /sheaf/1/link HTTP/1.1\r\nHost: 127.0.0.1:{peer}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n\r\n"
        )
        stack.enter_context(half_asked(peer, upgrade.encode()))
        with Load(member, programs=8) as load:
            until = time.monotonic() + START_S
            while len(load.acknowledged) < 50 and time.monotonic() < until:
                time.sleep(0.05)

            told = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=PATIENCE_S)
            taken_s = time.monotonic() - told

    assert taken_s < STOP_S
    assert (process.returncode, errors) == (0, "")
    assert len(load.acknowledged) >= 50
    assert _held(member) >= set(load.acknowledged)


def _held(home: Path) -> set[str]:
    store = Store.open(home / "sheaf.db", random=os.urandom)
    try:
        held: set[str] = set()
        after = 0
        while page := store.entries_after(after):
            held |= {entry.id.hex() for entry in page}
            after = page[-1].arrival
        return held
    finally:
        asyncio.run(store.close())


def test_a_node_that_cannot_end_is_ended() -> None:
    program = (
        "import sys, time\n"
        "from sheaf_node.cli import serve\n"
        "from sheaf_node.config import Log\n"
        "from sheaf_node.observing.log_lines import set_up_log\n"
        "set_up_log(Log(format='json'), sys.stderr)\n"
        "serve.STOP_S = 0.2\n"
        "serve._end_in_time()\n"
        "time.sleep(60)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 3
    assert json.loads(ended.stderr)["event"] == "forced"


# --- the log as JSON


LEAKY = """
import base64, pathlib
HOME = pathlib.Path({home!r})

class Service:
    follows = frozenset()
    commands = views = {{}}

    def __init__(self, context, settings):
        told = []
        for file in [*sorted((HOME / "keys").glob("*.key")), *sorted(HOME.glob("*.token"))]:
            data = file.read_bytes()
            told += [data, data.hex(), base64.b64encode(data).decode()]
            told.append(data.decode(errors="replace"))
        raise ValueError(*told)
"""


def test_a_log_as_json_is_one_event_a_line_and_has_no_secrets(member: Path, tmp_path: Path) -> None:
    settings = member / "sheaf.toml"
    settings.write_text(
        settings.read_text() + '[services.leaky]\n[log]\nformat = "json"\nlevel = "debug"\n'
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join([_package(tmp_path, member), *sys.path])}
    with ExitStack() as stack:
        # A file: a pipe that nobody reads meanwhile would hold the node up when it is full.
        log = stack.enter_context((tmp_path / "log").open("w+"))
        process = stack.enter_context(
            subprocess.Popen(
                command(member), stdout=subprocess.PIPE, stderr=log, text=True, env=env
            )
        )
        stack.callback(process.kill)
        _wait_ready(member)
        token = read_token(member)
        for path in (f"/api/v1/status?token={token}", "/api/v1/log?limit=x", "/metrics"):
            ask(member, path, Authorization=f"Bearer {token}")
            ask(member, path, Authorization=f"Bearer {token[:-1]}")
        for port in (port_of(member, "local_port"), port_of(member, "peer_port")):
            with half_asked(port, f"BREW {token}\x00 HTTP/9\r\n{token}\r\n\r\n".encode()) as bad:
                bad.recv(4096)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE_S)
        errors = (tmp_path / "log").read_text()

    events = [json.loads(line) for line in errors.splitlines()]
    assert (process.returncode, output) == (0, "")
    assert {"serving", "stopping", "stopped"} <= {event.get("event") for event in events}
    assert any(event.get("exception") == "ValueError" for event in events)
    assert [canary for canary in _canaries(member) if canary in errors] == []


def _package(folder: Path, home: Path) -> str:
    package = folder / "packages"
    (package / "leaky-1.dist-info").mkdir(parents=True)
    (package / "leaky.py").write_text(LEAKY.format(home=str(home)))
    (package / "leaky-1.dist-info" / "METADATA").write_text("Name: leaky\nVersion: 1\n")
    (package / "leaky-1.dist-info" / "entry_points.txt").write_text(
        "[sheaf.services]\nleaky = leaky:Service\n"
    )
    return str(package)


def _wait_ready(home: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(base(home) + "/healthz", timeout=5):  # noqa: S310
            return
        time.sleep(0.1)
    raise AssertionError("expected the node to serve")


def _canaries(home: Path) -> list[str]:
    """Return a piece of each secret of a home, in all forms in which it might be written."""
    files = [*(home / "keys").glob("*.key"), *home.glob("*.token")]
    assert len(files) >= 4
    found = []
    for file in files:
        data = file.read_bytes()
        seed = data[-32:] if len(data) >= 32 else data
        found += [seed.hex()[:24], base64.b64encode(seed).decode()[:16], repr(seed)[2:40]]
        found += [base64.b64encode(data).decode()[4:24], data.hex()[8:40]]
        text = data.decode(errors="replace").strip()
        found += [text[8:40]] if text.isprintable() and len(text) >= 40 else []
    return found


def test_a_refusal_at_the_start_is_an_event_as_well(member: Path) -> None:
    settings = member / "sheaf.toml"
    settings.write_text(settings.read_text() + '[log]\nformat = "json"\n')
    store = Store.open(member / "sheaf.db", random=os.urandom)

    ended = subprocess.run(
        command(member), capture_output=True, text=True, check=False, timeout=START_S
    )
    asyncio.run(store.close())

    [event] = [json.loads(line) for line in ended.stderr.splitlines()]
    assert (ended.returncode, ended.stdout) == (1, "")
    assert (event["level"], event["code"]) == ("error", "store.locked")


# --- two nodes


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[tuple[Path, Path, list[subprocess.Popen[str]]]]:
    """Two homes whose nodes run and are linked, the second having dialled; and the processes."""
    homes = [make_home(tmp_path / name, name.title()) for name in ("hill", "dale")]
    cards = [tmp_path / f"{home.name}.card" for home in homes]
    charter = tmp_path / "charter"
    for home, card in zip(homes, cards, strict=True):
        done("federation", "card", "--out", card, "--home", home)
    done("federation", "draft", "Borders", *(f"{card}=member" for card in cards), "--out", charter)
    for verb in ("sign", "adopt"):
        for home in homes:
            done("federation", verb, charter, "--home", home)
    settings = homes[1] / "sheaf.toml"
    peer = f'peers = [{{ url = "ws://127.0.0.1:{port_of(homes[0], "peer_port")}" }},'
    settings.write_text(settings.read_text().replace("peers = [", peer, 1))
    with ExitStack() as stack:
        nodes = [stack.enter_context(serving(home)) for home in homes]
        _until(lambda: _metric(homes[1], "sheaf_links") == 1)
        yield homes[0], homes[1], nodes


def _until(is_true: Callable[[], bool]) -> None:
    until = time.monotonic() + START_S
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.1)


def _metric(home: Path, name: str) -> float | None:
    """Return the one value that a metric has, with whatever labels."""
    values = [value for _, value in scraped(home).get(name, [])]
    return values[0] if len(values) == 1 else None


def test_metrics_tell_of_a_peer_from_both_sides(
    linked: tuple[Path, Path, list[subprocess.Popen[str]]],
) -> None:
    hill, dale, nodes = linked
    _until(lambda: _metric(hill, "sheaf_sync_lag_seconds") == 0)

    publish(dale)
    _until(lambda: _metric(hill, "sheaf_clock_skew_seconds") is not None)
    nodes[0].kill()
    _until(lambda: _metric(dale, "sheaf_peer_up") == 0)

    assert _metric(dale, "sheaf_links") == 0
    assert "sheaf_sync_lag_seconds" not in scraped(dale)


def test_a_node_whose_peer_is_frozen_stops_in_time(
    linked: tuple[Path, Path, list[subprocess.Popen[str]]],
) -> None:
    *_, (hill, dale) = linked
    hill.send_signal(signal.SIGSTOP)
    told = time.monotonic()

    dale.send_signal(signal.SIGTERM)
    dale.communicate(timeout=PATIENCE_S)

    assert time.monotonic() - told < STOP_S
    assert dale.returncode == 0
