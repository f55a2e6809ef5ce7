"""What is told of a run of the fuzzer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz.__main__ import Report, read

if TYPE_CHECKING:
    from pathlib import Path

OUTPUT = """INFO: Seed: 1
#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 40Mb
#512\tNEW    cov: 12 ft: 15 corp: 2/9b lim: 4 exec/s: 0 rss: 40Mb L: 8/8 MS: 1 ChangeBit-
#9000\tDONE   cov: 97 ft: 372 corp: 79/590b lim: 461 exec/s: 3441 rss: 53Mb
"""


def test_last_state_counts(tmp_path: Path) -> None:
    report = read("codec", OUTPUT, tmp_path)

    assert (report.executions, report.edges, report.features) == (9_000, 97, 372)
    assert report.is_clean


def test_each_saved_input_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "crash-1").write_bytes(b"\x01\xff")

    report = read("codec", OUTPUT, tmp_path)

    assert report.findings == ["01ff"]
    assert not report.is_clean


def test_run_that_never_began_is_not_clean() -> None:
    assert not Report("codec").is_clean
    assert not Report("codec", executions=5, fault="died").is_clean
