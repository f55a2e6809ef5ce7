"""Envelopes, chapter 04: the input is one envelope, the output the entry's id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entries import (
    BODY,
    SALT,
    STRANGER,
    WRITER,
    elements,
    entry,
    envelope,
    without_payload,
    without_signature,
)
from kit import ZERO, Case, array, blob, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator

PAYLOAD = SALT + BODY
ID, WIRE = entry()
PLAIN = elements(PAYLOAD, 1, ZERO)


def cases() -> Iterator[Case]:
    """Yield the vectors of chapter 04."""
    yield _ok("first_entry", "ENV-6", "A verdict at seq 1.", WIRE, ID)
    yield _ok("payload_withheld", "ENV-4", "The header stands alone.", without_payload(WIRE), ID)
    unknown = entry(kind=text("x.later"), body=mapping(anything=integer(1)))
    yield _ok("unknown_kind", "VER-2", "Stored and relayed like any other.", *unknown[::-1])
    refs = entry(refs=array(*[blob(b"r" * 32)] * 16))
    yield _ok("sixteen_refs", "ENV-1", "The longest header there is.", *refs[::-1])
    for name, clause, code, comment, wire in REFUSED:
        yield Case(
            id=f"04-envelope/{name}", clause=clause, expect=code, comment=comment, input=wire
        )


def _ok(name: str, clause: str, comment: str, wire: bytes, output: bytes) -> Case:
    return Case(
        id=f"04-envelope/{name}",
        clause=clause,
        expect="ok",
        comment=comment,
        input=wire,
        output=output,
    )


def _changed(**changes: bytes) -> bytes:
    return entry(**changes)[1]


def _raw(header: bytes) -> bytes:
    return envelope(header, WRITER, PAYLOAD)


REFUSED = [
    (
        "twelve_elements",
        "ENV-1",
        "env.header",
        "The flags are left out.",
        _raw(array(*PLAIN[:12])),
    ),
    (
        "fourteen_elements",
        "ENV-1",
        "env.header",
        "A further element needs another version.",
        _raw(array(*PLAIN, integer(0))),
    ),
    ("seq_zero", "ENV-1", "env.header", "Numbers begin at 1.", _changed(seq=integer(0))),
    ("fid_of_31_bytes", "ENV-1", "env.header", "Ids are whole.", _changed(fid=blob(b"f" * 31))),
    (
        "kind_of_25_bytes",
        "ENV-1",
        "env.header",
        "One too many.",
        _changed(kind=text("k" * 25)),
    ),
    ("kind_with_capital", "ENV-1", "env.header", "Not of the set.", _changed(kind=text("Verdict"))),
    (
        "seventeen_refs",
        "ENV-1",
        "env.header",
        "One too many.",
        _changed(refs=array(*[blob(b"r" * 32)] * 17)),
    ),
    ("unknown_flag", "ENV-1", "env.header", "No flag is defined.", _changed(flags=integer(1))),
    (
        "payload_len_below_salt",
        "ENV-1",
        "env.header",
        "Every payload has its salt.",
        _changed(payload_len=integer(15)),
    ),
    ("version_two", "ENV-2", "env.version", "Said before all else.", _changed(v=integer(2))),
    (
        "header_of_1025_bytes",
        "ENV-3",
        "schema.invalid",
        "An envelope has no room for it; as bytes alone it is `enc.size`.",
        _raw(array(*PLAIN, blob(bytes(1025 - len(array(*PLAIN)) - 3)))),
    ),
    (
        "header_not_shortest",
        "ENC-3",
        "enc.not_shortest",
        "Two spellings of one header would be two entries.",
        _raw(array(b"\xcc\x01", *PLAIN[1:])),
    ),
    (
        "payload_swapped",
        "ENV-4",
        "env.payload_hash",
        "Another payload of the same length.",
        entry(sent=SALT[::-1] + BODY)[1],
    ),
    (
        "payload_longer",
        "ENV-4",
        "env.payload_hash",
        "A byte more than the header says.",
        entry(sent=PAYLOAD + b"\x00")[1],
    ),
    (
        "signature_of_other_key",
        "ENV-5",
        "env.signature",
        "Valid, by a stranger.",
        entry(key=STRANGER)[1],
    ),
    (
        "signature_missing",
        "ENV-5",
        "env.signature",
        "A live entry is checked in full.",
        without_signature(WIRE),
    ),
    (
        "signature_of_other_purpose",
        "IDN-3",
        "env.signature",
        "Made over the same bytes as a key operation.",
        array(
            blob(array(*PLAIN)),
            blob(WRITER.sign("key-op", array(*PLAIN))),
            blob(PAYLOAD),
        ),
    ),
    (
        "body_not_canonical",
        "ENV-10",
        "enc.nil",
        "The salt is no part of the body, and the body is CMP-1.",
        entry(body=b"\xc0")[1],
    ),
]
