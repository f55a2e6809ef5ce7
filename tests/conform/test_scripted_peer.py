"""The scripted peer and the tables against the sound node, without services, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conform.running import Build, make_node_kit, part_of, reports_of, running

from sheaf_node.conform.cases import all_cases

if TYPE_CHECKING:
    from pathlib import Path


async def test_sound_node_stands_whatever_a_peer_does(tmp_path: Path) -> None:
    coop, kit = make_node_kit()
    part = part_of(kit, shared=5, sides=4)
    cases = [case for case in all_cases() if case.id.startswith(("evil-", "table-"))]

    async with running(tmp_path, coop, part, Build()) as url:
        reports = await reports_of(cases, part, url, limit_s=60.0)

    assert {report.case.id: report.got for report in reports if report.result != "ok"} == {}
    unseen = {report.case.id: set(report.case.codes) - set(report.codes) for report in reports}
    assert {id_: codes for id_, codes in unseen.items() if codes} == {}


def test_each_table_has_a_case_for_each_row_that_can_be_sent() -> None:
    walks = [case.id for case in all_cases() if case.id.startswith("table-")]

    assert sum(id_.startswith("table-pool-") for id_ in walks) == 13
    assert sum(id_.startswith("table-hold-") for id_ in walks) == 19
    assert sum(id_.startswith("table-shipment-") for id_ in walks) == 18
