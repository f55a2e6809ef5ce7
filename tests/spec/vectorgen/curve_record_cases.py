"""Bodies of a round of chapter 17 that a rule over one list forbids, and some that none does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commitments import CAP
from kit import ZERO, Case, array, blob, hashed, integer, mapping, text
from record_values import item

if TYPE_CHECKING:
    from collections.abc import Iterator


def round_of(*levels: int) -> bytes:
    """Return the body of a round with these price levels."""
    return mapping(
        base=integer(1),
        cap=integer(CAP),
        closes_at_ms=integer(1),
        currency=text("GBP"),
        dominance_bps=integer(7_000),
        item=item()["item"],
        k_min=integer(5),
        levels=array(*map(integer, levels)),
        owner=blob(hashed("test", b"owner")),
        title=text("Flour"),
        zone=text("ALL"),
    )


def close_over(*bids: bytes) -> bytes:
    """Return the body of a close over bids."""
    cut = mapping(cid=blob(ZERO), head=blob(ZERO), seq=integer(1), wid=blob(ZERO))
    return mapping(bids=array(*map(blob, bids)), curve=blob(ZERO), cut=array(cut))


ONE, TWO = bytes(31) + b"\1", bytes(31) + b"\2"

ROWS = [
    ("curve_of_one_level", "PRV-14", "ok", "curve.open", round_of(1450), "A price of one's own."),
    ("curve_levels_ascend", "PRV-14", "ok", "curve.open", round_of(0, 1450, 1500), "From 0 on."),
    (
        "curve_level_twice",
        "PRV-14",
        "schema.invalid",
        "curve.open",
        round_of(1450, 1450),
        "Two quantities at one price.",
    ),
    (
        "curve_levels_descend",
        "PRV-14",
        "schema.invalid",
        "curve.open",
        round_of(1500, 1450),
        "PRV-12 needs one order.",
    ),
    (
        "curve_close_of_two",
        "PRV-21",
        "ok",
        "curve.close",
        close_over(ONE, TWO),
        "The lower id first.",
    ),
    ("curve_close_of_none", "PRV-21", "ok", "curve.close", close_over(), "Nobody bid."),
    (
        "curve_close_in_other_order",
        "PRV-21",
        "schema.invalid",
        "curve.close",
        close_over(TWO, ONE),
        "One list has one spelling.",
    ),
    (
        "curve_close_with_bid_twice",
        "PRV-21",
        "schema.invalid",
        "curve.close",
        close_over(ONE, ONE),
        "A bid counts once.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on bodies."""
    for name, clause, expect, kind, body, comment in ROWS:
        data = mapping(body=blob(body), kind=text(kind))
        yield Case(
            id=f"10-record/{name}", clause=clause, expect=expect, comment=comment, input=data
        )
