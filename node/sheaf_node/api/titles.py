"""What a code means in words, as chapter 12 of the spec has it: the title of every problem."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from sheaf_protocol.testing.conformance import spec_folder

if TYPE_CHECKING:
    from collections.abc import Mapping


def title_of(code: str) -> str:
    """Return the sentence of a code; of one that the spec does not list, the code itself.

    Services of others have such; and a node goes on where somebody left the spec out of a package.
    """
    return _sentences().get(code, code)


@cache
def _sentences() -> Mapping[str, str]:
    try:
        rows = json.loads((spec_folder() / "errors.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {row["code"]: row["sentence"] for row in rows}
