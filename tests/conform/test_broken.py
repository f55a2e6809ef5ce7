"""The kit against nodes with one bug each: it finds every one, and none in the sound node."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.conform.broken import BUGS, SILENCE
from tests.conform.running import Build, make_node_kit, part_of, reports_of, running

from sheaf_node.conform.cases import all_cases

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.conform.broken import Bug

    from sheaf_node.conform.kit import Kit
    from sheaf_node.conform.model import Case
    from sheaf_node.conform.runner import Report
    from sheaf_protocol.testing.author import TestCoop

PATIENCE_S, LIMIT_S = 3.0, 60.0
"""Many bugs show by an answer that never comes, where a sound node takes milliseconds."""
AT_A_TIME = 6


@pytest.fixture(scope="module")
def node_kit() -> tuple[TestCoop, Kit]:
    return make_node_kit()


@pytest.fixture(scope="module")
def told(
    node_kit: tuple[TestCoop, Kit], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Mapping[str, Report], Sequence[Report]]:
    """What the case of each bug says of the node that has it, and all of them of the sound one.

    All side by side, since most of the time is spent waiting for an answer.
    """
    turns = asyncio.Semaphore(AT_A_TIME)

    async def one(bug: Bug) -> Report:
        folder = tmp_path_factory.mktemp(bug.name)
        limit_s = PATIENCE_S if bug.sign == SILENCE else LIMIT_S
        async with turns:
            [report] = await _reports(node_kit, folder, bug.build, [bug.case], limit_s)
        return report

    async def every() -> tuple[Sequence[Report], Sequence[Report]]:
        cases = [bug.case for bug in BUGS]
        sound = _reports(node_kit, tmp_path_factory.mktemp("sound"), Build(), cases, LIMIT_S)
        return await asyncio.gather(asyncio.gather(*(one(bug) for bug in BUGS)), sound)

    reports, sound = asyncio.run(every())
    return {bug.name: report for bug, report in zip(BUGS, reports, strict=True)}, sound


async def _reports(
    node_kit: tuple[TestCoop, Kit], folder: Path, build: Build, ids: Iterable[str], limit_s: float
) -> Sequence[Report]:
    coop, kit = node_kit
    part = part_of(kit)
    async with running(folder, coop, part, build) as url:
        return await reports_of(_named(ids), part, url, limit_s=limit_s)


def _named(ids: Iterable[str]) -> Sequence[Case]:
    known = {case.id: case for case in all_cases()}
    return [known[id_] for id_ in dict.fromkeys(ids)]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_kit_finds_a_planted_bug(
    bug: Bug, told: tuple[Mapping[str, Report], Sequence[Report]]
) -> None:
    report = told[0][bug.name]

    assert report.result == "FAIL"
    assert bug.sign in report.got
    assert "link.internal" not in report.codes


def test_kit_finds_nothing_in_the_sound_node(
    told: tuple[Mapping[str, Report], Sequence[Report]],
) -> None:
    assert {report.case.id: report.got for report in told[1] if report.result != "ok"} == {}
