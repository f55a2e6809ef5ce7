"""Envelopes, chapter 04: the input is one envelope as it is pushed, the output the entry's id."""

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
from nacl import bindings

if TYPE_CHECKING:
    from collections.abc import Iterator

PAYLOAD = SALT + BODY
ID, WIRE = entry()
PLAIN = elements(PAYLOAD, 1, ZERO)
HEADER = array(*PLAIN)
SIGNATURE = WRITER.sign("entry-signature", HEADER)
MOST = 2**53 - 1
MINUS_ONE = b"\xff"
FIRST_REF = b"r" * 32
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def cases() -> Iterator[Case]:
    """Yield the vectors of chapter 04."""
    yield _ok("first_entry", "ENV-6", "A verdict at seq 1.", WIRE, ID)
    yield _ok("payload_withheld", "ENV-4", "The header stands alone.", without_payload(WIRE), ID)
    unknown = entry(kind=text("x.later"), body=mapping(anything=integer(1)))
    yield _ok("unknown_kind", "VER-2", "Stored and relayed like any other.", *unknown[::-1])
    refs = entry(refs=array(*[blob(b"r" * 32)] * 16))
    yield _ok("sixteen_refs", "ENV-1", "The longest header there is.", *refs[::-1])
    yield from _bounds()
    for name, clause, code, comment, wire in [*REFUSED, *ELEMENTS, *FORMS, *SIGNATURES]:
        yield Case(
            id=f"04-envelope/{name}", clause=clause, expect=code, comment=comment, input=wire
        )


def _bounds() -> Iterator[Case]:
    longest = entry(kind=text("k" * 24))
    yield _ok("kind_of_24_bytes", "ENV-1", "The longest.", *longest[::-1])
    every = entry(kind=text("x_9.a"))
    yield _ok("kind_of_every_class", "ENV-1", "Letter, digit, dot, underline.", *every[::-1])
    last = entry(MOST, b"p" * 32, time_ms=integer(MOST), expires_ms=integer(MOST))
    yield _ok("largest_integers", "ENV-1", "Three at 2^53-1.", *last[::-1])
    past = entry(expires_ms=integer(1))
    comment = "A payload that may be dropped may be kept."
    yield _ok("expires_before_written", "ENV-1", comment, *past[::-1])
    twice = entry(refs=array(*[blob(FIRST_REF)] * 2))
    yield _ok("ref_twice", "ENV-1", "Refs are a list and no set.", *twice[::-1])


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
        "LOG-23",
        "env.signature",
        "An entry that is pushed carries its own.",
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

CLAUSES = {
    "enc.float": "ENC-8",
    "enc.int_range": "ENC-10",
    "enc.nil": "ENC-7",
    "env.header": "ENV-1",
    "env.version": "ENV-2",
}
ELEMENTS = [
    (name, CLAUSES[code], code, comment, _changed(**changes))
    for name, code, comment, changes in [
        ("fid_of_33_bytes", "env.header", "Ids are whole.", {"fid": blob(b"f" * 33)}),
        ("fid_as_text", "env.header", "Ids are bytes.", {"fid": text("f" * 32)}),
        ("cid_of_31_bytes", "env.header", "Ids are whole.", {"cid": blob(b"c" * 31)}),
        ("wid_of_33_bytes", "env.header", "A key has 32.", {"wid": blob(b"w" * 33)}),
        ("prev_empty", "env.header", "The first names 32 zero bytes.", {"prev": blob(b"")}),
        ("seq_negative", "env.header", "Numbers begin at 1.", {"seq": MINUS_ONE}),
        ("seq_as_text", "env.header", "A number.", {"seq": text("1")}),
        ("seq_too_large", "enc.int_range", "2^53.", {"seq": integer(MOST + 1)}),
        ("kind_empty", "env.header", "At least one.", {"kind": text("")}),
        ("kind_with_hyphen", "env.header", "Not of the set.", {"kind": text("x-note")}),
        ("kind_with_space", "env.header", "Not of the set.", {"kind": text("x note")}),
        ("kind_with_newline", "env.header", "A last line end counts.", {"kind": text("x.a\n")}),
        ("kind_not_ascii", "env.header", "Not of the set.", {"kind": text("caf\u00e9")}),
        ("kind_as_bytes", "env.header", "A kind is text.", {"kind": blob(b"verdict")}),
        ("time_negative", "env.header", "Before 1970.", {"time_ms": MINUS_ONE}),
        ("time_too_large", "enc.int_range", "2^53.", {"time_ms": integer(MOST + 1)}),
        ("time_as_float", "enc.float", "No floats.", {"time_ms": b"\xcb" + bytes(8)}),
        ("expires_negative", "env.header", "0 is never.", {"expires_ms": MINUS_ONE}),
        ("expires_too_large", "enc.int_range", "2^53.", {"expires_ms": integer(MOST + 1)}),
        ("expires_nil", "enc.nil", "0 is never.", {"expires_ms": b"\xc0"}),
        ("payload_hash_of_31_bytes", "env.header", "Whole.", {"payload_hash": blob(b"h" * 31)}),
        ("payload_len_65537", "env.header", "One too many.", {"payload_len": integer(65_537)}),
        ("ref_of_31_bytes", "env.header", "Ids are whole.", {"refs": array(blob(b"r" * 31))}),
        ("refs_no_list", "env.header", "One ref is a list of one.", {"refs": blob(FIRST_REF)}),
        ("flags_false", "env.header", "A number.", {"flags": b"\xc2"}),
        ("version_true", "env.version", "Not 1, though some compare so.", {"v": b"\xc3"}),
        ("version_zero", "env.version", "There was none.", {"v": integer(0)}),
    ]
]

FORMS = [
    ("header_empty", "ENC-1", "enc.malformed", "No value.", _raw(b"")),
    ("header_a_map", "ENV-1", "env.header", "Elements have no names.", _raw(mapping())),
    ("header_with_more", "ENC-2", "enc.trailing", "One value.", _raw(HEADER + b"\x00")),
    (
        "payload_of_another",
        "ENV-4",
        "env.payload_hash",
        "A payload is worth nothing under another header.",
        entry(sent=SALT + mapping(a=integer(1)))[1],
    ),
    (
        "payload_len_differs",
        "ENV-4",
        "env.payload_hash",
        "The hash fits, the length does not.",
        _changed(payload_len=integer(len(PAYLOAD) + 1)),
    ),
    (
        "payload_without_salt",
        "ENV-4",
        "env.payload_hash",
        "The body alone.",
        entry(sent=BODY)[1],
    ),
    ("body_missing", "ENV-10", "enc.malformed", "A salt and nothing.", entry(body=b"")[1]),
    (
        "envelope_of_two",
        "ENV-5",
        "schema.invalid",
        "An empty payload is written.",
        array(blob(HEADER), blob(SIGNATURE)),
    ),
    (
        "envelope_of_four",
        "ENV-5",
        "schema.invalid",
        "A further element needs another version.",
        array(blob(HEADER), blob(SIGNATURE), blob(PAYLOAD), blob(b"")),
    ),
]


def _signed(signature: bytes, header: bytes = HEADER) -> bytes:
    return array(blob(header), blob(signature), blob(PAYLOAD))


def _malleated() -> bytes:
    """Return the signature with the group order added to S: the same to a careless verifier."""
    s = int.from_bytes(SIGNATURE[32:], "little") + GROUP_ORDER
    return SIGNATURE[:32] + s.to_bytes(32, "little")


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


SIGNATURES = [
    ("signature_of_63_bytes", "ENV-18", "schema.invalid", "Or empty.", _signed(SIGNATURE[:63])),
    ("signature_of_65_bytes", "ENV-18", "schema.invalid", "64.", _signed(SIGNATURE + b"\x00")),
    ("signature_of_1_byte", "ENV-18", "schema.invalid", "Empty is empty.", _signed(b"\x00")),
    ("signature_zero", "ENV-5", "env.signature", "64 bytes that are none.", _signed(bytes(64))),
    (
        "signature_r_flipped",
        "ENV-5",
        "env.signature",
        "A bit of R.",
        _signed(_flipped(SIGNATURE, 0)),
    ),
    (
        "signature_s_flipped",
        "ENV-5",
        "env.signature",
        "A bit of S.",
        _signed(_flipped(SIGNATURE, 32)),
    ),
    ("signature_malleated", "IDN-5", "env.signature", "S + L.", _signed(_malleated())),
    (
        "signature_without_tag",
        "IDN-3",
        "env.signature",
        "Over the bare header: what it is for is part of what is signed.",
        _signed(bindings.crypto_sign(HEADER, WRITER.secret)[:64]),
    ),
    (
        "signature_over_id",
        "ENV-5",
        "env.signature",
        "The header is signed, not its hash.",
        _signed(WRITER.sign("entry-signature", ID)),
    ),
    (
        "signature_over_envelope",
        "ENV-5",
        "env.signature",
        "The payload is covered by its hash and not signed beside it.",
        _signed(WRITER.sign("entry-signature", HEADER + PAYLOAD)),
    ),
    (
        "header_changed_after_signing",
        "ENV-5",
        "env.signature",
        "A ref added.",
        _signed(SIGNATURE, array(*elements(PAYLOAD, 1, ZERO, refs=array(blob(FIRST_REF))))),
    ),
    (
        "moved_to_other_federation",
        "ENV-5",
        "env.signature",
        "A replay in a federation that it was not written for.",
        _signed(SIGNATURE, array(*elements(PAYLOAD, 1, ZERO, fid=blob(b"f" * 32)))),
    ),
]
