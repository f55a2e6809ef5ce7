"""CMP-1, chapter 03: the input is one value.

Every width of every type stands at its two ends, every limit at both of its sides, and every type
byte from 0xc0 to 0xdf at least once. Numbers and text have files of their own.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import encoding_numbers
import encoding_texts
from kit import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    Row = tuple[str, str, str, bytes, str]
    """File name, clause, expect, bytes, why it matters."""


def key(name: bytes) -> bytes:
    """Return a map of one key, of 1 to 255 bytes, in its shortest form."""
    head = bytes([0xA0 | len(name)]) if len(name) < 32 else b"\xd9" + bytes([len(name)])
    return b"\x81" + head + name + b"\x01"


def nested_maps(levels: int) -> bytes:
    """Return maps inside maps, the innermost empty."""
    return b"\x81\xa1a" * (levels - 1) + b"\x80"


MAPS: list[Row] = [
    ("map_sorted_bytewise", "ENC-4", "ok", b"\x83\xa1a\x01\xa2aa\x02\xa1b\x03", "a, aa, b."),
    (
        "map_digit_underscore_letter",
        "ENC-4",
        "ok",
        b"\x83\xa2a0\x01\xa2a_\x02\xa2aa\x03",
        "a0, a_, aa: the underscore is between digits and letters, unlike in most locales.",
    ),
    ("map_key_of_31_bytes", "ENC-6", "ok", key(b"k" * 31), "The longest in fixstr."),
    ("map_key_of_32_bytes", "ENC-6", "ok", key(b"k" * 32), "The longest there is, in str 8."),
    ("map_key_digit", "ENC-6", "ok", key(b"0"), "A key may begin with a digit."),
    ("map_key_underscore", "ENC-6", "ok", key(b"_"), "A key may be an underscore."),
    (
        "map_same_key_at_two_levels",
        "ENC-5",
        "ok",
        b"\x81\xa1a\x81\xa1a\x01",
        "Unique means unique in one map.",
    ),
    (
        "map_key_in_str8",
        "ENC-3",
        "enc.not_shortest",
        b"\x81\xd9\x01a\x01",
        "Keys are values too; several decoders forget their form.",
    ),
    (
        "map_key_of_32_bytes_in_str16",
        "ENC-3",
        "enc.not_shortest",
        b"\x81\xda\x00\x20" + b"k" * 32 + b"\x01",
        "Fits str 8.",
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
        "map_prefix_after_longer",
        "ENC-4",
        "enc.key_order",
        b"\x82\xa2aa\x01\xa1a\x02",
        "A prefix comes first.",
    ),
    (
        "map_underscore_after_letter",
        "ENC-4",
        "enc.key_order",
        b"\x82\xa2aa\x01\xa2a_\x02",
        "A collation that skips punctuation sorts like this.",
    ),
    (
        "map_last_two_swapped",
        "ENC-4",
        "enc.key_order",
        b"\x83\xa1a\x01\xa1c\x02\xa1b\x03",
        "Comparing each key with the first one only lets this pass.",
    ),
    (
        "map_unsorted_inside",
        "ENC-4",
        "enc.key_order",
        b"\x81\xa1a\x82\xa1b\x01\xa1a\x02",
        "The rule holds at every depth.",
    ),
    (
        "map_unsorted_in_array",
        "ENC-4",
        "enc.key_order",
        b"\x92\x80\x82\xa1b\x01\xa1a\x02",
        "As above, in an array.",
    ),
    (
        "map_duplicate_key",
        "ENC-5",
        "enc.duplicate_key",
        b"\x82\xa1a\x01\xa1a\x02",
        "First or last wins, depending on the decoder.",
    ),
    (
        "map_duplicate_key_and_value",
        "ENC-5",
        "enc.duplicate_key",
        b"\x82\xa1a\x01\xa1a\x01",
        "Harmless to every reader, and a second spelling all the same.",
    ),
    (
        "map_duplicate_key_inside",
        "ENC-5",
        "enc.duplicate_key",
        b"\x81\xa1a\x82\xa1b\x01\xa1b\x02",
        "The rule holds at every depth.",
    ),
    ("map_key_int", "ENC-6", "enc.key", b"\x81\x01\x01", "An integer for a key."),
    ("map_key_bytes", "ENC-6", "enc.key", b"\x81\xc4\x01a\x01", "Bytes for a key."),
    ("map_key_bool", "ENC-6", "enc.key", b"\x81\xc3\x01", "A boolean for a key."),
    ("map_key_array", "ENC-6", "enc.key", b"\x81\x90\x01", "Not hashable in many languages."),
    ("map_key_map", "ENC-6", "enc.key", b"\x81\x80\x01", "As map_key_array."),
    ("map_key_capital", "ENC-6", "enc.key", key(b"A"), "A capital letter."),
    ("map_key_empty", "ENC-6", "enc.key", b"\x81\xa0\x01", "A key without a letter."),
    ("map_key_of_33_bytes", "ENC-6", "enc.key", key(b"k" * 33), "Too long."),
    ("map_key_hyphen", "ENC-6", "enc.key", key(b"a-b"), "A hyphen."),
    ("map_key_dot", "ENC-6", "enc.key", key(b"a.b"), "A dot; kinds have one, keys do not."),
    ("map_key_space", "ENC-6", "enc.key", key(b"a b"), "A space."),
    ("map_key_not_ascii", "ENC-6", "enc.key", key("é".encode()), "A letter to most languages."),
    (
        "map_key_arabic_digit",
        "ENC-6",
        "enc.key",
        key("٣".encode()),
        "A digit to patterns that read `[0-9]` as any digit.",
    ),
    ("map_key_newline", "ENC-6", "enc.key", key(b"a\n"), "A pattern that ends in $ takes it."),
    ("map_key_int_inside", "ENC-6", "enc.key", b"\x91\x81\x01\x01", "At every depth."),
]

DEPTHS: list[Row] = [
    ("depth_eight", "ENC-13", "ok", b"\x91" * 7 + b"\x90", "Eight levels are allowed."),
    ("depth_eight_of_maps", "ENC-13", "ok", nested_maps(8), "As above, of maps."),
    ("depth_eight_mixed", "ENC-13", "ok", b"\x91\x81\xa1a" * 4 + b"\x01", "As above, of both."),
    ("depth_eight_and_a_value", "ENC-13", "ok", b"\x91" * 8 + b"\x01", "1 has no level."),
    ("depth_nine", "ENC-13", "enc.depth", b"\x91" * 8 + b"\x90", "One level too many."),
    ("depth_nine_of_maps", "ENC-13", "enc.depth", nested_maps(9), "As above, of maps."),
    (
        "depth_nine_mixed",
        "ENC-13",
        "enc.depth",
        b"\x91\x81\xa1a" * 4 + b"\x90",
        "Counting arrays and maps apart lets this pass.",
    ),
    (
        "depth_nine_at_last",
        "ENC-13",
        "enc.depth",
        b"\x92\x01" + b"\x91" * 7 + b"\x90",
        "The deepest item need not be the first.",
    ),
    (
        "depth_60000",
        "ENC-13",
        "enc.depth",
        b"\x91" * 59_999 + b"\x90",
        "Exhausts the stack of a recursive decoder.",
    ),
]

FORBIDDEN: list[Row] = [
    ("nil", "ENC-7", "enc.nil", b"\xc0", "Absent means that the key is left out."),
    ("nil_in_map", "ENC-7", "enc.nil", b"\x81\xa1a\xc0", "What most languages write for null."),
    ("nil_in_array", "ENC-7", "enc.nil", b"\x92\x01\xc0", "A hole in a list."),
    ("reserved_byte_c1", "ENC-1", "enc.malformed", b"\xc1", "Never used by MessagePack."),
    (
        "reserved_byte_c1_inside",
        "ENC-1",
        "enc.malformed",
        b"\x92\x01\xc1",
        "As above, where a value should be.",
    ),
    ("float32", "ENC-8", "enc.float", b"\xca\x3f\x80\x00\x00", "One, as a float."),
    ("float32_nan", "ENC-8", "enc.float", b"\xca\x7f\xc0\x00\x00", "As float64_nan."),
    ("float64", "ENC-8", "enc.float", b"\xcb\x3f\xf0" + bytes(6), "1.0, equal to an integer."),
    ("float64_nan", "ENC-8", "enc.float", b"\xcb\x7f\xf8" + bytes(6), "Not equal to itself."),
    ("float64_infinity", "ENC-8", "enc.float", b"\xcb\x7f\xf0" + bytes(6), "Has no JSON form."),
    ("float64_minus_zero", "ENC-8", "enc.float", b"\xcb\x80" + bytes(7), "Equal to zero."),
    (
        "float64_large_int",
        "ENC-8",
        "enc.float",
        b"\xcb" + struct.pack(">d", 2**40),
        "JavaScript encoders write integers above 2^32 like this.",
    ),
    ("float_in_map", "ENC-8", "enc.float", b"\x81\xa1a\xca\x3f\x80\x00\x00", "At every depth."),
    ("float_in_array", "ENC-8", "enc.float", b"\x91\xcb\x3f\xf0" + bytes(6), "At every depth."),
    ("extension", "ENC-9", "enc.ext", b"\xd4\x01\x00", "An application's type, in fixext 1."),
    ("extension_fixext2", "ENC-9", "enc.ext", b"\xd5\x01" + bytes(2), "Type byte d5."),
    ("extension_fixext4", "ENC-9", "enc.ext", b"\xd6\x01" + bytes(4), "Type byte d6."),
    ("extension_fixext8", "ENC-9", "enc.ext", b"\xd7\x01" + bytes(8), "Type byte d7."),
    ("extension_fixext16", "ENC-9", "enc.ext", b"\xd8\x01" + bytes(16), "Type byte d8."),
    ("extension_ext8", "ENC-9", "enc.ext", b"\xc7\x03\x01" + bytes(3), "Type byte c7."),
    ("extension_ext8_empty", "ENC-9", "enc.ext", b"\xc7\x00\x01", "Even one without a byte."),
    ("extension_ext16", "ENC-9", "enc.ext", b"\xc8\x01\x00\x01" + bytes(256), "Type byte c8."),
    (
        "extension_ext32",
        "ENC-9",
        "enc.ext",
        b"\xc9\x00\x00\x01\x00\x01" + bytes(256),
        "Type byte c9.",
    ),
    ("extension_in_map", "ENC-9", "enc.ext", b"\x81\xa1a\xd4\x01\x00", "At every depth."),
    ("timestamp", "ENC-9", "enc.ext", b"\xd6\xff\x00\x00\x00\x00", "MessagePack's own type -1."),
    ("timestamp_64", "ENC-9", "enc.ext", b"\xd7\xff" + bytes(8), "The same with nanoseconds."),
    ("timestamp_96", "ENC-9", "enc.ext", b"\xc7\x0c\xff" + bytes(12), "The same before 1970."),
    ("timestamp_in_array", "ENC-9", "enc.ext", b"\x91\xd6\xff" + bytes(4), "At every depth."),
    (
        "timestamp_of_three_bytes",
        "ENC-9",
        "enc.ext",
        b"\xc7\x03\xff\x00\x00\x00",
        "Decoders fail on it earlier and for another reason.",
    ),
]

BROKEN: list[Row] = [
    ("empty_input", "ENC-1", "enc.malformed", b"", "No value at all."),
    ("truncated_array", "ENC-1", "enc.malformed", b"\x92\x01", "One of two items."),
    ("truncated_array_of_none", "ENC-1", "enc.malformed", b"\x91", "No item of one."),
    ("truncated_array16", "ENC-1", "enc.malformed", b"\xdc\x03", "Half of a count."),
    ("truncated_array32", "ENC-1", "enc.malformed", b"\xdd\x00\x00\x00", "Most of a count."),
    ("truncated_map_before_key", "ENC-1", "enc.malformed", b"\x81", "No key of one."),
    ("truncated_map_in_key", "ENC-1", "enc.malformed", b"\x81\xa2a", "Half of a key."),
    ("truncated_map_before_value", "ENC-1", "enc.malformed", b"\x81\xa1a", "A key alone."),
    ("truncated_map16", "ENC-1", "enc.malformed", b"\xde\x00", "Half of a count."),
    ("truncated_map32", "ENC-1", "enc.malformed", b"\xdf\x00\x00", "Half of a count."),
    ("truncated_bytes", "ENC-1", "enc.malformed", b"\xc4\x05abc", "Three of five bytes."),
    ("truncated_bin8", "ENC-1", "enc.malformed", b"\xc4", "No length."),
    ("truncated_bin16", "ENC-1", "enc.malformed", b"\xc5\x01", "Half of a length."),
    ("truncated_bin32", "ENC-1", "enc.malformed", b"\xc6\x00\x01\x00", "Most of a length."),
    ("truncated_fixstr", "ENC-1", "enc.malformed", b"\xa3ab", "Two of three bytes."),
    ("truncated_str8", "ENC-1", "enc.malformed", b"\xd9", "No length."),
    ("truncated_str16", "ENC-1", "enc.malformed", b"\xda\x01", "Half of a length."),
    ("truncated_str32", "ENC-1", "enc.malformed", b"\xdb\x00\x00", "Half of a length."),
    ("truncated_uint8", "ENC-1", "enc.malformed", b"\xcc", "No value."),
    ("truncated_uint16", "ENC-1", "enc.malformed", b"\xcd\x01", "One of two bytes."),
    ("truncated_uint32", "ENC-1", "enc.malformed", b"\xce\x01\x00\x00", "Three of four bytes."),
    ("truncated_uint64", "ENC-1", "enc.malformed", b"\xcf" + bytes(7), "Seven of eight bytes."),
    ("truncated_int8", "ENC-1", "enc.malformed", b"\xd0", "No value."),
    ("truncated_int16", "ENC-1", "enc.malformed", b"\xd1\xfe", "One of two bytes."),
    ("truncated_int32", "ENC-1", "enc.malformed", b"\xd2\xfe\x00\x00", "Three of four bytes."),
    ("truncated_int64", "ENC-1", "enc.malformed", b"\xd3" + b"\xfe" * 7, "Seven of eight bytes."),
    (
        "truncated_inside",
        "ENC-1",
        "enc.malformed",
        b"\x81\xa1a\x92\x01",
        "The array lacks an item, the map nothing.",
    ),
    (
        "length_lie_bin16",
        "ENC-1",
        "enc.malformed",
        b"\xc5\xff\xff",
        "64 KiB promised in three bytes.",
    ),
    (
        "length_lie_str16",
        "ENC-1",
        "enc.malformed",
        b"\xda\x40\x00a",
        "16 KiB promised in four bytes.",
    ),
    (
        "length_lie_array16",
        "ENC-1",
        "enc.malformed",
        b"\xdc\x04\x00\x01",
        "1,024 items promised in four bytes.",
    ),
    (
        "length_lie_map16",
        "ENC-1",
        "enc.malformed",
        b"\xde\x01\x00\xa1a\x01",
        "256 keys promised in six bytes.",
    ),
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
    ("trailing_newline", "ENC-2", "enc.trailing", b"\x91\x01\n", "What a text tool appends."),
    ("trailing_c1", "ENC-2", "enc.trailing", b"\x01\xc1", "Not even a value; not looked at."),
    ("trailing_copy", "ENC-2", "enc.trailing", b"\x81\xa1a\x01" * 2, "The same map twice."),
]


def rows() -> list[Row]:
    """Return all rows of the chapter."""
    return [*encoding_numbers.ROWS, *encoding_texts.ROWS, *MAPS, *DEPTHS, *FORBIDDEN, *BROKEN]


def cases() -> Iterator[Case]:
    """Yield the vectors of chapter 03."""
    for name, clause, expect, data, comment in rows():
        yield Case(
            id=f"03-encoding/{name}", clause=clause, expect=expect, comment=comment, input=data
        )
