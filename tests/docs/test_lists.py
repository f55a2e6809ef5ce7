"""The columns in the docs are those that the imports read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sheaf_services.pooled_purchasing.lists import price_list, purchase_list

LISTS = (Path(__file__).parents[2] / "docs" / "lists.md").read_text()


@pytest.mark.parametrize(
    ("heading", "layout"),
    [("Purchases", purchase_list.LAYOUT), ("Prices", price_list.LAYOUT)],
)
def test_every_column_is_documented_as_needed_or_not(heading, layout):
    section = LISTS.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([a-z_]+)` \| (needed)? ?\|", section, flags=re.MULTILINE)

    assert [name for name, needed in rows if needed] == list(layout.required)
    assert [name for name, needed in rows if not needed] == list(layout.optional)
