"""Lets a process die at each of its steps in turn, by SIGKILL.

`python -m tests.node.dying CALL TEMPLATE FOLDER EVERY` makes FOLDER/1, FOLDER/2 and so on, copies
of the home TEMPLATE. On the n-th, CALL is made in a process of its own which is killed as it begins
the n-th statement of SQL or change of a file; the last one comes to its end. A step is whatever
Python tells an audit hook of and SQLite a trace, so no code under test is changed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SOFTWARE, NOW_MS = "0.2.0", 1_770_000_000_000
CHANGES = {"os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
MOST = 2_000


def killed(call: str, template: Path, folder: Path, *, every: int = 1) -> tuple[list[Path], Path]:
    """Return the homes whose process was killed, in order, and the one on which it ended.

    Where `every` is more than 1, only each so manieth step is one of death.
    """
    command = [sys.executable, "-m", "tests.node.dying", call, str(template), str(folder)]
    command.append(str(every))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    homes = [folder / str(number) for number in range(1, int(done.stdout) + 1, every)]
    return homes[:-1], homes[-1]


class _Death:
    """Comes to this process when it begins a step, counted from 1; at 0 never."""

    def __init__(self) -> None:
        self.step = 0
        self._steps = count(1)
        connect = sqlite3.connect

        def traced(*args: object, **options: object) -> sqlite3.Connection:
            connection = connect(*args, **options)  # type: ignore[call-overload]
            connection.set_trace_callback(self.begin)
            return connection

        sqlite3.connect = traced  # type: ignore[assignment]
        sys.addaudithook(self.hear)

    def begin(self, _: object = None) -> None:
        if self.step and next(self._steps) == self.step:
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(self, event: str, args: tuple[object, ...]) -> None:
        if event in CHANGES or (event == "open" and _is_write(args)):
            self.begin()


def _is_write(args: tuple[object, ...]) -> bool:
    return isinstance(args[2], int) and bool(args[2] & WRITES)


def _call(name: str) -> Callable[[Path], object]:
    from sheaf_node import upgrading  # noqa: PLC0415 - once the database is traced

    if name == "restore":
        # Of a folder with a backup and the seed of its sheet, to a home beside them.
        from sheaf_node.backup import restore_backup  # noqa: PLC0415

        return lambda folder: restore_backup(
            folder / "file", [(folder / "seed").read_bytes()], folder / "new", now_ms=NOW_MS
        )
    if name == "create":
        from sheaf_node.backup import create_backup  # noqa: PLC0415

        return lambda folder: create_backup(
            folder / "hill", folder / "made", created_ms=NOW_MS, software=SOFTWARE
        )
    if name == "apply":
        return lambda home: upgrading.apply(home, software=SOFTWARE, now_ms=NOW_MS)
    return upgrading.roll_back


def _main(name: str, template: Path, folder: Path, every: int) -> int:
    death = _Death()
    call = _call(name)
    for step in range(1, MOST, every):
        home = folder / str(step)
        shutil.copytree(template, home)
        pid = os.fork()
        if pid == 0:
            death.step = step
            call(home)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status == 0:
            return step
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            raise AssertionError(f"expected step {step} to be the last of its process: {status}")
    raise AssertionError(f"expected an end within {MOST} steps")


if __name__ == "__main__":
    sys.stdout.write(
        str(_main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
    )
