"""Sums that a co-op bids for its members, and how each of them sees that its line is in."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sheaf_protocol.digest import Digest, digest
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.private_demand import (
    Bounds,
    Line,
    Opening,
    SumNode,
    SumProof,
    check_opening,
    commit,
    prove_sum,
    sum_leaves,
    sum_root,
    verify_sum,
)

BOUNDS = Bounds(levels=2, cap=100)
LINES: list[Line] = [(5, 3), (7, 7), (0, 0), (9, 0), (1, 1)]


def salts(count: int) -> list[bytes]:
    return [digest("test", n.to_bytes(2))[:16] for n in range(count)]


SALTS = salts(8)
ROOT = sum_root(LINES, SALTS)


def refusal(
    proof: SumProof,
    *,
    line: Line = LINES[0],
    root: bytes = ROOT.hash,
    bounds: Bounds = BOUNDS,
    salt: bytes = SALTS[0],
) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        verify_sum(line, salt, proof, root, bounds)
    assert caught.value.fault is Fault.AUTHOR
    return caught.value.code


@pytest.mark.parametrize(
    ("lines", "leaves"), [(0, 1), (1, 1), (2, 2), (3, 4), (5, 8), (8, 8), (9, 16)]
)
def test_tree_has_a_power_of_two_leaves(lines: int, leaves: int) -> None:
    assert sum_leaves(lines) == leaves


def test_root_sums_all_lines() -> None:
    assert ROOT.sums == (22, 11)


@pytest.mark.parametrize("extra", [b"", b"\0"])
def test_salt_of_another_length_proves_nothing(extra: bytes) -> None:
    salt = SALTS[0][:15] + extra * 2
    lone = digest("sum-leaf", salt, b"".join(each.to_bytes(8) for each in LINES[0]))

    with pytest.raises(RemoteProtocolError) as caught:
        verify_sum(LINES[0], salt, SumProof(0, ()), lone, BOUNDS)

    assert caught.value.code == "curve.sum_tree"


def test_node_whose_hashes_are_not_of_32_bytes_is_none() -> None:
    # One node over three leaves: the one in the middle is taken for a part of its neighbour's hash.
    packed = [b"".join(each.to_bytes(8) for each in line) for line in LINES]
    first, middle, last = (digest("sum-leaf", SALTS[n], packed[n]) + packed[n] for n in range(3))
    root = digest("sum-node", first, middle, last)
    beside = SumNode(Digest(first + middle[:32]), LINES[1])

    code = refusal(SumProof(1, (beside,)), line=LINES[2], root=root, salt=SALTS[2])

    assert code == "curve.sum_tree"


@pytest.mark.parametrize("which", range(5))
def test_every_member_finds_its_line_in_the_bid_of_its_co_op(which: int) -> None:
    opening = Opening((22, 11), bytes([9]) + bytes(31))
    bid = commit(opening)

    sums = verify_sum(LINES[which], SALTS[which], prove_sum(LINES, SALTS, which), ROOT.hash, BOUNDS)

    check_opening(bid, replace(opening, line=sums), BOUNDS)


@given(st.lists(st.integers(0, 9).map(lambda n: (n, n // 2)), min_size=1, max_size=17), st.data())
@settings(max_examples=30)
def test_every_line_of_any_tree_is_proven(lines: list[Line], data: st.DataObject) -> None:
    which = data.draw(st.integers(0, len(lines) - 1))
    salted = salts(sum_leaves(len(lines)))
    root, bounds = sum_root(lines, salted), Bounds(levels=2, cap=1_000)

    sums = verify_sum(
        lines[which], salted[which], prove_sum(lines, salted, which), root.hash, bounds
    )

    assert sums == root.sums == tuple(map(sum, zip(*lines, strict=True)))


def test_places_of_leaves_do_not_follow_the_order_of_lines() -> None:
    places = [prove_sum(LINES, SALTS, which).index for which in range(5)]

    assert sorted(set(places)) != places


def test_member_whose_line_was_left_out_finds_no_path() -> None:
    without = sum_root(LINES[1:], SALTS[1:5])

    assert refusal(prove_sum(LINES, SALTS, 0), root=without.hash) == "curve.sum_tree"


def test_line_other_than_the_one_summed_is_found() -> None:
    assert refusal(prove_sum(LINES, SALTS, 0), line=(6, 3)) == "curve.sum_tree"


@pytest.mark.parametrize("height", range(3))
def test_sums_beside_the_path_cannot_be_altered(height: int) -> None:
    proof = prove_sum(LINES, SALTS, 0)
    path = [*proof.path]
    path[height] = replace(path[height], sums=(99, 0))

    code = refusal(replace(proof, path=tuple(path)), bounds=Bounds(levels=2, cap=1_000))

    assert code == "curve.sum_tree"


def test_index_above_the_path_is_refused() -> None:
    proof = prove_sum(LINES, SALTS, 0)

    assert refusal(replace(proof, index=proof.index + 8)) == "curve.sum_tree"


def test_path_from_another_place_is_refused() -> None:
    proof = prove_sum(LINES, SALTS, 0)

    assert refusal(replace(proof, index=proof.index ^ 1)) == "curve.sum_tree"


@pytest.mark.parametrize(
    ("sums", "code"),
    [
        ((-5, -5), "curve.cap"),
        ((101, 0), "curve.cap"),
        ((96, 0), "curve.cap"),
        ((1, 2), "curve.order"),
        ((1,), "curve.levels"),
    ],
)
def test_sums_that_no_lines_make_are_refused(sums: Line, code: str) -> None:
    beside = SumNode(Digest(digest("test", b"beside")), sums)

    assert refusal(SumProof(0, (beside,))) == code


def test_own_line_beyond_the_bounds_is_refused() -> None:
    assert refusal(SumProof(0, ()), line=(101, 0)) == "curve.cap"


def test_salts_are_as_many_as_leaves() -> None:
    with pytest.raises(ValueError, match="zip"):
        sum_root(LINES, SALTS[:5])
