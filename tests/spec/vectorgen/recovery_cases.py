"""Bodies of the records of chapter 18: what their forms take, and what they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_recovery import LOST, lost, promise
from kit import ZERO, Case, array, blob, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator

BAD = "schema.invalid"


def _override(*absent: bytes) -> bytes:
    return mapping(absent=array(*map(blob, absent)), lost=blob(LOST))


ROWS = [
    ("writer_lost", "RST-3", "ok", "writer.lost", lost(), "What is held of it."),
    ("writer_lost_whole", "RST-3", "ok", "writer.lost", lost(ZERO, 0), "Nothing is held of it."),
    (
        "writer_lost_at_text",
        "RST-3",
        BAD,
        "writer.lost",
        mapping(head=blob(ZERO), seq=text("2"), wid=blob(ZERO)),
        "A place is a number.",
    ),
    ("writer_lost_of_31", "RST-3", BAD, "writer.lost", lost(wid=bytes(31)), "No writer's id."),
    ("writer_promise", "RST-5", "ok", "writer.promise", promise(), "What the author holds."),
    (
        "writer_promise_of_nothing",
        "RST-5",
        "ok",
        "writer.promise",
        promise(ZERO, 0),
        "It holds nothing, and will take nothing.",
    ),
    (
        "writer_promise_without_log",
        "RST-8",
        BAD,
        "writer.promise",
        mapping(head=blob(ZERO), lost=blob(LOST), seq=integer(0)),
        "Who reads it alone has to know which log it is.",
    ),
    (
        "writer_promise_of_short_log",
        "RST-8",
        BAD,
        "writer.promise",
        promise(log=bytes(31)),
        "No log's id.",
    ),
    ("writer_succeed", "RST-12", "ok", "writer.succeed", lost(), "At the cut."),
    (
        "writer_succeed_without_place",
        "RST-12",
        BAD,
        "writer.succeed",
        mapping(head=blob(ZERO), wid=blob(ZERO)),
        "Where the other ended is what it says.",
    ),
    ("writer_override", "RST-10", "ok", "writer.override", _override(ZERO), "Of one member."),
    ("writer_override_of_none", "RST-10", BAD, "writer.override", _override(), "Of nobody."),
]


def cases() -> Iterator[Case]:
    """Yield the cases of these records."""
    for name, clause, expect, kind, body, comment in ROWS:
        yield Case(
            id=f"10-record/{name}",
            clause=clause,
            expect=expect,
            comment=comment,
            input=mapping(body=blob(body), kind=text(kind)),
        )
