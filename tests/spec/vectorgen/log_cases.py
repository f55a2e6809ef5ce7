"""Logs and forks, chapter 05.

`05-log`: the input is [key log, [envelope...]], appended one by one to an empty log; the output is
the head. `05-fork-proof`: the input is a fork proof, the output the wid it freezes.
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
    WRITER,
    close,
    cut,
    entry,
    key_op,
    without_payload,
    without_signature,
)
from kit import Case, array, blob, integer, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST, WIRE_1 = entry()
SECOND, WIRE_2 = entry(2, FIRST)
THIRD, WIRE_3 = entry(3, SECOND)
OTHER, FORKED = entry(2, FIRST, body=mapping(other=integer(1)))
KEY_LOG = array(BEGUN, DELEGATED)
OTHER_FID = b"\xff" * 32


def _closed(*cuts: bytes) -> bytes:
    return array(BEGUN, DELEGATED, key_op(close(DELEGATED_ID, 2, *cuts), MANAGER))


CLOSED = _closed(cut(2, SECOND), cut(9, fid=OTHER_FID))


def cases() -> Iterator[Case]:
    """Yield the vectors of chapter 05."""
    yield _log("one_entry", "LOG-4", "ok", "prev of seq 1 is 32 zero bytes.", WIRE_1, output=FIRST)
    yield _log(
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
    yield _log(
        "entry_at_expiry",
        "IDN-20",
        "ok",
        "The last millisecond counts.",
        WIRE_1,
        at_expiry[1],
        output=at_expiry[0],
    )
    yield _log(
        "entries_up_to_cut",
        "IDN-21",
        "ok",
        "The cut itself counts.",
        WIRE_1,
        WIRE_2,
        output=SECOND,
        keys=CLOSED,
    )
    yield from _refused_logs()
    yield from _closed_logs()
    yield from _forks()


def _refused_logs() -> Iterator[Case]:
    yield _log("entry_twice", "LOG-2", "log.past", "Known: stored once.", WIRE_1, WIRE_1)
    yield _log("other_branch", "LOG-2", "log.past", "Compare ids.", WIRE_1, WIRE_2, FORKED)
    yield _log("gap", "LOG-3", "log.gap", "Held and asked for again.", WIRE_1, WIRE_3)
    yield _log("starts_at_two", "LOG-3", "log.gap", "Entry 1 may still arrive.", WIRE_2)
    wrong = entry(2, b"p" * 32)[1]
    yield _log("other_predecessor", "LOG-4", "log.bad_prev", "Below, it forked.", WIRE_1, wrong)
    begun = entry(1, b"p" * 32)[1]
    yield _log("first_with_predecessor", "LOG-4", "log.bad_prev", "Nothing is before 1.", begun)
    early = entry(2, FIRST, time_ms=integer(START_MS - 1))[1]
    yield _log("time_runs_back", "LOG-5", "log.bad_time", "A millisecond.", WIRE_1, early)
    late = entry(2, FIRST, time_ms=integer(EXPIRES_MS + 1))[1]
    yield _log("writer_expired", "IDN-20", "key.expired", "A millisecond late.", WIRE_1, late)
    yield _log("writer_unknown", "IDN-22", "key.unknown", "Not yet.", WIRE_1, keys=array(BEGUN))
    forged = entry(2, FIRST, key=STRANGER)[1]
    yield _log("second_forged", "ENV-5", "env.signature", "A good place.", WIRE_1, forged)


def _closed_logs() -> Iterator[Case]:
    comment = "Void, however high the cut in another federation."
    wires = WIRE_1, WIRE_2, WIRE_3
    yield _log("beyond_cut", "IDN-21", "key.closed", comment, *wires, keys=CLOSED)
    comment = "Another past, signed with a stolen key."
    yield _log("other_at_cut", "IDN-21", "key.closed", comment, WIRE_1, FORKED, keys=CLOSED)
    there = entry(1, fid=blob(OTHER_FID))[1]
    comment = "Nothing counts in a federation that is not listed, not even entry 1."
    keys = _closed(cut(2, SECOND))
    yield _log("closed_in_unlisted", "IDN-28", "key.closed", comment, there, keys=keys)


def _forks() -> Iterator[Case]:
    low, high = (wire for _, wire in sorted([(SECOND, WIRE_2), (OTHER, FORKED)]))
    first, second = without_payload(low), without_payload(high)
    proof = array(first, second)
    yield _fork("proof", "LOG-10", "ok", "Two ids, one place.", proof, output=WRITER.public)
    swapped = array(second, first)
    yield _fork("other_order", "LOG-11", "fork.same_entry", "One proof, one spelling.", swapped)
    twice = array(first, first)
    yield _fork("one_entry_twice", "LOG-11", "fork.same_entry", "Proves nothing.", twice)
    places = sorted([(FIRST, WIRE_1), (SECOND, WIRE_2)])
    apart = array(*(without_payload(wire) for _, wire in places))
    yield _fork("two_places", "LOG-10", "fork.other_place", "An honest log.", apart)
    unsigned = array(without_signature(first), second)
    yield _fork("one_unsigned", "LOG-12", "env.signature", "Anybody can write that.", unsigned)
    heavy = array(low, second)
    yield _fork("with_payload", "LOG-13", "fork.payload", "A proof stays small.", heavy)
    yield _fork("one_branch", "LOG-10", "schema.invalid", "Half a proof.", array(first))


def _log(
    name: str,
    clause: str,
    expect: str,
    comment: str,
    *wires: bytes,
    output: bytes | None = None,
    keys: bytes = KEY_LOG,
) -> Case:
    return Case(
        id=f"05-log/{name}",
        clause=clause,
        expect=expect,
        comment=comment,
        input=array(keys, array(*wires)),
        output=output,
    )


def _fork(
    name: str,
    clause: str,
    expect: str,
    comment: str,
    data: bytes,
    *,
    output: bytes | None = None,
) -> Case:
    return Case(
        id=f"05-fork-proof/{name}",
        clause=clause,
        expect=expect,
        comment=comment,
        input=data,
        output=output,
    )
