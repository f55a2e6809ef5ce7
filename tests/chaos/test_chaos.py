"""Real processes under a bad network, by the histories of what was asked of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.chaos.api import eventually
from tests.chaos.checker import check
from tests.chaos.history import Operation, Outcome
from tests.chaos.run import HEAL_S, checked, heal, look, run, started
from tests.chaos.wire import Trouble

if TYPE_CHECKING:
    from pathlib import Path

SEED = 1


async def test_eight_nodes_in_a_storm_show_the_history_of_honest_nodes(tmp_path: Path) -> None:
    folder = tmp_path / "town"
    folder.mkdir()

    report = await run(SEED, seconds=8, folder=folder)

    assert report.problems == [], report
    assert report.operations["ok"] > 100, report
    assert report.operations["unknown"] > 0, report
    assert report.grants >= 16, report


async def test_an_answer_told_before_the_node_gave_it_is_found(tmp_path: Path) -> None:
    async with started(tmp_path, count=2) as (town, history, _):
        dale = town.nodes[1]
        dale.kill()

        history.operations.append(
            Operation(
                kind="demand.submit",
                node=dale.name,
                key="hasty",
                outcome=Outcome.OK,
                invoked_s=0.0,
                ended_s=0.0,
            )
        )

        lost = "lost: demand.submit hasty was answered ok and is not on dale, hill"
        assert await checked(town, history) == [lost]


async def test_an_old_home_put_back_behind_a_nodes_back_is_found(tmp_path: Path) -> None:
    async with started(tmp_path, count=3) as (town, history, workload):
        dale, copy = town.nodes[1], tmp_path / "copy"
        await workload.write_line(dale, "before")
        dale.kill()
        dale.copy_home(copy)
        await heal(town)
        await workload.write_line(dale, "acknowledged")
        await eventually(town.is_equal, within_s=HEAL_S, what="equal nodes")
        dale.kill()
        dale.put_back(copy)
        town.set_weather({pair: {Trouble.REFUSE} for pair in town.wires if 1 in pair})
        dale.mend()
        await eventually(dale.is_up, within_s=HEAL_S, what="dale up")

        async def writes_again() -> bool:
            await workload.write_line(dale, "instead")
            return history.operations[-1].outcome is Outcome.OK

        await eventually(writes_again, within_s=HEAL_S, what="dale to write what forks its log")
        await heal(town)

        async def is_noticed() -> bool:
            await look(town, history)
            return all(history.forked.values())

        await eventually(is_noticed, within_s=HEAL_S, what="every node to know the fork")
        assert any(problem.startswith("fork") for problem in check(history))
