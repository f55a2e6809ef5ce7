"""Commitments to lines, their openings, and sums of them."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings

from sheaf_protocol.digest import digest
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.private_demand import (
    IDENTITY,
    ORDER,
    Bounds,
    Commitment,
    Opening,
    add_openings,
    blinding_from,
    check_line,
    check_opening,
    commit,
    generator,
    read_commitment,
    verify_totals,
)

CAP = 10**12
BOUNDS = Bounds(levels=4, cap=CAP)
ZERO = bytes(32)
LINES = st.lists(st.integers(0, CAP), min_size=4, max_size=4).map(
    lambda line: tuple(sorted(line, reverse=True))
)


def scalar(number: int) -> bytes:
    return number.to_bytes(32, "little")


def blinding(name: bytes) -> bytes:
    return blinding_from(digest("test", name) + digest("test", name, b"2"))


def opening(*line: int, name: bytes = b"a") -> Opening:
    return Opening(line, blinding(name))


def openings() -> list[Opening]:
    lines = [(9, 5, 5, 0), (0, 0, 0, 0), (CAP, CAP, CAP, CAP), (3, 3, 3, 3)]
    return [Opening(line, blinding(bytes([n]))) for n, line in enumerate(lines)]


def code_of(error: pytest.ExceptionInfo[RemoteProtocolError]) -> str:
    assert error.value.fault is Fault.AUTHOR
    return error.value.code


def mixed_order() -> bytes:
    """A point of prime order and one of order 2 added: on the curve, outside the subgroup."""
    order_2 = (2**255 - 20).to_bytes(32, "little")
    return bytes(bindings.crypto_core_ed25519_add(generator(0), order_2))


# Generators


def test_generators_are_points_of_prime_order_and_all_different() -> None:
    points = [generator(level) for level in range(64)]

    assert len({*points, bindings.crypto_scalarmult_ed25519_base_noclamp(scalar(1))}) == 65
    assert all(bindings.crypto_core_ed25519_is_valid_point(point) for point in points)


# Commitments


def test_bid_commits_to_the_line_level_by_level() -> None:
    by_hand = bindings.crypto_core_ed25519_add(
        bindings.crypto_scalarmult_ed25519_noclamp(scalar(7), generator(0)),
        bindings.crypto_scalarmult_ed25519_base_noclamp(scalar(5)),
    )

    assert commit(Opening((7, 0, 0, 0), scalar(5))) == by_hand


def test_bid_of_zeros_is_a_point_like_any_other() -> None:
    bid = commit(opening(0, 0, 0, 0))

    assert bid == bindings.crypto_scalarmult_ed25519_base_noclamp(blinding(b"a"))
    check_opening(bid, opening(0, 0, 0, 0), BOUNDS)


def test_one_line_with_two_blindings_makes_two_commitments() -> None:
    assert commit(opening(4, 3, 2, 1, name=b"a")) != commit(opening(4, 3, 2, 1, name=b"b"))


def test_nothing_blinded_by_nothing_is_no_commitment() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        commit(Opening((0, 0, 0, 0), ZERO))

    assert code_of(caught) == "curve.point"


def test_repr_of_an_opening_shows_nothing_of_it() -> None:
    assert repr(Opening((5, 4, 3, 2), blinding(b"a"))) == "Opening()"


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        (IDENTITY, "the identity, a commitment to nothing by nobody"),
        (ZERO, "a point of order 4"),
        ((2**255 - 20).to_bytes(32, "little"), "the point of order 2"),
        (bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "8"),
        (mixed_order(), "a point of mixed order"),
        (b"\2" + bytes(31), "no point has y = 2"),
        (b"\xee" + b"\xff" * 30 + b"\x7f", "y = p + 1, the identity's second spelling"),
        (IDENTITY[:31], "a byte too few"),
        (generator(0) + b"\0", "a byte too many"),
    ],
)
def test_point_that_is_no_commitment_is_refused(point: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read_commitment(point)

    assert code_of(caught) == "curve.point", reason


# Openings


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ((5, 4, 3), "curve.levels"),
        ((5, 4, 3, 2, 1), "curve.levels"),
        ((), "curve.levels"),
        ((CAP + 1, 4, 3, 2), "curve.cap"),
        ((5, 4, 3, -1), "curve.cap"),
        ((5, 4, 4, 5), "curve.order"),
        ((0, 0, 0, 1), "curve.order"),
    ],
)
def test_line_that_no_one_may_bid_is_refused(line: tuple[int, ...], code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        check_line(line, BOUNDS)

    assert code_of(caught) == code


def test_negative_line_that_a_bid_commits_to_modulo_the_order_is_refused() -> None:
    less_than_nothing = Opening((5, 4, 3, ORDER - 1), blinding(b"a"))
    bid = commit(less_than_nothing)

    with pytest.raises(RemoteProtocolError) as caught:
        check_opening(bid, less_than_nothing, BOUNDS)

    assert code_of(caught) == "curve.cap"


@given(LINES, st.binary(min_size=64, max_size=64).filter(any))
@settings(max_examples=20)
def test_bid_opens_to_what_it_was_made_of(line: tuple[int, ...], random: bytes) -> None:
    opened = Opening(line, blinding_from(random))

    check_opening(commit(opened), opened, BOUNDS)


@pytest.mark.parametrize(
    ("denied", "reason"),
    [
        (opening(9, 5, 5, 1), "one unit more at one level"),
        (opening(9, 5, 5, 0, name=b"b"), "another blinding"),
        (opening(0, 0, 0, 0), "I never wanted anything"),
        (opening(10, 5, 5, 0), "one unit more at the lowest price"),
    ],
)
def test_bid_opens_to_nothing_else(denied: Opening, reason: str) -> None:
    bid = commit(opening(9, 5, 5, 0))

    with pytest.raises(RemoteProtocolError) as caught:
        check_opening(bid, denied, BOUNDS)

    assert code_of(caught) == "curve.mismatch", reason


@pytest.mark.parametrize("spelling", [ORDER, ORDER + 5, 2**256 - 1])
def test_blinding_in_a_second_spelling_is_refused(spelling: int) -> None:
    bid = commit(Opening((1, 1, 1, 1), scalar(5)))

    with pytest.raises(RemoteProtocolError) as caught:
        check_opening(bid, Opening((1, 1, 1, 1), scalar(spelling)), BOUNDS)

    assert code_of(caught) == "curve.scalar"


@pytest.mark.parametrize("blinded", [b"", bytes(31), bytes(33)])
def test_blinding_of_another_length_is_refused(blinded: bytes) -> None:
    bid = commit(opening(1, 1, 1, 1))

    with pytest.raises(RemoteProtocolError) as caught:
        check_opening(bid, Opening((1, 1, 1, 1), blinded), BOUNDS)

    assert code_of(caught) == "curve.scalar"


# Sums


def test_totals_of_all_bids_pass() -> None:
    bids = [commit(each) for each in openings()]

    totals = add_openings(openings())

    assert totals.line == (CAP + 12, CAP + 8, CAP + 8, CAP + 3)
    verify_totals(bids, totals, BOUNDS)


def test_totals_of_lines_of_zeros_pass() -> None:
    nothing = [opening(0, 0, 0, 0, name=bytes([n])) for n in range(3)]

    verify_totals([commit(each) for each in nothing], add_openings(nothing), BOUNDS)


def test_blindings_that_cancel_out_pass() -> None:
    pair = [Opening((0,), scalar(5)), Opening((0,), scalar(ORDER - 5))]

    totals = add_openings(pair)

    assert totals == Opening((0,), ZERO)
    verify_totals([commit(each) for each in pair], totals, Bounds(levels=1, cap=1))


def test_sum_of_the_most_and_largest_lines_does_not_begin_anew() -> None:
    many = [Opening((CAP,), blinding(n.to_bytes(2))) for n in range(1_024)]

    totals = add_openings(many)

    assert totals.line == (1_024 * CAP,)
    verify_totals([commit(each) for each in many], totals, Bounds(levels=1, cap=CAP))


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("by", [1, -1])
def test_total_inflated_or_cut_by_one_unit_is_found(level: int, by: int) -> None:
    totals = add_openings([opening(9, 7, 5, 3), opening(9, 7, 5, 3, name=b"b")])
    line = [*totals.line]
    line[level] += by
    bids = [commit(opening(9, 7, 5, 3)), commit(opening(9, 7, 5, 3, name=b"b"))]

    with pytest.raises(RemoteProtocolError) as caught:
        verify_totals(bids, replace(totals, line=tuple(line)), BOUNDS)

    assert code_of(caught) == "curve.sum"


def test_totals_without_one_of_the_bids_are_found() -> None:
    bids = [commit(each) for each in openings()]

    with pytest.raises(RemoteProtocolError) as caught:
        verify_totals(bids, add_openings(openings()[1:]), BOUNDS)

    assert code_of(caught) == "curve.sum"


def test_totals_with_a_bid_that_nobody_made_are_found() -> None:
    bids = [commit(each) for each in openings()]
    more = [*openings(), opening(1, 1, 1, 1)]

    with pytest.raises(RemoteProtocolError) as caught:
        verify_totals(bids, add_openings(more), BOUNDS)

    assert code_of(caught) == "curve.sum"


def test_total_above_what_so_many_may_bid_is_refused() -> None:
    negative = Opening((0, 0, 0, 0), blinding(b"a"))
    huge = Opening((2 * CAP + 1, 0, 0, 0), blinding(b"b"))
    bids = [commit(negative), commit(huge)]

    with pytest.raises(RemoteProtocolError) as caught:
        verify_totals(bids, add_openings([negative, huge]), BOUNDS)

    assert code_of(caught) == "curve.cap"


def test_totals_of_another_number_of_levels_are_refused() -> None:
    bids: list[Commitment] = [commit(each) for each in openings()]

    with pytest.raises(RemoteProtocolError) as caught:
        verify_totals(bids, add_openings(openings()), Bounds(levels=5, cap=CAP))

    assert code_of(caught) == "curve.levels"


def test_blinding_of_totals_in_a_second_spelling_is_refused() -> None:
    bids = [commit(each) for each in openings()]
    totals = add_openings(openings())
    again = int.from_bytes(totals.blinding, "little") + ORDER

    with pytest.raises(RemoteProtocolError) as caught:
        verify_totals(bids, replace(totals, blinding=scalar(again)), BOUNDS)

    assert code_of(caught) == "curve.scalar"


def test_commitment_that_came_from_outside_is_the_one_that_was_made() -> None:
    bid = commit(opening(5, 4, 3, 2))

    assert read_commitment(bytes(bid)) == bid
