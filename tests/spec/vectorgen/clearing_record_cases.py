"""Bodies with what chapter 21 adds to pools, offers and awards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from award_cases import CLASSES, FAIR, SPLIT
from award_proof_faults import BY_OTHER_RULE, BY_TIERS
from kit import Case, array, blob, integer, mapping, text
from markets import id_of, leaf_of_tree, other
from record_values import OFFER, ordered

if TYPE_CHECKING:
    from collections.abc import Iterator

AWARD, OFFERED, OPENED = "pool.award", "offer.submit", "pool.open"
INVALID: Final = "schema.invalid"


def offer(**terms: int) -> bytes:
    """Return the body of an offer with these terms more."""
    return ordered(OFFER, {name: integer(value) for name, value in terms.items()})


def opened(*classes: bytes) -> bytes:
    """Return the body of a pool with these classes."""
    return other(FAIR, pool_more={"priority": array(*classes)}).pool.body()


def step(**fields: bytes) -> bytes:
    """Return the body of an award whose certificate is of one step."""
    return FAIR.award(branches=array(mapping(**fields)))


def priced(amount: int, row: int) -> bytes:
    """Return the body of an award with one price."""
    return FAIR.award(branches=array(leaf_of_tree({row: amount})))


CLASS: Final = array(blob(id_of("M")))

# file name, clause, expect, kind, body, why it matters
ROWS: Final[list[tuple[str, str, str, str, bytes, str]]] = [
    ("award_of_several_offers", "CLR-8", "ok", AWARD, FAIR.award(), "Prices and a gap."),
    ("award_with_a_tree", "CLR-8", "ok", AWARD, SPLIT.award(), "A branch and two leaves."),
    ("award_of_one_offer", "REC-1", "ok", AWARD, BY_OTHER_RULE, "No branches and no gap."),
    (
        "award_with_both_certificates",
        "CLR-22",
        INVALID,
        AWARD,
        FAIR.award(certificate=BY_TIERS),
        "One rule decides.",
    ),
    (
        "award_with_no_certificate",
        "CLR-22",
        INVALID,
        AWARD,
        FAIR.award(without=("branches", "gap")),
        "Nothing to check it by.",
    ),
    (
        "award_with_branches_and_no_gap",
        "CLR-22",
        INVALID,
        AWARD,
        FAIR.award(without=("gap",)),
        "How far it may be from the best is not left to be guessed.",
    ),
    (
        "award_with_a_certificate_and_a_gap",
        "CLR-22",
        INVALID,
        AWARD,
        FAIR.award(without=("branches",), certificate=BY_TIERS),
        "There is none under that rule.",
    ),
    ("branch_of_nothing", "CLR-8", INVALID, AWARD, step(), "Neither a branch nor a leaf."),
    (
        "branch_with_prices",
        "CLR-8",
        INVALID,
        AWARD,
        step(offer=integer(0), prices=array(), upto=integer(0)),
        "Both a branch and a leaf.",
    ),
    ("branch_without_upto", "CLR-8", INVALID, AWARD, step(offer=integer(0)), "Half a branch."),
    (
        "leaf_with_an_offer",
        "CLR-8",
        INVALID,
        AWARD,
        step(offer=integer(0), prices=array()),
        "A leaf has prices alone.",
    ),
    (
        "branch_of_offer_256",
        "REC-1",
        INVALID,
        AWARD,
        step(offer=integer(256), upto=integer(0)),
        "A close lists 256, counted from 0.",
    ),
    (
        "branch_upto_64",
        "REC-1",
        INVALID,
        AWARD,
        step(offer=integer(0), upto=integer(64)),
        "64 options have nothing above the last.",
    ),
    ("price_of_nothing", "CLR-8", INVALID, AWARD, priced(0, 0), "It is left out."),
    ("price_of_row_1024", "REC-1", INVALID, AWARD, priced(1, 1_024), "More than there can be."),
    ("award_without_steps", "REC-1", INVALID, AWARD, FAIR.award(branches=array()), "No root."),
    (
        "offer_in_packs",
        "REC-1",
        "ok",
        OFFERED,
        offer(max_quantity=40, min_quantity=8, pack=4),
        "All that limits what it sells.",
    ),
    (
        "offer_with_a_minimum_above_its_maximum",
        "REC-1",
        "ok",
        OFFERED,
        offer(max_quantity=1, min_quantity=2),
        "It sells nothing, and is an offer all the same.",
    ),
    ("offer_in_packs_of_nothing", "REC-1", INVALID, OFFERED, offer(pack=0), "From 1."),
    ("offer_of_nothing_at_least", "REC-1", INVALID, OFFERED, offer(min_quantity=0), "From 1."),
    (
        "pool_with_classes",
        "REC-1",
        "ok",
        OPENED,
        other(FAIR, pool_more={"priority": CLASSES}).pool.body(),
        "The first is served first.",
    ),
    ("pool_of_no_classes", "REC-1", INVALID, OPENED, opened(), "It is left out."),
    ("pool_with_a_class_of_nobody", "REC-1", INVALID, OPENED, opened(array()), "From 1."),
    ("pool_of_nine_classes", "REC-1", INVALID, OPENED, opened(*[CLASS] * 9), "Up to 8."),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on bodies."""
    for name, clause, expect, kind, body, comment in ROWS:
        data = mapping(body=blob(body), kind=text(kind))
        yield Case(
            id=f"10-record/{name}", clause=clause, expect=expect, comment=comment, input=data
        )
