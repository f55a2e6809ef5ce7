"""When sums of hidden lines may be published, and what of that every member can tell."""

import pytest

from sheaf_protocol.digest import CoopId, digest
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.private_demand import (
    Line,
    check_disclosure,
    check_own_share,
    check_published,
)

K = 3
MOST = 7_000
Lines = dict[CoopId, Line]


def coop(name: str) -> CoopId:
    return CoopId(digest("test", name.encode()))


def lines(**line: Line) -> Lines:
    return {coop(name): each for name, each in line.items()}


def refusal(error: pytest.ExceptionInfo[RemoteProtocolError]) -> str:
    assert error.value.fault is Fault.AUTHOR
    return error.value.code


FIVE = lines(a=(5, 4), b=(5, 4), c=(5, 4), d=(5, 4), e=(5, 4))


def test_sum_of_enough_lines_of_one_size_may_be_published() -> None:
    assert check_disclosure(FIVE, [], 5, MOST) is None


@pytest.mark.parametrize(
    ("few", "reason"),
    [
        ({}, "nobody bid"),
        (lines(a=(5, 4), b=(5, 4)), "two"),
        (lines(a=(5, 4), b=(5, 4), c=(0, 0)), "two, and one that wants nothing"),
    ],
)
def test_sum_of_too_few_lines_is_withheld(few: Lines, reason: str) -> None:
    assert check_disclosure(few, [], K, 10_000) == "curve.too_few", reason


@pytest.mark.parametrize(
    ("unequal", "code", "reason"),
    [
        (lines(a=(70, 1), b=(20, 1), c=(10, 1)), None, "just as much as it may be"),
        (lines(a=(71, 1), b=(20, 1), c=(10, 1)), "curve.dominance", "one unit more"),
        (lines(a=(9, 8), b=(9, 1), c=(9, 1)), "curve.dominance", "at the higher price alone"),
        (lines(a=(9, 1), b=(9, 0), c=(9, 0)), "curve.dominance", "the only one at a price"),
        (lines(a=(9, 0), b=(9, 0), c=(9, 0)), None, "nobody at a price"),
    ],
)
def test_sum_that_one_line_dominates_at_any_level_is_withheld(
    unequal: Lines, code: str | None, reason: str
) -> None:
    assert check_disclosure(unequal, [], K, MOST) == code, reason


@pytest.mark.parametrize(
    ("before", "code", "reason"),
    [
        (FIVE, None, "the same lines: nothing new"),
        (FIVE | lines(e=(6, 4)), "curve.differencing", "one line is another"),
        (FIVE | lines(f=(6, 4)), "curve.differencing", "one co-op is gone"),
        (lines(a=(5, 4), b=(5, 4), c=(5, 4), d=(5, 4)), "curve.differencing", "one came"),
        (FIVE | lines(e=(6, 4), d=(5, 5)), "curve.differencing", "two of three"),
        (FIVE | lines(e=(6, 4), d=(5, 5), c=(5, 5)), None, "three"),
        (FIVE | lines(f=(0, 0)), None, "one that wanted nothing is gone"),
        ({coop("z"): (5, 4, 3)}, None, "all are others"),
    ],
)
def test_sum_that_differs_from_an_earlier_one_by_fewer_than_k_lines_is_withheld(
    before: Lines, code: str | None, reason: str
) -> None:
    assert check_disclosure(FIVE, [{}, before], K, MOST) == code, reason


def test_member_passes_totals_over_the_bids_of_enough_co_ops() -> None:
    check_published(FIVE.keys(), [], K)


def test_member_finds_totals_over_the_bids_of_too_few_co_ops() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        check_published({coop("a"), coop("b")}, [], K)

    assert refusal(caught) == "curve.too_few"


@pytest.mark.parametrize("before", ["abcd", "abcdef", "abcdf", "abcdeg", "abc"])
def test_member_finds_totals_that_differ_from_earlier_ones_in_few_co_ops(before: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        check_published(FIVE.keys(), [set(), set(map(coop, before))], K)

    assert refusal(caught) == "curve.differencing"


@pytest.mark.parametrize("before", ["abcde", "ab", "abcdefgh", ""])
def test_member_passes_totals_that_differ_from_earlier_ones_in_none_or_many(before: str) -> None:
    check_published(FIVE.keys(), [set(map(coop, before))], K)


def test_member_passes_totals_of_which_its_own_line_is_small_enough() -> None:
    check_own_share((7, 0), (10, 0), MOST)


def test_member_finds_totals_that_are_mostly_its_own_line() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        check_own_share((7, 8), (10, 10), MOST)

    assert refusal(caught) == "curve.dominance"
