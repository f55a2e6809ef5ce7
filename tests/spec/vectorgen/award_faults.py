"""Awards of several offers that are refused, chapter 21, each for one reason.

What follows from a fault follows it: an offer that sells too much has the value and the leaves of
that, so that nothing else is wrong that could be right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from award_cases import ALONE, FAIR
from kit import Case, array, blob, integer, text
from markets import (
    PRIORITY,
    Awarded,
    Part,
    Pool,
    Selling,
    Shares,
    Wish,
    leaf_of_tree,
    line,
    other,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Fault = tuple[str, str, str, bytes, str]
"""File name, clause, code, input, why it matters."""


def sold(gap: int, **got: tuple[int, int, int]) -> Awarded:
    """Return the fair award with other shares: of the first tier of a, of the second, of b."""
    shares: Shares = {}
    for name, units in got.items():
        each = zip((("a", 1), ("b", 0), ("a", 0)), (units[1], units[2], units[0]), strict=True)
        shares[name] = [Part(*place, some) for place, some in each if some]
    return other(FAIR, shares=shares, gap=gap)


# 10 each at 900 and 1,100, of which the second is above the reference.
LOSS: Final = Awarded(
    pool=Pool(
        offers={
            "a": Selling([(1, 900)], terms={"max_quantity": 10}),
            "c": Selling([(1, 1_100)], terms={"max_quantity": 10}),
        },
        demands={"m": Wish(10, 1_200), "n": Wish(10, 1_200)},
    ),
    shares={name: [Part("a", 0, 5), Part("c", 0, 5)] for name in "mn"},
    branches=[leaf_of_tree({})],
    gap=999_999_990,
)
TERMS: Final[list[Fault]] = [
    (
        "gain_beyond_53_bits",
        "CLR-2",
        "award.no_gain",
        other(ALONE, pool_reference=(2**53 - 1, 1)).judged(value=integer(0)),
        "A reference that would make any saving: the tier has no part.",
    ),
    (
        "tier_above_the_reference",
        "CLR-2",
        "award.no_gain",
        LOSS.judged(),
        "It would be paid for by what the others gain.",
    ),
    (
        "tier_not_reached",
        "CLR-3",
        "award.tier_not_reached",
        sold(587_000_001, m=(0, 4, 16), n=(0, 6, 24), o=(0, 9, 0)).judged(),
        "19 units at the price from 20 on.",
    ),
    (
        "tier_passed",
        "CLR-3",
        "award.wrong_tier",
        sold(4_123_000_012, m=(8, 0, 11), n=(12, 0, 17)).judged(),
        "20 units at the price up to 19.",
    ),
    (
        "offer_below_its_minimum",
        "CLR-3",
        "award.offer_minimum",
        sold(3_679_000_026, m=(0, 10, 2), n=(0, 15, 2), o=(0, 5, 0)).judged(),
        "4 units of 8 at least.",
    ),
    (
        "offer_beyond_its_maximum",
        "CLR-3",
        "award.over_capacity",
        sold(101_000_001, m=(0, 9, 11), n=(0, 12, 17), o=(0, 10, 0)).judged(),
        "31 units of 30.",
    ),
    (
        "pack_broken",
        "CLR-3",
        "award.pack",
        sold(0, m=(0, 8, 12), n=(0, 12, 18), o=(0, 10, 0)).judged(),
        "30 units in packs of 4, which would be worth more.",
    ),
    (
        "more_than_can_pay",
        "CLR-4",
        "award.over_demand",
        sold(0, m=(0, 9, 13), n=(0, 11, 19), o=(0, 10, 0)).judged(),
        "62 units for 60.",
    ),
    (
        "more_than_can_pay_a_higher_rate",
        "CLR-4",
        "award.over_demand",
        sold(3_638_000_009, m=(8, 0, 12), n=(11, 0, 20)).judged(),
        "51 units for 50; at the lowest rate there were 60.",
    ),
    (
        "tier_for_nobody",
        "CLR-4",
        "award.over_demand",
        other(ALONE, shares={"m": [Part("a", 0, 10)], "n": [Part("a", 0, 6)]}).judged(),
        "16 units for 15, of one offer.",
    ),
]

SUMS: Final = FAIR.pool, "a", 1, FAIR.shares
LINE_A, LINE_B = line(*SUMS), line(FAIR.pool, "b", 0, FAIR.shares)
HALF: Final = line(FAIR.pool, "b", 0, {"m": [Part("b", 0, 16)]})


def lined(*lines: bytes) -> bytes:
    """Return the input of the fair award with these lines."""
    return FAIR.judged(lines=array(*lines))


def off(**by: int) -> bytes:
    """Return the input of the fair award where the first line tells something else."""
    shown = {"amount": 22_400, "carriage": 280, "fee": 224, "lines": 3}
    return lined(line(*SUMS, **{name: shown[name] + each for name, each in by.items()}), LINE_B)


LINES: Final[list[Fault]] = [
    ("lines_descend", "CLR-5", "award.lines", lined(LINE_B, LINE_A), "By ascending offer."),
    (
        "offer_twice",
        "CLR-5",
        "award.lines",
        lined(LINE_A, HALF, HALF),
        "Two lines of 16 for one offer of 32.",
    ),
    (
        "below_the_pools_minimum",
        "CLR-5",
        "award.below_minimum",
        other(FAIR, pool_more={"min_quantity": integer(61)}).judged(),
        "60 units of 61.",
    ),
    (
        "quantity_off",
        "CLR-5",
        "award.quantity",
        FAIR.judged(quantity=integer(59)),
        "Another number than all lines have together.",
    ),
    ("value_above", "CLR-6", "award.value", FAIR.judged(value=integer(9_625)), "One too many."),
    ("value_below", "CLR-6", "award.value", FAIR.judged(value=integer(9_623)), "One too few."),
    ("amount_off", "CLR-17", "award.amount", off(amount=1), "Within what rounding could make."),
    ("fee_off", "CLR-17", "award.fee", off(fee=-1), "Within what rounding could make."),
    (
        "carriage_off",
        "CLR-17",
        "award.carriage",
        off(carriage=1),
        "Within what rounding could make.",
    ),
    (
        "amount_far_off",
        "CLR-18",
        "award.amount",
        off(amount=1_000),
        "Beyond what rounding could make, which is seen without any demand.",
    ),
    ("number_of_lines_off", "CLR-17", "award.lines", off(lines=-1), "Three are served."),
    (
        "zone_of_others",
        "CLR-5",
        "award.zone",
        lined(line(*SUMS, zone="N"), LINE_B),
        "A pool serves one zone.",
    ),
    (
        "offer_that_does_not_count",
        "CLR-5",
        "award.offer_unknown",
        FAIR.judged(
            award=other(
                FAIR,
                pool_offers={**FAIR.pool.offers, "c": FAIR.pool.offers["b"]},
                shares={
                    "m": [Part("a", 1, 7), Part("c", 0, 13)],
                    "n": [Part("a", 1, 11), Part("c", 0, 19)],
                    "o": [Part("a", 1, 10)],
                },
            ).award(inputs=blob(FAIR.pool.inputs()))
        ),
        "On terms like those of one that does.",
    ),
]


INPUTS: Final[list[Fault]] = [
    (
        "other_inputs",
        "AWD-2",
        "award.inputs_hash",
        FAIR.judged(inputs=blob(ALONE.pool.inputs())),
        "Of other offers and demands.",
    ),
    ("pool_of_others", "AWD-13", "award.pool", FAIR.judged(pool=blob(b"Q" * 32)), "Not this one."),
    (
        "ration_of_others",
        "AWD-13",
        "award.rule",
        FAIR.judged(ration=text(PRIORITY)),
        "A rule of the chapter, and not the pool's.",
    ),
    (
        "ration_unknown",
        "AWD-13",
        "award.rule_unknown",
        other(FAIR, pool_ration="first_come/1").judged(),
        "Nobody here can share by it.",
    ),
    (
        "objective_unknown",
        "AWD-13",
        "award.rule_unknown",
        other(FAIR, pool_objective="several_offers/2").judged(),
        "Nobody here can judge by it.",
    ),
    (
        "co_ops_too_few",
        "AWD-13",
        "award.too_few",
        other(FAIR, pool_k_min=4).judged(),
        "Three of four.",
    ),
    (
        "lines_of_one_co_op",
        "AWD-13",
        "award.too_few",
        other(
            FAIR,
            pool_k_min=3,
            pool_demands={**FAIR.pool.demands, "n": Wish(30, coop="M")},
        ).judged(),
        "Three lines of two co-ops.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on awards that are refused."""
    for name, clause, code, data, comment in [*TERMS, *LINES, *INPUTS]:
        yield Case(id=f"21-award/{name}", clause=clause, expect=code, comment=comment, input=data)
