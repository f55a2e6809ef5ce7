"""Which rules of the spec the vectors show, and how this implementation stands to them.

A rule binds bytes or it binds behaviour. The second kind is listed, with the reason and where there
is one the test that shows it, in `vectors/untestable.json`; every other rule needs a vector.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sheaf_protocol.testing.vectors import OK, is_passed, load, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_protocol.testing.vectors import Vector

_RULE: Final = re.compile(r"^- \*\*([A-Z]{3,4}-[0-9]+)\*\*", re.MULTILINE)
_AROUND: Final = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Untestable:
    """Why no bytes show a rule, and the test of this implementation that does; "" for none."""

    reason: str
    test: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Conformance:
    """How an implementation stands to the vectors of a spec."""

    passed: int
    failed: Sequence[str]
    """The ids of the vectors that another result came of than they demand."""
    negative: int
    """How many of all vectors demand a refusal."""
    clauses_without_vector: Sequence[str]


def spec_folder() -> Path:
    """Return the spec that came with this library: installed beside it, or in its checkout."""
    installed = _AROUND / "sheaf_spec"
    return installed if installed.is_dir() else _AROUND.parent / "spec"


def load_rules(spec: Path) -> list[str]:
    """Return the ids of the rules in force, in the order of the chapters."""
    return [rule for page in sorted(spec.glob("*.md")) for rule in _RULE.findall(page.read_text())]


def load_untestable(spec: Path) -> Mapping[str, Untestable]:
    """Return the rules that no vector can show."""
    rows = json.loads((spec / "vectors" / "untestable.json").read_text())
    return {
        rule: Untestable(reason=row["reason"], test=row.get("test", ""))
        for rule, row in rows.items()
    }


def clauses_without_vector(spec: Path, vectors: Iterable[Vector]) -> list[str]:
    """Return the rules that a vector could show and none does."""
    shown = {vector.clause for vector in vectors} | load_untestable(spec).keys()
    return [rule for rule in load_rules(spec) if rule not in shown]


def check_vectors(spec: Path) -> Conformance:
    """Return what this library makes of a spec's vectors; ValueError for a file that is none."""
    vectors = load(spec / "vectors")
    failed = [vector.id for vector in vectors if not is_passed(vector, run(vector))]
    return Conformance(
        passed=len(vectors) - len(failed),
        failed=failed,
        negative=sum(vector.expect != OK for vector in vectors),
        clauses_without_vector=clauses_without_vector(spec, vectors),
    )
