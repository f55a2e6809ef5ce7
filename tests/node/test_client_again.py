"""A command that meets a busy node asks again, as often as it may, and does nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from sheaf_node.cli import client
from sheaf_node.cli.client import ANEW_S, TRIES, NodeClient
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BUSY, OVER, FULL = (503, "api.busy"), (429, "api.rate"), (503, "api.idempotency_full")
DONE = (200, "")


@contextmanager
def answering(
    folder: Path, answers: Sequence[tuple[int, str]], after_s: float = 0
) -> Iterator[list[str]]:
    """Give the bodies that came to a port, which answers each with the next status and code.

    It is listened on after `after_s` only.
    """
    left, bodies, is_over = list(answers), list[str](), threading.Event()

    class Node(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            status, code = left.pop(0)
            self.send_response(status)
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(json.dumps({"code": code} if code else {"key": "done"}).encode())

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Node, bind_and_activate=False) as server:
        server.server_bind()
        if not after_s:
            server.server_activate()

        def serve() -> None:
            is_over.wait(after_s)
            server.server_activate()
            server.serve_forever()

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.server_address[1]
        (folder / "sheaf.toml").write_text(f'name = "Mill"\nlocal_port = {port}\n')
        (folder / "api.token").write_text("ab" * 32)
        try:
            yield bodies
        finally:
            is_over.set()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("answers", [[DONE], [BUSY, DONE], [OVER, BUSY, OVER, BUSY, DONE]])
def test_a_busy_node_is_asked_again(tmp_path: Path, answers: list[tuple[int, str]]) -> None:
    with answering(tmp_path, answers) as bodies:
        assert NodeClient(tmp_path).post("/api/v1/x", b"body") == {"key": "done"}

    assert bodies == ["body"] * len(answers)


@pytest.mark.parametrize(
    ("answers", "code"),
    [([BUSY] * TRIES, "api.busy"), ([FULL], "api.idempotency_full")],
    ids=["it stays busy", "it says something else"],
)
def test_what_cannot_be_had_is_told(
    tmp_path: Path, answers: list[tuple[int, str]], code: str
) -> None:
    with answering(tmp_path, answers) as bodies, pytest.raises(Refusal) as refused:
        NodeClient(tmp_path).post("/api/v1/x", b"body")

    assert refused.value.code == code
    assert len(bodies) == len(answers)


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_node_that_opens_its_home_anew_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"{os.getpid()}\n")

    with answering(tmp_path, [DONE], after_s=ANEW_S / 2) as bodies:
        assert NodeClient(tmp_path).post("/api/v1/x", b"body") == {"key": "done"}

    assert bodies == ["body"]


@pytest.mark.parametrize("lock", ["", "none\n", "ended"])
def test_a_node_that_ended_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    # So long that a machine which is slow to ask at all is not taken for one that waited.
    monkeypatch.setattr(client, "ANEW_S", 40)
    (tmp_path / "lock").write_text(f"{ended_process()}\n" if lock == "ended" else lock)
    with answering(tmp_path, [DONE], after_s=20) as bodies:
        with pytest.raises(Refusal) as refused:
            NodeClient(tmp_path).post("/api/v1/x", b"body")

        assert refused.value.code == "node.unreachable"
        assert not bodies
