"""Trade item numbers and their check digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_services.pooled_purchasing.lists.gtin import is_gtin, usual


@pytest.mark.parametrize("text", ["4006381333931", "036000291452", "96385074", "10614141000415"])
def test_a_number_whose_last_digit_fits_is_one(text: str) -> None:
    assert is_gtin(text)


@pytest.mark.parametrize(
    "text", ["", "4006381333932", "400638133393", "4006381333931x", "\u0664" * 13, "0" * 11]
)
def test_any_other_is_none(text: str) -> None:
    assert not is_gtin(text)


def test_one_number_has_one_spelling_however_many_noughts_are_before_it() -> None:
    spellings = {usual(text) for text in ("036000291452", "0036000291452", "00036000291452")}

    assert spellings == {"0036000291452"}
    assert usual("10614141000415") == "10614141000415"


@given(st.from_regex(r"\A[0-9]{12}\Z"), st.integers(0, 11), st.integers(1, 9))
def test_a_digit_that_is_mistyped_is_found(twelve: str, at: int, by: int) -> None:
    [right] = [f"{twelve}{last}" for last in range(10) if is_gtin(f"{twelve}{last}")]
    wrong = right[:at] + str((int(right[at]) + by) % 10) + right[at + 1 :]

    assert not is_gtin(wrong)
