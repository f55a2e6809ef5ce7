"""Fork proofs, chapter 05: the input is a fork proof, the output the wid it freezes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entries import (
    BODY,
    SALT,
    START_MS,
    STRANGER,
    WRITER,
    chain,
    elements,
    entry,
    envelope,
    id_of,
    signed_by,
    split,
    without_payload,
)
from kit import Case, array, blob, integer, mapping
from log_cases import FIRST, FORKED, OTHER, OTHER_FID, SECOND, WIRE_1, WIRE_2

if TYPE_CHECKING:
    from collections.abc import Iterator

PAYLOAD = SALT + BODY
LOW, HIGH = (wire for _, wire in sorted([(SECOND, WIRE_2), (OTHER, FORKED)]))


def _on(wire: bytes, count: int, **changes: bytes) -> list[bytes]:
    """Return entry 2 and as many entries on it."""
    wires = [wire]
    for seq in range(3, 3 + count):
        wires.append(entry(seq, id_of(wires[-1]), **changes)[1])
    return wires


def cases() -> Iterator[Case]:
    """Yield the vectors of fork proofs."""
    yield from _proofs()
    yield from _wrong_places()
    yield from _broken_branches()
    yield from _unsigned_branches()
    yield from _malformed()


def _proofs() -> Iterator[Case]:
    yield _ok("proof", "Two ids, one place.", chain(LOW), chain(HIGH))
    comment = "A signature further on proves the entry at the fork."
    yield _ok("one_signed_further_on", comment, chain(*_on(LOW, 1)), chain(HIGH))
    comment = "Who signs only the ends of two branches is found out by two chains."
    yield _ok("both_signed_further_on", comment, chain(*_on(LOW, 3)), chain(*_on(HIGH, 2)))
    comment = "The longest proof there is."
    yield _ok("branches_of_64", comment, chain(*_on(LOW, 63)), chain(*_on(HIGH, 63)))
    comment = "There is a lower fork too; at 2 this one is no less proven."
    pair = sorted([(SECOND, WIRE_2), entry(2, b"p" * 32)])
    yield _ok("other_entries_before", comment, *(chain(wire) for _, wire in pair))
    comment = "What follows on the fork is not judged as an entry."
    back = _on(LOW, 1, time_ms=integer(START_MS - 1))
    yield _ok("branch_back_in_time", comment, chain(*back), chain(HIGH))


def _wrong_places() -> Iterator[Case]:
    low, high = chain(LOW), chain(HIGH)
    same = "LOG-11", "fork.same_entry"
    yield _fork("other_order", *same, "One proof, one spelling.", high, low)
    yield _fork("one_entry_twice", *same, "Proves nothing.", low, low)
    comment = "They part at 3, and both begin with the one entry 2."
    parted = [*_on(LOW, 0), entry(3, id_of(LOW), body=mapping(other=integer(1)))[1]]
    yield _fork("parted_further_on", *same, comment, chain(*_on(LOW, 1)), chain(*parted))
    elsewhere = "LOG-10", "fork.other_place"
    places = sorted([(FIRST, WIRE_1), (SECOND, WIRE_2)])
    pair = [chain(wire) for _, wire in places]
    yield _fork("two_places", *elsewhere, "An honest log.", *pair)
    pair = _sorted(entry(2, FIRST), entry(2, FIRST, fid=blob(OTHER_FID)))
    yield _fork("two_federations", *elsewhere, "Two logs of one writer.", *pair)
    pair = _sorted(entry(2, FIRST), entry(2, FIRST, cid=blob(b"c" * 32)))
    yield _fork("two_coops", *elsewhere, "Two logs of one key.", *pair)
    stranger = entry(2, FIRST, wid=blob(STRANGER.public), key=STRANGER)
    pair = _sorted(entry(2, FIRST), stranger)
    yield _fork("two_writers", *elsewhere, "Each has an entry 2.", *pair)


def _broken_branches() -> Iterator[Case]:
    high, broken = chain(HIGH), ("LOG-20", "log.bad_prev")
    wires = LOW, entry(3, b"p" * 32)[1]
    yield _fork("prev_broken", *broken, "The signature is of another log.", chain(*wires), high)
    wires = *_on(LOW, 1), entry(4, id_of(LOW))[1]
    yield _fork("prev_broken_further_on", *broken, "The second link.", chain(*wires), high)
    wires = LOW, _on(HIGH, 1)[1]
    yield _fork("other_sides_end", *broken, "The end of the other branch.", chain(*wires), high)
    apart = "LOG-21", "log.tail"
    wires = LOW, entry(4, id_of(LOW))[1]
    yield _fork("number_skipped", *apart, "By prev it follows.", chain(*wires), high)
    wires = LOW, entry(3, id_of(LOW), fid=blob(OTHER_FID))[1]
    yield _fork("branch_over_two_federations", *apart, "Two logs.", chain(*wires), high)
    wires = LOW, entry(3, id_of(LOW), wid=blob(STRANGER.public), key=STRANGER)[1]
    yield _fork("branch_over_two_writers", *apart, "A stranger's end.", chain(*wires), high)


def _unsigned_branches() -> Iterator[Case]:
    low, high, unproven = chain(LOW), chain(HIGH), ("LOG-12", "env.signature")
    forged = signed_by(STRANGER, "entry-signature", LOW)
    yield _fork("first_forged", *unproven, "Anybody can write that.", chain(forged), high)
    forged = signed_by(STRANGER, "entry-signature", HIGH)
    yield _fork("second_forged", *unproven, "Anybody can write that.", low, chain(forged))
    wires = _on(LOW, 1, key=STRANGER)
    yield _fork("end_forged", *unproven, "The end is what proves.", chain(*wires), high)
    start = array(array(*(split(wire)[0] for wire in _on(LOW, 1))), _signature(LOW))
    comment = "Valid, of the first header and not of the last."
    yield _fork("signed_at_the_start", *unproven, comment, start, high)
    crossed = array(array(split(LOW)[0]), _signature(HIGH))
    yield _fork("signature_of_other_side", *unproven, "Valid, of the other.", crossed, high)
    other = chain(signed_by(WRITER, "certificate", LOW))
    yield _fork("other_purpose", "IDN-3", "env.signature", "A certificate's.", other, high)


def _malformed() -> Iterator[Case]:
    low, high, wrong = chain(LOW), chain(HIGH), "schema.invalid"
    bare = array(array(split(LOW)[0]), blob(b""))
    yield _fork("one_unsigned", "LOG-12", wrong, "Anybody can write that.", bare, high)
    yield _fork("branch_of_65", "LOG-6", wrong, "One too many.", chain(*_on(LOW, 64)), high)
    empty = array(array(), _signature(LOW))
    yield _fork("branch_of_none", "LOG-10", wrong, "It has no place.", empty, high)
    yield _fork("one_branch", "LOG-10", wrong, "Half a proof.", low)
    yield _fork("three_branches", "LOG-10", wrong, "Two prove it.", low, high, high)
    envelopes = without_payload(LOW), without_payload(HIGH)
    yield _fork("two_envelopes", "LOG-10", wrong, "A branch is a list of headers.", *envelopes)
    heavy = array(array(split(LOW)[0]), _signature(LOW), blob(PAYLOAD))
    yield _fork("with_payload", "LOG-10", wrong, "A branch has no payload.", heavy, high)
    second = chain(entry(2, FIRST, v=integer(2))[1])
    yield _fork("branch_of_version_two", "ENV-2", "env.version", "A later one.", second, high)
    later = chain(LOW, entry(3, id_of(LOW), v=integer(2))[1])
    comment = "Each header of a branch is read."
    yield _fork("end_of_version_two", "ENV-2", "env.version", comment, later, high)
    zero = chain(LOW, entry(3, id_of(LOW), flags=integer(1))[1])
    yield _fork("end_with_unknown_flag", "ENV-1", "env.header", comment, zero, high)
    loose = array(b"\xcc\x01", *elements(PAYLOAD, 2, FIRST)[1:])
    spelled = chain(envelope(loose, WRITER, PAYLOAD))
    comment = "A second spelling of an entry is no second entry."
    yield _fork("header_not_shortest", "ENC-3", "enc.not_shortest", comment, spelled, high)


def _signature(wire: bytes) -> bytes:
    return split(wire)[1][:66]


def _sorted(*entries: tuple[bytes, bytes]) -> list[bytes]:
    return [chain(wire) for _, wire in sorted(entries)]


def _ok(name: str, comment: str, *branches: bytes) -> Case:
    return _fork(name, "LOG-10", "ok", comment, *branches, output=WRITER.public)


def _fork(
    name: str,
    clause: str,
    expect: str,
    comment: str,
    *branches: bytes,
    output: bytes | None = None,
) -> Case:
    return Case(
        id=f"05-fork-proof/{name}",
        clause=clause,
        expect=expect,
        comment=comment,
        input=array(*branches),
        output=output,
    )
