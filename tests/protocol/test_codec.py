import struct
import tracemalloc
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from sheaf_protocol.codec import check, decode, encode
from sheaf_protocol.envelope import Envelope, Header
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity import KeyOp
from sheaf_protocol.limits import MAX_DEPTH, MAX_INT, MAX_ITEMS, MAX_KEYS, MAX_PAYLOAD, MAX_TEXT
from sheaf_protocol.records import Demand

KEYS = st.from_regex(r"\A[a-z0-9_]{1,32}\Z")
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
LEAVES = st.booleans() | st.integers(-MAX_INT, MAX_INT) | TEXT | st.binary(max_size=300)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=20) | st.dictionaries(KEYS, inner), max_leaves=8
)


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """A record of a version that knows one key; any other is a later version's."""

    known: Annotated[int, Meta(ge=0, le=9)] | msgspec.UnsetType = msgspec.UNSET


def nested(levels: int) -> bytes:
    return b"\x91" * (levels - 1) + b"\x90"


# replication.md 2.6: what msgpack libraries accept and CMP-1 does not.
HOSTILE = [
    ("int_wider_form", b"\xcd\x00\x01", "enc.not_shortest"),
    ("int8_for_one", b"\xd0\x01", "enc.not_shortest"),
    ("int64_for_minus_one", b"\xd3" + b"\xff" * 8, "enc.not_shortest"),
    ("str8_for_one_byte", b"\xd9\x01a", "enc.not_shortest"),
    ("bin16_for_empty", b"\xc5\x00\x00", "enc.not_shortest"),
    ("map16_for_small", b"\xde\x00\x01\xa1a\x01", "enc.not_shortest"),
    ("array32_for_small", b"\xdd\x00\x00\x00\x01\x01", "enc.not_shortest"),
    ("duplicate_key", b"\x82\xa1a\x01\xa1a\x01", "enc.duplicate_key"),
    ("unsorted_map", b"\x82\xa1b\x01\xa1a\x01", "enc.key_order"),
    ("float32", b"\xca\x3f\x80\x00\x00", "enc.float"),
    ("float64", b"\xcb\x3f\xf0" + bytes(6), "enc.float"),
    ("nan", b"\xcb\x7f\xf8" + bytes(6), "enc.float"),
    ("extension", b"\xd4\x01\x00", "enc.ext"),
    ("timestamp", b"\xd6\xff\x00\x00\x00\x00", "enc.ext"),
    ("invalid_utf8", b"\xa1\xff", "enc.utf8"),
    ("surrogate", b"\xa3\xed\xa0\x80", "enc.utf8"),
    ("int_key", b"\x81\x01\x01", "enc.key"),
    ("bytes_key", b"\x81\xc4\x01a\x01", "enc.key"),
    ("nil", b"\xc0", "enc.nil"),
    ("trailing_bytes", b"\x01\x01", "enc.trailing"),
    ("truncated", b"\x92\x01", "enc.malformed"),
    ("uint64_max", b"\xcf" + b"\xff" * 8, "enc.int_range"),
    ("depth_nine", nested(9), "enc.depth"),
]
MORE = [
    ("empty_input", b"", "enc.malformed"),
    ("reserved_byte", b"\xc1", "enc.malformed"),
    ("nul_in_text", b"\xa1\x00", "enc.nul"),
    ("capital_in_key", b"\x81\xa1A\x01", "enc.key"),
    ("empty_key", b"\x81\xa0\x01", "enc.key"),
    ("key_of_33_bytes", b"\x81\xd9\x21" + b"a" * 33 + b"\x01", "enc.key"),
    ("key_with_newline", b"\x81\xa2a\n\x01", "enc.key"),
    ("map_as_key", b"\x81\x80\x01", "enc.key"),
    ("array_as_key", b"\x81\x90\x01", "enc.key"),
    ("timestamp_of_odd_length", b"\xc7\x03\xff\x00\x00\x00", "enc.ext"),
    ("timestamp_with_long_nanoseconds", b"\xd7\xff" + b"\xff" * 8, "enc.ext"),
    ("just_over_int_range", b"\xcf" + struct.pack(">Q", MAX_INT + 1), "enc.int_range"),
    ("just_under_int_range", b"\xd3" + struct.pack(">q", -MAX_INT - 1), "enc.int_range"),
    ("array_of_1025", b"\xdc\x04\x01" + b"\x01" * 1025, "enc.items"),
    (
        "map_of_257",
        b"\xde\x01\x01" + b"".join(b"\xa3%03d\x01" % n for n in range(257)),
        "enc.items",
    ),
    ("text_of_16385", b"\xda\x40\x01" + b"a" * 16_385, "enc.items"),
    ("text_of_16385_bytes_in_8193_letters", b"\xda\x40\x02" + b"\xc3\xa9" * 8193, "enc.items"),
]
LIES = [
    ("array32", b"\xdd\xff\xff\xff\xff", "enc.items"),
    ("map32", b"\xdf\xff\xff\xff\xff", "enc.items"),
    ("str32", b"\xdb\xff\xff\xff\xff", "enc.malformed"),
    ("bin32", b"\xc6\xff\xff\xff\xff", "enc.malformed"),
    ("ext32", b"\xc9\xff\xff\xff\xff\x01", "enc.malformed"),
    ("array16_within_limit", b"\xdc\x04\x00", "enc.malformed"),
]


def code_of(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        call(*args, **kwargs)
    assert caught.value.fault is Fault.SENDER
    return caught.value.code


def test_there_are_23_hostile_encodings() -> None:
    assert len(HOSTILE) == 23


@pytest.mark.parametrize(("name", "data", "code"), HOSTILE + MORE + LIES)
def test_hostile_bytes_are_refused(name: str, data: bytes, code: str) -> None:
    assert code_of(check, data) == code


@pytest.mark.parametrize(("name", "data", "code"), HOSTILE + MORE + LIES)
def test_hostile_bytes_under_an_unknown_key_are_refused(name: str, data: bytes, code: str) -> None:
    assert code_of(decode, b"\x81\xa5later" + data, Open) == code


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 1_024, 1_025, 60_000])
def test_depth_bomb_is_refused_without_recursion_error(levels: int) -> None:
    assert code_of(check, nested(levels)) == "enc.depth"
    assert code_of(decode, b"\x81\xa5later" + nested(levels), Open) == "enc.depth"


@pytest.mark.parametrize(("name", "data", "code"), LIES)
def test_length_lie_allocates_nothing(name: str, data: bytes, code: str) -> None:
    code_of(check, data)  # anything imported or cached on first use
    tracemalloc.start()
    try:
        code_of(check, data)
        code_of(decode, data, Demand)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 200_000


@pytest.mark.parametrize("value", [True, False])
def test_deepest_allowed_value_passes(value: bool) -> None:
    data = b"\x91" * MAX_DEPTH + encode(value)

    assert encode(check(data)) == data


def test_largest_allowed_counts_pass() -> None:
    for value in (
        [1] * MAX_ITEMS,
        {f"{n:03d}": n for n in range(MAX_KEYS)},
        "a" * MAX_TEXT,
        {"k" * 32: 1},
        [MAX_INT, -MAX_INT],
    ):
        assert check(encode(value)) == value


@given(VALUES)
def test_plain_value_survives_a_round_trip(value: Any) -> None:
    data = encode(value)

    assert check(data) == value
    assert encode(check(data)) == data


@given(st.dictionaries(KEYS, LEAVES, max_size=8), st.randoms())
def test_order_of_a_dict_does_not_change_its_bytes(value: dict[str, Any], random: Any) -> None:
    shuffled = list(value.items())
    random.shuffle(shuffled)

    assert encode(dict(shuffled)) == encode(value)


def test_tuple_is_written_as_an_array() -> None:
    assert encode((1, 2)) == encode([1, 2])


@given(st.binary(max_size=64))
def test_any_bytes_are_canonical_or_refused(data: bytes) -> None:
    try:
        value = check(data)
    except RemoteProtocolError:
        return
    assert encode(value) == data


@given(st.binary(max_size=200), st.sampled_from([Demand, Envelope, Header, KeyOp, Open]))
def test_any_bytes_are_decoded_as_canonical_or_refused(data: bytes, type_: type) -> None:
    try:
        decode(data, type_)
    except RemoteProtocolError:
        return
    assert encode(check(data)) == data


@given(VALUES, st.data())
def test_a_flipped_byte_is_canonical_or_refused(value: Any, data: st.DataObject) -> None:
    raw = bytearray(encode(value))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))

    try:
        again = check(bytes(raw))
    except RemoteProtocolError:
        return
    assert encode(again) == bytes(raw)


def test_keys_of_a_later_version_are_ignored() -> None:
    data = encode({"known": 3, "later": [1, {"x": b""}]})

    assert decode(data, Open) == Open(known=3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode({"known": 10}), "above the field's bound"),
        (encode({"known": "3"}), "text for an integer"),
        (encode([3]), "an array for a map"),
        (encode({"known": True}), "a bool is no integer"),
    ],
)
def test_canonical_bytes_of_another_shape_break_the_schema(data: bytes, reason: str) -> None:
    assert code_of(decode, data, Open) == "schema.invalid"


def test_integral_float_for_an_integer_is_refused_as_float() -> None:
    assert code_of(decode, b"\x81\xa5known\xcb\x40\x08" + bytes(6), Open) == "enc.float"


@pytest.mark.parametrize("read", [check, lambda data, **kw: decode(data, Open, **kw)])
def test_more_bytes_than_the_limit_are_refused_unread(read: Any) -> None:
    assert code_of(read, b"\xc1" * (MAX_PAYLOAD + 1)) == "enc.size"
    assert code_of(read, b"\xc1" * 11, limit=10) == "enc.size"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"a": None}, "enc.nil"),
        ([1.5], "enc.float"),
        ({1: 2, "a": 3}, "enc.key"),
        ({"A": 1}, "enc.key"),
        (10**30, "enc.int_range"),
        ("\ud800", "enc.utf8"),
        ("a\x00", "enc.nul"),
        ("a" * (MAX_TEXT + 1), "enc.items"),
        ([0] * (MAX_ITEMS + 1), "enc.items"),
        ({f"{n:03d}": n for n in range(MAX_KEYS + 1)}, "enc.items"),
        (frozenset(), "enc.ext"),
        (bytearray(b"x"), "enc.ext"),
        ([[[[[[[[[]]]]]]]]], "enc.depth"),
        (Open(known=2**64), "schema.invalid"),
        (Open(known="\ud800"), "schema.invalid"),
    ],
)
def test_what_cmp1_cannot_write_is_our_callers_fault(value: Any, code: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        encode(value)

    assert caught.value.code == code


def test_a_strangers_long_key_is_not_repeated_in_full() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        check(b"\x81\xda\x10\x00" + b"K" * 4_096 + b"\x01")

    assert len(caught.value.detail) < 120
