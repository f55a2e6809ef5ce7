"""Eight real nodes in a storm: `python -m tests.chaos [--seed N] [--seconds 60] [--json]`.

A line for each run says what was done to the nodes, what was asked of them, how long they took to
be equal once the network was healed, and what a checker found in the history of all operations.
The exit status is 1 where it found anything; the history is kept, with the command to repeat it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.run import NODES, run

if TYPE_CHECKING:
    from tests.chaos.run import Report


def main() -> int:
    """Print a line for each run; return 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="of the first run; drawn where not given")
    parser.add_argument("--runs", type=int, default=1, help="each with the next seed")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each storm lasts")
    parser.add_argument("--nodes", type=int, default=NODES, choices=range(2, NODES + 1))
    parser.add_argument("--keep", type=Path, help="the folder for histories of failed runs")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no node outlives us
    first = secrets.randbelow(2**32) if args.seed is None else args.seed
    keep = args.keep or Path(tempfile.mkdtemp(prefix="chaos-"))
    keep.mkdir(parents=True, exist_ok=True)
    has_failed = False
    for seed in range(first, first + args.runs):
        with tempfile.TemporaryDirectory(prefix="town-", dir=keep) as folder:
            homes = Path(folder)
            report = asyncio.run(run(seed, seconds=args.seconds, folder=homes, nodes=args.nodes))
        has_failed |= bool(report.problems)
        say(report, is_json=args.json)
    return 1 if has_failed else 0


def say(report: Report, *, is_json: bool) -> None:
    """Print one report, as JSON or in words."""
    if is_json:
        print(json.dumps(asdict(report)), flush=True)  # noqa: T201
        return
    asked = ", ".join(f"{count} {outcome}" for outcome, count in sorted(report.operations.items()))
    line = f"seed {report.seed}: {report.faults} faults; operations {asked}; {report.entries} "
    line += f"entries, {report.grants} grants; up {report.up_after_s:.1f} s and "
    line += f"equal {report.equal_after_s:.1f} s after healing"
    print(f"{line}; {len(report.problems)} problems", flush=True)  # noqa: T201
    for problem in report.problems:
        print(f"  {problem}", flush=True)  # noqa: T201
    if report.problems:
        print(f"  history: {report.kept}\n  again: {report.command}", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
