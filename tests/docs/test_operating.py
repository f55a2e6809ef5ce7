"""Lists that stand in the docs and in the code are the same lists."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from sheaf_node.config import (
    Config,
    CoopRule,
    Discovery,
    Limits,
    Log,
    PeerAddress,
    SeatPages,
    Waits,
)
from sheaf_node.observing.metrics import METRICS
from sheaf_node.plugins import ServiceContext
from sheaf_protocol.subscription import Filter

DOCS = Path(__file__).parents[2] / "docs"


def test_every_setting_is_documented_with_its_default():
    rows = dict(
        re.findall(r"^\| `([a-z_.]+)` \| .* \| (.*) \|$", _section("Settings"), flags=re.MULTILINE)
    )
    tables = {"": Config, "peers.": PeerAddress, "coops.": CoopRule}
    tables |= {"subscription.": Filter, "limits.": Limits, "waits.": Waits, "log.": Log}
    tables |= {"discovery.": Discovery, "seats.": SeatPages}
    fields = {
        prefix + field.name: field.default
        for prefix, type_ in tables.items()
        for field in msgspec.structs.fields(type_)
        if field.name not in {"discovery", "limits", "log", "subscription", "waits", "seats"}
    }

    assert set(rows) == set(fields)
    numbers = {name: value for name, value in fields.items() if type(value) is int}
    assert {name: int(rows[name]) for name in numbers} == numbers


def test_every_metric_is_documented_with_its_labels():
    rows = re.findall(r"^\| `(sheaf_[a-z_]+)` \|(.*?)\| .+ \|$", _section("Watching a node"), re.M)

    documented = {name: tuple(re.findall(r"`([a-z]+)`", labels)) for name, labels in rows}
    assert documented == {name: metric.labels for name, metric in METRICS.items()}


def test_every_call_of_the_service_context_is_documented():
    text = (DOCS / "writing-a-service.md").read_text()
    names = [name for name in vars(ServiceContext) if not name.startswith("_")]

    assert [name for name in names if f"`{name}" not in text] == []


def _section(heading: str) -> str:
    text = (DOCS / "operating.md").read_text()
    return text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
