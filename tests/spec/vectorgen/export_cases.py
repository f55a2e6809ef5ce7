"""Exports, chapter 16: entries that cross, judged where they leave.

16-export: the input is {ask, entry, export, level, treaty}, the output what is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kit import ZERO, Case, blob, hashed, integer, mapping, text
from story import plain
from treaties import (
    ASK_WIRE,
    DAIRY,
    EAST,
    EXPIRES_MS,
    NORTH,
    OFFER,
    OFFER_ID,
    OFFER_WIRE,
    REACH,
    SOUTH,
    direction,
    entry,
    export,
    parts,
    treaty,
    viewed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Row: TypeAlias = tuple[str, str, str, bytes, str]
"""A name, its clause, the code, the input, and why it matters."""

PLAIN: Final = treaty()
SHOWING: Final = treaty(direction(removed=["carriage"]))
WHOLE: Final = parts(OFFER_WIRE)[2]
VIEW: Final = viewed(plain({key: value for key, value in OFFER.items() if key != "carriage"}))
LATE: Final = integer(EXPIRES_MS + 1)
INTO_SOUTH: Final = entry(
    DAIRY, NORTH, "bridge.ask", plain({"entry": OFFER_ID, "into": SOUTH}), 2, after=OFFER_ID
)
NO_FURTHER: Final[dict[str, Any]] = {"granted_by": INTO_SOUTH[0], "is_onward": False}


def cases() -> Iterator[Case]:
    """Yield the vectors on entries that leave."""
    yield from _good()
    for name, clause, code, given, why in (*_unasked(), *_beyond_the_treaty()):
        yield _left(name, clause, code, why, given)


def _good() -> Iterator[Case]:
    """Exports that count."""
    whole, view = (hashed("shown", each) for each in (WHOLE, VIEW))
    yield _left("whole", "TRT-27", "ok", "As it was signed.", _export(PLAIN, WHOLE), shown=whole)
    yield _left("view", "TRT-27", "ok", "Made again.", _export(SHOWING, VIEW), shown=view)
    given = _export(PLAIN, WHOLE, ask=INTO_SOUTH[1], **NO_FURTHER)
    yield _left("into_one", "TRT-22", "ok", "There and no further.", given, shown=whole)
    at_last = _export(PLAIN, WHOLE, time_ms=integer(EXPIRES_MS))
    yield _left("at_its_end", "TRT-10", "ok", "The last millisecond.", at_last, shown=whole)


def _unasked() -> list[Row]:
    """Exports that nothing, or something else, lets cross."""
    too_far = {**NO_FURTHER, "is_onward": True}
    elsewhere = entry(
        DAIRY, NORTH, "bridge.ask", plain({"entry": OFFER_ID, "into": EAST}), 2, after=OFFER_ID
    )
    by_other = entry(REACH, NORTH, "bridge.ask", plain({"entry": OFFER_ID}))
    for_other = entry(DAIRY, NORTH, "bridge.ask", plain({"entry": ZERO}), 2, after=OFFER_ID)
    return [
        (
            "asked_by_another",
            "TRT-20",
            "bridge.unasked",
            _export(PLAIN, WHOLE, ask=by_other[1], granted_by=by_other[0]),
            "Nobody lends what is another's.",
        ),
        (
            "asked_for_another",
            "TRT-20",
            "bridge.unasked",
            _export(PLAIN, WHOLE, ask=for_other[1], granted_by=for_other[0]),
            "An ask is for one entry.",
        ),
        (
            "asked_elsewhere",
            "TRT-20",
            "bridge.unasked",
            _export(PLAIN, WHOLE, ask=elsewhere[1], granted_by=elsewhere[0], is_onward=False),
            "Into East and not into South.",
        ),
        (
            "granted_by_nothing",
            "TRT-20",
            "bridge.unasked",
            _export(PLAIN, WHOLE, granted_by=ZERO),
            "Not the ask that is there.",
        ),
        (
            "onward_unasked",
            "TRT-22",
            "bridge.unasked",
            _export(PLAIN, WHOLE, ask=INTO_SOUTH[1], **too_far),
            "Its author said: there and no further.",
        ),
    ]


def _beyond_the_treaty() -> list[Row]:
    """Exports that the treaty does not let cross, or not so."""
    return [
        (
            "into_a_third",
            "TRT-23",
            "bridge.treaty",
            _export(PLAIN, WHOLE, into=EAST),
            "The treaty leads to South.",
        ),
        (
            "paused",
            "TRT-11",
            "bridge.level",
            _export(PLAIN, WHOLE, level="pause"),
            "Members have decided.",
        ),
        (
            "expired",
            "TRT-10",
            "bridge.expired",
            _export(PLAIN, WHOLE, time_ms=LATE),
            "A millisecond later.",
        ),
        (
            "no_bridge",
            "TRT-9",
            "bridge.treaty",
            _export(PLAIN, WHOLE, author=DAIRY),
            "Whoever wrote it, a bridge takes it across.",
        ),
        (
            "other_treaty",
            "TRT-9",
            "bridge.treaty",
            _export(PLAIN, WHOLE, treaty=ZERO),
            "None that this charter lists.",
        ),
        (
            "kind_not_listed",
            "TRT-26",
            "bridge.kind",
            _export(treaty(direction(kinds=["sealed"])), WHOLE),
            "Offers stay at home.",
        ),
        (
            "removed_key_shown",
            "TRT-27",
            "bridge.shown",
            _export(SHOWING, WHOLE),
            "It signed for more than the treaty lets be seen.",
        ),
        (
            "altered",
            "TRT-27",
            "bridge.shown",
            _export(SHOWING, viewed(plain({**OFFER, "ref": "o2"}))),
            "It signed for what nobody wrote.",
        ),
    ]


def _left(
    name: str, clause: str, code: str, why: str, given: bytes, *, shown: bytes | None = None
) -> Case:
    return Case(
        id=f"16-export/{name}", clause=clause, expect=code, comment=why, input=given, output=shown
    )


def _export(
    made: dict[str, Any],
    payload: bytes,
    *,
    ask: bytes = ASK_WIRE,
    level: str = "allow",
    **said: Any,
) -> bytes:
    wire = export(made, payload, **said)[1]
    return mapping(
        ask=ask, entry=OFFER_WIRE, export=wire, level=text(level), treaty=blob(plain(made))
    )
