"""Tables on the pages for managers hold what the code and the spec hold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from msgspec import structs

from sheaf_protocol.charter import DEFAULT_POLICY, VOTING, Role

ROOT = Path(__file__).parents[2]
CODES = json.loads((ROOT / "spec" / "errors.json").read_text())
UNITS_MS = {"minute": 60_000, "h": 3_600_000, "days": 86_400_000}


def test_every_role_is_documented_and_whether_it_has_a_vote() -> None:
    has_vote = {row[0].strip("`"): row[-1] for row in rows("governing.md", "Roles")}

    assert set(has_vote) == set(get_args(Role))
    assert {role for role, said in has_vote.items() if said == "yes"} == VOTING


def test_every_setting_of_the_policy_is_documented_with_its_default() -> None:
    settings = structs.asdict(DEFAULT_POLICY)
    told: dict[str, str] = {}
    for first, *_, usual in rows("governing.md", "The policy"):
        told.update(zip(re.findall(r"`(\w+)`", first), usual.split(", "), strict=True))

    assert set(told) == set(settings) - {"version"}
    assert {name: text for name, text in told.items() if text != shown(settings[name], text)} == {}


@pytest.mark.parametrize(
    ("page", "heading", "prefix"),
    [
        ("private-demand.md", "What an alert means", "curve."),
        ("treaties.md", "Watching the bridges", "bridge."),
    ],
)
def test_every_fault_of_an_author_is_explained(page: str, heading: str, prefix: str) -> None:
    faults = {each["code"] for each in CODES if each["fault"] == "author"}
    told = {code for row in rows(page, heading) for code in re.findall(r"`(.*?)`", row[0])}

    assert {code for code in faults if code.startswith(prefix)} - told == set()


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of a section's table without its head."""
    section = (
        (ROOT / "docs" / page).read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    )
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return lines[2:]


def shown(value: object, like: str) -> str:
    """Return a default as the page writes it: a time with its unit, a name in backticks."""
    for unit, ms in UNITS_MS.items():
        if like.endswith(f" {unit}"):
            assert isinstance(value, int)
            return f"{value // ms} {unit}"
    if isinstance(value, list):
        return "both"
    return f"`{value}`" if isinstance(value, str) else str(value)
