"""The table of attacks names tests that exist, and all tests of this folder are in it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
ATTACKS = json.loads((FOLDER / "attacks.json").read_text())
AREAS = {path.stem.removeprefix("test_") for path in FOLDER.glob("test_*.py")} - {"table"}
NAMED = {test for row in ATTACKS for test in row.get("tests", [])}


def ids_in(file: Path) -> set[str]:
    """Return the ids of a file's tests."""
    name = file.relative_to(ROOT).as_posix()
    return {
        f"{name}::{node.name}"
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_every_attack_has_a_test_or_a_reason_why_not() -> None:
    for row in ATTACKS:
        assert set(row) in ({"area", "attack", "tests"}, {"area", "attack", "reason"}), row
        assert row.get("tests", row.get("reason")), row


@pytest.mark.parametrize("test", sorted(NAMED))
def test_named_test_exists(test: str) -> None:
    file = ROOT / test.partition("::")[0]

    assert file.exists()
    assert test in ids_in(file)


def test_every_test_of_an_attack_is_in_the_table() -> None:
    files = [path for path in FOLDER.glob("test_*.py") if path.stem != "test_table"]

    assert set().union(*map(ids_in, files)) - NAMED == set()


def test_attacks_are_listed_once_and_by_known_areas() -> None:
    names = [row["attack"] for row in ATTACKS]

    assert len(names) == len(set(names))
    assert {row["area"] for row in ATTACKS} == AREAS


def test_every_test_begins_with_the_attack_in_words() -> None:
    for path in FOLDER.glob("test_*.py"):
        if path.stem == "test_table":
            continue
        lines = path.read_text().splitlines()
        for node in ast.parse(path.read_text()).body:
            is_test = getattr(node, "name", "").startswith("test_")
            if is_test and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                before = lines[node.body[0].lineno - 2].strip()
                assert before.startswith("# "), f"{path.name}::{node.name}"
