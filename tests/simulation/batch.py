"""Many runs, each in a process of its own: forked, so that it begins with everything loaded, and
gone with all that died in it when it ends.
"""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import tempfile
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.homes import make_homes
from tests.simulation.plan import SIZES
from tests.simulation.run import Outcome, Stage, run, scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MOST_CPU_S: Final = 300
"""A run that takes longer goes in circles; it counts as failed."""


@contextmanager
def stage() -> Iterator[Stage]:
    """Make the homes that runs copy, for as long as they are needed."""
    folder = Path(tempfile.mkdtemp(prefix="sheaf-stage-", dir=scratch()))
    try:
        yield Stage(folder, {count: _made(folder / str(count), count) for count in SIZES})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made(folder: Path, count: int) -> dict[str, bytes]:
    return {name: keyring.cid for name, keyring in make_homes(folder, count).items()}


@dataclass
class _Child:
    profile: str
    seed: int
    pid: int
    pipe: int
    said: list[bytes] = field(default_factory=list)


def run_all(
    ready: Stage,
    wanted: Iterable[tuple[str, int]],
    *,
    jobs: int = 1,
    before: Callable[[], object] = lambda: None,
) -> Iterator[Outcome]:
    """Yield the outcome of each profile and seed, in the order in which they end.

    `before` is called in the process of each run.
    """
    todo = iter(wanted)
    children: dict[int, _Child] = {}
    try:
        while True:
            while len(children) < jobs and (work := next(todo, None)) is not None:
                child = _fork(ready, *work, before)
                children[child.pipe] = child
            if not children:
                return
            readable, _, _ = select.select(list(children), [], [])
            for pipe in readable:
                child = children[pipe]
                if data := os.read(pipe, 1 << 16):
                    child.said.append(data)
                    continue
                del children[pipe]
                os.close(pipe)
                _, status = os.waitpid(child.pid, 0)
                yield _outcome(child, status)
    finally:
        for child in children.values():
            os.kill(child.pid, 9)
            os.waitpid(child.pid, 0)


def _fork(ready: Stage, profile: str, seed: int, before: Callable[[], object]) -> _Child:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return _Child(profile, seed, pid, reading)
    os.close(reading)
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
        before()
        said: Any = run(profile, seed, ready).as_dict()
    except BaseException:
        said = {"error": traceback.format_exc()}
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(json.dumps(said).encode())
    os._exit(0)


def _outcome(child: _Child, status: int) -> Outcome:
    said = json.loads(b"".join(child.said) or b"{}")
    if "digest" in said:
        return Outcome(**said)
    what = said.get("error") or f"the run ended with status {status}"
    return Outcome(
        profile=child.profile,
        seed=child.seed,
        violations=[("crashed", what)],
        digest="",
        simulated_s=0.0,
        cpu_s=0.0,
        seen={},
    )
