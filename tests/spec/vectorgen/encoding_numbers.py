"""Integers and lengths in CMP-1, chapter 03: every width at its two ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from encoding_cases import Row

MAX_INT: Final = 2**53 - 1
KEYS_16: Final = b"".join(b"\xa3%03d\x01" % n for n in range(16))
KEYS_256: Final = b"".join(b"\xa3%03d\x01" % n for n in range(256))


def u(code: int, value: int) -> bytes:
    """Return an integer in the unsigned form of a type byte."""
    return bytes([code]) + value.to_bytes(1 << (code - 0xCC))


def s(code: int, value: int) -> bytes:
    """Return an integer in the signed form of a type byte."""
    return bytes([code]) + value.to_bytes(1 << (code - 0xD0), signed=True)


INTEGERS: list[Row] = [
    ("int_zero", "ENC-3", "ok", b"\x00", "The smallest value there is."),
    ("int_127_in_one_byte", "ENC-3", "ok", b"\x7f", "Largest positive fixint."),
    ("int_128_in_uint8", "ENC-3", "ok", b"\xcc\x80", "Smallest value of uint 8."),
    ("int_255_in_uint8", "ENC-3", "ok", u(0xCC, 255), "Largest value of uint 8."),
    ("int_256_in_uint16", "ENC-3", "ok", u(0xCD, 256), "Smallest value of uint 16."),
    ("int_65535_in_uint16", "ENC-3", "ok", u(0xCD, 65_535), "Largest value of uint 16."),
    ("int_65536_in_uint32", "ENC-3", "ok", u(0xCE, 65_536), "Smallest value of uint 32."),
    ("int_2_to_32_less_one_in_uint32", "ENC-3", "ok", u(0xCE, 2**32 - 1), "Largest of uint 32."),
    ("int_2_to_32_in_uint64", "ENC-3", "ok", u(0xCF, 2**32), "Smallest value of uint 64."),
    (
        "int_largest",
        "ENC-10",
        "ok",
        u(0xCF, MAX_INT),
        "2^53-1, the last integer that every JSON number type holds exactly.",
    ),
    ("int_minus_one", "ENC-3", "ok", b"\xff", "Largest negative fixint."),
    ("int_minus_32_in_one_byte", "ENC-3", "ok", b"\xe0", "Smallest negative fixint."),
    ("int_minus_33_in_int8", "ENC-3", "ok", b"\xd0\xdf", "Largest value of int 8."),
    ("int_minus_128_in_int8", "ENC-3", "ok", s(0xD0, -128), "Smallest value of int 8."),
    ("int_minus_129_in_int16", "ENC-3", "ok", s(0xD1, -129), "Largest value of int 16."),
    ("int_minus_32768_in_int16", "ENC-3", "ok", s(0xD1, -32_768), "Smallest value of int 16."),
    ("int_minus_32769_in_int32", "ENC-3", "ok", s(0xD2, -32_769), "Largest value of int 32."),
    ("int_minus_2_to_31_in_int32", "ENC-3", "ok", s(0xD2, -(2**31)), "Smallest of int 32."),
    ("int_below_int32_in_int64", "ENC-3", "ok", s(0xD3, -(2**31) - 1), "Largest of int 64."),
    ("int_smallest", "ENC-10", "ok", s(0xD3, -MAX_INT), "-(2^53-1): the range is symmetric."),
    ("true", "ENC-1", "ok", b"\xc3", "A boolean is a value of its own and no integer."),
    ("false", "ENC-1", "ok", b"\xc2", "As true."),
    ("int_one_in_uint8", "ENC-3", "enc.not_shortest", b"\xcc\x01", "Fits one byte."),
    ("int_127_in_uint8", "ENC-3", "enc.not_shortest", u(0xCC, 127), "The last that fits one."),
    ("int_one_in_uint16", "ENC-3", "enc.not_shortest", b"\xcd\x00\x01", "Fits one byte."),
    ("int_255_in_uint16", "ENC-3", "enc.not_shortest", u(0xCD, 255), "Fits uint 8."),
    ("int_65535_in_uint32", "ENC-3", "enc.not_shortest", u(0xCE, 65_535), "Fits uint 16."),
    (
        "int_2_to_32_less_one_in_uint64",
        "ENC-3",
        "enc.not_shortest",
        u(0xCF, 2**32 - 1),
        "Fits uint 32; some encoders write every time in eight bytes.",
    ),
    ("int_one_in_int8", "ENC-3", "enc.not_shortest", b"\xd0\x01", "Signed form of a positive."),
    ("int_128_in_int16", "ENC-3", "enc.not_shortest", s(0xD1, 128), "As long as uint 8 is short."),
    ("int_32768_in_int32", "ENC-3", "enc.not_shortest", s(0xD2, 32_768), "Signed and too wide."),
    (
        "int_2_to_32_in_int64",
        "ENC-3",
        "enc.not_shortest",
        s(0xD3, 2**32),
        "As wide as it must be, and still the signed form of a positive: Java writes it.",
    ),
    ("int_zero_in_int64", "ENC-3", "enc.not_shortest", s(0xD3, 0), "Zero is unsigned."),
    ("int_minus_32_in_int8", "ENC-3", "enc.not_shortest", s(0xD0, -32), "Fits one byte."),
    ("int_minus_128_in_int16", "ENC-3", "enc.not_shortest", s(0xD1, -128), "Fits int 8."),
    ("int_minus_32768_in_int32", "ENC-3", "enc.not_shortest", s(0xD2, -32_768), "Fits int 16."),
    ("int_minus_2_to_31_in_int64", "ENC-3", "enc.not_shortest", s(0xD3, -(2**31)), "Fits int 32."),
    ("int_minus_one_in_int64", "ENC-3", "enc.not_shortest", s(0xD3, -1), "Fits one byte."),
    (
        "int_one_too_large",
        "ENC-10",
        "enc.int_range",
        u(0xCF, MAX_INT + 1),
        "2^53 loses its neighbour in a double.",
    ),
    ("int_one_too_small", "ENC-10", "enc.int_range", s(0xD3, -MAX_INT - 1), "-(2^53)."),
    ("int_2_to_63", "ENC-10", "enc.int_range", u(0xCF, 2**63), "Negative once it is cast."),
    ("int_int64_min", "ENC-10", "enc.int_range", s(0xD3, -(2**63)), "Its negation overflows."),
    ("int_uint64_max", "ENC-10", "enc.int_range", u(0xCF, 2**64 - 1), "2^64-1."),
    (
        "int_one_too_large_inside",
        "ENC-10",
        "enc.int_range",
        b"\x81\xa1a\x91" + u(0xCF, MAX_INT + 1),
        "The range holds at every depth.",
    ),
]

LENGTHS: list[Row] = [
    ("bytes_empty", "ENC-3", "ok", b"\xc4\x00", "bin 8 is the shortest form of no bytes."),
    ("bytes_255_in_bin8", "ENC-3", "ok", b"\xc4\xff" + bytes(255), "The most of bin 8."),
    ("bytes_256_in_bin16", "ENC-3", "ok", b"\xc5\x01\x00" + bytes(256), "The least of bin 16."),
    (
        "bytes_65533_in_bin16",
        "ENC-15",
        "ok",
        b"\xc5\xff\xfd" + bytes(65_533),
        "65,536 bytes in all, the most that a payload has.",
    ),
    ("array_empty", "ENC-3", "ok", b"\x90", "No items."),
    ("array_of_15", "ENC-3", "ok", b"\x9f" + b"\x01" * 15, "The most of fixarray."),
    ("array_of_16", "ENC-3", "ok", b"\xdc\x00\x10" + b"\x01" * 16, "The least of array 16."),
    ("array_of_1024", "ENC-14", "ok", b"\xdc\x04\x00" + b"\x01" * 1024, "The most items."),
    ("map_empty", "ENC-3", "ok", b"\x80", "Also the body of a record whose fields are optional."),
    ("map_of_15", "ENC-3", "ok", b"\x8f" + KEYS_16[:75], "The most of fixmap."),
    ("map_of_16", "ENC-3", "ok", b"\xde\x00\x10" + KEYS_16, "The least of map 16."),
    ("map_of_256", "ENC-14", "ok", b"\xde\x01\x00" + KEYS_256, "The most keys."),
    ("bytes_empty_in_bin16", "ENC-3", "enc.not_shortest", b"\xc5\x00\x00", "Fits bin 8."),
    (
        "bytes_255_in_bin16",
        "ENC-3",
        "enc.not_shortest",
        b"\xc5\x00\xff" + bytes(255),
        "Fits bin 8.",
    ),
    (
        "bytes_256_in_bin32",
        "ENC-3",
        "enc.not_shortest",
        b"\xc6\x00\x00\x01\x00" + bytes(256),
        "Fits bin 16; bin 32 occurs in nothing of at most 65,536 bytes.",
    ),
    ("array_of_one_in_array16", "ENC-3", "enc.not_shortest", b"\xdc\x00\x01\x01", "Fits fixarray."),
    (
        "array_of_15_in_array16",
        "ENC-3",
        "enc.not_shortest",
        b"\xdc\x00\x0f" + b"\x01" * 15,
        "The last that fits fixarray.",
    ),
    (
        "array_of_one_in_array32",
        "ENC-3",
        "enc.not_shortest",
        b"\xdd\x00\x00\x00\x01\x01",
        "Fits fixarray.",
    ),
    (
        "array_of_1024_in_array32",
        "ENC-3",
        "enc.not_shortest",
        b"\xdd\x00\x00\x04\x00" + b"\x01" * 1024,
        "Fits array 16: array 32 never occurs.",
    ),
    ("map_of_one_in_map16", "ENC-3", "enc.not_shortest", b"\xde\x00\x01\xa1a\x01", "Fits fixmap."),
    (
        "map_of_15_in_map16",
        "ENC-3",
        "enc.not_shortest",
        b"\xde\x00\x0f" + KEYS_16[:75],
        "The last that fits fixmap.",
    ),
    (
        "map_of_16_in_map32",
        "ENC-3",
        "enc.not_shortest",
        b"\xdf\x00\x00\x00\x10" + KEYS_16,
        "Fits map 16: map 32 never occurs.",
    ),
    (
        "array_in_array16_inside",
        "ENC-3",
        "enc.not_shortest",
        b"\x81\xa1a\xdc\x00\x01\x01",
        "The rule holds at every depth.",
    ),
    (
        "int_in_uint8_inside",
        "ENC-3",
        "enc.not_shortest",
        b"\x92\x01\x81\xa1a\xcc\x01",
        "As above, for an integer.",
    ),
    ("array_of_1025", "ENC-14", "enc.items", b"\xdc\x04\x01" + b"\x01" * 1025, "One too many."),
    (
        "array_of_1025_inside",
        "ENC-14",
        "enc.items",
        b"\x81\xa1a\xdc\x04\x01" + b"\x01" * 1025,
        "The limit holds at every depth.",
    ),
    (
        "map_of_257",
        "ENC-14",
        "enc.items",
        b"\xde\x01\x01" + KEYS_256 + b"\xa3256\x01",
        "One key too many.",
    ),
    (
        "map_of_257_inside",
        "ENC-14",
        "enc.items",
        b"\x91\xde\x01\x01" + KEYS_256 + b"\xa3256\x01",
        "The limit holds at every depth.",
    ),
    (
        "length_lie_array32",
        "ENC-14",
        "enc.items",
        b"\xdd\xff\xff\xff\xff",
        "The count is refused before an item is read or room is made.",
    ),
    ("length_lie_map32", "ENC-14", "enc.items", b"\xdf\xff\xff\xff\xff", "As length_lie_array32."),
    (
        "more_than_a_payload",
        "ENC-15",
        "enc.size",
        b"\x92\xc5\xfd\xe8" + bytes(65_000) + b"\xc5\x02\x12" + bytes(530),
        "65,537 bytes of canonical items, refused by length alone.",
    ),
]

ROWS: list[Row] = [*INTEGERS, *LENGTHS]
