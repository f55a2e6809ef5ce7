"""Awards of several offers that are right, chapter 21: the output is the root of the leaves.

Shares and gaps are worked out by hand; the sums beside them say how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kit import Case, array, blob, integer
from markets import (
    PRIORITY,
    Awarded,
    Part,
    Pool,
    Selling,
    Wish,
    id_of,
    leaf_of_tree,
    other,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ALONE: Final = Awarded(
    pool=Pool(offers={"a": Selling([(1, 900)])}, demands={"m": Wish(10), "n": Wish(5)}),
    shares={"m": [Part("a", 0, 10)], "n": [Part("a", 0, 5)]},
    branches=[leaf_of_tree({0: 100_000_001})],
    gap=0,
)

# Landed, tiers cost 919, 818 and 858.50. 60 units can pay 818, of which 50 can pay the others. Best
# are 32 and 28: the rival's packs do not make 30. 13 of its 32 are for m: 12.8, where n has 19.2.
# With 141,500,001 on the lowest row the bound is 60 x that + 30 x 40,500,000.
FAIR: Final = Awarded(
    pool=Pool(
        offers={
            "a": Selling([(1, 900), (20, 800)], carriage=10, terms={"max_quantity": 30}),
            "b": Selling([(1, 850)], terms={"max_quantity": 40, "min_quantity": 8, "pack": 4}),
        },
        demands={"m": Wish(20), "n": Wish(30), "o": Wish(10, 820)},
        fee_bps=100,
    ),
    shares={
        "m": [Part("a", 1, 7), Part("b", 0, 13)],
        "n": [Part("a", 1, 11), Part("b", 0, 19)],
        "o": [Part("a", 1, 10)],
    },
    branches=[leaf_of_tree({0: 141_500_001})],
    gap=81_000_000,
)

# 30 at 800 and 10 at 790; without the 30 that the tier starts at, 20 and 20 were better. Who sells
# nothing or at 950 gains 5,200,000,040 at most; from 30 on a price of 210,000,001 is met in full.
SPLIT: Final = Awarded(
    pool=Pool(
        offers={
            "a": Selling([(1, 950), (30, 800)]),
            "b": Selling([(1, 790)], terms={"max_quantity": 20}),
        },
        demands={"m": Wish(25), "n": Wish(15)},
    ),
    shares={
        "m": [Part("b", 0, 6), Part("a", 1, 19)],
        "n": [Part("b", 0, 4), Part("a", 1, 11)],
    },
    branches=[split(0, 1), leaf_of_tree({0: 50_000_001}), leaf_of_tree({0: 210_000_001})],
    gap=0,
)
# The same with a tier more, which is too dear: the second tier is the first option.
TOO_DEAR: Final = other(
    SPLIT,
    pool_offers={
        "a": Selling([(1, 1_100), (5, 950), (30, 800)]),
        "b": Selling([(1, 790)], terms={"max_quantity": 20}),
    },
    shares={
        "m": [Part("b", 0, 6), Part("a", 2, 19)],
        "n": [Part("b", 0, 4), Part("a", 2, 11)],
    },
)
DEAR_FIRST: Final = other(
    SPLIT,
    pool_offers={
        "a": Selling([(1, 1_100)]),
        "b": Selling([(1, 950), (30, 800)]),
        "c": Selling([(1, 790)], terms={"max_quantity": 20}),
    },
    shares={
        "m": [Part("c", 0, 6), Part("b", 1, 19)],
        "n": [Part("c", 0, 4), Part("b", 1, 11)],
    },
    branches=[split(1, 1), leaf_of_tree({0: 50_000_001}), leaf_of_tree({0: 210_000_001})],
)
# At 980 the tier ends below the least that d sells: no row. At 880 it starts above the 15 that are
# wanted: a row, and no option.
OUT_OF_REACH: Final = other(
    ALONE,
    pool_offers={
        "a": Selling([(1, 900)]),
        "d": Selling([(1, 980), (16, 880)], terms={"min_quantity": 16}),
    },
    branches=[leaf_of_tree({1: 100_000_001})],
)

# A third of 1,000 each, and 1.37 % of it, and a third of 5: 339,566,667 for each unit, rounded up.
THIRDS: Final = Awarded(
    pool=Pool(
        offers={"a": Selling([(1, 1_000)], base=3, carriage=5)},
        demands={"m": Wish(7, 1_101, 3), "n": Wish(8, 1_101, 3)},
        fee_bps=137,
        reference=(1_100, 3),
    ),
    shares={"m": [Part("a", 0, 7)], "n": [Part("a", 0, 8)]},
    branches=[leaf_of_tree({0: 27_100_000})],
    gap=0,
)
# 1.50 each, 4 for 5: 3 for m and 1 for n, which would cost 2 where n pays 1.50. So all are for m.
ROUNDED: Final = Awarded(
    pool=Pool(
        offers={"a": Selling([(1, 3)], base=2, terms={"max_quantity": 4})},
        demands={"m": Wish(4, 3, 2), "n": Wish(1, 3, 2)},
        reference=(2, 1),
    ),
    shares={"m": [Part("a", 0, 4)]},
    branches=[leaf_of_tree({})],
    gap=0,
)


def of_one_offer(most: int, shares: dict[str, int], **wishes: Wish) -> Awarded:
    """Return an award of all that an offer has, at 900."""
    pool = Pool(offers={"a": Selling([(1, 900)], terms={"max_quantity": most})}, demands=wishes)
    parts = {name: [Part("a", 0, units)] for name, units in shares.items()}
    return Awarded(pool=pool, shares=parts, branches=[leaf_of_tree({})], gap=0)


FIVES: Final = {name: Wish(5) for name in "mno"}
TIE: Final = of_one_offer(10, {"m": 4, "n": 3, "o": 3}, **FIVES)
ALL_OR_NOTHING: Final = of_one_offer(
    10, {"n": 6, "o": 4}, m=Wish(10, minimum=10), n=Wish(6), o=Wish(4)
)
OF_EQUALS: Final = of_one_offer(10, {"m": 10}, m=Wish(10, minimum=10), n=Wish(10, minimum=10))
# All five get 8 of the 10 that they need. Two go at once; were it one, four would get 10 each.
TWO_AT_ONCE: Final = of_one_offer(
    40, {"m": 14, "n": 13, "o": 13}, **{name: Wish(20, minimum=10) for name in "mnopq"}
)
# 8 for 12 makes 3 and 5, too few for both; m bends less.
MOST_BENT: Final = of_one_offer(8, {"n": 8}, m=Wish(4, minimum=4), n=Wish(8, minimum=6))
# 12 for 22 makes 6, 3 and 3, too few for m and n, which want all or nothing; m wants more of it.
WANTS_MOST: Final = of_one_offer(
    12, {"n": 6, "o": 6}, m=Wish(10, minimum=10), n=Wish(6, minimum=6), o=Wish(6, minimum=3)
)
PACKED: Final = Awarded(
    pool=Pool(
        offers={"a": Selling([(1, 900)], terms={"min_quantity": 10, "pack": 6})},
        demands={"m": Wish(10), "n": Wish(7)},
    ),
    shares={"m": [Part("a", 0, 7)], "n": [Part("a", 0, 5)]},
    branches=[leaf_of_tree({})],
    gap=0,
)
CLASSES: Final = array(array(blob(id_of("O"))), array(blob(id_of("N"))))
RANKED: Final = other(
    of_one_offer(25, {"m": 5, "n": 10, "o": 10}, m=Wish(10), n=Wish(10), o=Wish(10)),
    pool_ration=PRIORITY,
    pool_more={"priority": CLASSES},
)
# Of the 10 at 900 the first class takes all, of the 10 at 800 the second. What both get is mixed.
RANKED_MIX: Final = Awarded(
    pool=Pool(
        offers={
            "a": Selling([(1, 800)], terms={"max_quantity": 10}),
            "b": Selling([(1, 900)], terms={"max_quantity": 10}),
        },
        demands={"m": Wish(10), "n": Wish(10), "o": Wish(10)},
        ration=PRIORITY,
        more={"priority": CLASSES},
    ),
    shares={name: [Part("a", 0, 5), Part("b", 0, 5)] for name in "no"},
    branches=[leaf_of_tree({})],
    gap=0,
)
# One class alone: of the unit at 900 n has two thirds, of that at 800 both have a half and m is the
# first. So each gets one; of these both have a half of the dearer, which m gets.
ONE_CLASS: Final = Awarded(
    pool=Pool(
        offers={
            "a": Selling([(1, 800)], terms={"max_quantity": 1}),
            "b": Selling([(1, 900)], terms={"max_quantity": 1}),
        },
        demands={"m": Wish(1), "n": Wish(2)},
        ration=PRIORITY,
    ),
    shares={"m": [Part("b", 0, 1)], "n": [Part("a", 0, 1)]},
    branches=[leaf_of_tree({})],
    gap=0,
)
# M is of the second class and of the third, so of the second; N is of none, and comes after both.
NAMED_TWICE: Final = other(
    of_one_offer(10, {"m": 10}, m=Wish(10), n=Wish(10)),
    pool_ration=PRIORITY,
    pool_more={
        "priority": array(*(array(blob(id_of(each))) for each in "ZMM")),
    },
)
EQUAL_RATES: Final = Awarded(
    pool=Pool(
        offers={
            "a": Selling([(1, 900)], terms={"max_quantity": 10}),
            "b": Selling([(1, 1_800)], base=2, terms={"max_quantity": 5}),
        },
        demands={"m": Wish(8), "n": Wish(7)},
    ),
    # 5.33 and 4.67 of a, then what is left: 3 and 2 of b, of which 3 cost 2,700 and not 2,700.50.
    shares={
        "m": [Part("b", 0, 3), Part("a", 0, 5)],
        "n": [Part("b", 0, 2), Part("a", 0, 5)],
    },
    branches=[leaf_of_tree({0: 100_000_001})],
    gap=0,
)
MOST: Final = 2_000_000
LARGE: Final = Awarded(
    pool=Pool(
        offers={"a": Selling([(1, 90_000)])},
        demands={"m": Wish(MOST, 100_000)},
        reference=(100_000, 1),
    ),
    shares={"m": [Part("a", 0, MOST)]},
    branches=[leaf_of_tree({0: 10_000_000_001})],
    gap=0,
)
LARGEST_GAP: Final = other(
    LARGE,
    pool_offers={"a": Selling([(1, 90_000)]), "b": Selling([(1, 90_000)])},
    branches=[leaf_of_tree({})],
    gap=2**53 - 1,
)

# file name, clause, award, why it matters
GOOD: Final[list[tuple[str, str, Awarded, str]]] = [
    ("one_offer", "CLR-20", ALONE, "Its price on the one row: a gap of 0."),
    ("two_offers", "CLR-11", FAIR, "Two get a mix, the third the cheap alone, which it can pay."),
    (
        "bound_by_nothing",
        "CLR-9",
        other(FAIR, branches=[leaf_of_tree({})], gap=1_496_000_010),
        "A leaf without prices: each offer sells its most.",
    ),
    (
        "prices_add_up",
        "CLR-9",
        other(FAIR, branches=[leaf_of_tree({0: 100_000_000, 1: 41_500_001})], gap=911_000_020),
        "An option pays its own row and all below it.",
    ),
    (
        "prices_in_any_order",
        "CLR-8",
        other(FAIR, branches=[leaf_of_tree({1: 41_500_001, 0: 100_000_000})], gap=911_000_020),
        "Each is for another row; no order is asked for.",
    ),
    (
        "minimum_of_the_pool",
        "CLR-5",
        other(FAIR, pool_more={"min_quantity": integer(60)}),
        "As many as it asks for.",
    ),
    ("split", "CLR-8", SPLIT, "A branch, both sides of which are bounded: a gap of 0."),
    (
        "split_with_a_gap",
        "CLR-10",
        other(
            SPLIT,
            branches=[split(0, 1), leaf_of_tree({0: 50_000_001}), leaf_of_tree({0: 205_000_001})],
            gap=50_000_000,
        ),
        "Who must sell pays for its least even where that costs.",
    ),
    (
        "split_of_what_is_split",
        "CLR-8",
        other(
            SPLIT,
            branches=[
                *(split(0, 1), split(0, 0), leaf_of_tree({0: 50_000_001})),
                *(leaf_of_tree({0: 50_000_001}), leaf_of_tree({0: 210_000_001})),
            ],
        ),
        "Of the options left to it; 0 is to sell nothing.",
    ),
    ("option_after_a_tier_without_gain", "CLR-8", TOO_DEAR, "Tiers without a part are no options."),
    (
        "place_after_an_offer_without_gain",
        "CLR-8",
        DEAR_FIRST,
        "An offer without a part keeps its place.",
    ),
    (
        "row_of_a_tier_out_of_reach",
        "CLR-8",
        OUT_OF_REACH,
        "A tier that starts above the demand is no option; its rate is a row.",
    ),
    ("thirds", "CLR-1", THIRDS, "What is paid is rounded up, what may be paid down."),
    ("remainders_that_tie", "CLR-11", TIE, "The unit left goes to the lowest id."),
    (
        "minimum_above_the_share",
        "CLR-13",
        ALL_OR_NOTHING,
        "All of it is shared again among the others.",
    ),
    ("two_who_want_all", "CLR-13", OF_EQUALS, "The highest id goes first."),
    ("two_of_five_go_at_once", "CLR-13", TWO_AT_ONCE, "A quarter of five, rounded up."),
    ("highest_minimum_goes_first", "CLR-13", MOST_BENT, "Per want: it bends least."),
    ("who_wants_most_goes_first", "CLR-13", WANTS_MOST, "Of equal minimums per want."),
    ("rounding_above_a_maximum", "CLR-13", ROUNDED, "A line pays its parts as they are rounded."),
    ("packs", "CLR-3", PACKED, "Two packs of six; three would be more than 17."),
    ("classes", "CLR-15", RANKED, "Those in none come last."),
    ("one_class", "CLR-15", ONE_CLASS, "Served first and mixed then, though nobody goes before."),
    (
        "class_of_a_co_op_named_twice",
        "CLR-15",
        NAMED_TWICE,
        "The first counts, and whoever is in none comes after all classes.",
    ),
    (
        "classes_share_the_mix",
        "CLR-15",
        RANKED_MIX,
        "Classes say how much, and not at which price.",
    ),
    (
        "offers_at_one_rate",
        "CLR-16",
        EQUAL_RATES,
        "Shared by ascending id, listed in a leaf by descending id.",
    ),
    ("beyond_53_bits", "CLR-6", LARGE, "An objective of 2 x 10^16."),
    ("gap_beyond_53_bits", "CLR-10", LARGEST_GAP, "Told as 2^53-1."),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on awards that are right."""
    for name, clause, awarded, comment in GOOD:
        yield Case(
            id=f"21-award/{name}",
            clause=clause,
            expect="ok",
            comment=comment,
            input=awarded.judged(),
            output=awarded.root(),
        )
