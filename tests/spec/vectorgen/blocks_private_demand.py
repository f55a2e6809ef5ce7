"""The worked example of chapter 17: two bids over three levels and their totals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blocks_examples import dump
from commitments import H, L, commitment, plus, scalar, secret
from sum_tree_cases import leaf, over, packed, salt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HILL: Final = [60, 40, 0]
DALE: Final = [0, 0, 0]
R_HILL, R_DALE = secret("hill"), secret("dale")
MILL, FARM = leaf([50, 40, 0], 0), leaf([10, 0, 0], 1)


def example() -> str:
    """Return generators, two bids, the totals that both sides of the check agree on, and a tree."""
    bids = [commitment(HILL, R_HILL), commitment(DALE, R_DALE)]
    total = commitment(HILL, R_HILL + R_DALE)
    left, right = sorted([MILL, FARM], key=lambda node: node.hash)
    if plus(*bids) != total:
        raise AssertionError
    return (
        dump(H_0=H[0], H_1=H[1], H_2=H[2], H_63=H[63])
        + "\nHill wants 60, 40, 0 at the three prices, Dale nothing:\n\n"
        + dump(
            blinding_of_hill=scalar(R_HILL),
            commitment_of_hill=bids[0],
            blinding_of_dale=scalar(R_DALE),
            commitment_of_dale=bids[1],
        )
        + "\nThe totals are 60, 40, 0; their blinding is the sum modulo L. The point is the sum\n"
        "of both commitments, and also what the totals and this blinding commit to:\n\n"
        + dump(blinding_of_totals=scalar((R_HILL + R_DALE) % L), sum_of_commitments=total)
        + "\nHill bids for two small members, of 50, 40, 0 and of 10, 0, 0. Its `members`:\n\n"
        + dump(
            salt_0=salt(0),
            line_0=packed(MILL.sums),
            leaf_0=MILL.hash,
            salt_1=salt(1),
            line_1=packed(FARM.sums),
            leaf_1=FARM.hash,
            root=over(left, right).hash,
        )
    )


EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {"example_private_demand": example}
