"""How long `sheaf --help` takes, as a multiple of `python -c 'import click'` in the same run."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

ROUNDS = 9
LIMIT = 4.0


def main() -> int:
    """Print the ratio of medians; return 1 where it is past the limit."""
    ours, click = [], []
    for _ in range(ROUNDS):
        ours.append(seconds([sys.executable, "-m", "sheaf_node", "--help"]))
        click.append(seconds([sys.executable, "-c", "import click"]))
    ratio = statistics.median(ours) / statistics.median(click)
    figures = {
        "help_ms": round(1000 * statistics.median(ours)),
        "click_ms": round(1000 * statistics.median(click)),
        "ratio": round(ratio, 2),
        "limit": LIMIT,
    }
    print(json.dumps(figures))
    return 0 if ratio <= LIMIT else 1


def seconds(command: list[str]) -> float:
    """Return the wall time of one run of a command."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
