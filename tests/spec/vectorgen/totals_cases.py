"""Totals, chapter 17: {blinding, cap, commitments, levels, line}."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commitment_cases import BID, LINE, A, B, C
from commitments import CAP, ORDER_2, L, commitment, plus, scalar
from kit import Case, array, blob, integer, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator


def totals(
    line: list[int], blinding: bytes, bids: list[bytes], *, levels: int = 4, cap: int = CAP
) -> bytes:
    """Return the claim that totals are those of bids."""
    return mapping(
        blinding=blob(blinding),
        cap=integer(cap),
        commitments=array(*map(blob, bids)),
        levels=integer(levels),
        line=array(*map(integer, line)),
    )


LINES = [LINE, [0] * 4, [30, 30, 30, 30]]
BIDS = [commitment(line, each) for line, each in zip(LINES, (A, B, C), strict=True)]
SUM = [120, 100, 100, 30]
R = (A + B + C) % L

ROWS = [
    ("sum_of_three", "PRV-24", "ok", totals(SUM, scalar(R), BIDS), "One of the lines is of zeros."),
    (
        "any_order",
        "PRV-24",
        "ok",
        totals(SUM, scalar(R), BIDS[::-1]),
        "Addition does not ask which came first.",
    ),
    (
        "all_zeros",
        "PRV-24",
        "ok",
        totals([0] * 4, scalar((A + B) % L), [commitment([], A), commitment([], B)]),
        "Nobody wants anything.",
    ),
    (
        "blindings_cancel_out",
        "PRV-24",
        "ok",
        totals([0], scalar(0), [commitment([], A), commitment([], L - A)], levels=1),
        "The sum is the identity, which only a received point must not be.",
    ),
    (
        "same_line_twice",
        "PRV-24",
        "ok",
        totals([180, 140, 140, 0], scalar(2 * A % L), [BID, BID]),
        "Two equal points are added, not taken for one.",
    ),
    (
        "largest_sum",
        "PRV-24",
        "ok",
        totals([3 * CAP], scalar(3 * A % L), [commitment([CAP], A)] * 3, levels=1),
        "As much as so many may bid; far below L.",
    ),
    (
        "inflated",
        "PRV-24",
        "curve.sum",
        totals([121, 100, 100, 30], scalar(R), BIDS),
        "One unit at one level that nobody bid.",
    ),
    (
        "cut",
        "PRV-24",
        "curve.sum",
        totals([119, 100, 100, 30], scalar(R), BIDS),
        "One unit less at one level.",
    ),
    (
        "bid_left_out",
        "PRV-24",
        "curve.sum",
        totals(LINE, scalar((A + B) % L), BIDS),
        "The sum of two of three bids that count.",
    ),
    (
        "line_of_nobody",
        "PRV-24",
        "curve.sum",
        totals([121, 101, 101, 31], scalar(R), BIDS),
        "A line of ones more than there are bids.",
    ),
    (
        "other_blinding",
        "PRV-24",
        "curve.sum",
        totals(SUM, scalar(R - 1), BIDS),
        "Right quantities that nothing proves.",
    ),
    (
        "blinding_not_reduced",
        "PRV-5",
        "curve.scalar",
        totals(SUM, scalar(R + L), BIDS),
        "Sums of blindings are taken modulo L.",
    ),
    (
        "bid_of_mixed_order",
        "PRV-4",
        "curve.point",
        totals(SUM, scalar(R), [*BIDS[:2], bytes(plus(BIDS[2], ORDER_2))]),
        "A bid that was not checked when it came.",
    ),
    (
        "above_what_all_may_bid",
        "PRV-24",
        "curve.cap",
        totals(
            [5], scalar((A + B) % L), [commitment([-2], A), commitment([7], B)], levels=1, cap=2
        ),
        "Right as a sum; with a cap of 2 two lines make 4 at most, so one opening was not checked.",
    ),
    (
        "more_at_a_higher_price",
        "PRV-24",
        "curve.order",
        totals([5, 6], scalar(A), [commitment([5, 6], A)], levels=2),
        "Right as a sum; lines that fall do not add up to one that rises.",
    ),
    (
        "level_missing",
        "PRV-24",
        "curve.levels",
        totals(SUM[:3], scalar(R), BIDS),
        "Totals are told for all levels.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on totals."""
    for name, clause, expect, data, comment in ROWS:
        yield Case(
            id=f"17-totals/{name}", clause=clause, expect=expect, comment=comment, input=data
        )
