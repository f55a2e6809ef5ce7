"""What a private demand round costs beyond libsodium's own point arithmetic.

A bid of 32 levels, none of them zero, against its 33 scalar multiplications and nothing else; the
totals of 100 members against their multiplications and additions. Measured in turns within one
run; of each the fastest of all rounds in CPU time counts.

`read_ms` is what a node spends once for each bid that comes in, here for all 100: the check that
32 bytes are a point of prime order, one call of libsodium. It is in neither ratio.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Final

from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)

from sheaf_protocol.digest import digest
from sheaf_protocol.private_demand import (
    Bounds,
    Opening,
    add_openings,
    blinding_from,
    commit,
    generator,
    read_commitment,
    verify_totals,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEVELS: Final = 32
MEMBERS: Final = 100
CAP: Final = 10**12
BOUNDS: Final = Bounds(levels=LEVELS, cap=CAP)
LIMITS: Final = {"bid_ratio": 1.3, "verify_ratio": 1.3}
ROUNDS: Final = 100


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    args = parser.parse_args()
    figures = measure()
    print(json.dumps(figures) if args.json else "\n".join(f"{k}: {v}" for k, v in figures.items()))
    sys.exit(any(figures[name] > most for name, most in LIMITS.items()))


def measure() -> dict[str, float]:
    """Return all figures."""
    openings = [opening_of(member) for member in range(MEMBERS)]
    bids = [commit(opening) for opening in openings]
    totals = add_openings(openings)
    bid, raw_bid, verify, raw_verify, read = fastest(
        lambda: commit(openings[0]),
        lambda: multiply(openings[0]),
        lambda: verify_totals(bids, totals, BOUNDS),
        lambda: add_all(bids, multiply(totals)),
        lambda: [read_commitment(each) for each in bids],
    )
    return {
        "bid_ratio": round(bid / raw_bid, 3),
        "verify_ratio": round(verify / raw_verify, 3),
        "bid_ms": round(1000 * bid, 2),
        "verify_ms": round(1000 * verify, 2),
        "read_ms": round(1000 * read, 2),
    }


def opening_of(member: int) -> Opening:
    """Return a line without zeros and its blinding, another for each member."""
    line = tuple(10**9 * (LEVELS - level) + member for level in range(LEVELS))
    name = member.to_bytes(4)
    return Opening(line, blinding_from(digest("bench", name) + digest("bench", name, b"more")))


def multiply(opening: Opening) -> list[bytes]:
    """Do the scalar multiplications of a commitment, and nothing else."""
    products = [
        crypto_scalarmult_ed25519_noclamp(scalar, point)
        for scalar, point in zip(SCALARS[opening.line], GENERATORS, strict=True)
    ]
    return [*products, crypto_scalarmult_ed25519_base_noclamp(opening.blinding)]


def add_all(bids: Sequence[bytes], products: Sequence[bytes]) -> bool:
    """Add up both sides of the equation that totals are checked by, and compare."""
    return add(bids) == add(products)


def add(points: Sequence[bytes]) -> bytes:
    """Return the sum of points with one addition fewer than there are points."""
    total, *rest = points
    for point in rest:
        total = crypto_core_ed25519_add(total, point)
    return total


def fastest(*tasks: Callable[[], object]) -> list[float]:
    """Return the CPU seconds of the fastest run of each task, all tasks in turns."""
    best = [float("inf")] * len(tasks)
    for _ in range(ROUNDS):
        for at, task in enumerate(tasks):
            began = time.process_time()
            task()
            best[at] = min(best[at], time.process_time() - began)
    return best


GENERATORS: Final = [generator(level) for level in range(LEVELS)]
LINES: Final = [opening_of(member).line for member in range(MEMBERS)]
SCALARS: Final = {
    line: [quantity.to_bytes(32, "little") for quantity in line]
    for line in (LINES[0], tuple(map(sum, zip(*LINES, strict=True))))
}
"""The scalars of the two lines measured, spelled out beforehand."""


if __name__ == "__main__":
    main()
