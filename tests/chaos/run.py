"""One run: a town, a storm drawn from a seed, the workload in it, healing, and what was found."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.chaos.api import eventually
from tests.chaos.checker import check
from tests.chaos.history import History, Outcome, Shown
from tests.chaos.storm import Harm, draw_storm
from tests.chaos.town import Town
from tests.chaos.workload import Workload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from pathlib import Path

    from tests.chaos.storm import Fault, Pair
    from tests.chaos.wire import Trouble

NODES: Final = 8
HEAL_S: Final = 60.0
"""Nodes with nothing in their way are equal after seconds; a busy machine may take longer."""


@dataclass(kw_only=True, slots=True)
class Report:
    """What became of a run."""

    seed: int
    seconds: float
    faults: int = 0
    operations: dict[str, int] = field(default_factory=dict)
    entries: int = 0
    grants: int = 0
    up_after_s: float = 0.0
    """From the end of the last fault until all nodes answered, those that were killed too."""
    equal_after_s: float = 0.0
    """From the same moment until all had the same entries and every hold was answered."""
    problems: list[str] = field(default_factory=list)
    kept: str = ""
    """The file with the whole history, where there is a problem."""
    command: str = ""


async def run(seed: int, *, seconds: float, folder: Path, nodes: int = NODES) -> Report:
    """Return the report of a storm of so many seconds; a history with problems is kept beside."""
    command = f"python -m tests.chaos --seed {seed} --seconds {seconds:g} --nodes {nodes}"
    report = Report(seed=seed, seconds=seconds, command=command)
    storm = draw_storm(seed, nodes=nodes, seconds=seconds)
    async with started(folder, count=nodes, seed=seed) as (town, history, workload):
        history.faults = [str(fault) for fault in storm]
        await workload.offer()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(workload.run(seconds))
            await _blow(town, storm)
            ended_s = workload.now_s()
            await heal(town)
            report.up_after_s = round(workload.now_s() - ended_s, 2)
        try:
            await settle(town, history)
            report.equal_after_s = round(workload.now_s() - ended_s, 2)
            await quieten(town, history)
        except TimeoutError as fault:
            report.problems.append(str(fault))
        await look(town, history)
    report.problems += check(history)
    _count(report, history, storm)
    if report.problems:
        kept = folder.parent / f"chaos-{seed}.json"
        history.write(kept, command=command, problems=report.problems)
        report.kept = str(kept)
    return report


@asynccontextmanager
async def started(
    folder: Path, *, count: int, seed: int = 1, has_desk: bool = True
) -> AsyncIterator[tuple[Town, History, Workload]]:
    """Open a town whose nodes are up and linked, with an empty history and its clients."""
    dice = random.Random(seed)  # noqa: S311  # repeatable, not secret
    async with Town.open(folder, count=count, dice=dice, has_desk=has_desk) as town:
        await town.start()
        history = History(cids={node.name: node.cid for node in town.nodes})
        yield town, history, Workload(town, history, dice)


async def checked(town: Town, history: History) -> list[str]:
    """Heal a town, wait until its nodes are equal, and return what is wrong with the history."""
    await heal(town)
    await settle(town, history)
    await look(town, history)
    return check(history)


async def _blow(town: Town, storm: Sequence[Fault]) -> None:
    """Let each fault begin and end in its time."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    moments = [(fault.from_s, True, fault) for fault in storm]
    moments += [(fault.to_s, False, fault) for fault in storm]
    raging: list[Fault] = []
    for at_s, is_begin, fault in sorted(moments, key=lambda moment: moment[:2]):
        await asyncio.sleep(max(0.0, started_s + at_s - loop.time()))
        if is_begin:
            raging.append(fault)
        else:
            raging.remove(fault)
        if fault.harm is None:
            town.set_weather(_weather(raging))
        elif is_begin:
            _harm(town, fault)
        elif not any(other.harm and other.node == fault.node for other in raging):
            town.nodes[fault.node].mend()


def _weather(raging: Sequence[Fault]) -> dict[Pair, set[Trouble]]:
    weather: defaultdict[Pair, set[Trouble]] = defaultdict(set)
    for fault in raging:
        for pair in fault.wires:
            if fault.trouble is not None:
                weather[pair].add(fault.trouble)
    return weather


def _harm(town: Town, fault: Fault) -> None:
    if fault.harm is Harm.KILL:
        town.nodes[fault.node].kill()
    else:
        town.nodes[fault.node].pause()


async def heal(town: Town) -> None:
    """Let the sun shine and every process run; wait until all answer."""
    town.set_weather({})
    for node in town.nodes:
        node.mend()
    await town.wait_up()


async def settle(town: Town, history: History) -> None:
    """Wait until all asked holds are answered and all nodes have the same entries.

    Raises TimeoutError where that takes longer than `HEAL_S`.
    """
    told = {
        each.key
        for each in history.operations
        if each.kind == "hold.request" and each.outcome is Outcome.OK
    }

    async def is_settled() -> bool:
        words = await _words(town)
        answered = words["hold.grant"] | words["hold.refuse"]
        return told <= words["hold.request"] <= answered and await town.is_equal()

    await eventually(is_settled, within_s=HEAL_S, what="equal nodes and every hold answered")


async def quieten(town: Town, history: History) -> None:
    """Wait until the last short hold has ended, so that no node has anything left to say.

    Raises TimeoutError where that takes longer than `HEAL_S`.
    """
    scarce = {each.capacity for each in history.scarce}

    async def is_quiet() -> bool:
        words = await _words(town, leaving_out=scarce)
        ended = words["hold.expired"] | words["hold.release"] | words["hold.confirmed"]
        return words["hold.grant"] <= ended and await town.is_equal()

    await eventually(is_quiet, within_s=HEAL_S, what="an end of every short hold")


async def _words(town: Town, *, leaving_out: Collection[str] = ()) -> defaultdict[str, set[str]]:
    """Return by kind the holds that the owner's node has such a record of."""
    entries = [Shown.of(item) for item in await town.nodes[0].api.log_after(0) or ()]
    passed = {each.key for each in entries if each.record.get("capacity") in leaving_out}
    words: defaultdict[str, set[str]] = defaultdict(set)
    for each in entries:
        if each.key not in passed:
            words[each.kind].add(each.key)
    return words


async def look(town: Town, history: History) -> None:
    """Note all that each node shows in the end."""
    for node in town.nodes:
        status, items = await node.api.get("status"), await node.api.log_after(0)
        if status is None or items is None:
            raise RuntimeError(f"expected {node.name} to answer, got nothing: {node.tail}")
        history.final[node.name] = [Shown.of(item) for item in items]
        [federation] = status["federations"]
        history.forked[node.name] = federation["forked"]
        history.roots[node.name] = federation["root"]
        if node.outcry:
            history.outcries[node.name] = node.outcry


def _count(report: Report, history: History, storm: Sequence[Fault]) -> None:
    report.faults = len(storm)
    report.operations = dict(Counter(each.outcome.value for each in history.operations))
    first = next(iter(history.final.values()))
    report.entries = len(first)
    report.grants = sum(each.kind == "hold.grant" for each in first)
