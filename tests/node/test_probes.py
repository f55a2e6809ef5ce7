"""`/healthz`, `/readyz` and `/metrics` of a node that serves, as a process of its own."""

import json
import os
import re
import signal
import socket
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed
from tests.node.test_cli_serve import DEMAND, done, make_member, serving

from sheaf_node.api import read_token
from sheaf_node.api.probes import metrics_token
from sheaf_node.cli.client import NodeClient
from sheaf_node.observing.metrics import METRICS
from sheaf_protocol.json_view import to_json

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = make_member(tmp_path_factory.mktemp("probed"))
    with serving(home):
        yield home


def base(home: Path) -> str:
    port = re.search(r"local_port = (\d+)", (home / "sheaf.toml").read_text())
    assert port is not None
    return f"http://127.0.0.1:{port[1]}"


def ask(home: Path, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(base(home) + path, headers=sent, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - its own node
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        with refused:
            return refused.code, str(json.loads(refused.read())["code"])


def publish(home: Path) -> str:
    """Publish a demand; return its entry's id once the node acknowledged it."""
    url = f"{base(home)}/api/v1/records/demand.submit"
    body = json.dumps({"record": to_json(DEMAND)}).encode()
    sent = {"Authorization": bearer(read_token(home)), "Idempotency-Key": os.urandom(8).hex()}
    request = urllib.request.Request(url, body, sent)  # noqa: S310
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        return str(json.loads(answer.read())["id"])


def publish_again(home: Path) -> str:
    """Publish a demand as `publish` does, again where a busy node asks to come again."""
    body = json.dumps({"record": to_json(DEMAND)}).encode()
    return str(NodeClient(home).post("/api/v1/records/demand.submit", body)["id"])


def bearer(token: str) -> str:
    return f"Bearer {token}"


def scraped(home: Path) -> dict[str, list[tuple[dict[str, str], float]]]:
    status, text = ask(home, "/metrics", Authorization=bearer((home / "metrics.token").read_text()))
    assert status == 200
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in parsed(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_anybody_on_the_computer_may_ask_whether_it_lives_and_is_ready(running: Path) -> None:
    assert ask(running, "/healthz") == (200, '{"healthy": true}')
    assert ask(running, "/readyz") == (200, '{"ready": true}')
    assert ask(running, "/healthz", method="HEAD")[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize(
    ("header", "value", "answer"),
    [
        ("Host", "evil.example", (421, "api.host")),
        ("Host", "127.0.0.1:1", (421, "api.host")),
        ("Origin", "http://evil.example", (403, "api.origin")),
        ("Origin", "null", (403, "api.origin")),
    ],
)
def test_no_page_of_another_site_may_ask(
    running: Path, path: str, header: str, value: str, answer: tuple[int, str]
) -> None:
    assert ask(running, path, **{header: value}) == answer


@pytest.mark.parametrize("given", ["", "Bearer ", bearer("00" * 32), "Basic x"])
def test_metrics_are_for_those_with_a_token(running: Path, given: str) -> None:
    assert ask(running, "/metrics", Authorization=given) == (401, "api.unauthorized")


def test_the_token_of_metrics_opens_nothing_else(running: Path) -> None:
    token = (running / "metrics.token").read_text()

    assert ask(running, "/api/v1/status", Authorization=bearer(token))[0] == 401
    assert ask(running, "/metrics", Authorization=bearer(read_token(running)))[0] == 200
    assert stat.S_IMODE((running / "metrics.token").stat().st_mode) == 0o600


def test_probes_only_read(running: Path) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert ask(running, path, method="POST")[0] in {401, 405}


def test_metrics_tell_what_the_node_did(running: Path) -> None:
    before = scraped(running)
    publish(running)
    done("backup", "create", "--home", running, "--out", running.parent / "one.backup")

    after = scraped(running)

    assert set(after) >= {name for name, about in METRICS.items() if not about.labels} - {
        "sheaf_commit_seconds"
    }
    stored = {tuple(sorted(labels.items())): n for labels, n in after["sheaf_entries_total"]}
    assert stored[("author", "own"), ("class", "demand")] == 1
    assert _one(after, "sheaf_commit_seconds_count") > _one(before, "sheaf_commit_seconds_count")
    assert "sheaf_backup_age_seconds" not in before
    assert 0 <= _one(after, "sheaf_backup_age_seconds") < 60
    assert _one(after, "sheaf_may_sign") == 1
    assert _one(after, "sheaf_disk_free_bytes") > 0
    of = {labels["of"] for labels, _ in after["sheaf_service_count"]}
    assert of == {"open_pools", "orders", "outstanding_orders", "undecided_pools"}


def _one(found: dict[str, list[tuple[dict[str, str], float]]], name: str) -> float:
    [(labels, value)] = found[name]
    assert labels == {}
    return value


def test_the_token_of_metrics_outlives_a_restart_and_one_that_is_spoilt_is_made_anew(
    tmp_path: Path,
) -> None:
    first = metrics_token(tmp_path, lambda size: b"\x01" * size)
    second = metrics_token(tmp_path, lambda size: b"\x02" * size)
    (tmp_path / "metrics.token").write_text("half")
    third = metrics_token(tmp_path, lambda size: b"\x03" * size)

    assert (first, second, third) == ("01" * 32, "01" * 32, "03" * 32)


def test_every_probe_is_in_the_manual() -> None:
    text = (DOCS / "local-api.md").read_text()

    assert all(f"`{path}`" in text for path in ("/healthz", "/readyz", "/metrics"))


def test_a_node_that_is_not_ready_says_by_which_rule(tmp_path: Path) -> None:
    home = make_member(tmp_path)
    settings = home / "sheaf.toml"
    settings.write_text(settings.read_text() + "[limits]\ndisk_reserve_mb = 1000000\n")
    with serving(home) as process:
        ready, lives = ask(home, "/readyz"), ask(home, "/healthz")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert ready == (503, "quota.disk")
    assert lives[0] == 200


def test_a_systemd_that_started_the_node_is_told_of_its_states(tmp_path: Path) -> None:
    home = make_member(tmp_path)
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(path))
        supervisor.settimeout(30)
        env = os.environ | {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"}
        with serving(home, env=env) as process:
            told = {supervisor.recv(100) for _ in range(3)}
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
            while (last := supervisor.recv(100)) == b"WATCHDOG=1":
                pass

    assert told == {b"READY=1", b"WATCHDOG=1"}
    assert last == b"STOPPING=1"
