"""Plants known bugs, one at a time, and demands that the runs find each of them.

A checker that lets a known bug through proves nothing by its silence; and a bug whose line never
ran proves nothing either way. So a mutant has to be found within its budget of seeds, by an
invariant that it breaks, after its line ran; and the seed that found it has to pass without it.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.simulation import plants
from tests.simulation.batch import run_all, stage
from tests.simulation.planted import MUTANTS, runs_of
from tests.simulation.plants import ballots, forks, holds, links, logs, pools, recoveries, stores

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.simulation.planted import Mutant
    from tests.simulation.run import Outcome, Stage

MOST_CPU_S: Final = 40
"""Of a run with a mutant: ten times what one takes."""
ROOMS: Final = (plants, ballots, forks, holds, links, logs, pools, recoveries, stores)
"""What was imported for its mutants."""
QUICK: Final = (
    "capacity_off_by_one",
    "confirms_after_expiry",
    "counts_only_confirmed",
    "forgets_at_restart",
    "never_asks_for_what_it_lacks",
    "acknowledges_before_the_owner",
)
"""Found by the first seeds: the default tests look for these."""


@dataclass
class Finding:
    """What became of a mutant."""

    mutant: str
    breaks: str
    verdict: str = "survived"
    """caught, survived, dead (its line never ran), or faulty: not what its row says."""
    profile: str | None = None
    seed: int | None = None
    invariant: str | None = None
    what: str = ""
    seeds: int = 0
    """Seeds that were run with it."""
    ran: int = 0
    """How often its line ran in all of them."""


def hunt(only: Sequence[str] | None = None, *, jobs: int = 1, as_json: bool = False) -> int:
    """Look for mutants, all or those named, and print what became of each; return 1 where one was
    not caught.
    """
    unknown = set(only or ()) - MUTANTS.keys()
    if unknown:
        raise SystemExit(f"expected mutants that there are, got {', '.join(sorted(unknown))}")
    wanted = [MUTANTS[name] for name in only] if only else list(MUTANTS.values())
    findings: list[Finding] = []
    for finding in find(wanted, jobs=jobs):
        findings.append(finding)
        if not as_json:
            _say(_line(finding))
    failures = [finding for finding in findings if finding.verdict != "caught"]
    if as_json:
        _say(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        _say(f"{len(findings)} mutants, {len(findings) - len(failures)} caught")
    return int(bool(failures))


def find(wanted: Sequence[Mutant], *, jobs: int = 1) -> Iterator[Finding]:
    """Yield what becomes of each of these mutants."""
    healthy: dict[tuple[str, int], str] = {}
    with stage() as ready:
        for each in wanted:
            finding = _found(ready, each, jobs)
            if finding.verdict == "caught":
                _compare(ready, finding, healthy)
            yield finding


def _found(ready: Stage, mutant: Mutant, jobs: int) -> Finding:
    """Run seed after seed with a mutant until one finds it."""
    finding = Finding(mutant.name, mutant.breaks)
    for profile in mutant.profiles:
        seeds = ((profile, seed) for seed in range(mutant.budget))
        for outcome in run_all(ready, seeds, jobs=jobs, before=partial(_plant, mutant)):
            finding.seeds += 1
            finding.ran += runs_of(mutant.name, outcome.seen.items())
            if outcome.violations and not _is_endless(outcome):
                return _judged(finding, mutant, outcome)
    if not finding.ran:
        finding.verdict = "dead"
    return finding


def _plant(mutant: Mutant) -> None:
    """Plant a mutant in the process of a run, which it may send round in circles."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, most))
    mutant.plant()


def _is_endless(outcome: Outcome) -> bool:
    """Return whether a run was ended for its length: another seed has to say what is wrong."""
    [(invariant, what), *_] = outcome.violations
    return invariant == "crashed" and what.endswith(f"status {int(signal.SIGXCPU)}")


def _judged(finding: Finding, mutant: Mutant, outcome: Outcome) -> Finding:
    fits = [each for each in outcome.violations if each[0] in mutant.expected]
    invariant, what = (fits or outcome.violations)[0]
    finding.profile, finding.seed = outcome.profile, outcome.seed
    finding.invariant, finding.what = invariant, what
    if not runs_of(mutant.name, outcome.seen.items()):
        finding.verdict = "faulty"
        finding.what = f"failed before its line ran: {what}"
    elif not fits:
        finding.verdict = "faulty"
        finding.what = f"expected {' or '.join(sorted(mutant.expected))}, got: {what}"
    else:
        finding.verdict = "caught"
    return finding


def _compare(ready: Stage, finding: Finding, healthy: dict[tuple[str, int], str]) -> None:
    """Run the seed that found a mutant without it: that has to pass."""
    assert finding.profile is not None
    assert finding.seed is not None
    key = (finding.profile, finding.seed)
    if key not in healthy:
        [outcome] = run_all(ready, [key])
        healthy[key] = "; ".join(f"{name}: {what}" for name, what in outcome.violations)
    if healthy[key]:
        finding.verdict = "faulty"
        finding.what = f"the seed fails without the mutant, too: {healthy[key]}"


def _line(finding: Finding) -> str:
    where = f"{finding.profile} seed {finding.seed}, {finding.invariant}: {finding.what}"
    about = where if finding.seed is not None else f"{finding.seeds} seeds"
    return f"{finding.verdict:8} {finding.mutant}: {about} (ran {finding.ran} times)"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def plant_of(name: str | None) -> partial[None]:
    """Return what plants the mutant of that name; nothing for None."""
    return partial(lambda: None) if name is None else partial(MUTANTS[name].plant)
