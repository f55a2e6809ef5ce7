"""What a run prints: a line for each case, the sequence where one fails, counts; or JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_node.conform.model import Claim
    from sheaf_node.conform.runner import Report


def lines_of(report: Report) -> Iterator[str]:
    """Yield what is printed of a case: one line, and the sequence beneath it where it failed."""
    case = report.case
    why = f" ({report.got})" if report.result == "skip" else ""
    yield f"{report.result:<4} {case.id} {','.join(case.clauses)} {case.title}{why}"
    if report.result == "FAIL":
        yield from (f"       {line}" for line in report.sequence)
        yield f"     expected {report.expected}"
        yield f"     got      {report.got}"


def summary(reports: Sequence[Report]) -> str:
    """Return the counts of a run."""
    counts = Counter(report.result for report in reports)
    return f"{counts['ok']} ok, {counts['FAIL']} failed, {counts['skip']} skipped"


def as_data(reports: Sequence[Report]) -> dict[str, Any]:
    """Return a run for programs."""
    counts = Counter(report.result for report in reports)
    return {
        "passed": counts["ok"],
        "failed": counts["FAIL"],
        "skipped": counts["skip"],
        "codes": sorted({code for report in reports for code in report.codes}),
        "cases": [
            {
                **described(report.case),
                "result": report.result,
                "took_ms": report.took_ms,
                "seen": list(report.codes),
                "expected": report.expected,
                "got": report.got,
                "sequence": list(report.sequence),
            }
            for report in reports
        ],
    }


def described(case: Claim) -> dict[str, Any]:
    """Return a case for programs, as `--list --json` tells it."""
    return {
        "id": case.id,
        "clauses": list(case.clauses),
        "title": case.title,
        "surface": case.surface.value,
        "codes": list(case.codes),
    }
