"""Bodies, chapter 10: `10-record` holds {body, kind}, `10-amount` {amount, base, quantity}.

A body of a kind that chapter 10 lists is read as its record, that of another kind for its encoding
alone. The output of `10-amount` is the amount of the line as a CMP-1 integer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import record_faults
from kit import Case, array, blob, integer, mapping, text
from record_values import (
    HOLD,
    MAX_INT,
    ODD_KEY,
    OFFER,
    VERDICT,
    WINDOW,
    demand,
    item,
    long_text,
    offer,
    ordered,
    seat,
    table_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# file name, clause, kind, body, why it matters
GOOD: Final[list[tuple[str, str, str, bytes, str]]] = [
    ("demand", "REC-1", "demand.submit", demand(), "Optional keys left out."),
    (
        "demand_with_all",
        "REC-1",
        "demand.submit",
        demand(decide_by_ms=integer(9), window=mapping(**WINDOW)),
        "Optional keys present.",
    ),
    (
        "window_of_one_instant",
        "REC-3",
        "demand.submit",
        demand(window=mapping(from_ms=integer(1), to_ms=integer(1))),
        "Both ends are included.",
    ),
    ("all_or_nothing", "REC-4", "demand.submit", demand(min_quantity=integer(40)), "No range."),
    ("name_of_1000", "REC-1", "demand.submit", demand(**item(name=long_text(1_000))), "The most."),
    (
        "key_of_a_later_version",
        "ENC-16",
        "demand.submit",
        demand(pallets=integer(2)),
        "Ignored by this version, and kept.",
    ),
    (
        "key_of_a_later_version_inside",
        "VER-3",
        "demand.submit",
        demand(**item(zone=ODD_KEY)),
        "At every depth, whatever its value.",
    ),
    ("offer_of_two_tiers", "REC-5", "offer.submit", offer((1, 1400), (100, 1300)), "Falling."),
    ("demand_for_a_seat", "SEAT-1", "demand.submit", demand(**seat()), "A sponsor signs for it."),
    (
        "offer_for_a_seat",
        "SEAT-1",
        "offer.submit",
        ordered(OFFER, seat(by=text("list"))),
        "Those who sell may have a sponsor as well.",
    ),
    (
        "seat_by_another_word",
        "SEAT-1",
        "demand.submit",
        demand(**seat(by=text("a_later_word"))),
        "Later versions may know other ways to agree.",
    ),
    ("verdict", "REC-1", "verdict", ordered(VERDICT, {}), "The example of the chapter."),
    ("hold_of_any_amount", "REC-1", "hold.request", ordered(HOLD, {}), "No minimum."),
    ("place_at_pole", "REC-1", "travel.table", table_at(lat_udeg=integer(90_000_000)), "90 N."),
    ("unknown_kind", "REC-2", "x.mill.note", array(integer(1)), "No map, and none of ours."),
]

# file name, amount, base, quantity, result, why it matters
AMOUNTS: Final[list[tuple[str, int, int, int, int, str]]] = [
    ("exact", 125, 10, 8, 100, "12.5 cents a piece, 8 pieces."),
    ("rounded_down", 125, 10, 1, 12, "12.5 is half way, and 12 is even."),
    ("rounded_up", 135, 10, 1, 14, "13.5 is half way, and 14 is even."),
    ("below_half", 124, 10, 1, 12, "12.4."),
    ("above_half", 126, 10, 1, 13, "12.6."),
    ("half_of_one", 1, 2, 1, 0, "0.5 is half way, and 0 is even."),
    ("odd_base", 1, 3, 2, 1, "An odd base has no half way."),
    ("once_per_line", 125, 10, 3, 38, "37.5; rounding each piece first would give 36."),
    ("free", 0, 1, 40, 0, "A price may be 0."),
    (
        "beyond_64_bits",
        MAX_INT,
        10**9,
        10**9,
        MAX_INT,
        "The product has 83 bits: 64 are not enough in between.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on bodies and amounts."""
    for name, clause, kind, body, comment in GOOD:
        yield _record(name, clause, "ok", comment, kind=kind, body=body)
    for name, clause, code, kind, body, comment in record_faults.BAD:
        yield _record(name, clause, code, comment, kind=kind, body=body)
    for name, amount, base, quantity, result, comment in AMOUNTS:
        yield Case(
            id=f"10-amount/{name}",
            clause="VAL-4",
            expect="ok",
            comment=comment,
            input=mapping(amount=integer(amount), base=integer(base), quantity=integer(quantity)),
            output=integer(result),
        )
    yield Case(
        id="10-amount/above_the_largest_integer",
        clause="VAL-7",
        expect="enc.int_range",
        comment="No integer of CMP-1 holds it.",
        input=mapping(amount=integer(MAX_INT), base=integer(1), quantity=integer(2)),
    )


def _record(name: str, clause: str, expect: str, comment: str, *, kind: str, body: bytes) -> Case:
    return Case(
        id=f"10-record/{name}",
        clause=clause,
        expect=expect,
        comment=comment,
        input=mapping(body=blob(body), kind=text(kind)),
    )
