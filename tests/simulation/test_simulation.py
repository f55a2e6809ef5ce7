"""The simulation finds no fault on fresh seeds, repeats itself, and finds the bugs planted in it.

`SHEAF_SIMULATED_SEEDS` sets how many seeds of each profile are run; see docs/testing.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from tests.simulation import run as running
from tests.simulation.batch import run_all, stage
from tests.simulation.mutants import QUICK, plant_of
from tests.simulation.plan import DIRECTED, PROFILES
from tests.simulation.planted import MUTANTS

ROOT: Final = Path(__file__).parents[2]
REGRESSIONS: Final = sorted((ROOT / "tests/regressions").glob("*.json"))
SEEDS: Final = int(os.environ.get("SHEAF_SIMULATED_SEEDS", "100"))
STEPS: Final = 120_000
"""Of a run whose story is known: twice what the longest takes, so that circles show early."""
PARTS: Final = 2
"""Tests that share the seeds of a profile, so that they run side by side."""
KEYS: Final = {
    "profile",
    "seeds",
    "failures",
    "failed_seeds",
    "simulated_hours",
    "seeds_per_cpu_second",
    "sometimes",
}
ENOUGH: Final = 50
"""Seeds in which each of the counters below is sure not to be zero."""
SOMETIMES: Final = {
    "general": {
        "connection reset",
        "death by fuse",
        "death by kill",
        "frame cut off",
        "hold confirmed",
        "hold expired",
        "hold refused",
        "partition",
    },
    "expiry-race": {
        "asked again",
        "connection stalled",
        "death between append and fsync",
        "hold confirmed",
        "hold expired",
        "hold refused",
    },
    "disk": {"commit torn", "death by failure", "death by fuse", "disk failed", "disk full"},
}
"""What has to happen somewhere in so many seeds, or they show nothing about it."""


def first_seed() -> int:
    """Return where today's seeds for this commit begin."""
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    name = f"{datetime.now(UTC):%Y-%m-%d} {head.strip()}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:3], "big") * 1_000


def simulate(*args: str, hash_seed: str = "0") -> tuple[int, str]:
    """Run the command in a process of its own; return its status and output."""
    # Nothing of a run is measured: it would take three times as long and show no line.
    env = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--jobs", "1", *args],
        cwd=ROOT,
        env={**env, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=3_000,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_no_invariant_breaks_on_fresh_seeds(profile: str, part: int) -> None:
    count = SEEDS // PARTS
    first = first_seed() + part * count
    args = ("--profile", profile, "--from-seed", str(first), "--seeds", str(count))

    status, said = simulate(*args, "--json")

    report = json.loads(said)
    command = f"python -m tests.simulation --profile {profile} --seed"
    shown = [f"{command} {seed}" for seed in report["failed_seeds"]]
    assert (status, shown) == (0, [])
    never = {name for name in SOMETIMES.get(profile, ()) if not report["sometimes"].get(name)}
    assert count < ENOUGH or never == set(), f"never seen from seed {first} on"


def test_a_seed_leaves_the_same_trace_in_every_process(tmp_path: Path) -> None:
    digests = []

    for hash_seed in ("1", "2"):
        kept = tmp_path / hash_seed
        args = ("--profile", "general", "--seeds", "5", "--done", str(kept))
        simulate(*args, hash_seed=hash_seed)
        outcomes = [json.loads(line) for line in kept.read_text().splitlines()]
        digests.append({outcome["seed"]: outcome["digest"] for outcome in outcomes})

    assert len(digests[0]) == 5
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_found(name: str) -> None:
    status, said = simulate("--mutants", "--only", name, "--json")

    [finding] = json.loads(said)
    assert (finding["mutant"], finding["verdict"]) == (name, "caught"), finding
    assert status == 0


def test_there_are_at_least_thirty_mutants() -> None:
    assert len(MUTANTS) >= 30
    assert all(mutant.breaks and mutant.expected for mutant in MUTANTS.values())
    assert all(set(mutant.profiles) <= (PROFILES | DIRECTED).keys() for mutant in MUTANTS.values())


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_a_seed_that_once_failed_passes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = _regression(path)
    monkeypatch.setattr(running, "MOST_STEPS", STEPS)

    with stage() as ready:
        [outcome] = run_all(ready, [(told["profile"], told["seed"])])

    assert outcome.violations == []


@pytest.mark.parametrize(
    "path", [path for path in REGRESSIONS if json.loads(path.read_text())["mutant"]], ids=str
)
def test_a_seed_that_once_failed_still_finds_its_bug(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = _regression(path)
    monkeypatch.setattr(running, "MOST_STEPS", STEPS)

    with stage() as ready:
        plant = plant_of(told["mutant"])
        [outcome] = run_all(ready, [(told["profile"], told["seed"])], before=plant)

    assert {invariant for invariant, _ in outcome.violations} & MUTANTS[told["mutant"]].expected


def test_the_report_has_the_keys_that_it_is_documented_with() -> None:
    _, said = simulate("--profile", "disk", "--seeds", "1", "--json")

    assert json.loads(said).keys() == KEYS


def test_shards_that_are_resumed_report_what_one_run_reports(tmp_path: Path) -> None:
    args, kept = ("--profile", "disk", "--seeds", "6", "--json"), tmp_path / "kept"
    _, whole = simulate(*args)

    for shard in ("0/3", "2/3"):
        simulate(*args, "--shard", shard, "--done", str(kept))
    before = len(kept.read_text().splitlines())
    _, resumed = simulate(*args, "--done", str(kept))

    assert before == 4
    assert _without_speed(resumed) == _without_speed(whole)


def _without_speed(said: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(said)
    return {key: value for key, value in report.items() if key != "seeds_per_cpu_second"}


def _regression(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text())
    assert told.keys() == {"profile", "seed", "commit", "story", "mutant"}
    return told
