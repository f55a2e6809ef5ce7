"""The same with SQLite as the node has it: one operation of a real process fails, by `recorder.c`.

Here the record also shows what a process still does to the disk after the first error.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.durability.errors import PRAGMAS, Report
from tests.durability.recorded import Operation, operations, run_worker
from tests.durability.worker import ACKNOWLEDGED, Answer, Task, acknowledged_in
from tests.durability.workload import OWN, judge, zeros

from sheaf_node.store import Store
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.digest import EntryId

CODES = (errno.EIO, errno.ENOSPC, errno.EROFS)


def run(step: int, most: int = 10_000, codes: Sequence[int] = CODES) -> dict[str, Report]:
    """Let each `step`th operation of the standard library's SQLite fail, by what the system says.

    Once, and for good: a disk that comes back must not be trusted again.
    """
    return {
        f"{errno.errorcode[code]}{' for good' if is_sticky else ''}": _fail_each_recorded(
            code, is_sticky=is_sticky, step=step, most=most
        )
        for code in codes
        for is_sticky in (False, True)
    }


def _fail_each_recorded(code: int, *, is_sticky: bool, step: int, most: int) -> Report:
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        begun, work = root / "begun", root / "work"
        begun.mkdir()
        run_worker(Task(folder=str(begun), seed=1, rounds=5))
        for number in range(1, most, step):
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(begun, work)
            sticky = {"DISK_STICKY": "1"} if is_sticky else {}
            settings = {"DISK_FAIL_AT": str(number), "DISK_ERRNO": str(code), **sticky}
            record = root / f"record-{number}"
            task = Task(folder=str(work), seed=2, rounds=4, pragmas=PRAGMAS)
            answer = run_worker(task, DISK_RECORD=str(record), **settings)
            done = list(operations(record))
            failed = [at for at, operation in enumerate(done) if operation.what == "!"]
            if not failed:
                break
            _note_recorded(report, answer, done[failed[0] :])
            told = acknowledged_in((begun / ACKNOWLEDGED).read_bytes())
            told |= acknowledged_in(b"".join(op.data for op in done if op.what == "a"))
            asyncio.run(_look_recorded(report, work, told, done[failed[0]].name))
    return report


def _note_recorded(report: Report, answer: Answer, after: list[Operation]) -> None:
    """Note how a worker ended, and what it still did to the disk after the first error."""
    report.errors += 1
    failed, *rest = after
    tried = [each.what + " " + each.name for each in rest if each.what in "wts"]
    if answer.opening is not None:
        report.refused_opening += 1
        return
    if answer.working is None:
        report.unnoticed += 1
        return
    report.failed += 1
    if [answer.working, *answer.after] != ["store.failed"] * 3:
        report.faults.append(f"{failed.name}: expected store.failed thrice, got {answer}")
    if tried:
        report.faults.append(f"after an error in {failed.name}: {tried[:4]}")


async def _look_recorded(
    report: Report, folder: Path, told: dict[int, EntryId], failed: str
) -> None:
    try:
        store = Store.open(folder / "sheaf.db", random=zeros, own=OWN)
    except Refusal as refusal:
        report.faults.append(f"after an error in {failed}: {refusal}")
        return
    verdict = judge(store, told)
    await store.close()
    report.lost += verdict.lost
    report.faults += [f"after an error in {failed}: {fault}" for fault in verdict.faults]
