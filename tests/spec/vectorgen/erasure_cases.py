"""Erasure, chapter 04: the input is [envelope, [envelope...]], the output whether the first is
erased once all others have effect; and the two records of chapter 10 that ask for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_recovery import lost, promise
from entries import START_MS, STRANGER, entry
from kit import ZERO, Case, array, blob, hashed, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY_MS = 86_400_000
TARGET, TARGET_WIRE = entry()
"""The entry of the chapter's example, and what its co-op says of it further on in the same log."""
OTHER_CID, OTHER_FID = hashed("coop", b"other"), hashed("federation", b"other")


def erase(at: int = 2, target: bytes = TARGET, **changes: bytes) -> tuple[bytes, bytes]:
    """Return an erase of an entry."""
    body = mapping(entry=blob(target), reason=text("personal_data"))
    return entry(at, ZERO, body=body, **{"kind": text("entry.erase"), **changes})


def restore(
    target: bytes, at: int = 3, time_ms: int = START_MS + DAY_MS, **changes: bytes
) -> tuple[bytes, bytes]:
    """Return what takes an erase back, a day later."""
    body = mapping(erase=blob(target))
    changes = {"kind": text("entry.restore"), "time_ms": integer(time_ms), **changes}
    return entry(at, ZERO, body=body, **changes)


ERASE, ERASE_WIRE = erase()
RESTORE, RESTORE_WIRE = restore(ERASE)
AGAIN, AGAIN_WIRE = erase(4)
BY_OTHER = {"cid": blob(OTHER_CID), "wid": blob(STRANGER.public)}


def cases() -> Iterator[Case]:
    """Yield the vectors of erasure."""
    yield from _erased()
    yield from _kept()
    yield from _records()


def _erased() -> Iterator[Case]:
    comment = "By the co-op that wrote it."
    yield _case("erased", "ENV-32", comment, ERASE_WIRE, is_erased=True)
    second = erase(1, wid=blob(STRANGER.public))[1]
    comment = "Any writer of the co-op may."
    yield _case("by_another_writer", "ENV-32", comment, second, is_erased=True)
    late = restore(ERASE, time_ms=START_MS + 3 * DAY_MS + 1)[1]
    comment = "A millisecond after 72 hours."
    yield _case("restored_too_late", "ENV-33", comment, ERASE_WIRE, late, is_erased=True)
    by_other = restore(ERASE, **BY_OTHER)[1]
    comment = "Another co-op takes nothing back."
    yield _case("restored_by_other", "ENV-33", comment, ERASE_WIRE, by_other, is_erased=True)
    comment = "Each erase is to be taken back."
    wires = ERASE_WIRE, RESTORE_WIRE, AGAIN_WIRE
    yield _case("erased_again", "ENV-33", comment, *wires, is_erased=True)
    comment = "A restore names an erase, and no entry."
    wrong = restore(TARGET)[1]
    yield _case("restore_of_target", "ENV-33", comment, ERASE_WIRE, wrong, is_erased=True)


def _kept() -> Iterator[Case]:
    yield _case("nothing_said", "ENV-32", "No erase.", is_erased=False)
    comment = "Nobody erases another's words."
    yield _case("by_other", "ENV-32", comment, erase(1, **BY_OTHER)[1], is_erased=False)
    comment = "Members of the one do not see the other."
    there = erase(1, fid=blob(OTHER_FID))[1]
    yield _case("in_other_federation", "ENV-32", comment, there, is_erased=False)
    comment = "Of another entry."
    yield _case("other_entry", "ENV-32", comment, erase(2, ZERO)[1], is_erased=False)
    comment = "A verdict on the entry erases nothing."
    about = mapping(code=text("ok"), level=text("totals"), subject=blob(TARGET))
    verdict = entry(2, TARGET, body=about)[1]
    yield _case("other_kind", "ENV-32", comment, verdict, is_erased=False)
    comment = "A day later."
    yield _case("restored", "ENV-33", comment, ERASE_WIRE, RESTORE_WIRE, is_erased=False)
    last = restore(ERASE, time_ms=START_MS + 3 * DAY_MS)[1]
    comment = "The last millisecond counts."
    yield _case("restored_in_time", "ENV-33", comment, ERASE_WIRE, last, is_erased=False)
    comment = "The restore was heard first."
    yield _case("restored_before", "ENV-34", comment, RESTORE_WIRE, ERASE_WIRE, is_erased=False)
    of_erase = erase(3, ERASE)[1]
    comment = "What asks for an erasure stays."
    yield _case("erase_of_erase", "ENV-37", comment, of_erase, is_erased=False, of=ERASE_WIRE)
    of_restore = erase(4, RESTORE)[1]
    comment = "So does what takes one back."
    yield _case("erase_of_restore", "ENV-37", comment, of_restore, is_erased=False, of=RESTORE_WIRE)
    goes_on, goes_on_wire = entry(body=lost(), kind=text("writer.succeed"))
    comment = "By which the log that it goes on from is read."
    of_succeed = erase(2, goes_on)[1]
    yield _case("erase_of_succeed", "ENV-37", comment, of_succeed, is_erased=False, of=goes_on_wire)
    promised, promised_wire = entry(body=promise(), kind=text("writer.promise"))
    comment = "What was promised is not taken back."
    of_promise = erase(2, promised)[1]
    yield _case(
        "erase_of_promise", "ENV-37", comment, of_promise, is_erased=False, of=promised_wire
    )


def _records() -> Iterator[Case]:
    comment = "A reason is not needed."
    yield _record("erase", "ok", comment, "entry.erase", mapping(entry=blob(ZERO)))
    comment = "Text would be one more thing to erase."
    told = mapping(entry=blob(ZERO), reason=text("Mrs Hall asked us"))
    yield _record("erase_for_told_reason", "schema.invalid", comment, "entry.erase", told)
    comment = "Of 31 bytes."
    yield _record("erase_of_short_id", "schema.invalid", comment, "entry.erase", _of(31))
    comment = "The erase, not the entry."
    yield _record("restore", "ok", comment, "entry.restore", mapping(erase=blob(ZERO)))
    comment = "Under the key of the other record."
    yield _record("restore_of_entry", "schema.invalid", comment, "entry.restore", _of(32))


def _of(size: int) -> bytes:
    return mapping(entry=blob(bytes(size)))


def _case(
    name: str, clause: str, comment: str, *wires: bytes, is_erased: bool, of: bytes = TARGET_WIRE
) -> Case:
    return Case(
        id=f"04-erasure/{name}",
        clause=clause,
        expect="ok",
        comment=comment,
        input=array(of, array(*wires)),
        output=b"\xc3" if is_erased else b"\xc2",
    )


def _record(name: str, expect: str, comment: str, kind: str, body: bytes) -> Case:
    return Case(
        id=f"10-record/{name}",
        clause="REC-1",
        expect=expect,
        comment=comment,
        input=mapping(body=blob(body), kind=text(kind)),
    )
