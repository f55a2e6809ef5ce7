"""Logs, chapter 05: where an entry stands, and cuts.

The input is [key log, [envelope...], [tail...]], appended one by one to an empty log; the output is
the head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entries import (
    BEGUN,
    DELEGATED,
    DELEGATED_ID,
    EXPIRES_MS,
    MANAGER,
    START_MS,
    STRANGER,
    close,
    cut,
    entry,
    key_op,
)
from kit import Case, array, blob, integer, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FIRST, WIRE_1 = entry()
SECOND, WIRE_2 = entry(2, FIRST)
THIRD, WIRE_3 = entry(3, SECOND)
OTHER, FORKED = entry(2, FIRST, body=mapping(other=integer(1)))
KEY_LOG = array(BEGUN, DELEGATED)
OTHER_FID = b"\xff" * 32


def closed_at(*cuts: bytes) -> bytes:
    """Return the key log of a co-op that closed its writer."""
    return array(BEGUN, DELEGATED, key_op(close(DELEGATED_ID, 2, *cuts), MANAGER))


CLOSED = closed_at(cut(2, SECOND), cut(9, fid=OTHER_FID))


def log_case(
    name: str,
    clause: str,
    expect: str,
    comment: str,
    *wires: bytes,
    output: bytes | None = None,
    keys: bytes = KEY_LOG,
    tails: Sequence[bytes] = (),
) -> Case:
    """Return a vector of `05-log`."""
    return Case(
        id=f"05-log/{name}",
        clause=clause,
        expect=expect,
        comment=comment,
        input=array(keys, array(*wires), array(*tails)),
        output=output,
    )


def cases() -> Iterator[Case]:
    """Yield the vectors of places and cuts."""
    alone = "prev of seq 1 is 32 zero bytes."
    yield log_case("one_entry", "LOG-4", "ok", alone, WIRE_1, output=FIRST)
    yield log_case(
        "three_entries",
        "LOG-4",
        "ok",
        "Each on the one before.",
        WIRE_1,
        WIRE_2,
        WIRE_3,
        output=THIRD,
    )
    at_expiry = entry(2, FIRST, time_ms=integer(EXPIRES_MS))
    yield log_case(
        "entry_at_expiry",
        "IDN-20",
        "ok",
        "The last millisecond counts.",
        WIRE_1,
        at_expiry[1],
        output=at_expiry[0],
    )
    yield log_case(
        "entries_up_to_cut",
        "IDN-21",
        "ok",
        "The cut itself counts.",
        WIRE_1,
        WIRE_2,
        output=SECOND,
        keys=CLOSED,
    )
    yield from _refused()
    yield from _closed()


def _refused() -> Iterator[Case]:
    yield log_case("entry_twice", "LOG-2", "log.past", "Known: stored once.", WIRE_1, WIRE_1)
    yield log_case("other_branch", "LOG-2", "log.past", "Compare ids.", WIRE_1, WIRE_2, FORKED)
    yield log_case("gap", "LOG-3", "log.gap", "Held and asked for again.", WIRE_1, WIRE_3)
    yield log_case("starts_at_two", "LOG-3", "log.gap", "Entry 1 may still arrive.", WIRE_2)
    wrong = entry(2, b"p" * 32)[1]
    comment = "Below, it forked."
    yield log_case("other_predecessor", "LOG-4", "log.bad_prev", comment, WIRE_1, wrong)
    begun = entry(1, b"p" * 32)[1]
    comment = "Nothing is before 1."
    yield log_case("first_with_predecessor", "LOG-4", "log.bad_prev", comment, begun)
    early = entry(2, FIRST, time_ms=integer(START_MS - 1))[1]
    yield log_case("time_runs_back", "LOG-5", "log.bad_time", "A millisecond.", WIRE_1, early)
    late = entry(2, FIRST, time_ms=integer(EXPIRES_MS + 1))[1]
    yield log_case("writer_expired", "IDN-20", "key.expired", "A millisecond late.", WIRE_1, late)
    yield log_case("writer_unknown", "IDN-22", "key.unknown", "Not yet.", WIRE_1, keys=array(BEGUN))
    altered = entry(sent=b"0123456789abcdef\x80")[1]
    comment = "The writer may become known; the payload stays another one."
    yield log_case(
        "writer_unknown_and_other_payload",
        "ENV-19",
        "env.payload_hash",
        comment,
        altered,
        keys=array(BEGUN),
    )
    forged = entry(2, FIRST, key=STRANGER)[1]
    yield log_case("second_forged", "ENV-5", "env.signature", "A good place.", WIRE_1, forged)


def _closed() -> Iterator[Case]:
    comment = "Void, however high the cut in another federation."
    wires = WIRE_1, WIRE_2, WIRE_3
    yield log_case("beyond_cut", "IDN-21", "key.closed", comment, *wires, keys=CLOSED)
    comment = "Another past, signed with a stolen key."
    yield log_case("other_at_cut", "IDN-21", "key.closed", comment, WIRE_1, FORKED, keys=CLOSED)
    there = entry(1, fid=blob(OTHER_FID))[1]
    comment = "Nothing counts in a federation that is not listed, not even entry 1."
    keys = closed_at(cut(2, SECOND))
    yield log_case("closed_in_unlisted", "IDN-28", "key.closed", comment, there, keys=keys)
