"""Nodes that run: what they tell of services, webhooks and seats, and a restore of such a home."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from .lively import EXAMPLE, files_in
from .test_cli_identity import command, done, found, make_home, publish, serving, sheet_in
from .test_service_apart import port_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 120
CLOSED = "http://127.0.0.1:9/hook"


class Receiver:
    """What was delivered, by id, in order."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                receiver.ids.append(self.headers["webhook-id"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        thread.join()
        receiver.server.server_close()


def until(is_true: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < ends_s
        time.sleep(0.05)


def status(home: Path) -> Any:
    return json.loads(done("status", "--json", "--home", home))


def metrics(home: Path) -> str:
    url = f"http://127.0.0.1:{port_of(home)}/metrics"
    token = (home / "metrics.token").read_text()
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked) as answer:  # noqa: S310 - this computer
        return str(answer.read().decode())


def opens(home: Path, token: str) -> bool:
    url = f"http://127.0.0.1:{port_of(home)}/api/v1/status"
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - this computer
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def service(home: Path, token: Path) -> Iterator[None]:
    """Run the example's service beside a node."""
    url = f"http://127.0.0.1:{port_of(home)}"
    asked = ["service", "run", "price_alert", "--node", url, "--token-file", token]
    pipe = subprocess.DEVNULL
    with subprocess.Popen(command(*asked, "--home", home), stdout=pipe, stderr=pipe) as process:
        try:
            yield
        finally:
            process.kill()


def make_hill(folder: Path, url: str) -> Path:
    """Return the home of a node with a service, a webhook and a token, all made by commands."""
    hill = make_home(folder / "hill", "Hill")
    found(folder, hill)
    with serving(hill):
        token = ("--token-file", folder / "service.token")
        done("service", "add", EXAMPLE, "--yes", *token, "--home", hill)
        hook = ("--kinds", "*", "--allow-loopback")
        done("webhook", "add", url, *hook, "--home", hill)
        out = ("--out", folder / "ci.token")
        done("token", "create", "ci", "--scope", "read", *out, "--home", hill)
        done("seat", "add", "Croft", "--keys", folder / "croft", "--home", hill)
        publish(hill, ["r1", "r2"])
    return hill


def test_a_node_tells_of_services_webhooks_and_seats(tmp_path: Path) -> None:
    hill = make_hill(tmp_path, CLOSED)
    with serving(hill):
        until(lambda: status(hill)["webhooks"][0]["waiting"] > 0)
        away = status(hill)
        text, looked = done("status", "--home", hill), doctor(hill)
        with service(hill, tmp_path / "service.token"):
            until(lambda: status(hill)["remote"][0]["is_connected"])
            until(lambda: status(hill)["remote"][0]["behind"] == 0)
            there, told = status(hill)["remote"][0], metrics(hill)

    [remote], [hook] = away["remote"], away["webhooks"]
    assert (remote["name"], remote["is_connected"], remote["seen_ms"]) == (
        "price_alert",
        False,
        None,
    )
    assert remote["behind"] == away["arrival"]
    assert (hook["host"], hook["state"], hook["dead"]) == ("127.0.0.1:9", "active", 0)
    assert hook["oldest_ms"] <= time.time() * 1_000
    assert away["seats"] == {"seats": 1, "open_links": 0}
    assert "price_alert" in text
    assert "127.0.0.1:9: active" in text
    assert "Seats: 1, 0 links" in text
    assert {"services", "seats", "webhooks"} <= {each["look"] for each in looked}
    assert there["seen_ms"] <= time.time() * 1_000
    assert 'sheaf_remote_up{federation="' in told
    assert 'sheaf_webhooks{state="active"} 1.0' in told
    assert "sheaf_seats 1.0" in told


def doctor(home: Path) -> list[Any]:
    ended = subprocess.run(
        command("doctor", "--json", "--home", home), capture_output=True, text=True, check=False
    )
    # Its exit status tells of faults of this computer as well, such as a folder in memory.
    findings: list[Any] = json.loads(ended.stdout)["findings"]
    return findings


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found_:
        yield found_


def test_a_restored_node_lets_nobody_in_and_sends_nothing_before_somebody_allows_it(
    receiver: Receiver, tmp_path: Path
) -> None:
    hill = make_hill(tmp_path, receiver.url)
    sheet = sheet_in(hill, tmp_path / "sheet")
    with serving(hill):
        # Once noted as well as sent: what a backup finds waiting is sent by whoever restores it.
        until(lambda: len(set(receiver.ids)) >= 2 and not status(hill)["webhooks"][0]["waiting"])
        done("backup", "create", "--out", tmp_path / "file", "--home", hill)
        noted = set(receiver.ids)
        publish(hill, ["r3"])
        until(lambda: bool(set(receiver.ids) - noted))
    sent, token = list(receiver.ids), (tmp_path / "ci.token").read_text().strip()
    home = tmp_path / "new"
    done("backup", "restore", tmp_path / "file", "--sheet", sheet, "--yes", "--home", home)

    with serving(home):
        before = status(home)
        is_in = opens(home, token)
        with service(home, tmp_path / "service.token"):
            time.sleep(1)
            remote = status(home)["remote"]
        held = receiver.ids[len(sent) :]
        done("backup", "allow", "--all", "--home", home)
        until(lambda: status(home)["webhooks"][0]["state"] == "active")
        publish_when_free(home)
        until(lambda: len(receiver.ids) > len(sent))
        after = opens(home, token)
        with service(home, tmp_path / "service.token"):
            until(lambda: status(home)["remote"][0]["is_connected"])

    assert (is_in, remote, held) == (False, [], [])
    assert [each["state"] for each in before["webhooks"]] == ["held"]
    assert len(before["held"]) == 4
    assert after
    assert not set(receiver.ids[len(sent) :]) & noted


def publish_when_free(home: Path) -> None:
    """Publish a line once the node has recovered."""
    until(lambda: status(home)["recovery"]["state"] == "free")
    publish(home, ["r4"])


def test_a_served_home_after_a_restore_holds_nothing_that_is_not_listed(tmp_path: Path) -> None:
    from sheaf_node.backup.contents import part_of  # noqa: PLC0415 - its only user

    hill = make_hill(tmp_path, CLOSED)
    sheet = sheet_in(hill, tmp_path / "sheet")
    done("backup", "create", "--out", tmp_path / "file", "--home", hill)
    home = tmp_path / "new"

    done("backup", "restore", tmp_path / "file", "--sheet", sheet, "--yes", "--home", home)
    with serving(home):
        names = files_in(home)

    assert [name for name in names if part_of(name) is None] == []
    assert {"tokens/held/ci.json", "services/price_alert/grant.held.json"} <= set(names)
