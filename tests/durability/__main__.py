"""Long runs of the durability tests: `python -m tests.durability --help`."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.durability import (
    errors,
    errors_recorded,
    flips,
    full,
    full_home,
    kill,
    power_cut,
    recorded,
    repeat,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NORMAL = {"synchronous": "NORMAL"}


def main() -> int:
    """Run what was asked for; 1 where something was lost, or where a planted fault went unseen."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.durability",
        description="What the disk, the power and kill -9 can do to what a node acknowledged.",
    )
    parser.add_argument(
        "part", nargs="*", help=f"which of {', '.join(PARTS)}; all where none is named"
    )
    parser.add_argument("--cuts", type=int, default=1_000, help="power cuts (default 1000)")
    parser.add_argument("--kills", type=int, default=500, help="kills of a node (default 500)")
    parser.add_argument("--flips", type=int, default=3_000, help="flipped bits (default 3000)")
    parser.add_argument("--step", type=int, default=1, help="let each such operation fail")
    parser.add_argument("--seed", type=int, default=None, help="of all that is drawn")
    parser.add_argument("--planted", action="store_true", help="run with the planted faults too")
    parser.add_argument("--json", action="store_true", help="one JSON object for programs")
    given = parser.parse_args()
    unknown = set(given.part) - set(PARTS)
    if unknown:
        parser.error(f"expected parts of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    given.seed = time.time_ns() % 2**32 if given.seed is None else given.seed
    results: dict[str, Any] = {"seed": given.seed}
    for part in given.part or PARTS:
        began = time.monotonic()
        results[part] = {**PARTS[part](given), "seconds": round(time.monotonic() - began, 1)}
        if not given.json:
            print(f"{part}: {json.dumps(results[part])}", flush=True)
    is_good = all(result["ok"] for part, result in results.items() if part != "seed")
    if given.json:
        print(json.dumps({**results, "ok": is_good}))
    return 0 if is_good else 1


def _with_planted(
    given: argparse.Namespace, run: Callable[..., Any], faults: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Run as it is, and where asked with each planted fault, which must lose something."""
    tally = run()
    result = {**asdict(tally), "ok": not tally.lost and not tally.faults}
    for name, fault in faults.items() if given.planted else ():
        planted = run(**fault)
        result[f"planted {name}"] = asdict(planted)
        result["ok"] = result["ok"] and planted.lost > 0
    return result


def _power_cut(given: argparse.Namespace) -> dict[str, Any]:
    def run(**planted: Any) -> power_cut.Tally:
        return power_cut.run(given.cuts, given.seed, **planted)

    return _with_planted(given, run, _PLANTED)


def _recorded(given: argparse.Namespace) -> dict[str, Any]:
    if recorded.compiler() is None:
        return {"ok": False, "skipped": recorded.NO_COMPILER}

    def run(**planted: Any) -> power_cut.Tally:
        return recorded.run(given.cuts, given.seed, **planted)

    return _with_planted(given, run, _PLANTED)


def _kill(given: argparse.Namespace) -> dict[str, Any]:
    def run(**planted: Any) -> kill.Tally:
        kills = max(10, given.kills // 20) if planted else given.kills
        return asyncio.run(kill.run(kills, given.seed, **planted))

    return _with_planted(given, run, {"acknowledge first": {"program": kill.ACKNOWLEDGES_FIRST}})


def _repeat(given: argparse.Namespace) -> dict[str, Any]:
    tally = asyncio.run(repeat.run(given.kills, given.seed))
    wrong = tally.twice + tally.lost + tally.other_answers + len(tally.faults)
    result = {**asdict(tally), "ok": not wrong}
    if given.planted:
        kills = max(10, given.kills // 20)
        planted = asyncio.run(repeat.run(kills, given.seed, repeat.RECEIPTS_APART))
        result["planted receipts apart"] = asdict(planted)
        result["ok"] = result["ok"] and planted.twice > 0
    return result


def _errors(given: argparse.Namespace) -> dict[str, Any]:
    reports = errors.run(given.step)
    result: dict[str, Any] = {name: asdict(report) for name, report in reports.items()}
    is_good = not any(report.lost or report.faults for report in reports.values())
    if recorded.compiler() is not None:
        real = errors_recorded.run(given.step)
        result["sqlite3"] = {name: asdict(report) for name, report in real.items()}
        is_good = is_good and not any(report.lost or report.faults for report in real.values())
    return {**result, "ok": is_good}


def _full(_: argparse.Namespace) -> dict[str, Any]:
    found = full.run() + full_home.run()
    return {"found": found, "ok": not found}


def _flips(given: argparse.Namespace) -> dict[str, Any]:
    tally = asyncio.run(flips.run(given.flips, given.seed))
    return {**asdict(tally), "ok": not tally.missed}


_PLANTED = {
    "synchronous=NORMAL": {"pragmas": NORMAL},
    "acknowledge first": {"acknowledges_first": True},
}
PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "power_cut": _power_cut,
    "recorded": _recorded,
    "kill": _kill,
    "repeat": _repeat,
    "errors": _errors,
    "full": _full,
    "flips": _flips,
}

if __name__ == "__main__":
    raise SystemExit(main())
