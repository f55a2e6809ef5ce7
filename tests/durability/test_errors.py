"""An operation on the disk fails: the store stops for good and loses nothing."""

from __future__ import annotations

import errno

import pytest
from tests.durability import errors, errors_recorded, recorded

needs_compiler = pytest.mark.skipif(recorded.compiler() is None, reason=recorded.NO_COMPILER)
STEPS = {"write": 9, "sync": 2, "full": 9}
"""Each ninth write here; `python -m tests.durability errors` lets each fail in turn."""


@pytest.mark.parametrize("kind", errors.ERRORS)
async def test_after_an_error_the_store_stops_and_nothing_acknowledged_is_lost(kind: str) -> None:
    report = await errors.fail_each(kind, STEPS[kind])

    assert (report.lost, report.faults) == (0, [])
    assert report.failed > 0
    assert report.unnoticed == 0


async def test_a_store_that_passes_over_failed_commits_is_found_out() -> None:
    report = await errors.fail_each("sync", 3, passes_over="COMMIT")

    assert report.unnoticed > 0
    assert report.faults


@needs_compiler
def test_production_sqlite_touches_the_disk_no_more_after_an_error() -> None:
    reports = errors_recorded.run(step=35, most=80, codes=[errno.EIO])

    assert not [report.faults for report in reports.values() if report.faults]
    assert sum(report.lost for report in reports.values()) == 0
    assert sum(report.failed for report in reports.values()) > 0
