"""What a node consists of can be told: each run-time dependency stands in the bill of materials."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = [re.split(r"[^\w.-]", each, maxsplit=1)[0] for each in PROJECT["dependencies"]]


def test_the_bill_of_materials_names_each_dependency_in_its_version(tmp_path):
    pytest.importorskip("cyclonedx_py", reason="no cyclonedx-bom here: pip install -e '.[dev]'")
    out = tmp_path / "bill.json"
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    # `make sbom` lets it check the bill against the schema as well, which takes ten seconds.
    command.append("--no-validate")
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--of", "JSON", "-o", str(out)]

    subprocess.run([*command, *options], capture_output=True, check=True, cwd=tmp_path)

    bill = json.loads(out.read_text())
    parts = {_normal(part["name"]): part["version"] for part in bill["components"]}
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "sheaf-coop")
    assert {name: parts.get(_normal(name)) for name in NEEDED} == {
        name: version(name) for name in NEEDED
    }


def test_the_bill_is_made_of_what_a_node_installs_and_not_of_what_tests_need():
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.split("\nsbom:", 1)[1].split("\n\n", 1)[0]

    assert "pip install --quiet --disable-pip-version-check ." in recipe
    assert "build/sbom/bin/python" in recipe
    assert "[dev]" not in recipe


def _normal(name: str) -> str:
    """Return a name as package indexes compare them."""
    return re.sub(r"[-_.]+", "-", name).lower()
