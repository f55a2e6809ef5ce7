"""Simulate bad days: `python -m tests.simulation --profile restore --seeds 500 [--from-seed N]`.

Each seed is one run of a whole federation in virtual time. `--seed N` runs one and shows its last
events; `--mutants` plants each known bug and demands that the runs find it; `--done FILE` keeps the
outcomes, so that a long run goes on where it was stopped, and `--shard 2/4` runs every fourth.
The exit status is 1 where anything failed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.simulation.batch import run_all, stage
from tests.simulation.plan import DIRECTED, PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.simulation.run import Outcome


@dataclass
class Report:
    """The sum of many runs of a profile."""

    profile: str
    seeds: int = 0
    failed: dict[int, list[Any]] = field(default_factory=dict)
    simulated_s: float = 0.0
    cpu_s: float = 0.0
    sometimes: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.simulated_s += outcome.simulated_s
        self.cpu_s += outcome.cpu_s
        self.sometimes.update(outcome.seen)
        if outcome.violations:
            self.failed[outcome.seed] = outcome.violations

    def as_dict(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "seeds": self.seeds,
            "failures": len(self.failed),
            "failed_seeds": sorted(self.failed),
            "simulated_hours": round(self.simulated_s / 3_600, 2),
            "seeds_per_cpu_second": round(self.seeds / self.cpu_s, 3) if self.cpu_s else 0.0,
            "sometimes": dict(sorted(self.sometimes.items())),
        }


class Done:
    """Outcomes kept in a file, one on each line."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.outcomes: list[dict[str, Any]] = []
        if path is not None and path.exists():
            self.outcomes = [json.loads(line) for line in path.read_text().splitlines()]

    def keep(self, outcome: Outcome) -> None:
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(outcome.as_dict()) + "\n")


def main(args: Sequence[str]) -> int:
    given = _parsed(args)
    if given.mutants:
        from tests.simulation.mutants import hunt  # noqa: PLC0415 - it reaches into every room

        return hunt(given.only, jobs=given.jobs, as_json=given.json)
    if given.seed is not None:
        return _one(given.profile[0], given.seed, as_json=given.json)
    reports = [_many(profile, given) for profile in given.profile]
    said = [report.as_dict() for report in reports]
    if given.json:
        print(json.dumps(said[0] if len(said) == 1 else said, indent=1))
    else:
        for report in reports:
            _tell(report)
    return int(any(report.failed for report in reports))


def _many(profile: str, given: argparse.Namespace) -> Report:
    from tests.simulation.run import Outcome  # noqa: PLC0415

    report, done = Report(profile), Done(given.done)
    known = {o["seed"]: o for o in done.outcomes if o["profile"] == profile}
    index, count = given.shard
    first = given.from_seed
    seeds = [s for s in range(first, first + given.seeds) if s % count == index]
    for seed in seeds:
        if seed in known:
            report.add(Outcome(**known[seed]))
    wanted: Iterable[tuple[str, int]] = ((profile, s) for s in seeds if s not in known)
    with stage() as ready:
        for outcome in run_all(ready, wanted, jobs=given.jobs):
            report.add(outcome)
            done.keep(outcome)
            if outcome.violations:
                print(_command(outcome), outcome.violations[0], file=sys.stderr, flush=True)
    return report


def _one(profile: str, seed: int, *, as_json: bool) -> int:
    with stage() as ready:
        [outcome] = run_all(ready, [(profile, seed)])
    if as_json:
        print(json.dumps(outcome.as_dict(), indent=1))
        return int(bool(outcome.violations))
    for line in outcome.last:
        print(line)
    for invariant, what in outcome.violations:
        print(f"{invariant}: {what}")
    print(f"trace {outcome.digest}, {outcome.simulated_s:.0f} s in {outcome.cpu_s:.2f} CPU s")
    return int(bool(outcome.violations))


def _tell(report: Report) -> None:
    said = report.as_dict()
    print(
        f"{report.profile}: {report.seeds} seeds, {len(report.failed)} failed, "
        f"{said['simulated_hours']} simulated hours, {said['seeds_per_cpu_second']} seeds/CPU s"
    )
    for seed, violations in sorted(report.failed.items()):
        print(f"  seed {seed}: {violations[0]}")
    for name, count in said["sometimes"].items():
        print(f"  {count:8} {name}")


def _command(outcome: Outcome) -> str:
    return f"python -m tests.simulation --profile {outcome.profile} --seed {outcome.seed}"


def _parsed(args: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--profile", action="append", choices=sorted(PROFILES | DIRECTED))
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--from-seed", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--shard", type=_shard, default=(0, 1), metavar="I/N")
    parser.add_argument("--done", type=Path, metavar="FILE")
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("--only", action="append", metavar="MUTANT")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(args)
    given.profile = given.profile or sorted(PROFILES)
    return given


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    return int(index) % int(count), int(count)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
