"""Awards whose certificate, shares or leaves are refused, chapter 21, each for one reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from award_cases import FAIR, OF_EQUALS, RANKED_MIX, SPLIT, TIE, of_one_offer
from kit import Case, array, blob, integer, mapping
from markets import (
    Awarded,
    Part,
    Pool,
    Selling,
    Shares,
    Wish,
    id_of,
    leaf,
    leaf_of_tree,
    leaves,
    other,
    root,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from award_faults import Fault


def tree(*steps: bytes, of: Awarded = SPLIT, gap: int = 0) -> bytes:
    """Return the input of an award with another certificate."""
    return other(of, branches=steps, gap=gap).judged()


LOWER, UPPER = leaf_of_tree({0: 50_000_001}), leaf_of_tree({0: 210_000_001})
TWICE: Final = mapping(
    prices=array(*(mapping(amount=integer(70_750_000 + n), row=integer(0)) for n in (0, 1)))
)
BY_TIERS: Final = array(
    *(
        mapping(bound=integer(0), eligible=integer(50), offer=blob(id_of(name)), tier=integer(0))
        for name in "ab"
    )
)


BY_OTHER_RULE: Final = FAIR.award(without=("branches", "gap"), certificate=BY_TIERS)
CERTIFICATES: Final[list[Fault]] = [
    (
        "tree_without_its_end",
        "CLR-8",
        "award.certificate",
        tree(split(0, 1), LOWER),
        "One side of a branch has no leaf.",
    ),
    (
        "tree_with_a_step_left",
        "CLR-8",
        "award.certificate",
        tree(split(0, 1), LOWER, UPPER, UPPER),
        "It ended before.",
    ),
    (
        "branch_of_no_offer",
        "CLR-8",
        "award.certificate",
        tree(split(2, 0), LOWER, UPPER),
        "There is no third.",
    ),
    (
        "branch_with_nothing_above",
        "CLR-8",
        "award.certificate",
        tree(split(0, 2), UPPER, LOWER),
        "Two options, and none above the second.",
    ),
    (
        "branch_with_nothing_below",
        "CLR-8",
        "award.certificate",
        tree(split(0, 1), LOWER, split(0, 1), UPPER, UPPER),
        "The options up to the first are on the other side.",
    ),
    (
        "branch_within_the_other_side",
        "CLR-8",
        "award.certificate",
        tree(split(0, 0), split(0, 1), LOWER, LOWER, UPPER),
        "What is left on the lower side is to sell nothing.",
    ),
    (
        "branch_of_tiers_without_gain",
        "CLR-8",
        "award.certificate",
        other(
            SPLIT,
            pool_offers={**SPLIT.pool.offers, "c": Selling([(1, 1_100)])},
            branches=[split(2, 0), UPPER, UPPER],
            gap=300_000_000,
        ).judged(),
        "Who has no option has nothing to be parted.",
    ),
    (
        "row_beyond_the_last",
        "CLR-8",
        "award.certificate",
        tree(leaf_of_tree({0: 141_500_001, 3: 1}), of=FAIR, gap=81_000_000),
        "Three rates, 0 to 2.",
    ),
    (
        "row_twice",
        "CLR-8",
        "award.certificate",
        tree(TWICE, of=FAIR, gap=81_000_000),
        "Two prices for one row.",
    ),
    (
        "certificate_of_another_rule",
        "CLR-8",
        "award.certificate",
        FAIR.judged(award=BY_OTHER_RULE),
        "Bounds of tiers say nothing of several offers.",
    ),
    (
        "higher_side_first",
        "CLR-8",
        "award.gap",
        tree(split(0, 1), UPPER, LOWER),
        "Each leaf bounds what is left to it: so it proves less.",
    ),
    (
        "gap_smaller",
        "CLR-10",
        "award.gap",
        other(FAIR, gap=80_999_999).judged(),
        "An award that is said to be better than it is proved to be.",
    ),
    (
        "gap_larger",
        "CLR-10",
        "award.gap",
        other(FAIR, gap=81_000_001).judged(),
        "One figure is right.",
    ),
    (
        "gap_by_a_dearer_row",
        "CLR-9",
        "award.gap",
        tree(leaf_of_tree({1: 141_500_001}), of=FAIR, gap=0),
        "What is sold below a row does not pay for it.",
    ),
]


def rooted(shares: Shares | None = None, of: Awarded = FAIR) -> bytes:
    """Return the input of an award with the root of other shares."""
    return of.judged(root=blob(root(leaves(of.pool, shares or of.shares))))


def parted(m: tuple[int, int], n: tuple[int, int], o: int) -> Shares:
    """Return other shares of the fair award: of its second tier of a, and of b."""
    return {
        "m": [Part("a", 1, m[0]), Part("b", 0, m[1])],
        "n": [Part("a", 1, n[0]), Part("b", 0, n[1])],
        "o": [Part("a", 1, o)],
    }


# All of b is for m; of a then 5 for each, and not 7 for the larger want.
DEAR_FIRST: Final = Awarded(
    pool=Pool(
        offers={
            "a": Selling([(1, 800)], terms={"max_quantity": 10}),
            "b": Selling([(1, 900)], terms={"max_quantity": 10}),
        },
        demands={"m": Wish(20), "o": Wish(10, 850)},
    ),
    shares={"m": [Part("a", 0, 5), Part("b", 0, 10)], "o": [Part("a", 0, 5)]},
    branches=[leaf_of_tree({})],
    gap=0,
)
FAIR_LEAVES: Final = leaves(FAIR.pool, FAIR.shares)
TURNED: Final = {name: parts[::-1] for name, parts in FAIR.shares.items()}
SALTED: Final = [*FAIR_LEAVES[:2], leaf(FAIR.pool, "o", FAIR.shares["o"], salted=b"s" * 16)]
SHARED: Final[list[Fault]] = [
    (
        "unit_left_for_the_smaller_remainder",
        "CLR-11",
        "award.root",
        rooted(parted((8, 12), (10, 20), 10)),
        "12.8 and 19.2 make 13 and 19.",
    ),
    (
        "unit_left_for_a_higher_id",
        "CLR-11",
        "award.root",
        rooted({"m": [Part("a", 0, 3)], "n": [Part("a", 0, 4)], "o": [Part("a", 0, 3)]}, TIE),
        "Of equal remainders the lowest id.",
    ),
    (
        "cheap_first",
        "CLR-11",
        "award.root",
        rooted({"m": [Part("a", 0, 7), Part("b", 0, 10)], "o": [Part("a", 0, 3)]}, DEAR_FIRST),
        "Then who can pay the cheap alone gets less.",
    ),
    (
        "other_line_left_out",
        "CLR-13",
        "award.root",
        rooted({"n": [Part("a", 0, 10)]}, OF_EQUALS),
        "Of two who want all the higher id goes.",
    ),
    (
        "classes_by_price",
        "CLR-15",
        "award.root",
        rooted({"n": [Part("a", 0, 10)], "o": [Part("b", 0, 10)]}, RANKED_MIX),
        "The first class would pay more than the second.",
    ),
    ("parts_turned", "CLR-16", "award.root", rooted(TURNED), "Ascending by rate."),
    (
        "leaves_turned",
        "CLR-16",
        "award.root",
        FAIR.judged(root=blob(root(FAIR_LEAVES[::-1]))),
        "Ascending by demand.",
    ),
    (
        "salt_of_ones_own",
        "AWD-10",
        "award.root",
        FAIR.judged(root=blob(root(SALTED))),
        "Where lines are open anybody can make each leaf.",
    ),
    ("leaf_too_many", "CLR-16", "award.leaves", FAIR.judged(leaves=integer(4)), "Three are there."),
    (
        "units_for_nobody",
        "CLR-14",
        "award.unshared",
        of_one_offer(
            100, {"m": 60, "n": 40}, m=Wish(60, minimum=60), n=Wish(60, minimum=60)
        ).judged(),
        "60 or 120 could be sold, and not 100.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on certificates, shares and leaves that are refused."""
    for name, clause, code, data, comment in [*CERTIFICATES, *SHARED]:
        yield Case(id=f"21-award/{name}", clause=clause, expect=code, comment=comment, input=data)
