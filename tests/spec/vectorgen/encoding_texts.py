"""Text in CMP-1, chapter 03: lengths, UTF-8 and U+0000."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from encoding_cases import Row


def short(raw: bytes) -> bytes:
    """Return at most 31 bytes as text, whatever they are."""
    return bytes([0xA0 | len(raw)]) + raw


LENGTHS: list[Row] = [
    ("text_empty", "ENC-3", "ok", b"\xa0", "Text may be empty where a pattern lets it."),
    ("text_of_31", "ENC-3", "ok", short(b"a" * 31), "The most of fixstr."),
    ("text_of_32_in_str8", "ENC-3", "ok", b"\xd9\x20" + b"a" * 32, "The least of str 8."),
    ("text_of_255_in_str8", "ENC-3", "ok", b"\xd9\xff" + b"a" * 255, "The most of str 8."),
    ("text_of_256_in_str16", "ENC-3", "ok", b"\xda\x01\x00" + b"a" * 256, "The least of str 16."),
    ("text_of_16384", "ENC-14", "ok", b"\xda\x40\x00" + b"a" * 16_384, "The most bytes."),
    (
        "text_of_16384_in_two_byte_letters",
        "ENC-14",
        "ok",
        b"\xda\x40\x00" + "é".encode() * 8_192,
        "8,192 characters: the limit is on bytes.",
    ),
    ("text_a_in_str8", "ENC-3", "enc.not_shortest", b"\xd9\x01a", "Fits fixstr."),
    ("text_of_31_in_str8", "ENC-3", "enc.not_shortest", b"\xd9\x1f" + b"a" * 31, "Fits fixstr."),
    ("text_a_in_str16", "ENC-3", "enc.not_shortest", b"\xda\x00\x01a", "Fits fixstr."),
    (
        "text_of_32_in_str16",
        "ENC-3",
        "enc.not_shortest",
        b"\xda\x00\x20" + b"a" * 32,
        "Fits str 8; libraries older than str 8 write this.",
    ),
    (
        "text_of_255_in_str16",
        "ENC-3",
        "enc.not_shortest",
        b"\xda\x00\xff" + b"a" * 255,
        "Fits str 8.",
    ),
    (
        "text_of_16384_in_str32",
        "ENC-3",
        "enc.not_shortest",
        b"\xdb\x00\x00\x40\x00" + b"a" * 16_384,
        "Fits str 16: str 32 never occurs.",
    ),
    ("text_of_16385", "ENC-14", "enc.items", b"\xda\x40\x01" + b"a" * 16_385, "One byte too many."),
    (
        "text_of_16386_in_three_byte_signs",
        "ENC-14",
        "enc.items",
        b"\xda\x40\x02" + "€".encode() * 5_462,
        "5,462 characters: counting those lets this pass.",
    ),
    (
        "text_of_16385_inside",
        "ENC-14",
        "enc.items",
        b"\x91\xda\x40\x01" + b"a" * 16_385,
        "The limit holds at every depth.",
    ),
]

UTF8: list[Row] = [
    ("text_not_normalised", "ENC-11", "ok", short(b"e\xcc\x81"), "e and U+0301: opaque, not NFC."),
    ("text_byte_order_mark", "ENC-11", "ok", short(b"\xef\xbb\xbfa"), "U+FEFF is kept as text."),
    ("text_noncharacter", "ENC-11", "ok", short(b"\xef\xbf\xbf"), "U+FFFF is well-formed."),
    ("text_first_of_two_bytes", "ENC-11", "ok", short(b"\xc2\x80"), "U+0080."),
    ("text_last_of_two_bytes", "ENC-11", "ok", short(b"\xdf\xbf"), "U+07FF."),
    ("text_first_of_three_bytes", "ENC-11", "ok", short(b"\xe0\xa0\x80"), "U+0800."),
    ("text_before_surrogates", "ENC-11", "ok", short(b"\xed\x9f\xbf"), "U+D7FF."),
    ("text_after_surrogates", "ENC-11", "ok", short(b"\xee\x80\x80"), "U+E000."),
    ("text_first_of_four_bytes", "ENC-11", "ok", short(b"\xf0\x90\x80\x80"), "U+10000."),
    ("text_last_of_four_bytes", "ENC-11", "ok", short(b"\xf4\x8f\xbf\xbf"), "U+10FFFF, the last."),
    ("text_invalid_utf8", "ENC-11", "enc.utf8", short(b"\xff"), "No UTF-8 begins with ff."),
    ("text_fe", "ENC-11", "enc.utf8", short(b"\xfe"), "No UTF-8 begins with fe."),
    ("text_lone_continuation", "ENC-11", "enc.utf8", short(b"a\x80"), "Nothing to continue."),
    ("text_two_of_three_bytes", "ENC-11", "enc.utf8", short(b"\xe2\x82"), "A euro sign cut short."),
    (
        "text_cut_short_before_letter",
        "ENC-11",
        "enc.utf8",
        short(b"\xe2\x82a"),
        "A decoder that skips ahead swallows the letter.",
    ),
    ("text_overlong", "ENC-11", "enc.utf8", short(b"\xc1\x81"), "A in two bytes."),
    ("text_overlong_slash", "ENC-11", "enc.utf8", short(b"\xc0\xaf"), "Slips past path checks."),
    ("text_overlong_in_three", "ENC-11", "enc.utf8", short(b"\xe0\x80\xaf"), "In three bytes."),
    ("text_overlong_last_of_three", "ENC-11", "enc.utf8", short(b"\xe0\x9f\xbf"), "U+07FF."),
    ("text_overlong_in_four", "ENC-11", "enc.utf8", short(b"\xf0\x80\x80\xaf"), "In four bytes."),
    ("text_overlong_last_of_four", "ENC-11", "enc.utf8", short(b"\xf0\x8f\xbf\xbf"), "U+FFFF."),
    (
        "text_overlong_in_five",
        "ENC-11",
        "enc.utf8",
        short(b"\xf8\x88\x80\x80\x80"),
        "Five bytes ended with RFC 3629.",
    ),
    (
        "text_overlong_in_six",
        "ENC-11",
        "enc.utf8",
        short(b"\xfc\x84\x80\x80\x80\x80"),
        "Six bytes, too.",
    ),
    (
        "text_overlong_nul",
        "ENC-11",
        "enc.utf8",
        short(b"a\xc0\x80b"),
        "Java's modified UTF-8 writes U+0000 like this.",
    ),
    ("text_surrogate", "ENC-11", "enc.utf8", short(b"\xed\xa0\x80"), "U+D800 is no character."),
    ("text_last_surrogate", "ENC-11", "enc.utf8", short(b"\xed\xbf\xbf"), "U+DFFF."),
    (
        "text_surrogate_pair",
        "ENC-11",
        "enc.utf8",
        short(b"\xed\xa0\xbd\xed\xb8\x80"),
        "U+1F600 in two surrogates, as CESU-8 writes it.",
    ),
    ("text_beyond_unicode", "ENC-11", "enc.utf8", short(b"\xf4\x90\x80\x80"), "U+110000."),
    ("text_f5", "ENC-11", "enc.utf8", short(b"\xf5\x80\x80\x80"), "f5 leads beyond U+10FFFF."),
    ("text_latin_1", "ENC-11", "enc.utf8", short(b"caf\xe9"), "ISO 8859-1."),
    (
        "text_invalid_inside",
        "ENC-11",
        "enc.utf8",
        b"\x81\xa1a\x91" + short(b"\xff"),
        "The rule holds at every depth.",
    ),
    (
        "bytes_are_no_text",
        "ENC-11",
        "ok",
        b"\xc4\x02\xc0\x80",
        "Bytes hold anything: the rules on text are not for them.",
    ),
]

NUL: list[Row] = [
    ("text_control_character", "ENC-12", "ok", short(b"\x01\x7f"), "Others than U+0000 are text."),
    ("text_nul", "ENC-12", "enc.nul", short(b"a\x00b"), "Ends a string in C."),
    ("text_nul_alone", "ENC-12", "enc.nul", short(b"\x00"), "As above, first and last."),
    ("text_nul_at_end", "ENC-12", "enc.nul", short(b"a\x00"), "A terminator sent by mistake."),
    ("text_nul_inside", "ENC-12", "enc.nul", b"\x81\xa1a\x91" + short(b"\x00"), "At every depth."),
]

ROWS: list[Row] = [*LENGTHS, *UTF8, *NUL]
