"""Proven headers, chapter 05, section 4: runs with few signatures, and tails.

Inputs and outputs are those of `log_cases.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entries import (
    BODY,
    EXPIRES_MS,
    SALT,
    START_MS,
    STRANGER,
    WRITER,
    chain,
    consecutive,
    elements,
    entry,
    envelope,
    id_of,
    signed_by,
    split,
    without_signature,
)
from kit import array, blob, integer
from log_cases import (
    CLOSED,
    FIRST,
    FORKED,
    OTHER_FID,
    SECOND,
    THIRD,
    WIRE_1,
    WIRE_2,
    WIRE_3,
    log_case,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit import Case

BARE_1, BARE_2, BARE_3 = (without_signature(wire) for wire in (WIRE_1, WIRE_2, WIRE_3))
LONG = consecutive(66)
WIRES = [wire for _, wire in LONG]
BARE = [without_signature(wire) for wire in WIRES]
PAYLOAD = SALT + BODY


def cases() -> Iterator[Case]:
    """Yield the vectors of proven headers."""
    yield from _proven()
    yield from _unproven_runs()
    yield from _runs_that_stop()
    yield from _unsigned_tails()
    yield from _unchained_tails()
    yield from _malformed_tails()


def _proven() -> Iterator[Case]:
    comment = "The third signature vouches, by prev, for all before it."
    run = BARE_1, BARE_2, WIRE_3
    yield log_case("only_third_signed", "LOG-6", "ok", comment, *run, output=THIRD)
    comment = "The header and signature after it, which is no entry here."
    tail = chain(WIRE_2)
    yield log_case("tail_of_one", "LOG-8", "ok", comment, BARE_1, output=FIRST, tails=[tail])
    tail = chain(*WIRES[2:5])
    comment = "Three headers on: still a chain."
    run = BARE_1, BARE_2
    yield log_case("tail_of_three", "LOG-8", "ok", comment, *run, output=SECOND, tails=[tail])
    comment = "Two stretches: the second entry ends one, the tail the other."
    run, tail = (BARE_1, WIRE_2, BARE_3), chain(WIRES[3])
    yield log_case("signed_then_tail", "LOG-6", "ok", comment, *run, output=THIRD, tails=[tail])
    comment = "63 places on: the farthest that a signature reaches."
    run = *BARE[:63], WIRES[63]
    yield log_case("stretch_of_64", "LOG-6", "ok", comment, *run, output=LONG[63][0])
    comment = "The longest tail there is."
    tail = chain(*WIRES[1:64])
    yield log_case("tail_of_63", "LOG-6", "ok", comment, BARE_1, output=FIRST, tails=[tail])
    comment = "Entry 3 could not be appended, and proves the two before it as well as any."
    back = entry(3, SECOND, time_ms=integer(START_MS - 1))[1]
    run = BARE_1, BARE_2
    yield log_case(
        "tail_back_in_time", "LOG-22", "ok", comment, *run, output=SECOND, tails=[chain(back)]
    )
    late = entry(3, SECOND, time_ms=integer(EXPIRES_MS + 1))[1]
    comment = "What is signed after the end is no entry, and was signed nevertheless."
    yield log_case(
        "tail_after_expiry", "LOG-22", "ok", comment, *run, output=SECOND, tails=[chain(late)]
    )
    comment = "Entry 3 is void; the two up to the cut are proven by it."
    tail = chain(WIRE_3)
    yield log_case(
        "tail_beyond_cut", "LOG-22", "ok", comment, *run, output=SECOND, keys=CLOSED, tails=[tail]
    )


def _unproven_runs() -> Iterator[Case]:
    unproven = "LOG-6", "env.signature"
    yield log_case("unsigned_alone", *unproven, "Nothing vouches for it.", BARE_1)
    run = WIRE_1, BARE_2
    yield log_case("unsigned_after_signed", *unproven, "A signature proves what is before.", *run)
    comment = "64 places on: the first of 65 entries is out of reach."
    yield log_case("stretch_of_65", *unproven, comment, *BARE[:64], WIRES[64])
    comment = "64 places on, the tail counted: the first of two entries is out of reach."
    tail = chain(*WIRES[2:65])
    yield log_case("tail_too_far", *unproven, comment, BARE_1, BARE_2, tails=[tail])
    comment = "A cut is the manager's word. It names the head and proves nothing of the writer."
    yield log_case("cut_for_a_proof", *unproven, comment, BARE_1, BARE_2, keys=CLOSED)
    forged = entry(3, SECOND, key=STRANGER)[1]
    yield log_case("last_forged", *unproven, "One for all three.", BARE_1, BARE_2, forged)
    swapped = signed_by(WRITER, "certificate", WIRE_3)
    comment = "Made over the same bytes as a certificate's."
    yield log_case("last_of_other_purpose", "IDN-3", unproven[1], comment, BARE_1, BARE_2, swapped)
    header, rest = split(WIRE_3)
    flipped = b"\x93" + header + rest[:65] + bytes([rest[65] ^ 1]) + rest[66:]
    yield log_case("last_with_flipped_bit", *unproven, "A bit of S.", BARE_1, BARE_2, flipped)
    comment = "Entry 1 is not the one that the signed entry names."
    run = without_signature(entry(refs=array(blob(b"r" * 32)))[1]), WIRE_2
    yield log_case("header_swapped_below", *unproven, comment, *run)
    comment = "The signed entry names another one before it."
    run = BARE_1, entry(2, b"p" * 32)[1]
    yield log_case("chain_broken", *unproven, comment, *run)


def _runs_that_stop() -> Iterator[Case]:
    early = without_signature(entry(2, FIRST, time_ms=integer(START_MS - 1))[1])
    after = entry(3, id_of(early))[1]
    comment = "Proven, and no better for it."
    yield log_case("unsigned_back_in_time", "LOG-5", "log.bad_time", comment, BARE_1, early, after)
    late = without_signature(entry(2, FIRST, time_ms=integer(EXPIRES_MS + 1))[1])
    after = entry(3, id_of(late), time_ms=integer(EXPIRES_MS + 1))[1]
    yield log_case("unsigned_expired", "IDN-20", "key.expired", comment, BARE_1, late, after)
    run = BARE_1, BARE_2, BARE_3, WIRES[3]
    yield log_case("unsigned_beyond_cut", "IDN-21", "key.closed", comment, *run, keys=CLOSED)
    other = without_signature(FORKED)
    run = WIRE_1, WIRE_2, other, entry(3, id_of(other))[1]
    yield log_case("unsigned_other_branch", "LOG-2", "log.past", "Compare ids.", *run)
    comment = "The chain covers the payload by its hash."
    run = without_signature(entry(sent=SALT[::-1] + BODY)[1]), WIRE_2
    yield log_case("unsigned_payload_swapped", "ENV-4", "env.payload_hash", comment, *run)
    run = BARE_2, WIRE_3
    yield log_case("unsigned_starts_at_two", "LOG-3", "log.gap", "Entry 1 may arrive.", *run)


def _unsigned_tails() -> Iterator[Case]:
    expect = "env.signature"
    forged = chain(WIRE_2, entry(3, SECOND, key=STRANGER)[1])
    yield _tail("tail_forged", "LOG-6", expect, "By a stranger, of the same header.", forged)
    swapped = chain(WIRE_2, signed_by(WRITER, "key-op", WIRE_3))
    yield _tail("tail_of_other_purpose", "IDN-3", expect, "A key operation's.", swapped)
    first = array(array(split(WIRE_2)[0], split(WIRE_3)[0]), split(WIRE_2)[1][:66])
    yield _tail("tail_signed_at_first", "LOG-6", expect, "Valid, of the header before.", first)
    proven = array(array(split(WIRE_2)[0]), split(WIRE_1)[1][:66])
    yield _tail("tail_with_signature_of_entry", "LOG-6", expect, "Of the entry itself.", proven)
    zero = array(array(split(WIRE_2)[0]), blob(bytes(64)))
    yield _tail("tail_signature_zero", "LOG-6", expect, "64 bytes that are none.", zero)


def _unchained_tails() -> Iterator[Case]:
    other = chain(entry(2, b"p" * 32)[1])
    yield _tail("tail_on_other_entry", "LOG-20", "log.bad_prev", "Follows another entry.", other)
    broken = chain(WIRE_2, entry(3, b"p" * 32)[1])
    yield _tail("tail_broken_inside", "LOG-20", "log.bad_prev", "The second link.", broken)
    skipped = chain(entry(3, FIRST)[1])
    yield _tail("tail_skips_a_number", "LOG-21", "log.tail", "By prev it follows.", skipped)
    same = chain(entry(1, FIRST)[1])
    yield _tail("tail_repeats_a_number", "LOG-21", "log.tail", "By prev it follows.", same)
    comment = "An author may name an entry of another log of its own; it is not reached so."
    away = chain(entry(2, FIRST, fid=blob(OTHER_FID))[1])
    yield _tail("tail_of_other_federation", "LOG-21", "log.tail", comment, away)
    coop = chain(entry(2, FIRST, cid=blob(b"c" * 32))[1])
    yield _tail("tail_of_other_coop", "LOG-21", "log.tail", comment, coop)
    comment = "Anybody may name an entry of somebody else."
    stranger = chain(entry(2, FIRST, wid=blob(STRANGER.public), key=STRANGER)[1])
    yield _tail("tail_of_other_writer", "LOG-21", "log.tail", comment, stranger)
    comment = "No run ends unsigned."
    left = chain(WIRE_2)
    yield log_case("tail_left_over", "LOG-19", "log.tail", comment, WIRE_1, tails=[left])
    comment = "One run, two tails."
    yield log_case("tail_twice", "LOG-19", "log.tail", comment, BARE_1, tails=[left, left])


def _malformed_tails() -> Iterator[Case]:
    wrong = "schema.invalid"
    header, signature = split(WIRE_2)[0], split(WIRE_2)[1][:66]
    yield _tail("tail_of_64", "LOG-6", wrong, "One too many.", chain(*WIRES[1:65]))
    yield _tail("tail_of_none", "LOG-6", wrong, "At least one.", array(array(), signature))
    unsigned = array(array(header), blob(b""))
    yield _tail("tail_unsigned", "LOG-6", wrong, "Its end is what proves.", unsigned)
    short = array(array(header), blob(signature[2:65]))
    yield _tail("tail_signature_of_63_bytes", "IDN-4", wrong, "One too few.", short)
    long = array(array(header), signature, blob(b""))
    yield _tail("tail_of_three_elements", "LOG-6", wrong, "A tail has no payload.", long)
    big = array(*elements(PAYLOAD, 2, FIRST))
    big = envelope(big + bytes(1025 - len(big)), WRITER, PAYLOAD)
    yield _tail("tail_header_of_1025_bytes", "ENV-3", wrong, "No room for it.", chain(big))
    later = chain(entry(2, FIRST, v=integer(2))[1])
    yield _tail("tail_of_version_two", "ENV-2", "env.version", "A later version's.", later)
    bad = chain(entry(2, FIRST, flags=integer(1))[1])
    yield _tail("tail_with_unknown_flag", "ENV-1", "env.header", "A header like any.", bad)
    loose = array(b"\xcc\x01", *elements(PAYLOAD, 2, FIRST)[1:])
    tail = chain(envelope(loose, WRITER, PAYLOAD))
    comment = "Another spelling, another id."
    yield _tail("tail_not_shortest", "ENC-3", "enc.not_shortest", comment, tail)


def _tail(name: str, clause: str, expect: str, comment: str, tail: bytes) -> Case:
    return log_case(name, clause, expect, comment, BARE_1, tails=[tail])
