"""Numbers are read exactly, or it is asked what they mean."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_services.pooled_purchasing.lists.decimal_mark import MARKS, Number, readings

DECIMALS = st.decimals(min_value=0, max_value=10**9, places=3)
PARTS = [" ", "\u00a0", "\u202f", "'", "\u2019"]


def read(text: str) -> dict[str, str]:
    return {mark: str(number) for mark, number in readings(text).items()}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", "12"),
        ("2,5", "2.5"),
        ("12.50", "12.5"),
        ("0.125", "0.125"),  # nobody parts thousands behind a nought
        ("0,125", "0.125"),
        ("1234.567", "1234.567"),
        ("1234,567", "1234.567"),
        ("1.234,5", "1234.5"),
        ("1,234.5", "1234.5"),
        ("1 234,5", "1234.5"),
        ("1 234", "1234"),
        ("1'234.50", "1234.5"),
        ("1.234.567", "1234567"),
        ("1,234,567.891", "1234567.891"),
        ("1.2340", "1.234"),
        ("\u0661\u0662\u066b\u0665", "12.5"),  # Arabic-Indic, with its own mark
        ("\u0661\u066c\u0662\u0663\u0664", "1234"),
        ("\u06f1\u06f2", "12"),  # Persian
        ("\uff11\uff12", "12"),  # full width
    ],
)
def test_a_number_with_one_reading(text: str, number: str) -> None:
    assert set(read(text).values()) == {number}


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("1.234", "1.234", "1234"),
        ("1,234", "1234", "1.234"),
        ("12.500", "12.5", "12500"),
        ("1.000", "1", "1000"),
        ("999,999", "999999", "999.999"),
    ],
)
def test_one_separator_with_three_digits_behind_it_has_two(
    text: str, point: str, comma: str
) -> None:
    assert read(text) == {"point": point, "comma": comma}


@pytest.mark.parametrize(
    "text",
    [
        "", "x", ".5", "5.", "-5", "+5", "1e3", "1.2.3", "1,20,000", "1 23", "12 34", "1.234 567",
        "1,234 567,8", "1..2", "1 234 567.890.1", "\u00a37.45", "7,45 EUR", "0 123", "\u00b2",
        "\u2460", "1\n2", "9" * 13, "1." + "0" * 10,
    ],
)  # fmt: skip
def test_what_is_no_number_has_no_reading(text: str) -> None:
    assert readings(text) == {}


def grouped(number: Decimal, part: str, mark: str) -> str:
    return f"{number:,f}".replace(",", "\0").replace(".", mark).replace("\0", part)


@given(DECIMALS, st.sampled_from([",", *PARTS]))
def test_what_is_written_with_a_point_is_read_exactly_with_one(number: Decimal, part: str) -> None:
    assert Decimal(str(readings(grouped(number, part, "."))["point"])) == number


@given(DECIMALS, st.sampled_from([".", *PARTS]))
def test_what_is_written_with_a_comma_is_read_exactly_with_one(number: Decimal, part: str) -> None:
    assert Decimal(str(readings(grouped(number, part, ","))["comma"])) == number


@given(st.text(alphabet="0123456789.,' ", max_size=14))
def test_two_readings_differ_only_where_three_digits_follow_one_separator(text: str) -> None:
    found = readings(text)

    if len(set(found.values())) == 2:
        [separator] = [c for c in text if not c.isdigit()]
        before, after = text.split(separator)
        assert (separator in ".,", len(after), 1 <= len(before) <= 3) == (True, 3, True)
        assert not before.startswith("0")


@given(st.integers(0, 10**12), st.integers(0, 9))
def test_a_number_says_itself_so_that_it_is_read_again(digits: int, places: int) -> None:
    text = str(Number(digits, places))

    if len(text.partition(".")[0]) <= 12:
        assert Decimal(text) == Decimal(digits).scaleb(-places)
        assert all(Decimal(str(readings(text)[m])) == Decimal(text) for m in MARKS[:1])
