"""What a member checks that sees no line but its own, chapter 21: the award, its leaf and sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from award_cases import ALONE, FAIR, RANKED
from kit import Case, array, blob, hashed, integer, mapping
from markets import (
    POOL_ID,
    Awarded,
    Part,
    Wish,
    id_of,
    leaf,
    leaf_of_tree,
    leaves,
    offers_of,
    other,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MILLION: Final = 1_000_000
Sums = list[tuple[int, int]]
WANTED: Final[Sums] = [(820 * MILLION, 10), (1_000 * MILLION, 50)]
"""What is wanted in the fair award at each maximum."""


def hashes(awarded: Awarded) -> list[bytes]:
    """Return the hashes of three leaves."""
    return [hashed("leaf", each) for each in leaves(awarded.pool, awarded.shares)]


def checked(
    wish: Wish, own: bytes, *, of: Awarded = FAIR, wanted: Sums = WANTED, **changes: Any
) -> bytes:
    """Return the input of `21-own`: by default for the first of the leaves of an award."""
    _, *others = hashes(of)
    path: Sequence[bytes] = changes.get("path", others)
    top = hashed("leaf", own)
    for each in others:
        top = hashed("node", top, each)
    return mapping(
        award=blob(of.award(root=blob(changes.get("root", top)))),
        demand=blob(wish.body()),
        id=blob(POOL_ID),
        index=integer(changes.get("index", 0)),
        leaf=blob(own),
        line=blob(id_of(changes.get("line", "m"))),
        offers=offers_of(of.pool),
        path=array(*map(blob, path)),
        pool=blob(of.pool.body()),
        wanted=array(*(array(integer(rate), integer(units)) for rate, units in wanted)),
    )


def got(*parts: Part) -> bytes:
    """Return a leaf of m in the fair award."""
    return leaf(FAIR.pool, "m", parts)


M: Final = FAIR.pool.demands["m"]
MINE: Final = got(*FAIR.shares["m"])
FIRST, SECOND, THIRD = hashes(FAIR)


def told(name: str, by: int) -> bytes:
    """Return the input where the first part of a leaf tells something else."""
    parts = [Part("a", 1, 7, {name: by}), Part("b", 0, 13)]
    return checked(M, got(*parts))


# 20 that can pay 840 are one more line; then 141,500,001 on the lowest row bounds 80 units.
CHEAPER: Final = other(FAIR, gap=2_911_000_020)
MORE: Final[Sums] = [*WANTED, (840 * MILLION, 20)]

# file name, clause, code, input, why it matters
ROWS: Final[list[tuple[str, str, str, bytes, str]]] = [
    ("first_leaf", "CLR-19", "ok", checked(M, MINE), "Both parts, and all that it wants."),
    (
        "last_leaf",
        "CLR-19",
        "ok",
        checked(
            FAIR.pool.demands["o"],
            leaves(FAIR.pool, FAIR.shares)[2],
            index=2,
            line="o",
            path=[hashed("node", FIRST, SECOND)],
            root=FAIR.root(),
        ),
        "Of the cheap alone, and carried up.",
    ),
    (
        "only_leaf",
        "CLR-19",
        "ok",
        checked(
            Wish(15),
            leaf(ALONE.pool, "m", [Part("a", 0, 15)]),
            of=other(ALONE, shares={"m": [Part("a", 0, 15)]}),
            wanted=[(1_000 * MILLION, 15)],
        ),
        "No path.",
    ),
    (
        "sums_in_any_order",
        "CLR-19",
        "ok",
        checked(M, MINE, wanted=[(1_000 * MILLION, 20), WANTED[0], (1_000 * MILLION, 30)]),
        "Of who wants them nothing is told.",
    ),
    (
        "one_unit_less_of_each_sale",
        "CLR-19",
        "ok",
        checked(M, got(Part("a", 1, 6), Part("b", 0, 12))),
        "18 of 20: what others round up, it may miss.",
    ),
    (
        "more_than_its_share",
        "CLR-19",
        "ok",
        checked(Wish(21), got(Part("a", 1, 8), Part("b", 0, 13))),
        "Others may be left out.",
    ),
    (
        "last_of_the_classes",
        "CLR-15",
        "ok",
        checked(
            Wish(10),
            leaves(RANKED.pool, RANKED.shares)[0],
            of=RANKED,
            wanted=[(1_000 * MILLION, 30)],
        ),
        "Behind two classes 5 are right, where without them 8 were.",
    ),
    (
        "classes_without_a_part",
        "CLR-19",
        "award.ration",
        checked(
            M,
            got(Part("a", 1, 5), Part("b", 0, 12)),
            of=other(FAIR, pool_more={"priority": array(array(blob(id_of("N"))))}),
        ),
        "Named in the pool, and of no account under this ration: 17 of at least 18.",
    ),
    (
        "leaf_of_another_line",
        "CLR-19",
        "award.not_included",
        checked(M, MINE, line="n"),
        "Under the root, and not of the member that checks it.",
    ),
    (
        "one_offer_in_two_parts",
        "CLR-16",
        "award.parts",
        checked(M, got(Part("a", 1, 3), Part("a", 1, 4), Part("b", 0, 13))),
        "Rounded twice.",
    ),
    (
        "parts_in_another_order",
        "CLR-16",
        "award.parts",
        checked(M, got(Part("b", 0, 13), Part("a", 1, 7))),
        "The cheapest comes first.",
    ),
    (
        "leaf_of_another_root",
        "AWD-5",
        "award.not_included",
        checked(M, MINE, root=bytes(32)),
        "What is not under the root binds nobody.",
    ),
    (
        "leaf_at_another_place",
        "AWD-5",
        "award.not_included",
        checked(M, MINE, index=1),
        "The place is proven too.",
    ),
    (
        "path_a_step_short",
        "AWD-5",
        "award.not_included",
        checked(M, MINE, path=[SECOND]),
        "A node is no root.",
    ),
    (
        "two_less_of_one_sale",
        "CLR-19",
        "award.ration",
        checked(M, got(Part("a", 1, 5), Part("b", 0, 12))),
        "17 units; 12 of 12.8 and 8 of 8, less two, make 18.",
    ),
    (
        "cheap_kept_from_it",
        "CLR-19",
        "award.ration",
        checked(M, got(Part("b", 0, 17))),
        "Dear units alone.",
    ),
    (
        "below_its_minimum",
        "CLR-19",
        "award.quantity",
        checked(Wish(20, minimum=20), got(Part("a", 1, 6), Part("b", 0, 13))),
        "19 of 20 at least.",
    ),
    (
        "above_its_want",
        "CLR-19",
        "award.quantity",
        checked(M, got(Part("a", 1, 8), Part("b", 0, 13))),
        "21 of 20.",
    ),
    (
        "above_its_maximum",
        "CLR-19",
        "award.over_max_price",
        checked(Wish(20, 840), MINE, of=CHEAPER, wanted=MORE),
        "16,886 for 20 at 840: both parts count together.",
    ),
    ("goods_off", "CLR-12", "award.amount", told("amount", 1), "Under the root all the same."),
    ("fee_off", "CLR-12", "award.fee", told("fee", -1), "Under the root all the same."),
    ("carriage_off", "CLR-12", "award.carriage", told("carriage", 1), "10 x 7 is 70."),
    (
        "part_of_an_offer_without_a_line",
        "CLR-12",
        "award.offer_unknown",
        checked(
            M,
            leaf(
                other(FAIR, pool_offers={**FAIR.pool.offers, "c": FAIR.pool.offers["b"]}).pool,
                "m",
                [Part("a", 1, 7), Part("c", 0, 13)],
            ),
        ),
        "It sells nothing.",
    ),
    (
        "part_at_another_tier",
        "CLR-12",
        "award.offer_unknown",
        checked(M, got(Part("b", 0, 13), Part("a", 0, 7))),
        "Its line sells at the second tier.",
    ),
    (
        "more_sold_than_can_pay",
        "CLR-4",
        "award.over_demand",
        checked(M, MINE, wanted=[(820 * MILLION, 9), (1_000 * MILLION, 50)]),
        "Sums are enough to see it.",
    ),
    (
        "gap_off",
        "CLR-10",
        "award.gap",
        checked(M, MINE, of=other(FAIR, branches=[leaf_of_tree({})])),
        "Sums are enough to see it.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on leaves."""
    for name, clause, expect, data, comment in ROWS:
        yield Case(id=f"21-own/{name}", clause=clause, expect=expect, comment=comment, input=data)
