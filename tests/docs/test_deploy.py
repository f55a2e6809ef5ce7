"""What stands in docs/deploy fits the node that is there: paths, metrics, the sandbox."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sheaf_node.address import LINK_PATH
from sheaf_node.api.probes import HEALTHZ, METRICS, METRICS_TOKEN
from sheaf_node.config import Config
from sheaf_node.observing.metrics import METRICS as KNOWN
from sheaf_node.peering.look_back import LOOK_BACK_PATH
from sheaf_node.peering.network import WELL_KNOWN
from sheaf_protocol.invitation.link import JOIN_PATH

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
UNITS = ["sheaf.service", "sheaf-backup.service", "sheaf-backup.timer"]
LEAST_EXPOSED = 20
"""Of 100, as `systemd-analyze security` counts; its word for up to 20 is OK."""
SUFFIXES = ("_bucket", "_sum", "_count")
_ANALYZE = ("systemd-analyze",)
_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here: units unchecked"
)


def text_of(name: str) -> str:
    return (DEPLOY / name).read_text()


def named(expression: str) -> set[str]:
    """Return the metrics of a node that an expression names; `process_*` is the library's."""
    found = set(re.findall(r"\b(?:sheaf)_[a-z_]+", re.sub(r'"[^"]*"', "", expression)))
    return {_whole(name) for name in found}


def _whole(name: str) -> str:
    for suffix in SUFFIXES:
        cut = name.removesuffix(suffix)
        if name not in KNOWN and cut in KNOWN and KNOWN[cut].type == "histogram":
            return cut
    return name


def board() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(text_of("grafana-board.json"))
    return read


def expressions() -> list[str]:
    alerts = re.findall(r"^ +expr: (.+)$", text_of("sheaf-alerts.yml"), flags=re.MULTILINE)
    panels = [target["expr"] for panel in board()["panels"] for target in panel["targets"]]
    assert len(alerts) >= 15
    assert len(panels) >= 15
    return [*alerts, *panels]


def test_board_and_alerts_name_metrics_that_a_node_tells() -> None:
    assert set().union(*map(named, expressions())) - set(KNOWN) == set()


def test_every_metric_is_on_the_board_or_in_an_alert() -> None:
    assert set(KNOWN) - set().union(*map(named, expressions())) == set()


def test_labels_in_board_and_alerts_are_those_of_the_metrics() -> None:
    known = {label for metric in KNOWN.values() for label in metric.labels} | {"instance", "job"}

    shown = set(re.findall(r"\{\{ ?(?:\$labels\.)?([a-z]+) ?\}\}", text_of("grafana-board.json")))
    shown |= set(re.findall(r"\{\{ \$labels\.([a-z]+) \}\}", text_of("sheaf-alerts.yml")))

    assert shown - known == set()


def test_every_alert_says_what_to_do() -> None:
    alerts = text_of("sheaf-alerts.yml").split("- alert: ")[1:]

    for alert in alerts:
        assert re.search(r"^ +summary: \"", alert, flags=re.MULTILINE), alert
        assert re.search(r"^ +action: \"", alert, flags=re.MULTILINE), alert
        assert re.search(r"severity: (page|ticket)\}", alert), alert


def test_panels_of_the_board_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }

        assert not taken & cells, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_prometheus_asks_the_port_and_the_path_with_the_token() -> None:
    text = text_of("prometheus.yml")

    assert f"metrics_path: {METRICS}\n" in text
    assert f'"127.0.0.1:{_default("local_port")}"' in text
    assert METRICS_TOKEN in text


def test_the_proxy_passes_on_the_paths_of_the_peer_port_and_no_others() -> None:
    text = text_of("Caddyfile")

    passed = {path for line in re.findall(r"^\t\tpath (.+)$", text, re.M) for path in line.split()}
    assert passed == {WELL_KNOWN, LINK_PATH, LOOK_BACK_PATH, JOIN_PATH}
    assert set(re.findall(r"reverse_proxy (\S+)", text)) == {f"127.0.0.1:{_default('peer_port')}"}
    assert text.count("respond 404") == 1
    assert str(_default("local_port")) not in text


def test_the_proxys_blocks_are_closed() -> None:
    depth = 0
    for line in text_of("Caddyfile").splitlines():
        depth += line.strip().endswith("{") - (line.strip() == "}")
        assert depth >= 0
    assert depth == 0


@pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy is not here: Caddyfile unchecked")
def test_the_proxy_takes_its_file() -> None:
    asked = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
    subprocess.run(asked, check=True, capture_output=True, timeout=60)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here: rules unread")
@pytest.mark.parametrize(
    "asked",
    [["rules", "sheaf-alerts.yml"], ["config", "--syntax-only", "prometheus.yml"]],
    ids=["rules", "config"],
)
def test_prometheus_takes_its_files(asked: list[str]) -> None:
    what, *options, name = asked
    command = ["promtool", "check", what, *options, str(DEPLOY / name)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_the_units(name: str, tmp_path: Path) -> None:
    for unit in UNITS:
        # Whatever is there stands for the program, which systemd wants to see.
        text = text_of(unit).replace("/opt/sheaf/bin/sheaf", sys.executable)
        (tmp_path / unit).write_text(text)

    checked = subprocess.run(
        [*_ANALYZE, "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    ours = [line for line in checked.stderr.splitlines() if "sheaf" in line]
    assert (checked.returncode, ours) == (0, [])


@_systemd
@pytest.mark.parametrize("name", UNITS[:2])
def test_a_service_is_shut_in(name: str) -> None:
    asked = [*_ANALYZE, "security", "--offline=true", f"--threshold={LEAST_EXPOSED}"]

    checked = subprocess.run(
        [*asked, str(DEPLOY / name)], capture_output=True, text=True, timeout=60, check=False
    )

    assert checked.returncode == 0, checked.stdout


def test_the_container_runs_as_nobody_special_and_asks_whether_it_lives() -> None:
    text = text_of("Containerfile")

    assert re.findall(r"^USER (.+)$", text, re.M) == ["8440:8440"]
    assert f"http://127.0.0.1:{_default('local_port')}{HEALTHZ}" in text
    assert re.findall(r"^EXPOSE (.+)$", text, re.M) == [str(_default("peer_port"))]


def _default(name: str) -> int:
    value = getattr(Config(name="x"), name)
    assert isinstance(value, int)
    return value
