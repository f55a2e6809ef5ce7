"""CMP-1, chapter 03: the input is one value."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kit import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_INT = 2**53 - 1

# file name, clause, expect, bytes, why it matters
ROWS: list[tuple[str, str, str, bytes, str]] = [
    ("int_zero", "ENC-3", "ok", b"\x00", "The smallest value there is."),
    ("int_127_in_one_byte", "ENC-3", "ok", b"\x7f", "Largest positive fixint."),
    ("int_128_in_uint8", "ENC-3", "ok", b"\xcc\x80", "Smallest value of uint 8."),
    ("int_minus_32_in_one_byte", "ENC-3", "ok", b"\xe0", "Smallest negative fixint."),
    ("int_minus_33_in_int8", "ENC-3", "ok", b"\xd0\xdf", "Largest value of int 8."),
    (
        "int_largest",
        "ENC-10",
        "ok",
        b"\xcf" + struct.pack(">Q", MAX_INT),
        "2^53-1, the last integer that every JSON number type holds exactly.",
    ),
    (
        "int_smallest",
        "ENC-10",
        "ok",
        b"\xd3" + struct.pack(">q", -MAX_INT),
        "-(2^53-1): the range is symmetric.",
    ),
    ("map_sorted_bytewise", "ENC-4", "ok", b"\x83\xa1a\x01\xa2aa\x02\xa1b\x03", "a, aa, b."),
    ("map_empty", "ENC-3", "ok", b"\x80", "Also the body of a record whose fields are optional."),
    ("text_not_normalised", "ENC-11", "ok", b"\xa3e\xcc\x81", "e and U+0301: opaque, not NFC."),
    ("bytes_empty", "ENC-3", "ok", b"\xc4\x00", "bin 8 is the shortest form of no bytes."),
    ("depth_eight", "ENC-13", "ok", b"\x91" * 7 + b"\x90", "Eight levels are allowed."),
    ("array_of_1024", "ENC-14", "ok", b"\xdc\x04\x00" + b"\x01" * 1024, "The most items."),
    ("empty_input", "ENC-1", "enc.malformed", b"", "No value at all."),
    ("truncated_array", "ENC-1", "enc.malformed", b"\x92\x01", "One of two items."),
    ("truncated_bytes", "ENC-1", "enc.malformed", b"\xc4\x05abc", "Three of five bytes."),
    ("reserved_byte_c1", "ENC-1", "enc.malformed", b"\xc1", "Never used by MessagePack."),
    (
        "length_lie_str32",
        "ENC-1",
        "enc.malformed",
        b"\xdb\xff\xff\xff\xff",
        "Four gigabytes promised in five bytes; reserving them is the fault.",
    ),
    (
        "length_lie_bin32",
        "ENC-1",
        "enc.malformed",
        b"\xc6\xff\xff\xff\xff",
        "As length_lie_str32, for bytes.",
    ),
    ("trailing_byte", "ENC-2", "enc.trailing", b"\x01\x01", "A second value after the first."),
    ("trailing_zero", "ENC-2", "enc.trailing", b"\x80\x00", "Padding is no part of a value."),
    ("int_one_in_uint8", "ENC-3", "enc.not_shortest", b"\xcc\x01", "Fits one byte."),
    ("int_one_in_uint16", "ENC-3", "enc.not_shortest", b"\xcd\x00\x01", "Fits one byte."),
    ("int_one_in_int8", "ENC-3", "enc.not_shortest", b"\xd0\x01", "Signed form of a positive."),
    (
        "int_minus_one_in_int64",
        "ENC-3",
        "enc.not_shortest",
        b"\xd3" + b"\xff" * 8,
        "Fits one byte.",
    ),
    ("text_a_in_str8", "ENC-3", "enc.not_shortest", b"\xd9\x01a", "Fits fixstr."),
    ("text_a_in_str16", "ENC-3", "enc.not_shortest", b"\xda\x00\x01a", "Fits fixstr."),
    ("bytes_empty_in_bin16", "ENC-3", "enc.not_shortest", b"\xc5\x00\x00", "Fits bin 8."),
    ("array_of_one_in_array16", "ENC-3", "enc.not_shortest", b"\xdc\x00\x01\x01", "Fits fixarray."),
    (
        "array_of_one_in_array32",
        "ENC-3",
        "enc.not_shortest",
        b"\xdd\x00\x00\x00\x01\x01",
        "Fits fixarray.",
    ),
    (
        "map_of_one_in_map16",
        "ENC-3",
        "enc.not_shortest",
        b"\xde\x00\x01\xa1a\x01",
        "Fits fixmap.",
    ),
    (
        "map_key_in_str8",
        "ENC-3",
        "enc.not_shortest",
        b"\x81\xd9\x01a\x01",
        "Keys are values too; several decoders forget their form.",
    ),
    (
        "map_unsorted",
        "ENC-4",
        "enc.key_order",
        b"\x82\xa1b\x01\xa1a\x02",
        "Decoding and encoding again keeps the order, so it does not show this.",
    ),
    (
        "map_sorted_by_length_first",
        "ENC-4",
        "enc.key_order",
        b"\x82\xa1b\x01\xa2aa\x02",
        "What an encoder makes that sorts encoded keys.",
    ),
    (
        "map_unsorted_inside",
        "ENC-4",
        "enc.key_order",
        b"\x81\xa1a\x82\xa1b\x01\xa1a\x02",
        "The rule holds at every depth.",
    ),
    (
        "map_duplicate_key",
        "ENC-5",
        "enc.duplicate_key",
        b"\x82\xa1a\x01\xa1a\x02",
        "First or last wins, depending on the decoder.",
    ),
    ("map_key_int", "ENC-6", "enc.key", b"\x81\x01\x01", "An integer for a key."),
    ("map_key_bytes", "ENC-6", "enc.key", b"\x81\xc4\x01a\x01", "Bytes for a key."),
    ("map_key_capital", "ENC-6", "enc.key", b"\x81\xa1A\x01", "A capital letter."),
    ("map_key_empty", "ENC-6", "enc.key", b"\x81\xa0\x01", "A key without a letter."),
    ("map_key_of_33_bytes", "ENC-6", "enc.key", b"\x81\xd9\x21" + b"k" * 33 + b"\x01", "Too long."),
    (
        "map_key_newline",
        "ENC-6",
        "enc.key",
        b"\x81\xa2a\n\x01",
        "A pattern that ends in $ lets this pass.",
    ),
    ("nil", "ENC-7", "enc.nil", b"\xc0", "Absent means that the key is left out."),
    ("nil_in_map", "ENC-7", "enc.nil", b"\x81\xa1a\xc0", "What most languages write for null."),
    ("float32", "ENC-8", "enc.float", b"\xca\x3f\x80\x00\x00", "One, as a float."),
    ("float64", "ENC-8", "enc.float", b"\xcb\x3f\xf0" + bytes(6), "1.0, equal to an integer."),
    ("float64_nan", "ENC-8", "enc.float", b"\xcb\x7f\xf8" + bytes(6), "Not equal to itself."),
    ("extension", "ENC-9", "enc.ext", b"\xd4\x01\x00", "An application's type."),
    ("timestamp", "ENC-9", "enc.ext", b"\xd6\xff\x00\x00\x00\x00", "MessagePack's own type -1."),
    (
        "timestamp_of_three_bytes",
        "ENC-9",
        "enc.ext",
        b"\xc7\x03\xff\x00\x00\x00",
        "Decoders fail on it earlier and for another reason.",
    ),
    (
        "int_one_too_large",
        "ENC-10",
        "enc.int_range",
        b"\xcf" + struct.pack(">Q", MAX_INT + 1),
        "2^53 loses its neighbour in a double.",
    ),
    (
        "int_one_too_small",
        "ENC-10",
        "enc.int_range",
        b"\xd3" + struct.pack(">q", -MAX_INT - 1),
        "-(2^53).",
    ),
    ("int_uint64_max", "ENC-10", "enc.int_range", b"\xcf" + b"\xff" * 8, "2^64-1."),
    ("text_invalid_utf8", "ENC-11", "enc.utf8", b"\xa1\xff", "No UTF-8 begins with ff."),
    ("text_overlong", "ENC-11", "enc.utf8", b"\xa2\xc1\x81", "A in two bytes."),
    ("text_surrogate", "ENC-11", "enc.utf8", b"\xa3\xed\xa0\x80", "U+D800 is no character."),
    ("text_nul", "ENC-12", "enc.nul", b"\xa3a\x00b", "Ends a string in C."),
    ("depth_nine", "ENC-13", "enc.depth", b"\x91" * 8 + b"\x90", "One level too many."),
    (
        "depth_60000",
        "ENC-13",
        "enc.depth",
        b"\x91" * 59_999 + b"\x90",
        "Exhausts the stack of a recursive decoder.",
    ),
    ("array_of_1025", "ENC-14", "enc.items", b"\xdc\x04\x01" + b"\x01" * 1025, "One too many."),
    (
        "length_lie_array32",
        "ENC-14",
        "enc.items",
        b"\xdd\xff\xff\xff\xff",
        "The count is refused before an item is read or room is made.",
    ),
    ("length_lie_map32", "ENC-14", "enc.items", b"\xdf\xff\xff\xff\xff", "As length_lie_array32."),
    (
        "map_of_257",
        "ENC-14",
        "enc.items",
        b"\xde\x01\x01" + b"".join(b"\xa3%03d\x01" % n for n in range(257)),
        "One key too many.",
    ),
    ("text_of_16385", "ENC-14", "enc.items", b"\xda\x40\x01" + b"a" * 16_385, "One byte too many."),
    (
        "more_than_a_payload",
        "ENC-15",
        "enc.size",
        b"\xc6\x00\x00\xff\xfc" + bytes(65_532),
        "65,537 bytes, refused by length alone.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors of chapter 03."""
    for name, clause, expect, data, comment in ROWS:
        yield Case(
            id=f"03-encoding/{name}", clause=clause, expect=expect, comment=comment, input=data
        )
