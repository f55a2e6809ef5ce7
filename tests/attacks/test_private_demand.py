"""Attacks on sums of hidden lines."""

from __future__ import annotations

import pytest
from nacl import bindings

from sheaf_protocol.digest import digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.private_demand import (
    ORDER,
    Bounds,
    Commitment,
    Opening,
    add_openings,
    blinding_from,
    check_opening,
    commit,
    read_commitment,
    verify_totals,
)

BOUNDS = Bounds(levels=3, cap=100)
ORDER_2 = (2**255 - 20).to_bytes(32, "little")


def opening(name: bytes, *line: int) -> Opening:
    """Return a line with a blinding of its own."""
    return Opening(line, blinding_from(digest("test", name) + digest("test", name, name)))


HILL, DALE, FELL = opening(b"hill", 60, 40, 0), opening(b"dale", 9, 9, 9), opening(b"fell", 5, 0, 0)
BIDS = [commit(each) for each in (HILL, DALE, FELL)]


def code_of_totals(bids: list[Commitment], *openings: Opening) -> str:
    """Return why the sums of these openings are no totals of these bids."""
    with pytest.raises(RemoteProtocolError) as caught:
        verify_totals(bids, add_openings(openings), BOUNDS)
    return caught.value.code


def test_coordinator_that_adds_demand_which_nobody_bid_is_found() -> None:
    # A line of the coordinator's own making, with a blinding that it knows, is in the sum.
    invented = opening(b"nobody", 50, 50, 50)

    code = code_of_totals(BIDS, HILL, DALE, FELL, invented)

    assert code == "curve.sum"


def test_coordinator_that_leaves_a_bid_out_of_the_sum_is_found() -> None:
    # The bid is on the list, and the totals are those of the others.
    code = code_of_totals(BIDS, HILL, DALE)

    assert code == "curve.sum"


def test_coordinator_that_moves_units_from_one_bid_to_another_price_is_found() -> None:
    # The sum over all levels is right, the curve is not.
    altered = Opening((50, 50, 0), HILL.blinding)

    code = code_of_totals(BIDS, altered, DALE, FELL)

    assert code == "curve.sum"


def test_member_that_denies_its_bid_is_shown_the_commitment_it_signed() -> None:
    # It opens its commitment to nothing, by a blinding of its choice.
    denied = Opening((0, 0, 0), blinding_from(bytes(range(64))))

    with pytest.raises(RemoteProtocolError) as caught:
        check_opening(BIDS[0], denied, BOUNDS)

    assert caught.value.code == "curve.mismatch"
    check_opening(BIDS[0], HILL, BOUNDS)


def test_two_bids_whose_small_parts_cancel_out_are_refused_before_they_are_added() -> None:
    # Each has the point of order 2 added: the sum is right, and neither bid opens to anything.
    bent = [bindings.crypto_core_ed25519_add(bid, ORDER_2) for bid in BIDS[:2]]
    verify_totals([*map(Commitment, bent), BIDS[2]], add_openings([HILL, DALE, FELL]), BOUNDS)

    with pytest.raises(RemoteProtocolError) as caught:
        read_commitment(bent[0])

    assert caught.value.code == "curve.point"


def test_line_below_nothing_is_refused_at_its_receipt() -> None:
    # Minus five modulo the order of the group, to take five units out of the others' sum.
    negative = Opening((0, 0, ORDER - 5), FELL.blinding)
    bid = commit(negative)

    with pytest.raises(RemoteProtocolError) as caught:
        check_opening(bid, negative, BOUNDS)

    assert caught.value.code == "curve.cap"


def test_line_below_nothing_that_a_coordinator_lets_pass_shows_in_the_totals() -> None:
    # The others' sum is 9 at the last price; minus ten makes it less than nothing.
    negative = Opening((0, 0, ORDER - 10), FELL.blinding)
    bids = [commit(HILL), commit(DALE), commit(negative)]

    code = code_of_totals(bids, HILL, DALE, negative)

    assert code == "curve.cap"
