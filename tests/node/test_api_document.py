"""A running node does what its OpenAPI document says: Schemathesis asks, and compares."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.node.test_cli_serve import make_member

from sheaf_node.api.table import ROUTES
from sheaf_node.api.token import read_token
from sheaf_node.cli.client import NodeClient
from sheaf_node.config import load_config

DOCUMENT = Path(__file__).parents[2] / "spec" / "openapi" / "local-api.json"
SECONDS = 300
SEED = os.environ.get("SHEAF_SEED", "1")
EXAMPLES = os.environ.get("SHEAF_FUZZ", "8")
CHECKED = [route for route in ROUTES if not route.is_stream]
NOT_CHECKED = "positive_data_acceptance,use_after_free,ensure_resource_availability"
"""Most of what has the right form is still refused by a rule: ids of nothing, records without a
role. And what was erased stays known."""


@pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not installed")
def test_a_node_answers_as_its_document_says(tmp_path: Path) -> None:
    home = make_member(tmp_path)
    output = tmp_path / "output"
    serve = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)]
    with (
        output.open("w") as file,
        subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=file, text=True) as node,
    ):
        try:
            assert node.stdout is not None
            assert node.stdout.readline().startswith("Serving"), output.read_text()

            found = ask_everything(home, tmp_path)

            assert found.returncode == 0, found.stdout + found.stderr
            assert f"Tested: {len(CHECKED)}\n" in found.stdout, found.stdout
            assert NodeClient(home).get("/api/v1/status")["process"] == node.pid
        finally:
            node.kill()
    assert "Traceback" not in output.read_text()
    assert read_token(home) not in output.read_text()


def ask_everything(home: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis against a node's own document, in a process of its own."""
    url = f"http://127.0.0.1:{load_config(home).local_port}"
    streams = [
        part for route in ROUTES if route.is_stream for part in ("--exclude-path", route.path)
    ]
    args = [
        *("run", str(DOCUMENT), "--url", url),
        *("--header", f"Authorization: Bearer {read_token(home)}"),
        *("--checks", "all", "--exclude-checks", NOT_CHECKED, *streams),
        *("--phases", "coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", SEED),
        *("--continue-on-failure", "--request-timeout", "60"),
    ]
    return subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
