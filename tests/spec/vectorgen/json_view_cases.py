"""The JSON view, chapter 03: the input is {json, kind}, the output the body's canonical bytes.

`json` holds UTF-8 of one JSON text. Read the other way round, the output's view is the same value.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from kit import Case, blob, mapping, text
from record_values import VERDICT, WINDOW, demand, item, ordered

if TYPE_CHECKING:
    from collections.abc import Iterator

VIEW: Final[dict[str, Any]] = {"code": "ok", "level": "own", "subject": "00" * 32}
DEMAND: Final[dict[str, Any]] = {
    "is_firm": True,
    "item": {"code": "FLOUR-25", "name": "Flour, 25 kg", "scale": 0, "unit": "XBG"},
    "max_price": {"amount": 1450, "base": 1, "currency": "GBP"},
    "min_quantity": 1,
    "quantity": 40,
    "ref": "week-12/flour",
    "zone": "ALL",
}
LARGEST: Final = b"\xcf\x00\x1f" + b"\xff" * 6

# file name, clause, kind, view, body, why it matters
GOOD: Final[list[tuple[str, str, str, Any, bytes, str]]] = [
    ("verdict", "ENC-19", "verdict", VIEW, ordered(VERDICT, {}), "An id is 64 digits."),
    ("demand", "ENC-19", "demand.submit", DEMAND, demand(), "Absent keys stay absent."),
    (
        "keys_in_other_order",
        "ENC-19",
        "verdict",
        dict(reversed(VIEW.items())),
        ordered(VERDICT, {}),
        "A view has no order; the bytes have.",
    ),
    (
        "largest_integer",
        "ENC-20",
        "demand.submit",
        {**DEMAND, "decide_by_ms": 2**53 - 1},
        demand(decide_by_ms=LARGEST),
        "Exact as a double, too.",
    ),
    (
        "text_like_hex",
        "ENC-19",
        "demand.submit",
        {**DEMAND, "item": {**DEMAND["item"], "name": "c0ffee"}},
        demand(**item(name=text("c0ffee"))),
        "The type says what is bytes, not the looks.",
    ),
    (
        "key_unknown",
        "ENC-21",
        "verdict",
        {**VIEW, "mood": "good"},
        ordered(VERDICT, {}),
        "As in the bytes: not known, not read.",
    ),
    (
        "window",
        "ENC-20",
        "demand.submit",
        {**DEMAND, "window": {"from_ms": 1, "to_ms": 2}},
        demand(window=mapping(**WINDOW)),
        "A map inside.",
    ),
]

# file name, clause, kind, JSON text, why it matters
BAD: Final[list[tuple[str, str, str, str, str]]] = [
    ("hex_in_capitals", "ENC-19", "verdict", "AA" * 32, "Two spellings of one id."),
    ("hex_with_prefix", "ENC-19", "verdict", "0x" + "00" * 31, "No prefix."),
    ("hex_with_spaces", "ENC-19", "verdict", "00 " * 32, "Some readers skip them."),
    ("hex_of_odd_length", "ENC-19", "verdict", "0" * 63, "Half a byte."),
    ("base64", "ENC-19", "verdict", "A" * 43 + "=", "Not hex."),
]
NUMBERS: Final[list[tuple[str, str, str]]] = [
    ("number_as_text", '"40"', "A text is no number."),
    ("number_with_fraction", "40.0", "Equal to an integer, and written as none."),
    ("number_with_exponent", "4e1", "As above."),
    ("number_minus_zero", "-0", "Some readers make 0 of it and some -0.0."),
    ("number_nan", "NaN", "No JSON, and some readers take it."),
    ("number_null", "null", "Absent means that the key is left out."),
]


# file name, JSON text, why it matters
TEXTS: Final[list[tuple[str, str, str]]] = [
    (
        "key_twice",
        json.dumps(VIEW)[:-1] + ', "level": "own"}',
        "Some readers take the first, some the last.",
    ),
    ("no_json", json.dumps(VIEW)[:-1], "The end is missing."),
    ("more_behind", json.dumps(VIEW) + "{}", "One value."),
    ("comma_at_the_end", json.dumps(VIEW)[:-1] + ",}", "Some readers skip it."),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on the JSON view."""
    for name, clause, kind, view, body, comment in GOOD:
        yield _case(name, clause, "ok", comment, (kind, json.dumps(view)), out=body)
    for name, clause, kind, subject, comment in BAD:
        view = json.dumps({**VIEW, "subject": subject})
        yield _case(name, clause, "schema.invalid", comment, (kind, view), out=None)
    for name, view, comment in TEXTS:
        clause = "ENC-21"
        yield _case(name, clause, "schema.invalid", comment, ("verdict", view), out=None)
    for name, number, comment in NUMBERS:
        view = json.dumps({**DEMAND, "quantity": "?"}).replace('"?"', number)
        yield _case(name, "ENC-20", "schema.invalid", comment, ("demand.submit", view), out=None)


def _case(
    name: str, clause: str, expect: str, comment: str, given: tuple[str, str], *, out: bytes | None
) -> Case:
    kind, view = given
    return Case(
        id=f"03-json-view/{name}",
        clause=clause,
        expect=expect,
        comment=comment,
        input=mapping(json=blob(view.encode()), kind=text(kind)),
        output=out,
    )
