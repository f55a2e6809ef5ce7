"""Bids and what they open to, chapter 17: {blinding, cap, commitment, levels, line}."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commitments import CAP, IDENTITY, ORDER_2, ORDER_8, H, L, commitment, plus, scalar, secret
from kit import Case, array, blob, integer, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = [90, 70, 70, 0]
A, B, C = secret("a"), secret("b"), secret("c")
BID = commitment(LINE, A)
LONGEST = [CAP - level for level in range(64)]


def opening(
    line: list[int], blinding: bytes, bid: bytes, *, levels: int = 4, cap: int = CAP
) -> bytes:
    """Return the claim that a bid opens to a line."""
    return mapping(
        blinding=blob(blinding),
        cap=integer(cap),
        commitment=blob(bid),
        levels=integer(levels),
        line=array(*map(integer, line)),
    )


def bad_point(point: bytes) -> bytes:
    """Return an opening of what is no commitment."""
    return opening(LINE, scalar(A), point)


# file name, clause, expect, bytes, why it matters
ROWS = [
    ("opens", "PRV-2", "ok", opening(LINE, scalar(A), BID), "A line with a level of zero."),
    (
        "one_unit_at_one_level",
        "PRV-1",
        "ok",
        opening([1], scalar(1), bytes(plus(H[0], commitment([], 1))), levels=1),
        "H_0 plus G: the first generator as it stands in the chapter.",
    ),
    (
        "most_levels_at_the_cap",
        "PRV-1",
        "ok",
        opening(LONGEST, scalar(A), commitment(LONGEST, A), levels=64),
        "All 64 generators at once.",
    ),
    (
        "line_of_zeros",
        "PRV-2",
        "ok",
        opening([0] * 4, scalar(A), commitment([], A)),
        "A bid for nothing, which looks like any other; no term is multiplied by zero.",
    ),
    (
        "blinding_of_zero",
        "PRV-2",
        "ok",
        opening([2, 1, 0, 0], scalar(0), bytes(plus(plus(H[0], H[0]), H[1]))),
        "It hides nothing and is a blinding all the same; only its term is left out.",
    ),
    (
        "largest_blinding",
        "PRV-5",
        "ok",
        opening(LINE, scalar(L - 1), commitment(LINE, L - 1)),
        "One less than L.",
    ),
    ("point_identity", "PRV-4", "curve.point", bad_point(IDENTITY), "Of nothing, by nobody."),
    ("point_of_order_2", "PRV-4", "curve.point", bad_point(ORDER_2), "Small order."),
    ("point_of_order_4", "PRV-4", "curve.point", bad_point(bytes(32)), "Small order: y is 0."),
    ("point_of_order_8", "PRV-4", "curve.point", bad_point(ORDER_8), "Small order."),
    (
        "point_of_mixed_order",
        "PRV-4",
        "curve.point",
        bad_point(bytes(plus(BID, ORDER_2))),
        "The bid plus the point of order 2: outside the subgroup.",
    ),
    (
        "point_not_canonical",
        "PRV-4",
        "curve.point",
        bad_point((2**255 - 18).to_bytes(32, "little")),
        "y is p + 1.",
    ),
    (
        "point_not_on_curve",
        "PRV-4",
        "curve.point",
        bad_point(b"\2" + bytes(31)),
        "No point has y = 2.",
    ),
    (
        "blinding_plus_l",
        "PRV-5",
        "curve.scalar",
        opening(LINE, scalar(A + L), BID),
        "The same number modulo L in a second spelling.",
    ),
    (
        "blinding_is_l",
        "PRV-5",
        "curve.scalar",
        opening([2, 1, 0, 0], scalar(L), bytes(plus(plus(H[0], H[0]), H[1]))),
        "A second spelling of zero.",
    ),
    (
        "level_missing",
        "PRV-10",
        "curve.levels",
        opening([90, 70, 70], scalar(A), BID),
        "The last quantity is zero, so that the point is the same without it.",
    ),
    (
        "level_too_many",
        "PRV-10",
        "curve.levels",
        opening([*LINE, 0], scalar(A), BID),
        "A zero at a price that the round does not have.",
    ),
    (
        "above_the_cap",
        "PRV-11",
        "curve.cap",
        opening(LINE, scalar(A), BID, cap=89),
        "One unit above what one co-op may bid.",
    ),
    (
        "negative_modulo_l",
        "PRV-13",
        "curve.mismatch",
        opening(LINE, scalar(A), commitment([90, 70, 70, L - 5], A)),
        "The point of a line of minus five at the last level; no number on the wire opens it.",
    ),
    (
        "more_at_a_higher_price",
        "PRV-12",
        "curve.order",
        opening([90, 70, 71, 0], scalar(A), commitment([90, 70, 71, 0], A)),
        "Whoever pays more takes what it would take for less.",
    ),
    (
        "one_unit_less",
        "PRV-13",
        "curve.mismatch",
        opening([89, 70, 70, 0], scalar(A), BID),
        "A member that denies one unit.",
    ),
    (
        "all_denied",
        "PRV-13",
        "curve.mismatch",
        opening([0] * 4, scalar(A), BID),
        "A member that denies its bid.",
    ),
    (
        "blinding_of_another",
        "PRV-13",
        "curve.mismatch",
        opening(LINE, scalar(B), BID),
        "The line alone does not open it.",
    ),
    (
        "levels_swapped",
        "PRV-13",
        "curve.mismatch",
        opening([2, 1, 0, 0], scalar(A), commitment([1, 2, 0, 0], A)),
        "Each level has a generator of its own.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on commitments."""
    for name, clause, expect, data, comment in ROWS:
        yield Case(
            id=f"17-commitment/{name}", clause=clause, expect=expect, comment=comment, input=data
        )
