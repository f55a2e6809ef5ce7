"""Each limit that stands in the code where others come in stands in the manual, with its number."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import msgspec
import pytest

import sheaf_node
from sheaf_node.config import Limits
from sheaf_node.ingest.belonging import Bounds
from sheaf_protocol import limits as protocol_limits
from sheaf_protocol.link.blob_sync import MAX_ASKED, MAX_WANTED
from sheaf_protocol.link.control_sync import MAX_TOLD
from sheaf_protocol.link.data_sync import MAX_LOGS

NOT_OF_NODES = ("cli.", "conform.", "peering.memory")
"""What commands read, which end; the tests for implementations; the network of simulations."""
NAME = re.compile(r"(MAX|MOST|BURST|PER_SECOND|LARGE|SMALL|QUEUED|GROUP_ENTRIES)(_[A-Z_]+)?")
ROW = re.compile(r"^\| (?P<what>[^|]+) \| (?P<most>[^|]+) \| (?P<where>[^|]+) \|$", re.MULTILINE)
KIB, MIB = 1 << 10, 1 << 20


def section() -> str:
    text = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    return text.split("## Limits\n", 1)[1].split("\n## ", 1)[0]


@cache
def in_code() -> dict[str, int]:
    """Return the public constants with such a name, by module, below `sheaf_node`."""
    root = Path(sheaf_node.__file__).parent
    found: dict[str, int] = {}
    for path in sorted(root.rglob("*.py")):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        if module.startswith(NOT_OF_NODES):
            continue
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            name = node.target.id
            if NAME.fullmatch(name):
                value = getattr(importlib.import_module(f"sheaf_node.{module}"), name, None)
                if type(value) is int:
                    found[f"{module}.{name}"] = value
    return found


@cache
def in_manual() -> dict[str, str]:
    """Return the numbers of the table, by the names in the same row and order."""
    found: dict[str, str] = {}
    for row in ROW.finditer(section()):
        names = re.findall(r"`([a-z_]+(?:\.[a-z_]+)?\.[A-Z_]+)`", row["where"])
        if names:
            found |= dict(zip(names, row["most"].split(", "), strict=True))
    return found


def shown(name: str, value: int) -> str:
    if name.endswith("_MS"):
        return f"{value / 1000:g} s" if value < 3_600_000 else f"{value / 3_600_000:g} h"
    if value >= MIB and value % MIB == 0 and not name.endswith("_WAYS"):
        return f"{value // MIB} MiB"
    if value >= 4 * KIB and value % KIB == 0 and _counts_bytes(name):
        return f"{value // KIB} KiB"
    return str(value)


def _counts_bytes(name: str) -> bool:
    constant = name.rsplit(".", 1)[-1]
    return any(word in constant for word in ("BYTES", "BODY", "POST", "VALUE", "ANSWER", "REQUEST"))


def test_every_limit_in_the_code_is_in_the_table_and_no_other() -> None:
    assert set(in_manual()) == set(in_code())


@pytest.mark.parametrize("name", sorted(in_code()))
def test_the_table_has_the_number_of_the_code(name: str) -> None:
    assert in_manual().get(name) == shown(name, in_code()[name])


def test_every_limit_that_is_a_setting_is_named() -> None:
    settings = {f"limits.{field.name}" for field in msgspec.structs.fields(Limits)}

    assert {name for name in settings if f"`{name}`" not in section()} == set()


def test_limits_of_the_protocol_that_bound_a_link_have_their_numbers() -> None:
    rows = {row["what"]: row["most"] for row in ROW.finditer(section())}
    names = ["HANDSHAKE_MS", "CREDIT_BYTES", "MAX_FRAME", "MAX_HELLO", "MAX_HANDSHAKE"]

    told = {name: [most for what, most in rows.items() if f"`{name}`" in what] for name in names}
    assert told == {name: [_in_units(name)] for name in names}


@pytest.mark.parametrize(
    ("begins", "most"),
    [
        ("what a peer tells of a federation", [MAX_LOGS, MAX_LOGS]),
        ("what a peer tells of control items", [MAX_TOLD]),
        ("what a co-op has spent", [protocol_limits.MAX_MEMBERS]),
        ("questions for blobs", [MAX_WANTED, MAX_ASKED]),
        ("key logs, certificates", list(Bounds())),
    ],
)
def test_what_is_kept_in_memory_has_the_numbers_of_the_code(begins: str, most: list[int]) -> None:
    [bound] = [row["most"] for row in ROW.finditer(section()) if row["what"].startswith(begins)]

    assert [int(number) for number in re.findall(r"\b\d+\b", bound)] == most


def _in_units(name: str) -> str:
    value = getattr(protocol_limits, name)
    if name.endswith("_MS"):
        return f"{value // 1000} s"
    return f"{value // MIB} MiB" if value >= MIB else f"{value // KIB} KiB"
