"""What may be published, chapter 17.

The input is what the coordinator asks, ["lines", lines, [earlier lines...], k_min, dominance_bps],
where lines are [[co-op, line]...], or what everybody asks,
["coops", [co-op...], [[earlier co-op...]...], k_min].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit import Case, array, blob, hashed, integer, text

if TYPE_CHECKING:
    from collections.abc import Iterator

Lines = dict[str, list[int]]
FIVE = {name: [5, 4] for name in "abcde"}


def coop(name: str) -> bytes:
    """Return a co-op's id."""
    return blob(hashed("test", name.encode()))


def table(lines: Lines) -> bytes:
    """Return lines by co-op."""
    return array(*(array(coop(name), array(*map(integer, line))) for name, line in lines.items()))


def coordinator(
    lines: Lines, earlier: tuple[Lines, ...] = (), k: int = 3, bps: int = 7_000
) -> bytes:
    """Return what the coordinator asks."""
    before = array(*map(table, earlier))
    return array(text("lines"), table(lines), before, integer(k), integer(bps))


def everybody(names: str, *earlier: str, k: int = 3) -> bytes:
    """Return what every member asks."""
    before = array(*(array(*map(coop, each)) for each in earlier))
    return array(text("coops"), array(*map(coop, names)), before, integer(k))


# file name, clause, expect, bytes, why it matters
ROWS = [
    ("five_equal_lines", "PRV-26", "ok", coordinator(FIVE, k=5), "As many as there must be."),
    ("four_of_five", "PRV-26", "curve.too_few", coordinator(FIVE, k=6), "One too few."),
    (
        "zeros_do_not_count",
        "PRV-26",
        "curve.too_few",
        coordinator({"a": [5, 4], "b": [5, 4], "c": [0, 0]}),
        "Three bids, two lines: each would learn the other's.",
    ),
    (
        "just_below_dominance",
        "PRV-27",
        "ok",
        coordinator({"a": [70, 1], "b": [20, 1], "c": [10, 1]}),
        "70 of 100 at 7,000 basis points.",
    ),
    (
        "dominates_one_level",
        "PRV-27",
        "curve.dominance",
        coordinator({"a": [9, 8], "b": [9, 1], "c": [9, 1]}),
        "8 of 10 at the higher price alone.",
    ),
    (
        "level_that_nobody_wants",
        "PRV-27",
        "ok",
        coordinator({"a": [9, 0], "b": [9, 0], "c": [9, 0]}),
        "Nothing is no share of nothing.",
    ),
    ("same_lines_again", "PRV-28", "ok", coordinator(FIVE, (FIVE,)), "Nothing new is told."),
    (
        "one_line_changed",
        "PRV-28",
        "curve.differencing",
        coordinator(FIVE, (FIVE | {"e": [6, 4]},)),
        "The difference of both sums is the change of one line.",
    ),
    (
        "one_line_gone",
        "PRV-28",
        "curve.differencing",
        coordinator(FIVE, (FIVE | {"f": [6, 4]},)),
        "The difference is the line itself.",
    ),
    (
        "zeros_gone",
        "PRV-28",
        "ok",
        coordinator(FIVE, (FIVE | {"f": [0, 0]},)),
        "No line is a line of zeros.",
    ),
    (
        "as_many_changed_as_must_be",
        "PRV-28",
        "ok",
        coordinator(FIVE, (FIVE | {name: [6, 4] for name in "cde"},)),
        "Three lines hide one another.",
    ),
    (
        "any_earlier_sum",
        "PRV-28",
        "curve.differencing",
        coordinator(FIVE, (FIVE | {"a": [9, 9]}, FIVE)),
        "Not the last one alone.",
    ),
    ("members_see_enough", "PRV-26", "ok", everybody("abc"), "Bids, zeros or not."),
    ("members_see_too_few", "PRV-26", "curve.too_few", everybody("ab"), "Whatever they hold."),
    ("members_see_same_co_ops", "PRV-29", "ok", everybody("abcde", "abcde"), "Nobody came."),
    (
        "members_see_one_co_op_more",
        "PRV-29",
        "curve.differencing",
        everybody("abcde", "abcd"),
        "The difference is at most one line.",
    ),
    (
        "members_see_one_in_the_place_of_another",
        "PRV-29",
        "curve.differencing",
        everybody("abcde", "abcdf"),
        "Two co-ops between them, fewer than three.",
    ),
    ("members_see_three_apart", "PRV-29", "ok", everybody("abcde", "abcdfg"), "Three apart."),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on disclosure."""
    for name, clause, expect, data, comment in ROWS:
        yield Case(
            id=f"17-disclosure/{name}", clause=clause, expect=expect, comment=comment, input=data
        )
