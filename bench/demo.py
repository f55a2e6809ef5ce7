"""What the demo costs: CPU seconds over all processes and memory at one instant, with limits."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CPU_LIMIT_S = {"built-in": 60, "real week": 400}
PSS_LIMIT_MB = 1024
BEST_KNOWN_MINUTES = 732


def main() -> int:
    """Run the demo once and print its figures; return 1 where a limit was passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, help="folder with online-retail/ and pdptw/")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    args = parser.parse_args()
    if args.real is not None and not args.real.exists():
        print(f"skipped: no data at {args.real}", file=sys.stderr)
        return 0
    figures = measure(args.real)
    print(json.dumps(figures) if args.json else "\n".join(lines(figures)))
    is_within = figures["cpu_ratio"] <= 1 and figures["pss_ratio"] <= 1
    return 0 if is_within else 1


def measure(data: Path | None) -> dict[str, Any]:
    """Return the figures of one run."""
    command = [sys.executable, "-m", "sheaf_node", "demo", "--once", "--json"]
    name = "built-in"
    if data is not None:
        name = "real week"
        command += ["--purchases", str(data / "online-retail")]
        command += ["--shipments", str(data / "pdptw" / "bar-n100-1.txt")]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    outcome = json.loads(run.stdout)
    pooled = outcome["shipments"]["cost_pooled"]
    return {
        "name": name,
        "cpu_s": outcome["cpu_s"],
        "cpu_ratio": round(outcome["cpu_s"] / CPU_LIMIT_S[name], 3),
        "pss_mb": outcome["peak_pss_mb"],
        "pss_ratio": round(outcome["peak_pss_mb"] / PSS_LIMIT_MB, 3),
        "wall_s": outcome["wall_s"],
        "envelopes": outcome["envelopes"]["total"],
        "minutes_ratio": None if data is None else round(pooled / BEST_KNOWN_MINUTES, 3),
    }


def lines(figures: dict[str, Any]) -> list[str]:
    """Return the figures for people."""
    found = [
        f"{figures['name']}: {figures['envelopes']} entries on 8 nodes",
        f"CPU   {figures['cpu_s']:7.1f} s   {figures['cpu_ratio']:.2f} of the limit",
        f"PSS   {figures['pss_mb']:7.1f} MB  {figures['pss_ratio']:.2f} of the limit",
        f"wall  {figures['wall_s']:7.1f} s   no limit: machines differ",
    ]
    if figures["minutes_ratio"] is not None:
        found.append(f"pooled minutes {figures['minutes_ratio']:.3f} of the best known")
    return found


if __name__ == "__main__":
    sys.exit(main())
